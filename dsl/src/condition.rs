//! Which requests a rule is for: the tree of a `when` condition.

use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// A condition as written.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Every part holds.
    And(Vec<Condition>),
    /// At least one part holds.
    Or(Vec<Condition>),
    /// The part does not hold.
    Not(Box<Condition>),
    /// One test of the request.
    Test(Test),
}

/// One test of the request.
#[derive(Debug, Clone)]
pub struct Test {
    /// What is looked at.
    pub subject: Subject,
    /// How it is compared.
    pub operator: Operator,
    /// With what: any of them; empty for `exists`.
    pub values: Vec<Value>,
    /// The whole test.
    pub span: Span,
}

/// What of the request a test looks at.
#[derive(Debug, Clone)]
pub enum Subject {
    /// The path without the query.
    Path,
    /// The method.
    Method,
    /// The host, without its port unless one is written.
    Host,
    /// A header.
    Header(Value),
    /// A query parameter.
    Query(Value),
    /// A cookie.
    Cookie(Value),
    /// The gRPC service and method.
    Grpc,
}

/// How a text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The whole text.
    Equals,
    /// Its beginning; for a path, whole segments.
    Prefix,
    /// Its end.
    Suffix,
    /// Some part of it.
    Contains,
    /// A regular expression found somewhere in it.
    Regex,
    /// Segments, some of them free: `/users/{id}`.
    Template,
    /// Whether it is there at all.
    Exists,
}

/// What a test can look at, by the word that begins it.
pub const SUBJECTS: &[&str] = &["path", "host", "header", "query", "cookie", "method", "grpc"];

/// How a test can compare, as written.
pub const OPERATORS: &[(&str, Operator)] = &[
    ("=", Operator::Equals),
    ("prefix", Operator::Prefix),
    ("suffix", Operator::Suffix),
    ("contains", Operator::Contains),
    ("regex", Operator::Regex),
    ("template", Operator::Template),
    ("exists", Operator::Exists),
];

impl Condition {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Condition> {
        let many = |pair: Pair<'_>, cx: &mut Builder<'_>| -> Option<Vec<Condition>> {
            pair.into_inner().map(|part| Condition::read(part, cx)).collect()
        };
        match pair.as_rule() {
            Rule::condition => many(pair, cx).map(|parts| one_or(parts, Condition::Or)),
            Rule::conjunction => many(pair, cx).map(|parts| one_or(parts, Condition::And)),
            Rule::negation => {
                let mut inner = pair.into_inner();
                let nots = inner.clone().filter(|p| p.as_rule() == Rule::not).count();
                let part = Condition::read(inner.find(|p| p.as_rule() != Rule::not)?, cx)?;
                Some(if nots % 2 == 1 { Condition::Not(Box::new(part)) } else { part })
            }
            _ => Test::read(pair, cx).map(Condition::Test),
        }
    }
}

fn one_or(mut parts: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    if parts.len() == 1 { parts.remove(0) } else { join(parts) }
}

impl Test {
    fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Test> {
        let span = cx.span(&pair);
        let rule = pair.as_rule();
        let mut inner = pair.into_inner();
        let subject = match rule {
            Rule::path_test => Subject::Path,
            Rule::host_test => Subject::Host,
            Rule::method_test => Subject::Method,
            Rule::grpc_test => Subject::Grpc,
            Rule::query_test => Subject::Query(cx.value(inner.next()?)),
            Rule::cookie_test => Subject::Cookie(cx.value(inner.next()?)),
            _ => Subject::Header(cx.value(inner.next()?)),
        };
        let mut operator = Operator::Equals;
        let mut values = Vec::new();
        for part in inner {
            match part.as_rule() {
                Rule::exists => operator = Operator::Exists,
                Rule::operator => operator = Operator::of(part.as_str()),
                _ => values.push(cx.value(part)),
            }
        }
        Some(Test { subject, operator, values, span })
    }
}

impl Operator {
    fn of(word: &str) -> Operator {
        OPERATORS.iter().find(|(known, _)| *known == word).map_or(Operator::Equals, |(_, operator)| *operator)
    }
}
