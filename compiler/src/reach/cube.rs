//! Literals that all must hold, with a request for which they do. The subjects of a request are
//! independent of each other, so that each is looked at by itself.

use super::literal::{Formula, Key, Literal, Op};
use super::regex::Patterns;
use super::request::Request;
use super::text::{self, Found, Wanted};

/// What a subject is in a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Value {
    /// Its texts: none where it is missing, and several only for cookies of one name.
    texts: Vec<String>,
    /// The port behind a host.
    port: Option<String>,
}

/// A subject, what is asked of it, and a value that satisfies that.
#[derive(Debug, Clone)]
struct Entry<'a> {
    key: Key<'a>,
    literals: Vec<Literal<'a>>,
    value: Value,
    /// Whether no value is known, though there may be one.
    unknown: bool,
}

/// Literals that all must hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Cube<'a> {
    entries: Vec<Entry<'a>>,
}

/// What reasoning is done with.
#[derive(Debug, Default)]
pub(super) struct Means<'a> {
    pub(super) patterns: Patterns<'a>,
    /// Whether a test of a cookie sees every cookie of its name, not the first alone.
    pub(super) every_cookie: bool,
    /// How much may still be done.
    pub(super) work: usize,
}

/// What trying a pattern on a text costs, in tests of other kinds, beside the length of the text.
const FOR_A_PATTERN: usize = 8;

/// The host of a request where no rule asks for one.
pub const SOME_HOST: &str = "any.example";

impl Value {
    /// What a subject is where nothing is asked of it.
    fn plain(key: Key<'_>) -> Self {
        let text = match key {
            Key::Path => "/",
            Key::Method => "GET",
            Key::Host => SOME_HOST,
            Key::Header(_) | Key::Query(_) | Key::Cookie(_) => return Self::default(),
        };
        Self { texts: vec![text.to_owned()], port: None }
    }

    /// How long its texts are together.
    fn length(&self) -> usize {
        self.texts.iter().map(String::len).sum()
    }

    /// Whether a literal holds; `None` where that is not understood.
    fn satisfies<'a>(&self, literal: &Literal<'a>, patterns: &Patterns<'a>) -> Option<bool> {
        let port_fits = literal.port.is_none() || literal.port == self.port.as_deref();
        let mut holds = Some(false);
        for text in self.texts.iter().filter(|_| port_fits) {
            match text::passes(literal.key, text, literal.op, patterns) {
                Some(true) => return Some(!literal.negated),
                Some(false) => {}
                None => holds = None,
            }
        }
        holds.map(|holds| holds != literal.negated)
    }
}

impl<'a> Cube<'a> {
    /// Adds a literal; `false` where no request satisfies them all then.
    pub(super) fn add(&mut self, literal: Literal<'a>, means: &mut Means<'a>) -> bool {
        means.work = means.work.saturating_sub(1);
        let at = match self.entries.iter().position(|entry| entry.key == literal.key) {
            Some(at) => at,
            None => {
                let value = Value::plain(literal.key);
                self.entries.push(Entry { key: literal.key, literals: Vec::new(), value, unknown: false });
                self.entries.len() - 1
            }
        };
        let Some(entry) = self.entries.get_mut(at) else { return true };
        if entry.literals.contains(&literal) {
            return true;
        }
        if entry.literals.contains(&literal.denied()) {
            return false;
        }
        entry.literals.push(literal);
        if !entry.unknown && entry.value.satisfies(&literal, &means.patterns) == Some(true) {
            return true;
        }
        match entry.solve(means) {
            Found::One(value) => {
                entry.value = value;
                entry.unknown = false;
            }
            Found::Nothing => return false,
            Found::Unknown => entry.unknown = true,
        }
        true
    }

    /// How much there is to copy.
    pub(super) fn size(&self) -> usize {
        self.entries.iter().map(|entry| 1 + entry.literals.len()).sum()
    }

    /// Whether its request is known.
    pub(super) fn is_known(&self) -> bool {
        !self.entries.iter().any(|entry| entry.unknown)
    }

    /// Whether a formula holds for its request; `false` also where that is not understood.
    pub(super) fn satisfies(&self, formula: &Formula<'a>, means: &mut Means<'a>) -> bool {
        match formula {
            Formula::And(parts) => parts.iter().all(|part| self.satisfies(part, means)),
            Formula::Or(parts) => parts.iter().any(|part| self.satisfies(part, means)),
            Formula::Literal(literal) => {
                let own = self.entries.iter().find(|entry| entry.key == literal.key);
                let test = match (literal.op, own) {
                    (Op::Regex(_), Some(entry)) => FOR_A_PATTERN + entry.value.length(),
                    _ => 1,
                };
                means.work = means.work.saturating_sub(test + self.entries.len() / 16);
                let holds = match own {
                    Some(entry) => entry.value.satisfies(literal, &means.patterns),
                    None => Value::plain(literal.key).satisfies(literal, &means.patterns),
                };
                holds == Some(true)
            }
        }
    }

