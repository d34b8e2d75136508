//! Where to look for the rules that may take a request: every rule stands under a test without
//! which it cannot hold, the one under which the fewest others stand so far.

use super::grams::{self, Gram};
use super::literal::{Formula, Key, Literal, Op};
use crate::template::{Segment, Template};
use std::collections::{HashMap, HashSet};

/// A test without which a rule cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Anchor<'a> {
    /// A subject is just this.
    Equals(Key<'a>, &'a str),
    /// The path begins with this, which ends with a slash, or goes on with one.
    Below(&'a str),
    /// The path's first segment is this.
    Segment(&'a str),
    /// A subject has this in it.
    Holds(Key<'a>, Gram),
    /// A subject is there.
    Present(Key<'a>),
    /// No test of the above.
    Any,
}

/// The rules by their anchors.
#[derive(Debug, Default)]
pub(super) struct Index<'a> {
    rules: HashMap<Anchor<'a>, Vec<usize>>,
    /// The subjects of which some rule stands under what they have in them.
    held: HashSet<Key<'a>>,
}

impl<'a> Index<'a> {
    /// Adds a rule, whose number is greater than those before.
    pub(super) fn add(&mut self, rule: usize, formula: &Formula<'a>) {
        let mut anchors = self.anchors(formula);
        anchors.sort_unstable();
        anchors.dedup();
        for anchor in anchors {
            if let Anchor::Holds(key, _) = anchor {
                self.held.insert(key);
            }
            self.rules.entry(anchor).or_default().push(rule);
        }
    }

    /// The rules that may take a request with these texts, in order.
    pub(super) fn candidates<'t>(&self, texts: impl Iterator<Item = (Key<'t>, &'t str)>) -> Vec<usize> {
        let index: &Index<'_> = self;
        let mut found = Vec::new();
        index.under(&Anchor::Any, &mut found);
        for (key, text) in texts {
            index.under(&Anchor::Equals(key, text), &mut found);
            index.under(&Anchor::Present(key), &mut found);
            if index.held.contains(&key) {
                grams::of_text(text).for_each(|gram| index.under(&Anchor::Holds(key, gram), &mut found));
            }
            if key == Key::Path {
                index.under(&Anchor::Segment(text.split('/').nth(1).unwrap_or("")), &mut found);
                let cuts = text.match_indices('/').flat_map(|(at, _)| [at, at + 1]).chain([text.len()]);
                for cut in cuts.filter_map(|at| text.get(..at)) {
                    index.under(&Anchor::Below(cut), &mut found);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn under(&self, anchor: &Anchor<'a>, found: &mut Vec<usize>) {
        found.extend(self.rules.get(anchor).into_iter().flatten());
    }

    /// Anchors of which one holds wherever the formula does.
    fn anchors(&self, formula: &Formula<'a>) -> Vec<Anchor<'a>> {
        match formula {
            Formula::Literal(literal) => vec![self.anchor(literal)],
            Formula::Or(parts) => parts.iter().flat_map(|part| self.anchors(part)).collect(),
            Formula::And(parts) => {
                let each = parts.iter().map(|part| self.anchors(part));
                each.min_by_key(|anchors| self.crowd(anchors)).unwrap_or_else(|| vec![Anchor::Any])
            }
        }
    }

    /// The test itself, or one that holds wherever it does.
    fn anchor(&self, literal: &Literal<'a>) -> Anchor<'a> {
        let plain = anchor(literal);
        let vague =
            matches!((plain, literal.op), (Anchor::Present(_) | Anchor::Any, _) | (Anchor::Below(_), Op::Regex(_)));
        if literal.negated || !vague {
            return plain;
        }
        let held = grams::of_test(literal.key, literal.op).into_iter().map(|gram| Anchor::Holds(literal.key, gram));
        let all = std::iter::once(plain).chain(held);
        all.min_by_key(|anchor| self.crowd(std::slice::from_ref(anchor))).unwrap_or(plain)
    }

    /// How many rules stand under anchors, and how much they tell.
    fn crowd(&self, anchors: &[Anchor<'a>]) -> (bool, usize, usize) {
        let any = anchors.contains(&Anchor::Any);
        let crowd = anchors.iter().filter_map(|anchor| self.rules.get(anchor)).map(Vec::len).sum();
        let telling = |anchor: &Anchor<'_>| match anchor {
            Anchor::Equals(Key::Method, _) => 4,
            Anchor::Equals(..) => 0,
            Anchor::Below(_) | Anchor::Segment(_) => 1,
            Anchor::Holds(..) => 2,
            Anchor::Present(_) => 3,
            Anchor::Any => 5,
        };
        (any, crowd, anchors.iter().map(telling).max().unwrap_or(0))
    }
}

fn anchor<'a>(literal: &Literal<'a>) -> Anchor<'a> {
    match (literal.key, literal.op) {
        _ if literal.negated => Anchor::Any,
        (key, Op::Equals(text)) => Anchor::Equals(key, text),
        (Key::Path, Op::Begins(text) | Op::Segments(text)) => Anchor::Below(text),
        (Key::Path, Op::Template(template)) => first_segment(template),
        (Key::Path, Op::Regex(pattern)) => literal_beginning(pattern).map_or(Anchor::Any, Anchor::Below),
        (key @ (Key::Header(_) | Key::Query(_) | Key::Cookie(_)), _) => Anchor::Present(key),
        _ => Anchor::Any,
    }
}

/// A first segment that is literal, which tells enough.
fn first_segment(template: &Template) -> Anchor<'_> {
    match template.segments.first() {
        Some(Segment::Literal(first)) => Anchor::Segment(first),
        _ => Anchor::Any,
    }
}

/// The text, up to a slash, that every path begins with in which the pattern is found.
fn literal_beginning(pattern: &str) -> Option<&str> {
    let rest = pattern.strip_prefix('^')?;
    if rest.contains('|') {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    let (text, after) = rest.split_at_checked(rest.find(|c| !plain(c)).unwrap_or(rest.len()))?;
    // What stands before a quantifier may be missing.
    let text = if after.starts_with(['?', '*', '{', '+']) { text.get(..text.len().checked_sub(1)?)? } else { text };
    text.get(..=text.rfind('/')?)
}
