//! `sticky by issued-cookie`, `sticky by header x-user`

use super::Key;
use crate::parse::{Builder, Pair};
use crate::source::Span;

/// The same client keeps its side of a split.
#[derive(Debug)]
pub struct Sticky {
    /// The clause.
    pub span: Span,
    /// What tells clients apart.
    pub key: Key,
}

impl Sticky {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        Some(Self { span, key: Key::read(pair.into_inner().next()?, cx)? })
    }
}
