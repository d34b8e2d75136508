//! `balance round-robin`, `balance ring-hash by header x-user`

use super::Key;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// How one of a destination's endpoints is chosen.
#[derive(Debug)]
pub struct Balance {
    /// The clause.
    pub span: Span,
    /// The way, by its name.
    pub policy: Value,
    /// What tells clients apart, for the ways that do.
    pub by: Option<Key>,
}

impl Balance {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let policy = cx.value(inner.next()?);
        Some(Self { span, policy, by: inner.next().and_then(|p| Key::read(p, cx)) })
    }
}
