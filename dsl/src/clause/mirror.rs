//! `mirror 5% to v2`

use super::Destination;
use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// Copies of requests, whose answers nobody sees.
#[derive(Debug)]
pub struct Mirror {
    /// The clause.
    pub span: Span,
    /// How many of the requests; all of them where not written.
    pub share: Option<Value>,
    /// Where the copies go.
    pub destination: Destination,
}

impl Mirror {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let first = inner.next()?;
        let (share, destination) = match first.as_rule() {
            Rule::number => (Some(cx.value(first)), inner.next()?),
            _ => (None, first),
        };
        Some(Self { span, share, destination: Destination::read(destination, cx)? })
    }
}
