//! Which requests a rule is for.

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
    /// A header, by its lower-case name; repeats are joined with commas.
    Header(String),
}

/// What a text must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Exactly this.
    Equals(String),
    /// It begins with this; a path in whole segments, unless this ends with a slash.
    Prefix(String),
    /// A regular expression is found in it.
    Regex(String),
    /// It is there.
    Exists,
}
