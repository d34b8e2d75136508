//! Text → tree, by a stack of pieces: a group or an alternative is a mark on it, which everything
//! above belongs to. What RE2 does to its stack is done here in the same order, since it decides
//! which characters become one text, and so the program's size.

use super::ast::{Flags, Node, Op, Place};
use super::class::{Class, LAST};
use super::repeat::counts;
use super::{Problem, factor};
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

/// The longest pattern that is read; far above what any limit on programs leaves.
const LONGEST: usize = 16 * 1024;
/// How deep groups nest at most, and pieces of any kind.
const DEEPEST: usize = 100;
const HIGHEST: usize = 300;

/// A pattern that RE2 takes.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    pub(crate) tree: Node,
    /// How many groups capture.
    pub(crate) groups: usize,
    /// The same pattern in the syntax that RE2 of any age and `regex-syntax` read alike.
    pub(crate) text: String,
    pub(crate) oddities: Vec<Oddity>,
    /// The counted repetitions, and the least that each counts.
    pub(crate) counts: Vec<(Range<usize>, u32)>,
}

/// A piece that RE2 reads differently than it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Oddity {
    pub(crate) at: Range<usize>,
    pub(crate) kind: OddityKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OddityKind {
    /// `&&`, `--` or `~~` in a class.
    SetOperator,
    /// A class in a class.
    NestedClass,
    /// `{…}` that is no repetition.
    Braces,
    /// `\<` or `\>`.
    Angle,
    /// `\d`, `\w`, `\s`, `\b` or the like.
    AsciiOnly,
    /// A character beyond ASCII.
    BeyondAscii,
}

pub(super) enum Item {
    Node(Node),
    Open { at: usize, captures: bool, flags: Flags },
    Bar,
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) flags: Flags,
    pub(super) groups: usize,
    pub(super) names: BTreeSet<&'a str>,
    pub(super) edits: Vec<(Range<usize>, String)>,
    pub(super) oddities: Vec<Oddity>,
    pub(super) counts: Vec<(Range<usize>, u32)>,
    pub(super) stack: Vec<Item>,
    depth: usize,
}

/// Parses a pattern as RE2 does.
pub(crate) fn parse(text: &str) -> Result<Parsed, Problem> {
    if text.len() > LONGEST {
        let what = format!("this pattern is longer than {LONGEST} bytes");
        return Err(Problem::new(0..text.len(), what, "make it shorter, or several tests of it"));
    }
    let mut parser = Parser {
        text,
        at: 0,
        flags: Flags::default(),
        groups: 0,
        names: BTreeSet::new(),
        edits: Vec::new(),
        oddities: Vec::new(),
        counts: Vec::new(),
        stack: Vec::new(),
        depth: 0,
    };
    let mut repeated = None;
    while let Some(c) = parser.peek() {
        repeated = parser.piece(c, repeated)?;
    }
    let tree = parser.finish()?;
    let text = parser.edited();
    if let Err(error) = regex_syntax::ast::parse::Parser::new().parse(&text) {
        let what = format!("this pattern is broken: {}", error.kind());
        return Err(Problem::new(0..parser.text.len(), what, "write it more plainly"));
    }
    Ok(Parsed { tree, groups: parser.groups, text, oddities: parser.oddities, counts: parser.counts })
}

