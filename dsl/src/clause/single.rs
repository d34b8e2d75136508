//! Clauses of one keyword and one value: `timeout`, `idle-timeout`, `connect-timeout`,
//! `protocol`, `no`, `use`, `client-address`, `target-port`, `on-failure`.

use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// A clause of one value.
#[derive(Debug)]
pub struct Single {
    /// The clause.
    pub span: Span,
    /// Its value.
    pub value: Value,
}

impl Single {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        Some(Self { span, value: cx.value(pair.into_inner().next()?) })
    }
}
