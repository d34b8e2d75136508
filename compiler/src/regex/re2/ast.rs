//! The tree of a pattern, as RE2 has it after parsing: non-capturing groups are gone, neighbouring
//! characters are texts, and common beginnings of alternatives are factored out.

use super::class::Class;
use std::rc::Rc;

/// The flags that hold where a piece was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags {
    /// `i`: case is ignored.
    pub(crate) fold: bool,
    /// `m`: `^` and `$` mean lines.
    pub(crate) lines: bool,
    /// `s`: `.` takes line ends too.
    pub(crate) dot_all: bool,
    /// `U`, or a `?` behind a repetition: as few as possible.
    pub(crate) lazy: bool,
}

impl Flags {
    pub(crate) fn without_fold(self) -> Self {
        Flags { fold: false, ..self }
    }
}

/// A test of a place rather than of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    BeginLine,
    EndLine,
    BeginText,
    /// `\z`
    EndText,
    /// `$`, which is the same and yet not equal to it.
    Dollar,
    WordBoundary,
    NoWordBoundary,
}

/// `*`, `+` or `?`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Often {
    Star,
    Plus,
    Quest,
}

/// A piece of a pattern.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) flags: Flags,
    /// How many pieces are inside each other here.
    pub(crate) height: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    NoMatch,
    Empty,
    Literal(char),
    /// Two characters or more, except where it is what is left of a longer one.
    Text(Vec<char>),
    Class(Rc<Class>),
    AnyChar,
    Place(Place),
    Concat(Vec<Rc<Node>>),
    Alternate(Vec<Rc<Node>>),
    Repeat(Often, Rc<Node>),
    /// `{min,max}`; no `max` is no limit.
    Counted(Rc<Node>, u32, Option<u32>),
    /// Up to so many, each within the one before: `(x(x(x)?)?)?`. Only after simplification.
    Optional(Rc<Node>, u32),
    Capture(Rc<Node>),
}

impl Node {
    pub(crate) fn new(op: Op, flags: Flags) -> Self {
        let height = 1 + match &op {
            Op::Concat(parts) | Op::Alternate(parts) => parts.iter().map(|p| p.height).max().unwrap_or(0),
            Op::Repeat(_, sub) | Op::Counted(sub, ..) | Op::Optional(sub, _) | Op::Capture(sub) => sub.height,
            _ => 0,
        };
        Node { op, flags, height }
    }

    pub(crate) fn empty(flags: Flags) -> Self {
        Node::new(Op::Empty, flags)
    }

    /// A text, or nothing.
    pub(crate) fn text(text: Vec<char>, flags: Flags) -> Self {
        if text.is_empty() { Node::empty(flags) } else { Node::new(Op::Text(text), flags) }
    }

    /// Pieces one behind the other, or nothing, or the only piece.
    pub(crate) fn concat(mut parts: Vec<Node>, flags: Flags) -> Self {
        match parts.len() {
            0 => Node::empty(flags),
            1 => parts.pop().unwrap_or_else(|| Node::empty(flags)),
            _ => Node::new(Op::Concat(parts.into_iter().map(Rc::new).collect()), flags),
        }
    }

    /// Alternatives as they are, or the only one.
    pub(crate) fn alternate(mut parts: Vec<Node>, flags: Flags) -> Self {
        match parts.len() {
            0 => Node::new(Op::NoMatch, flags),
            1 => parts.pop().unwrap_or_else(|| Node::empty(flags)),
            _ => Node::new(Op::Alternate(parts.into_iter().map(Rc::new).collect()), flags),
        }
    }

    /// One character, from a set or as such.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self.op, Op::Literal(_) | Op::Class(_) | Op::AnyChar)
    }

    /// Whether both mean the same; asked only of pieces that RE2 factors out or counts together.
    pub(crate) fn same(&self, other: &Node) -> bool {
        match (&self.op, &other.op) {
            (Op::AnyChar, Op::AnyChar) => true,
            (Op::Literal(a), Op::Literal(b)) => a == b && self.flags.fold == other.flags.fold,
            (Op::Class(a), Op::Class(b)) => a == b,
            (Op::Place(a), Op::Place(b)) => a == b,
            (Op::Counted(a, low, high), Op::Counted(b, low2, high2)) => {
                low == low2 && high == high2 && self.flags.lazy == other.flags.lazy && a.same(b)
            }
            _ => false,
        }
    }
}
