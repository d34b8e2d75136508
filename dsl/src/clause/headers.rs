//! `request header set x-env "prod"`, `response header remove server-timing`

use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// A change of the headers of the request or the response.
#[derive(Debug)]
pub struct HeaderOperation {
    /// The clause.
    pub span: Span,
    /// Of which message.
    pub direction: Direction,
    /// What is done.
    pub change: HeaderChange,
}

/// Which message's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// What the upstream gets.
    Request,
    /// What the client gets.
    Response,
}

/// What is done to the headers.
#[derive(Debug)]
pub enum HeaderChange {
    /// The header has this value alone afterwards.
    Set(Value, Value),
    /// The value is added to those that are there.
    Add(Value, Value),
    /// The headers are taken away.
    Remove(Vec<Value>),
}

impl HeaderOperation {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let direction = match inner.next()?.as_str() {
            "request" => Direction::Request,
            _ => Direction::Response,
        };
        let change = inner.next()?;
        let rule = change.as_rule();
        let mut values = change.into_inner().map(|p| cx.value(p));
        let change = match rule {
            Rule::header_set => HeaderChange::Set(values.next()?, values.next()?),
            Rule::header_add => HeaderChange::Add(values.next()?, values.next()?),
            _ => HeaderChange::Remove(values.collect()),
        };
        Some(Self { span, direction, change })
    }
}
