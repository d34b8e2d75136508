//! A condition made ready: what a request must be for a rule.

use super::BadPattern;
use super::request::View;
use crate::ir::{Condition, Pattern, Subject, Test};
use crate::regex::matcher;
use meshc_dsl::Span;
use regex::bytes::Regex;

/// A condition with its patterns compiled.
#[derive(Debug)]
pub(super) enum Check<'p> {
    And(Vec<Check<'p>>),
    Or(Vec<Check<'p>>),
    Not(Box<Check<'p>>),
    Test(Probe<'p>),
}

/// One test.
#[derive(Debug)]
pub(super) struct Probe<'p> {
    pub(super) test: &'p Test,
    wanted: Vec<Wanted<'p>>,
}

/// What a text must be.
#[derive(Debug)]
enum Wanted<'p> {
    Equals(&'p str),
    /// A host with its port.
    WithPort(&'p str),
    /// Any host that ends in this.
    Below(&'p str),
    Prefix(&'p str),
    /// The first segments of a path.
    Segments(&'p str),
    Suffix(&'p str),
    Contains(&'p str),
    Regex(Box<Regex>),
    Exists,
}

impl<'p> Check<'p> {
    /// Prepares the condition of the rule at `span`.
    pub(super) fn new(condition: &'p Condition, span: Span) -> Result<Self, BadPattern> {
        let all = |parts: &'p [Condition]| parts.iter().map(|part| Check::new(part, span)).collect::<Result<_, _>>();
        Ok(match condition {
            Condition::And(parts) => Check::And(all(parts)?),
            Condition::Or(parts) => Check::Or(all(parts)?),
            Condition::Not(part) => Check::Not(Box::new(Check::new(part, span)?)),
            Condition::Test(test) => Check::Test(Probe::new(test, span)?),
        })
    }

    /// Whether it holds for a request with this method.
    pub(super) fn holds(&self, view: &View<'_>, method: &str) -> bool {
        match self {
            Check::And(parts) => parts.iter().all(|part| part.holds(view, method)),
            Check::Or(parts) => parts.iter().any(|part| part.holds(view, method)),
            Check::Not(part) => !part.holds(view, method),
            Check::Test(probe) => probe.holds(view, method),
        }
    }
}

impl<'p> Probe<'p> {
    fn new(test: &'p Test, span: Span) -> Result<Self, BadPattern> {
        let wanted = test.patterns.iter().map(|pattern| Wanted::new(&test.subject, pattern, span));
        Ok(Self { test, wanted: wanted.collect::<Result<_, _>>()? })
    }

    fn holds(&self, view: &View<'_>, method: &str) -> bool {
        let any = |text: &str| self.wanted.iter().any(|wanted| wanted.fits(text));
        match &self.test.subject {
            Subject::Path => any(&view.path),
            Subject::Method => any(method),
            Subject::Host => self.wanted.iter().any(|wanted| wanted.fits_host(view)),
            Subject::Header(name) => view.header(name).is_some_and(|value| any(&value)),
            Subject::Query(name) => view.query(name).is_some_and(any),
            Subject::Cookie(name) => view.cookie(name).is_some_and(any),
            Subject::Grpc => view.is_grpc(),
        }
    }
}

impl<'p> Wanted<'p> {
    fn new(subject: &Subject, pattern: &'p Pattern, span: Span) -> Result<Self, BadPattern> {
        let regex = |text: &str| match matcher::compile(text) {
            Ok(regex) => Ok(Wanted::Regex(Box::new(regex))),
            Err(_) => Err(BadPattern { pattern: text.to_owned(), span }),
        };
        let path = *subject == Subject::Path;
        Ok(match pattern {
            Pattern::Equals(host) if *subject == Subject::Host => match host.strip_prefix('*') {
                Some(rest) => Wanted::Below(rest),
                None if has_port(host) => Wanted::WithPort(host),
                None => Wanted::Equals(host),
            },
            Pattern::Equals(text) => Wanted::Equals(text),
            Pattern::Prefix(text) if path && !text.ends_with('/') => Wanted::Segments(text),
            Pattern::Prefix(text) => Wanted::Prefix(text),
            Pattern::Suffix(text) => Wanted::Suffix(text),
            Pattern::Contains(text) => Wanted::Contains(text),
            Pattern::Regex(text) if *subject == Subject::Host => regex(&format!("(?i){text}"))?,
            Pattern::Regex(text) => regex(text)?,
            Pattern::Template(template) => regex(&format!("^{}$", template.regex()))?,
            Pattern::Exists => Wanted::Exists,
        })
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Wanted::Equals(wanted) | Wanted::WithPort(wanted) => text == *wanted,
            Wanted::Below(end) => text.len() > end.len() && text.ends_with(end),
            Wanted::Prefix(start) => text.starts_with(start),
            Wanted::Segments(start) => {
                text.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Wanted::Suffix(end) => text.ends_with(end),
            Wanted::Contains(part) => text.contains(part),
            Wanted::Regex(regex) => regex.is_match(text.as_bytes()),
            Wanted::Exists => true,
        }
    }

    fn fits_host(&self, view: &View<'_>) -> bool {
        match self {
            Wanted::WithPort(host) => view.host == *host,
            Wanted::Below(end) if has_port(end) => self.fits(&view.host),
            Wanted::Equals(_) | Wanted::Exists => self.fits(view.bare_host()),
            // Patterns for Envoy take a colon for the port's, also one of an IPv6 address.
            _ => !view.bare_host().contains(':') && self.fits(view.bare_host()),
        }
    }
}

/// Whether a host has a port; the colons of an IPv6 address stand in brackets.
fn has_port(host: &str) -> bool {
    host.rsplit_once(']').map_or(host, |(_, rest)| rest).contains(':')
}