    /// Every subject of which something is asked, with its texts, and the path and method.
    pub(super) fn texts(&self) -> impl Iterator<Item = (Key<'a>, &str)> {
        let named = |key| !self.entries.iter().any(|entry| entry.key == key);
        let plain = [(Key::Path, "/"), (Key::Method, "GET"), (Key::Host, SOME_HOST)];
        let written =
            self.entries.iter().flat_map(|entry| entry.value.texts.iter().map(|text| (entry.key, text.as_str())));
        written.chain(plain.into_iter().filter(move |(key, _)| named(*key)))
    }

    /// The request; with a host where rules ask for one.
    pub(super) fn request(&self, with_host: bool) -> Request {
        let mut request = Request { host: with_host.then(|| SOME_HOST.to_owned()), ..Request::default() };
        for entry in &self.entries {
            let pairs = |name: &str| entry.value.texts.iter().map(|text| (name.to_owned(), text.clone())).collect();
            let first = || entry.value.texts.first().cloned().unwrap_or_default();
            match entry.key {
                Key::Path => request.path = first(),
                Key::Method => request.method = first(),
                Key::Host => {
                    let port = entry.value.port.as_ref().map(|port| format!(":{port}")).unwrap_or_default();
                    request.host = Some(first() + &port);
                }
                Key::Header(name) => request.headers.extend::<Vec<_>>(pairs(name)),
                Key::Query(name) => request.query.extend::<Vec<_>>(pairs(name)),
                Key::Cookie(name) => request.cookies.extend::<Vec<_>>(pairs(name)),
            }
        }
        request.headers.sort();
        request.query.sort();
        request.cookies.sort();
        request
    }
}

impl<'a> Entry<'a> {
    fn solve(&self, means: &mut Means<'a>) -> Found<Value> {
        match self.key {
            Key::Host => self.host(means),
            Key::Cookie(_) if means.every_cookie => self.cookies(means),
            _ => self.single(means),
        }
    }

    fn find(&self, wanted: &[Wanted<'a>], means: &mut Means<'a>) -> Found<String> {
        text::find(self.key, wanted, &means.patterns, &mut means.work)
    }

    fn single(&self, means: &mut Means<'a>) -> Found<Value> {
        let may_be_missing = !matches!(self.key, Key::Path | Key::Method);
        if may_be_missing && self.literals.iter().all(|literal| literal.negated) {
            return Found::One(Value::default());
        }
        let wanted: Vec<Wanted<'a>> = self.literals.iter().map(|literal| (literal.op, literal.negated)).collect();
        self.find(&wanted, means).with(|text| Value { texts: vec![text], port: None })
    }

    /// A test sees every cookie of the name: each that must hold may have one of its own.
    fn cookies(&self, means: &mut Means<'a>) -> Found<Value> {
        let (denied, wanted): (Vec<&Literal<'a>>, Vec<_>) = self.literals.iter().partition(|literal| literal.negated);
        let mut texts = Vec::with_capacity(wanted.len());
        let mut unknown = false;
        for literal in wanted {
            let one = std::iter::once(literal).chain(denied.iter().copied());
            let one: Vec<Wanted<'a>> = one.map(|literal| (literal.op, literal.negated)).collect();
            match self.find(&one, means) {
                Found::One(text) => texts.push(text),
                Found::Nothing => return Found::Nothing,
                Found::Unknown => unknown = true,
            }
        }
        if unknown { Found::Unknown } else { Found::One(Value { texts, port: None }) }
    }

    /// With each port that a literal names, and without one, which stands for all others.
    fn host(&self, means: &mut Means<'a>) -> Found<Value> {
        let mut ports: Vec<Option<&str>> = vec![None];
        for literal in &self.literals {
            if !ports.contains(&literal.port) {
                ports.push(literal.port);
            }
        }
        let mut unknown = false;
        for port in ports {
            let other = |literal: &&Literal<'_>| literal.port.is_some() && literal.port != port;
            if self.literals.iter().filter(other).any(|literal| !literal.negated) {
                continue;
            }
            let fitting = self.literals.iter().filter(|literal| !other(literal));
            let wanted: Vec<Wanted<'a>> = fitting.map(|literal| (literal.op, literal.negated)).collect();
            match self.find(&wanted, means) {
                Found::One(text) => return Found::One(Value { texts: vec![text], port: port.map(str::to_owned) }),
                Found::Nothing => {}
                Found::Unknown => unknown = true,
            }
        }
        if unknown { Found::Unknown } else { Found::Nothing }
    }
}

impl<T> Found<T> {
    fn with<U>(self, change: impl FnOnce(T) -> U) -> Found<U> {
        match self {
            Found::One(found) => Found::One(change(found)),
            Found::Nothing => Found::Nothing,
            Found::Unknown => Found::Unknown,
        }
    }
}
