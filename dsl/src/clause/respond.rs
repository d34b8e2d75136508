//! `respond 503 "down for repair"`

use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// An answer from the proxy itself.
#[derive(Debug)]
pub struct Respond {
    /// The clause.
    pub span: Span,
    /// The status.
    pub status: Value,
    /// The body, if written.
    pub body: Option<Value>,
}

impl Respond {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let status = cx.value(inner.next()?);
        Some(Self { span, status, body: inner.next().map(|p| cx.value(p)) })
    }
}
