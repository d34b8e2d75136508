//! Conditions as formulas of literals with every denial pushed down to the tests.

use crate::ir::{Condition, Pattern, Subject, Test};
use crate::template::Template;

/// What of a request a literal looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key<'a> {
    Path,
    Method,
    /// The host without its port; a literal has the port that it asks for beside it.
    Host,
    Header(&'a str),
    Query(&'a str),
    Cookie(&'a str),
}

/// What a text must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Op<'a> {
    Exists,
    Equals(&'a str),
    Begins(&'a str),
    /// It is this or goes on with a slash.
    Segments(&'a str),
    Ends(&'a str),
    Contains(&'a str),
    Template(&'a Template),
    Regex(&'a str),
}

/// A test with one pattern, or its denial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Literal<'a> {
    pub(super) key: Key<'a>,
    pub(super) op: Op<'a>,
    pub(super) port: Option<&'a str>,
    pub(super) negated: bool,
}

impl Literal<'_> {
    pub(super) fn denied(self) -> Self {
        Self { negated: !self.negated, ..self }
    }
}

/// A condition whose denials stand at its literals alone.
#[derive(Debug, Clone)]
pub(super) enum Formula<'a> {
    And(Vec<Formula<'a>>),
    Or(Vec<Formula<'a>>),
    Literal(Literal<'a>),
}

impl<'a> Formula<'a> {
    /// What holds for every request.
    pub(super) const TRUE: Self = Formula::And(Vec::new());

    pub(super) fn of(condition: &'a Condition, negated: bool) -> Self {
        let each = |parts: &'a [Condition]| parts.iter().map(|part| Formula::of(part, negated)).collect();
        match (condition, negated) {
            (Condition::Not(part), _) => Formula::of(part, !negated),
            (Condition::And(parts), false) | (Condition::Or(parts), true) => Formula::And(each(parts)),
            (Condition::Or(parts), false) | (Condition::And(parts), true) => Formula::Or(each(parts)),
            (Condition::Test(test), _) => {
                let parts = test.patterns.iter().map(|pattern| one(&test.subject, pattern, negated));
                any(parts.collect(), negated)
            }
        }
    }

    /// The denial of the whole.
    pub(super) fn denied(&self) -> Self {
        let each = |parts: &[Formula<'a>]| parts.iter().map(Formula::denied).collect();
        match self {
            Formula::And(parts) => Formula::Or(each(parts)),
            Formula::Or(parts) => Formula::And(each(parts)),
            Formula::Literal(literal) => Formula::Literal(literal.denied()),
        }
    }

    /// Whether it has a test of a subject.
    pub(super) fn looks_at(&self, key: Key<'_>) -> bool {
        match self {
            Formula::And(parts) | Formula::Or(parts) => parts.iter().any(|part| part.looks_at(key)),
            Formula::Literal(literal) => literal.key == key,
        }
    }

    /// The same with every test of the method left out: what a rule takes that also answers what
    /// browsers ask before a call.
    pub(super) fn of_any_method(self) -> Self {
        match self {
            Formula::And(parts) => Formula::And(parts.into_iter().map(Formula::of_any_method).collect()),
            Formula::Or(parts) => Formula::Or(parts.into_iter().map(Formula::of_any_method).collect()),
            Formula::Literal(literal) if literal.key == Key::Method => Formula::TRUE,
            literal @ Formula::Literal(_) => literal,
        }
    }
}

/// Any of these, or, denied, all of the denials.
fn any(mut parts: Vec<Formula<'_>>, negated: bool) -> Formula<'_> {
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return only;
    }
    if negated { Formula::And(parts) } else { Formula::Or(parts) }
}

fn one<'a>(subject: &'a Subject, pattern: &'a Pattern, negated: bool) -> Formula<'a> {
    let key = match subject {
        Subject::Path => Key::Path,
        Subject::Method => Key::Method,
        Subject::Host => Key::Host,
        Subject::Header(name) => Key::Header(name),
        Subject::Query(name) => Key::Query(name),
        Subject::Cookie(name) => Key::Cookie(name),
        Subject::Grpc => return grpc(negated),
    };
    let literal = |op, port| Formula::Literal(Literal { key, op, port, negated });
    let op = match pattern {
        Pattern::Equals(text) if key == Key::Host => return host(text, negated),
        Pattern::Equals(text) => Op::Equals(text),
        Pattern::Prefix(text) if key == Key::Path && !text.ends_with('/') => Op::Segments(text),
        Pattern::Prefix(text) => Op::Begins(text),
        Pattern::Suffix(text) => Op::Ends(text),
        Pattern::Contains(text) => Op::Contains(text),
        Pattern::Regex(text) => Op::Regex(text),
        Pattern::Template(template) => Op::Template(template),
        Pattern::Exists => Op::Exists,
    };
    match op {
        Op::Begins(_) | Op::Ends(_) | Op::Contains(_) | Op::Regex(_) if key == Key::Host => {
            of_names(literal, op, negated)
        }
        op => literal(op, None),
    }
}

/// A test of a host's text, which sees names and IPv4 addresses alone: an IPv6 address has colons, and
/// so no part before a port.
fn of_names<'a>(literal: impl Fn(Op<'a>, Option<&'a str>) -> Formula<'a>, op: Op<'a>, negated: bool) -> Formula<'a> {
    let bracket = Literal { key: Key::Host, op: Op::Begins("["), port: None, negated: !negated };
    let parts = vec![literal(op, None), Formula::Literal(bracket)];
    if negated { Formula::Or(parts) } else { Formula::And(parts) }
}

/// A gRPC call, by its content type.
fn grpc<'a>(negated: bool) -> Formula<'a> {
    let literal = |op| Formula::Literal(Literal { key: Key::Header("content-type"), op, port: None, negated });
    any(vec![literal(Op::Equals("application/grpc")), literal(Op::Begins("application/grpc+"))], negated)
}

/// A host with the port that it names or with any; `*.x` is a name below `x`.
fn host(text: &str, negated: bool) -> Formula<'_> {
    // The colons of an IPv6 address stand in brackets.
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    let literal = |op, port, negated| Formula::Literal(Literal { key: Key::Host, op, port, negated });
    let Some(below) = name.strip_prefix('*') else { return literal(Op::Equals(name), port, negated) };
    let parts = vec![literal(Op::Ends(below), port, negated), literal(Op::Equals(below), None, !negated)];
    if negated { Formula::Or(parts) } else { Formula::And(parts) }
}

/// Where an alternative stands in a condition: the parts and values to go down by.
pub(super) type Place = Vec<usize>;

/// The alternatives of a condition, outer ones before those inside them: where each stands, and
/// the condition with just that one of its alternatives.
pub(super) fn alternatives(condition: &Condition) -> Vec<(Place, Formula<'_>)> {
    let below = |at: usize, place: Place| std::iter::once(at).chain(place).collect::<Place>();
    match condition {
        Condition::And(parts) => {
            let mut all = Vec::new();
            for (at, part) in parts.iter().enumerate() {
                for (place, formula) in alternatives(part) {
                    let others = parts.iter().enumerate().filter(|(other, _)| *other != at);
                    let others = others.map(|(_, other)| Formula::of(other, false));
                    all.push((below(at, place), Formula::And(std::iter::once(formula).chain(others).collect())));
                }
            }
            all
        }
        Condition::Or(parts) => {
            let each = parts.iter().enumerate().flat_map(|(at, part)| {
                let inner = alternatives(part).into_iter().map(move |(place, formula)| (below(at, place), formula));
                std::iter::once((vec![at], Formula::of(part, false))).chain(inner)
            });
            each.collect()
        }
        Condition::Test(Test { subject, patterns }) if patterns.len() > 1 => {
            patterns.iter().enumerate().map(|(at, pattern)| (vec![at], one(subject, pattern, false))).collect()
        }
        Condition::Not(_) | Condition::Test(_) => Vec::new(),
    }
}
