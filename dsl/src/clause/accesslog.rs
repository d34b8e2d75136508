//! `accesslog stdout json`, `accesslog stdout "%REQ(:METHOD)% …"`

use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// One line for each request.
#[derive(Debug)]
pub struct Accesslog {
    /// The clause.
    pub span: Span,
    /// Where the lines go.
    pub sink: Value,
    /// `json`, or a text format.
    pub format: Value,
}

impl Accesslog {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        Some(Self { span, sink: cx.value(inner.next()?), format: cx.value(inner.next()?) })
    }
}
