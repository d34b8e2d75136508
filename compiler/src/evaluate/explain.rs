//! Why a rule does not take a request.

use super::check::{Check, Probe};
use super::request::View;
use super::{Request, Site};
use crate::ir::{Condition, Pattern, Rule, Subject};
use crate::words;
use std::borrow::Cow;

/// A rule that does not take a request.
#[derive(Debug)]
pub struct Miss<'a> {
    /// Its place among the rules of the site, from 0.
    pub index: usize,
    /// The rule.
    pub rule: &'a Rule,
    /// What of its condition does not hold, in words.
    pub reasons: Vec<String>,
}

impl Site<'_> {
    /// The rules in front of the one that wins, or all where none does, each with why it does not take
    /// the request. None where the proxy refuses the request before it tries a rule.
    pub fn misses(&self, request: &Request) -> Vec<Miss<'_>> {
        if super::request::refusal(request).is_some() {
            return Vec::new();
        }
        let Some(view) = View::of(request) else { return Vec::new() };
        let earlier = self.rules.iter().take_while(|ready| ready.claim(&view).is_none());
        let miss = |(index, ready)| {
            let ready: &super::Ready<'_> = ready;
            let reasons = match (&ready.check, &ready.rule.condition) {
                (Some(check), Some(condition)) => check.reasons(&view, condition),
                _ => Vec::new(),
            };
            Miss { index, rule: ready.rule, reasons }
        };
        earlier.enumerate().map(miss).collect()
    }
}

impl Check<'_> {
    /// What of this does not hold; `condition` is what it was made of.
    fn reasons(&self, view: &View<'_>, condition: &Condition) -> Vec<String> {
        let of = |(part, condition): (&Check<'_>, &Condition)| part.reasons(view, condition);
        match (self, condition) {
            _ if self.holds(view, &view.request.method) => Vec::new(),
            (Check::And(parts), Condition::And(conditions)) | (Check::Or(parts), Condition::Or(conditions)) => {
                parts.iter().zip(conditions).flat_map(of).collect()
            }
            (Check::Not(part), Condition::Not(condition)) => vec![match part.as_ref() {
                Check::Test(probe) => format!("{}, and the rule wants that not to be so", probe.seen(view)),
                _ => format!("`{}` holds, and the rule wants it not to", words::condition(condition)),
            }],
            (Check::Test(probe), _) => {
                vec![format!("{}, the rule wants {}", probe.seen(view), probe.wanted_words())]
            }
            _ => Vec::new(),
        }
    }
}

impl Probe<'_> {
    /// What the request has where this looks.
    fn seen(&self, view: &View<'_>) -> String {
        let value = |what: &str, name: &str, value: Option<Cow<'_, str>>| match value {
            Some(value) => format!("{what} `{name}` is `{value}`"),
            None => format!("there is no {what} `{name}`"),
        };
        match &self.test.subject {
            Subject::Path => format!("the path is `{}`", view.path),
            Subject::Method => format!("the method is `{}`", view.request.method),
            Subject::Host => format!("the host is `{}`", view.host),
            Subject::Header(name) => value("header", name, view.header(name)),
            Subject::Query(name) => value("query parameter", name, view.query(name).map(Cow::Borrowed)),
            Subject::Cookie(name) => value("cookie", name, view.cookie(name).map(Cow::Borrowed)),
            Subject::Grpc if view.is_grpc() => "it is a gRPC call".to_owned(),
            Subject::Grpc => "it is no gRPC call".to_owned(),
        }
    }

    fn wanted_words(&self) -> String {
        let path = self.test.subject == Subject::Path;
        let one = |pattern: &Pattern| match pattern {
            Pattern::Equals(text) => format!("`{text}`"),
            Pattern::Prefix(text) if path && !text.ends_with('/') => format!("`{text}` or a path below it"),
            Pattern::Prefix(text) => format!("one that begins with `{text}`"),
            Pattern::Suffix(text) => format!("one that ends with `{text}`"),
            Pattern::Contains(text) => format!("one that contains `{text}`"),
            Pattern::Regex(text) => format!("one in which `{text}` is found"),
            Pattern::Template(template) => format!("one like `{template}`"),
            Pattern::Exists if self.test.subject == Subject::Grpc => "one".to_owned(),
            Pattern::Exists => "some".to_owned(),
        };
        self.test.patterns.iter().map(one).collect::<Vec<_>>().join(" or ")
    }
}
