//! Which rules can be for a request at all: an index by what their conditions ask for in any case,
//! so that a route of thousands of rules is not tried rule by rule.

use super::request::View;
use crate::ir::{Condition, Pattern, Rule, Subject, Test};
use crate::regex::matcher;
use crate::template::{Segment, Template};
use std::borrow::Cow;
use std::collections::HashMap;

/// The rules of a site by what they ask for. Lists are in the order of the rules.
#[derive(Debug, Default)]
pub(super) struct Index<'p> {
    paths: HashMap<Cow<'p, str>, Places>,
    /// The longest key of `paths`.
    longest: usize,
    values: Vec<(Source<'p>, HashMap<&'p str, Vec<u32>>)>,
    /// Rules that ask for nothing that is indexed.
    others: Vec<u32>,
}

/// The rules whose path has to do with a text.
#[derive(Debug, Default)]
struct Places {
    /// The path is it.
    exact: Vec<u32>,
    /// The path is it, or goes on with a slash.
    segments: Vec<u32>,
    /// The path begins with it; it ends with a slash.
    start: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source<'p> {
    Header(&'p str),
    Host,
}

/// A text that a path is, or begins with.
#[derive(Debug, Clone)]
enum Key<'p> {
    Exact(Cow<'p, str>),
    Segments(&'p str),
    Start(Cow<'p, str>),
}

/// What a condition asks for in any case: one of these.
enum Asked<'p> {
    Path(Vec<Key<'p>>),
    Value(Source<'p>, Vec<&'p str>),
}

impl<'p> Index<'p> {
    pub(super) fn new(rules: &'p [Rule]) -> Self {
        let mut index = Self::default();
        for (number, rule) in (0_u32..).zip(rules) {
            match rule.condition.as_ref().and_then(asked) {
                None => index.others.push(number),
                Some(Asked::Path(keys)) => keys.into_iter().for_each(|key| index.path(key, number)),
                Some(Asked::Value(source, values)) => index.value(source, &values, number),
            }
        }
        index
    }

    fn path(&mut self, key: Key<'p>, number: u32) {
        let (Key::Exact(text) | Key::Start(text)) = &key else {
            let Key::Segments(text) = key else { return };
            self.longest = self.longest.max(text.len());
            put(&mut self.paths.entry(Cow::Borrowed(text)).or_default().segments, number);
            return;
        };
        self.longest = self.longest.max(text.len());
        let places = self.paths.entry(text.clone()).or_default();
        put(if matches!(key, Key::Exact(_)) { &mut places.exact } else { &mut places.start }, number);
    }

    fn value(&mut self, source: Source<'p>, values: &[&'p str], number: u32) {
        let at = self.values.iter().position(|(known, _)| *known == source).unwrap_or_else(|| {
            self.values.push((source, HashMap::new()));
            self.values.len() - 1
        });
        let Some((_, map)) = self.values.get_mut(at) else { return };
        for value in values {
            put(map.entry(value).or_default(), number);
        }
    }

    /// The first rule that takes a request, by trying those that can.
    pub(super) fn first<T>(&self, view: &View<'_>, mut tried: impl FnMut(u32) -> Option<T>) -> Option<(u32, T)> {
        let mut candidates = Vec::new();
        self.by_path(&view.path, &mut candidates);
        for (source, map) in &self.values {
            let found = match source {
                Source::Host => map.get(view.bare_host()),
                Source::Header(name) => view.header(name).and_then(|value| map.get(value.as_ref())),
            };
            candidates.extend(found.into_iter().flatten());
        }
        candidates.sort_unstable();
        candidates.dedup();
        let found = candidates.into_iter().find_map(|number| Some((number, tried(number)?)));
        let before = found.as_ref().map_or(u32::MAX, |(number, _)| *number);
        let others = self.others.iter().copied().take_while(|number| *number < before);
        others.into_iter().find_map(|number| Some((number, tried(number)?))).or(found)
    }

    fn by_path(&self, path: &str, candidates: &mut Vec<u32>) {
        let slashes = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        for at in slashes.take_while(|at| *at <= self.longest) {
            if let Some(places) = path.get(..at).and_then(|text| self.paths.get(text)) {
                candidates.extend(&places.segments);
            }
            if let Some(places) = path.get(..=at).and_then(|text| self.paths.get(text)) {
                candidates.extend(&places.start);
            }
        }
        if let Some(places) = self.paths.get(path) {
            candidates.extend(places.exact.iter().chain(&places.segments));
        }
    }
}

/// A rule may ask for the same twice.
fn put(list: &mut Vec<u32>, number: u32) {
    if list.last() != Some(&number) {
        list.push(number);
    }
}

/// What a condition asks for, where an index finds that.
fn asked(condition: &Condition) -> Option<Asked<'_>> {
    match condition {
        Condition::And(parts) => parts.iter().filter_map(asked).max_by_key(Asked::strength),
        Condition::Or(parts) => {
            let mut parts = parts.iter().map(asked);
            parts.next()?.and_then(|first| parts.try_fold(first, |sum, part| sum.or(part?)))
        }
        Condition::Not(_) => None,
        Condition::Test(test) => of_test(test),
    }
}

fn of_test(test: &Test) -> Option<Asked<'_>> {
    let source = match &test.subject {
        Subject::Path => return test.patterns.iter().map(key).collect::<Option<_>>().map(Asked::Path),
        Subject::Host => Source::Host,
        Subject::Header(name) => Source::Header(name),
        _ => return None,
    };
    let values = test.patterns.iter().map(|pattern| equal(pattern, source == Source::Host));
    values.collect::<Option<_>>().map(|values| Asked::Value(source, values))
}