impl<'a> Parser<'a> {
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Goes on behind this text, if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let next = self.rest().starts_with(text);
        if next {
            self.at += text.len();
        }
        next
    }

    /// From `start` to what was read last.
    pub(super) fn since(&self, start: usize) -> Range<usize> {
        start..self.at
    }

    pub(super) fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or("")
    }

    pub(super) fn odd(&mut self, at: Range<usize>, kind: OddityKind) {
        self.oddities.push(Oddity { at, kind });
    }

    /// Reads one piece; gives where it starts if it is a repetition. `repeated` says the same of
    /// the piece before.
    fn piece(&mut self, c: char, repeated: Option<usize>) -> Result<Option<usize>, Problem> {
        let start = self.at;
        match c {
            '*' | '+' | '?' => {
                self.at += 1;
                let lazy = self.eat("?");
                self.not_twice(repeated, start)?;
                self.repeat(c, lazy, start)?;
                return Ok(Some(start));
            }
            '{' => match counts(self.rest()) {
                Some((length, low, high)) => {
                    self.at += length;
                    let lazy = self.eat("?");
                    self.not_twice(repeated, start)?;
                    self.counted(low, high, lazy, start)?;
                    return Ok(Some(start));
                }
                None => self.brace(),
            },
            '(' if self.rest().starts_with("(?") => self.special_group()?,
            '(' => {
                self.at += 1;
                self.open(start, true)?;
            }
            '|' => {
                self.at += 1;
                self.bar();
            }
            ')' => self.close()?,
            '[' => {
                let class = self.class()?;
                self.push_class(class);
            }
            '\\' => self.escaped()?,
            _ => {
                self.at += c.len_utf8();
                self.plain(c, start);
            }
        }
        Ok(None)
    }

    fn plain(&mut self, c: char, start: usize) {
        let lines = self.flags.lines;
        match c {
            '^' => self.push_op(Op::Place(if lines { Place::BeginLine } else { Place::BeginText })),
            '$' => self.push_op(Op::Place(if lines { Place::EndLine } else { Place::Dollar })),
            '.' if self.flags.dot_all => self.push_op(Op::AnyChar),
            '.' => self.push_class(Class::new([(0, 9), (11, LAST)])),
            _ => {
                if !c.is_ascii() {
                    self.odd(start..self.at, OddityKind::BeyondAscii);
                }
                self.literal(c);
            }
        }
    }

    /// A `{` that begins no repetition is a character.
    fn brace(&mut self) {
        let start = self.at;
        if let Some(end) = self.rest().find('}') {
            self.odd(start..start + end + 1, OddityKind::Braces);
        }
        self.at += 1;
        self.edits.push((start..self.at, "\\{".to_owned()));
        self.literal('{');
    }

    pub(super) fn open(&mut self, at: usize, captures: bool) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let what = format!("groups nest deeper than {DEEPEST}");
            return Err(Problem::new(at..self.at, what, "write the pattern with fewer groups"));
        }
        self.groups += usize::from(captures);
        self.settle();
        self.stack.push(Item::Open { at, captures, flags: self.flags });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        let start = self.at;
        self.at += 1;
        let inner = self.alternatives()?;
        let Some(Item::Open { captures, flags, .. }) = self.stack.pop() else {
            let help = r"write `\)` for the character, or `(` where the group begins";
            return Err(Problem::new(self.since(start), "this `)` closes nothing", help));
        };
        self.depth -= 1;
        self.flags = flags;
        self.push(if captures { Node::new(Op::Capture(Rc::new(inner)), flags) } else { inner });
        Ok(())
    }

    fn finish(&mut self) -> Result<Node, Problem> {
        let tree = self.alternatives()?;
        if let Some(Item::Open { at, .. }) = self.stack.pop() {
            let help = r"write `)` where the group ends, or `\(` for the character";
            return Err(Problem::new(at..at + 1, "this group is never closed", help));
        }
        Ok(tree)
    }

    pub(super) fn literal(&mut self, c: char) {
        if self.flags.fold {
            let mut both = Class::of(c);
            both.fold();
            if both.len() > 1 {
                return self.push_class(both);
            }
        }
        if !self.join(Some((c, self.flags))) {
            self.stack.push(Item::Node(Node::new(Op::Literal(c), self.flags)));
        }
    }

    pub(super) fn push_class(&mut self, class: Class) {
        let node = match class.as_literal() {
            Some((c, fold)) => Node::new(Op::Literal(c), Flags { fold: fold || self.flags.fold, ..self.flags }),
            None => Node::new(Op::Class(Rc::new(class)), self.flags.without_fold()),
        };
        self.push(node);
    }

    pub(super) fn push_op(&mut self, op: Op) {
        self.push(Node::new(op, self.flags));
    }

    fn push(&mut self, node: Node) {
        self.settle();
        self.stack.push(Item::Node(node));
    }

    fn settle(&mut self) {
        self.join(None);
    }

    /// Joins the two uppermost pieces where both are characters; with a further character, that one
    /// takes the upper place, since a repetition may be its own.
    fn join(&mut self, further: Option<(char, Flags)>) -> bool {
        let [.., Item::Node(below), Item::Node(top)] = self.stack.as_mut_slice() else { return false };
        let characters = |op: &Op| match op {
            Op::Literal(c) => Some(vec![*c]),
            Op::Text(text) => Some(text.clone()),
            _ => None,
        };
        if below.flags.fold != top.flags.fold || !matches!(below.op, Op::Literal(_) | Op::Text(_)) {
            return false;
        }
        let Some(upper) = characters(&top.op) else { return false };
        match &mut below.op {
            Op::Text(text) => text.extend(upper),
            Op::Literal(c) => below.op = Op::Text(std::iter::once(*c).chain(upper).collect()),
            _ => return false,
        }
        match further {
            Some((c, flags)) => {
                *top = Node::new(Op::Literal(c), flags);
                true
            }
            None => {
                self.stack.pop();
                false
            }
        }
    }

    /// The pieces above the last mark.
    fn above(&mut self) -> Vec<Node> {
        let mut parts = Vec::new();
        while let Some(Item::Node(_)) = self.stack.last() {
            if let Some(Item::Node(node)) = self.stack.pop() {
                parts.push(node);
            }
        }
        parts.reverse();
        parts
    }

    /// Ends an alternative: it goes below the bar, to the others.
    fn bar(&mut self) {
        self.settle();
        let parts = self.above();
        let parts = flat(parts, |op| if let Op::Concat(parts) = op { Ok(parts) } else { Err(op) });
        let node = Node::concat(parts, self.flags);
        if matches!(self.stack.last(), Some(Item::Bar)) {
            self.stack.pop();
            self.beside(node);
        } else {
            self.stack.push(Item::Node(node));
        }
        self.stack.push(Item::Bar);
    }

    /// Puts an alternative to the others; any character swallows a single one.
    fn beside(&mut self, node: Node) {
        if let Some(Item::Node(other)) = self.stack.last_mut() {
            let single = |node: &Node| matches!(node.op, Op::Literal(_) | Op::Class(_) | Op::AnyChar);
            if matches!(other.op, Op::AnyChar) && single(&node) {
                return;
            }
            if matches!(node.op, Op::AnyChar) && single(other) {
                *other = node;
                return;
            }
        }
        self.stack.push(Item::Node(node));
    }

    /// Everything above the last open group, as one piece.
    fn alternatives(&mut self) -> Result<Node, Problem> {
        self.bar();
        self.stack.pop();
        let mut parts = self.above();
        let node = if parts.len() == 1 {
            parts.pop().unwrap_or_else(|| Node::empty(self.flags))
        } else {
            let parts = flat(parts, |op| if let Op::Alternate(parts) = op { Ok(parts) } else { Err(op) });
            factor::alternate(parts, self.flags)
        };
        if node.height > HIGHEST {
            let help = "write the pattern with fewer groups and alternatives";
            return Err(Problem::new(0..self.at, "this pattern nests too deeply", help));
        }
        Ok(node)
    }

    /// The pattern with every edit made.
    fn edited(&self) -> String {
        let mut out = String::with_capacity(self.text.len() + 16);
        let mut at = 0;
        for (range, text) in &self.edits {
            out.push_str(self.slice(at..range.start));
            out.push_str(text);
            at = range.end;
        }
        out.push_str(self.slice(at..self.text.len()));
        out
    }
}

/// Takes the parts of pieces that are of one kind themselves in their place.
fn flat(parts: Vec<Node>, inner: impl Fn(Op) -> Result<Vec<Rc<Node>>, Op>) -> Vec<Node> {
    if parts.len() < 2 {
        return parts;
    }
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        let Node { op, flags, height } = part;
        match inner(op) {
            Ok(inner) => out.extend(inner.into_iter().map(Rc::unwrap_or_clone)),
            Err(op) => out.push(Node { op, flags, height }),
        }
    }
    out
}
