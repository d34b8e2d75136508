//! Which requests a rule is for.

use crate::template::Template;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Every part holds.
    And(Vec<Condition>),
    /// At least one part holds.
    Or(Vec<Condition>),
    /// The part does not hold.
    Not(Box<Condition>),
    /// One test.
    Test(Test),
}

/// One test of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// What is looked at.
    pub subject: Subject,
    /// What it must be: any of these; never empty.
    pub patterns: Vec<Pattern>,
}

/// What of the request is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The path without the query.
    Path,
    /// The method.
    Method,
    /// The host in lower case, without its port unless the pattern has one.
    Host,
    /// A header, by its lower-case name; repeats are joined with commas.
    Header(String),
    /// A query parameter: its first value, not decoded.
    Query(String),
    /// A cookie: its first value, or any value on targets that see no first one.
    Cookie(String),
    /// Whether it is a gRPC call, by its content type; the pattern is [`Pattern::Exists`].
    Grpc,
}

/// What a text must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Exactly this.
    Equals(String),
    /// It begins with this; a path in whole segments, unless this ends with a slash.
    Prefix(String),
    /// It ends with this.
    Suffix(String),
    /// It contains this.
    Contains(String),
    /// A regular expression is found in it.
    Regex(String),
    /// A path of these segments.
    Template(Template),
    /// It is there.
    Exists,
}

impl Condition {
    /// Whether it (or, where `negated`, its denial) denies a query parameter, which no Envoy route
    /// match can: see [`crate::lower`].
    pub fn denies_query(&self, negated: bool) -> bool {
        match self {
            Condition::Not(part) => part.denies_query(!negated),
            Condition::And(parts) | Condition::Or(parts) => parts.iter().any(|part| part.denies_query(negated)),
            Condition::Test(test) => negated && matches!(test.subject, Subject::Query(_)),
        }
    }
}