/// The text that a value must be; a host without a port.
fn equal(pattern: &Pattern, host: bool) -> Option<&str> {
    match pattern {
        Pattern::Equals(text) if !host || !text.contains(['*', ':']) => Some(text),
        _ => None,
    }
}

fn key(pattern: &Pattern) -> Option<Key<'_>> {
    Some(match pattern {
        Pattern::Equals(path) => Key::Exact(Cow::Borrowed(path)),
        Pattern::Prefix(text) if text.len() < 2 => return None,
        Pattern::Prefix(text) if text.ends_with('/') => Key::Start(Cow::Borrowed(text)),
        Pattern::Prefix(text) => Key::Segments(text),
        Pattern::Regex(pattern) => start(matcher::start(pattern)?)?,
        Pattern::Template(template) => of_template(template)?,
        Pattern::Suffix(_) | Pattern::Contains(_) | Pattern::Exists => return None,
    })
}

/// The segments with which a path begins that begins with this text.
fn start<'p>(mut text: String) -> Option<Key<'p>> {
    text.truncate(text.rfind('/')? + 1);
    (text.len() > 1).then_some(Key::Start(Cow::Owned(text)))
}

fn of_template(template: &Template) -> Option<Key<'_>> {
    let mut text = String::from("/");
    for segment in &template.segments {
        let Segment::Literal(literal) = segment else { return start(text) };
        text.push_str(literal);
        text.push('/');
    }
    text.pop();
    Some(Key::Exact(Cow::Owned(text)))
}

impl<'p> Asked<'p> {
    /// How few requests fulfil it, roughly.
    fn strength(&self) -> usize {
        match self {
            Asked::Path(keys) if keys.iter().all(|key| matches!(key, Key::Exact(_))) => 3,
            Asked::Path(_) => 2,
            Asked::Value(..) => 1,
        }
    }

    /// This or another one.
    fn or(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Asked::Path(mut keys), Asked::Path(more)) => {
                keys.extend(more);
                Some(Asked::Path(keys))
            }
            (Asked::Value(source, mut values), Asked::Value(same, more)) if source == same => {
                values.extend(more);
                Some(Asked::Value(source, values))
            }
            _ => None,
        }
    }
}
