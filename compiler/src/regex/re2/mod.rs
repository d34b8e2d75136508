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
mod repeat;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As a real Envoy tells them; `tests/conformance/regex.py` holds many more against it.
    #[test]
    fn sizes_are_those_of_re2() {
        let sizes = [
            ("a", 5),
            ("^/users/[0-9a-f-]{36}", 112),
            ("/users/[0-9a-f-]{36}", 119),
            ("[^/]{1,64}", 579),
            ("(?:a?){3}", 10),
            ("a{99}", 103),
        ];
        for (pattern, wanted) in sizes {
            assert_eq!(parse(pattern).map(|p| size(&p.tree)), Ok(wanted), "{pattern}");
        }
        let long = format!("^/{}$", "a".repeat(3000));
        assert!(parse(&long).is_ok_and(|p| size(&p.tree) < 10), "a text behind `^` is not counted");
    }

    #[test]
    fn the_own_form_of_a_pattern_is_the_same_pattern() {
        for pattern in [r"\Qa.b\E+", "[a&&b]x", "a{,3}", "(?<n>a)(?P<n>b)", "[]a]", r"\101", r"\p{^Greek}", "(?ii-s)a"]
        {
            let (one, other) = (parse(pattern).unwrap(), parse(&parse(pattern).unwrap().text).unwrap());
            assert_eq!(size(&one.tree), size(&other.tree), "{pattern}: {}", one.text);
            assert_eq!((one.groups, &one.text), (other.groups, &other.text), "{pattern}");
        }
    }

    #[test]
    fn hostile_patterns_are_done_with_quickly() {
        let nested = |open: &str, close: &str, count| format!("{}a{}", open.repeat(count), close.repeat(count));
        let refused = [nested("(", ")", 100_000), nested("(?:", ")", 5000), "[".repeat(5000), "a".repeat(100_000)];
        let taken = [
            nested("(", ")*", 90),
            nested("(?:", "{1,2})", 1).repeat(500),
            "(a|b)*".repeat(800),
            (0..120).map(|n| "a".repeat(n)).collect::<Vec<_>>().join("|"),
            "[^a]|\\pL{2}".repeat(400),
            "(?i)k[a-z]".repeat(500),
            "(?:a{30}){30}".repeat(300),
        ];
        let start = std::time::Instant::now();
        for pattern in &refused {
            assert!(parse(pattern).is_err(), "{:.20}", pattern);
        }
        for pattern in &taken {
            let parsed = parse(pattern);
            assert!(parsed.as_ref().is_ok_and(|p| size(&p.tree) > 100), "{:.20}: {:?}", pattern, parsed.err());
        }
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }
}
