//! `patch cluster v1 `…`` and `patch route | http | listener `…``

use super::Destination;
use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// A JSON merge patch, written in YAML, of what the compiler makes.
#[derive(Debug)]
pub struct Patch {
    /// The clause.
    pub span: Span,
    /// What is patched.
    pub target: PatchTarget,
    /// The patch.
    pub text: Value,
}

/// What a patch is for.
#[derive(Debug)]
pub enum PatchTarget {
    /// The cluster of a destination.
    Cluster(Destination),
    /// `route`, `http`, `listener`
    Word(Value),
}

impl Patch {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let first = inner.next()?;
        let target = match first.as_rule() {
            Rule::destination => PatchTarget::Cluster(Destination::read(first, cx)?),
            _ => PatchTarget::Word(cx.value(first)),
        };
        Some(Self { span, target, text: cx.value(inner.next()?) })
    }
}
