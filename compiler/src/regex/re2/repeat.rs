//! Repetitions: `*`, `+`, `?` and counted ones.

use super::Problem;
use super::ast::{Flags, Node, Often, Op};
use super::parse::{Item, Parser};
use std::rc::Rc;

/// RE2's own limit, for a count and for the product of nested ones.
const MOST_REPEATS: u32 = 1000;

impl Parser<'_> {
    pub(super) fn not_twice(&self, repeated: Option<usize>, start: usize) -> Result<(), Problem> {
        let Some(first) = repeated else { return Ok(()) };
        let (before, after) = (self.slice(first..start), self.slice(self.since(start)));
        let what = format!("`{after}` repeats what `{before}` repeats already, which RE2 does not take");
        let help = match after {
            "+" => format!("RE2 has no possessive repetition: write `{before}`"),
            _ => format!("take one of the two away, or write a group: `(?:…{before}){after}`"),
        };
        Err(Problem::new(self.since(first), what, help))
    }

    /// What a repetition repeats.
    fn operand(&mut self, start: usize) -> Result<Node, Problem> {
        match self.stack.pop() {
            Some(Item::Node(node)) => Ok(node),
            other => {
                self.stack.extend(other);
                let what = format!("nothing is in front of `{}` to repeat", self.slice(self.since(start)));
                Err(Problem::new(self.since(start), what, r"write `\` in front of a character that is meant as such"))
            }
        }
    }

    pub(super) fn repeat(&mut self, c: char, lazy: bool, start: usize) -> Result<(), Problem> {
        let often = match c {
            '*' => Often::Star,
            '+' => Often::Plus,
            _ => Often::Quest,
        };
        let flags = Flags { lazy: self.flags.lazy != lazy, ..self.flags };
        let node = self.operand(start)?;
        self.stack.push(Item::Node(repeated(often, node, flags)));
        Ok(())
    }

    pub(super) fn counted(&mut self, low: u32, high: Option<u32>, lazy: bool, start: usize) -> Result<(), Problem> {
        let range = self.since(start);
        let shown = self.slice(range.clone());
        if high.is_some_and(|high| high < low) {
            let what = format!("`{shown}` ends below its beginning");
            return Err(Problem::new(range, what, "write the smaller number first"));
        }
        let most = low.max(high.unwrap_or(0));
        if most > MOST_REPEATS {
            let what = format!("`{shown}` repeats more than {MOST_REPEATS} times, which RE2 does not take");
            return Err(Problem::new(range, what, "write `*` or `+`, which have no limit"));
        }
        let flags = Flags { lazy: self.flags.lazy != lazy, ..self.flags };
        let node = self.operand(start)?;
        let node = Node::new(Op::Counted(Rc::new(node), low, high), flags);
        self.counts.push((range.clone(), low));
        if most >= 2 && left(&node, MOST_REPEATS) == 0 {
            let what = format!("`{shown}` and the repetitions inside make more than {MOST_REPEATS} together");
            return Err(Problem::new(range, what, "write `*` or `+` for one of them, which have no limit"));
        }
        self.stack.push(Item::Node(node));
        Ok(())
    }
}

/// A repetition; of another one of the same flags only one is left.
pub(super) fn repeated(often: Often, node: Node, flags: Flags) -> Node {
    if let Op::Repeat(inner, sub) = &node.op
        && node.flags == flags
    {
        return match *inner == often {
            true => node,
            false => Node::new(Op::Repeat(Often::Star, Rc::clone(sub)), flags),
        };
    }
    Node::new(Op::Repeat(often, Rc::new(node)), flags)
}

/// What is left of so many copies when nested repetitions share them.
fn left(node: &Node, copies: u32) -> u32 {
    match &node.op {
        Op::Counted(sub, low, high) => {
            let most = high.unwrap_or(*low);
            left(sub, copies.checked_div(most).unwrap_or(copies))
        }
        Op::Repeat(_, sub) | Op::Optional(sub, _) | Op::Capture(sub) => left(sub, copies),
        Op::Concat(parts) | Op::Alternate(parts) => parts.iter().map(|p| left(p, copies)).min().unwrap_or(copies),
        _ => copies,
    }
}

/// `{3}`, `{3,}` or `{3,5}` at the start of a text: its length and what it says.
pub(super) fn counts(text: &str) -> Option<(usize, u32, Option<u32>)> {
    let end = text.find('}')?;
    let inner = text.get(1..end)?;
    let (low, high) = match inner.split_once(',') {
        None => (number(inner)?, Some(number(inner)?)),
        Some((low, "")) => (number(low)?, None),
        Some((low, high)) => (number(low)?, Some(number(high)?)),
    };
    Some((end + 1, low, high))
}

fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|n| plain && !leading_zero && *n < 1_000_000_000)
}
