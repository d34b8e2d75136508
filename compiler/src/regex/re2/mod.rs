//! RE2 as Envoy uses it: which patterns it takes, what they mean, and how large their programs are.
//!
//! Envoy refuses a pattern whose program is larger than a limit, so the program is built here in the
//! way that RE2 builds it: the pattern is parsed ([`parse`]), common beginnings are factored out
//! ([`factor`]), counted repetitions are written out ([`simplify`]), instructions are generated
//! ([`program`]) and laid out in lists ([`flatten`]), whose length is what Envoy counts.

mod ast;
mod class;
mod escape;
mod factor;
mod flatten;
mod group;
mod parse;
mod program;
mod runes;
mod scripts;
mod set;
mod simplify;

pub(crate) use parse::{Oddity, OddityKind, Parsed, parse};

use ast::{Node, Op, Place};
use std::ops::Range;

/// The largest program that is told apart from larger ones; RE2 itself gives up not far above.
pub(crate) const LARGEST: usize = 100_000;

/// Why RE2 refuses a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Which bytes of the pattern it refuses.
    pub(crate) at: Range<usize>,
    /// What is wrong.
    pub(crate) what: String,
    /// What to write instead.
    pub(crate) help: String,
}

impl Problem {
    fn new(at: Range<usize>, what: impl Into<String>, help: impl Into<String>) -> Self {
        Problem { at, what: what.into(), help: help.into() }
    }
}

/// The size of a pattern's program as RE2 counts it, at most [`LARGEST`].
pub(crate) fn size(tree: &Node) -> usize {
    let rest = simplify::simplify(behind_prefix(tree));
    program::build(&rest).map_or(LARGEST, |program| flatten::size(&program))
}

/// What RE2 compiles of a pattern: a text right behind `^` is compared without any program.
fn behind_prefix(tree: &Node) -> Node {
    let Op::Concat(parts) = &tree.op else { return tree.clone() };
    let starts = parts.iter().take_while(|p| matches!(p.op, Op::Place(Place::BeginText))).count();
    let text = parts.get(starts).is_some_and(|p| matches!(p.op, Op::Literal(_) | Op::Text(_)));
    match parts.get(starts + 1..) {
        Some(rest) if starts > 0 && text => {
            Node::concat(rest.iter().map(|part| Node::clone(part)).collect(), tree.flags)
        }
        _ => tree.clone(),
    }
}
