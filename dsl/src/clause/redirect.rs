//! `redirect [308] to "https://shop.example.com/new"`

use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// An answer that sends the client elsewhere.
#[derive(Debug)]
pub struct Redirect {
    /// The clause.
    pub span: Span,
    /// The status, if written.
    pub status: Option<Value>,
    /// Where to: a URL or a path.
    pub target: Value,
}

impl Redirect {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let mut first = inner.next()?;
        let mut status = None;
        if first.as_rule() != Rule::target {
            status = Some(cx.value(first));
            first = inner.next()?;
        }
        Some(Self { span, status, target: cx.value(first.into_inner().next()?) })
    }
}
