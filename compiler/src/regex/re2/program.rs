//! Tree → instructions, in the order in which RE2 generates them.

use super::ast::{Node, Often, Op, Place};
use super::class::LAST;
use super::repeat::repeated;
use super::runes::RuneCache;
use super::{LARGEST, class::Class};
use std::rc::Rc;

/// A place in a program.
pub(super) type Id = usize;

/// The instruction that never matches; it is the first of every program, and `0` where a way is
/// still open.
pub(super) const FAIL: Id = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inst {
    Fail,
    Match,
    Nop(Id),
    Alt(Id, Id),
    /// Bytes: first, last, whether case is ignored, and what follows.
    Bytes(u8, u8, bool, Id),
    /// A test of a place, or the edge of a group.
    Mark(Id),
}

/// A piece of a program: where it begins, and its open ways: an instruction's first or second.
#[derive(Debug, Clone)]
pub(super) struct Fragment {
    pub(super) begin: Id,
    pub(super) open: Vec<(Id, bool)>,
    /// Whether it may match nothing.
    nullable: bool,
}

impl Fragment {
    fn never() -> Self {
        Fragment { begin: FAIL, open: Vec::new(), nullable: false }
    }
}

/// A finished program.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) code: Vec<Inst>,
    /// Where a match begins that is held to the start of the text, and one that is not.
    pub(super) start: Id,
    pub(super) search: Id,
}

impl Program {
    pub(super) fn at(&self, id: Id) -> Inst {
        self.code.get(id).copied().unwrap_or(Inst::Fail)
    }
}

/// Builds the program of a simplified tree; `None` above the largest size that is told apart.
pub(super) fn build(tree: &Rc<Node>) -> Option<Program> {
    // RE2 looks for a text right behind `^` by itself, and compiles the rest as if it stood anywhere.
    let (tree, anchored) = match anchored_start(tree, 0) {
        Some(rest) => (rest, true),
        None => (Rc::clone(tree), false),
    };
    let tree = anchored_end(&tree, 0).unwrap_or(tree);
    let mut compiler = Compiler { code: vec![Inst::Fail], visits: 0 };
    let body = compiler.node(&tree)?;
    let end = compiler.leaf(Inst::Match)?;
    let end = Fragment { open: Vec::new(), ..end };
    let body = compiler.cat(body, end);
    let start = body.begin;
    let search = if anchored { start } else { compiler.anywhere(body)?.begin };
    Some(Program { code: compiler.code, start, search })
}

/// How deep anchors are looked for.
const ANCHOR_DEPTH: usize = 4;

/// The tree without the `^` that it begins with.
fn anchored_start(node: &Rc<Node>, depth: usize) -> Option<Rc<Node>> {
    anchored(node, depth, &|parts| parts.first().map(|_| 0), |place| place == Place::BeginText)
}

/// The tree without the `$` that it ends with.
fn anchored_end(node: &Rc<Node>, depth: usize) -> Option<Rc<Node>> {
    anchored(node, depth, &|parts| parts.len().checked_sub(1), |p| matches!(p, Place::EndText | Place::Dollar))
}

fn anchored(
    node: &Rc<Node>,
    depth: usize,
    which: &dyn Fn(&[Rc<Node>]) -> Option<usize>,
    wanted: fn(Place) -> bool,
) -> Option<Rc<Node>> {
    if depth >= ANCHOR_DEPTH {
        return None;
    }
    let flags = node.flags;
    let op = match &node.op {
        Op::Place(place) if wanted(*place) => Op::Empty,
        Op::Capture(sub) => Op::Capture(anchored(sub, depth + 1, which, wanted)?),
        Op::Concat(parts) => {
            let mut parts = parts.clone();
            let part = which(&parts).and_then(|at| parts.get_mut(at))?;
            *part = anchored(part, depth + 1, which, wanted)?;
            Op::Concat(parts)
        }
        _ => return None,
    };
    Some(Rc::new(Node::new(op, flags)))
}

pub(super) struct Compiler {
    pub(super) code: Vec<Inst>,
    visits: usize,
}

impl Compiler {
    pub(super) fn push(&mut self, inst: Inst) -> Option<Id> {
        self.code.push(inst);
        (self.code.len() <= LARGEST).then_some(self.code.len() - 1)
    }

    /// Leads the open ways to an instruction.
    fn patch(&mut self, open: &[(Id, bool)], to: Id) {
        for (id, second) in open {
            match (self.code.get_mut(*id), second) {
                (Some(Inst::Alt(_, out)), true)
                | (Some(Inst::Alt(out, _) | Inst::Nop(out) | Inst::Mark(out) | Inst::Bytes(.., out)), false) => {
                    *out = to
                }
                _ => {}
            }
        }
    }

    fn leaf(&mut self, inst: Inst) -> Option<Fragment> {
        let begin = self.push(inst)?;
        let nullable = matches!(inst, Inst::Nop(_) | Inst::Mark(_));
        Some(Fragment { begin, open: vec![(begin, false)], nullable })
    }

    fn node(&mut self, node: &Node) -> Option<Fragment> {
        self.visits += 1;
        if self.visits > 4 * LARGEST {
            return None;
        }
        let (lazy, fold) = (node.flags.lazy, node.flags.fold);
        match &node.op {
            Op::NoMatch => Some(Fragment::never()),
            Op::Empty => self.leaf(Inst::Nop(FAIL)),
            Op::Literal(c) => self.text(&[*c], fold),
            Op::Text(text) => self.text(text, fold),
            Op::Class(class) => self.class(class),
            Op::AnyChar => RuneCache::new(self).add(0, LAST, false)?.finish(),
            Op::Place(_) => self.leaf(Inst::Mark(FAIL)),
            Op::Concat(parts) => self.parts(parts, |compiler, a, b| Some(compiler.cat(a, b))),
            Op::Alternate(parts) => self.parts(parts, Compiler::alt),
            Op::Capture(sub) => {
                let body = self.node(sub)?;
                self.capture(body)
            }
            Op::Repeat(often, sub) => {
                let body = self.node(sub)?;
                match often {
                    Often::Star => self.star(body, lazy),
                    Often::Plus => self.plus(body, lazy),
                    Often::Quest => self.quest(body, lazy),
                }
            }
            Op::Optional(sub, count) => self.optional(sub, *count, node),
            // There is none after simplification.
            Op::Counted(..) => None,
        }
    }

    fn parts(
        &mut self,
        parts: &[Rc<Node>],
        join: fn(&mut Self, Fragment, Fragment) -> Option<Fragment>,
    ) -> Option<Fragment> {
        // All of them before any is joined, as RE2 walks a tree.
        let parts: Option<Vec<Fragment>> = parts.iter().map(|part| self.node(part)).collect();
        let mut parts = parts?.into_iter();
        let Some(mut all) = parts.next() else { return self.leaf(Inst::Nop(FAIL)) };
        for part in parts {
            all = join(self, all, part)?;
        }
        Some(all)
    }

    fn text(&mut self, text: &[char], fold: bool) -> Option<Fragment> {
        let mut all: Option<Fragment> = None;
        for c in text {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let one = self.leaf(Inst::Bytes(byte, byte, fold && c.is_ascii_alphabetic(), FAIL))?;
                all = Some(match all {
                    Some(all) => self.cat(all, one),
                    None => one,
                });
            }
        }
        all.or_else(|| self.leaf(Inst::Nop(FAIL)))
    }

    /// Where a class has letters in both cases alike, one range stands for both.
    fn class(&mut self, class: &Class) -> Option<Fragment> {
        let [a, z, upper_a, upper_z] = ['a', 'z', 'A', 'Z'].map(u32::from);
        let folds = class.folds_ascii();
        let mut ranges = RuneCache::new(self);
        for (low, high) in class.ranges() {
            let (low, high) = (*low, *high);
            if folds && upper_a <= low && high <= upper_z {
                continue;
            }
            let needless = (low <= upper_a && z <= high) || high < upper_a || z < low || (upper_z < low && high < a);
            ranges = ranges.add(low, high, folds && !needless)?;
        }
        ranges.finish()
    }

    pub(super) fn fragment(begin: Id, open: Vec<(Id, bool)>) -> Fragment {
        Fragment { begin, open, nullable: false }
    }

    fn cat(&mut self, a: Fragment, b: Fragment) -> Fragment {
        if a.begin == FAIL || b.begin == FAIL {
            return Fragment::never();
        }
        self.patch(&a.open, b.begin);
        let only_nop = matches!(self.code.get(a.begin), Some(Inst::Nop(_))) && a.open == [(a.begin, false)];
        if only_nop {
            return b;
        }
        Fragment { begin: a.begin, open: b.open, nullable: a.nullable && b.nullable }
    }

    fn alt(&mut self, a: Fragment, b: Fragment) -> Option<Fragment> {
        if a.begin == FAIL {
            return Some(b);
        }
        if b.begin == FAIL {
            return Some(a);
        }
        let begin = self.push(Inst::Alt(a.begin, b.begin))?;
        Some(Fragment { begin, open: both(a.open, b.open), nullable: a.nullable || b.nullable })
    }

    /// A choice between a piece and going on; the open way is the second unless it comes first.
    fn choice(&mut self, body: Id, lazy: bool) -> Option<(Id, Vec<(Id, bool)>)> {
        let id = self.push(if lazy { Inst::Alt(FAIL, body) } else { Inst::Alt(body, FAIL) })?;
        Some((id, vec![(id, !lazy)]))
    }

    fn plus(&mut self, body: Fragment, lazy: bool) -> Option<Fragment> {
        let (id, open) = self.choice(body.begin, lazy)?;
        self.patch(&body.open, id);
        Some(Fragment { begin: body.begin, open, nullable: body.nullable })
    }

    fn star(&mut self, body: Fragment, lazy: bool) -> Option<Fragment> {
        if body.nullable {
            let once = self.plus(body, lazy)?;
            return self.quest(once, lazy);
        }
        let (id, open) = self.choice(body.begin, lazy)?;
        self.patch(&body.open, id);
        Some(Fragment { begin: id, open, nullable: true })
    }

    fn quest(&mut self, body: Fragment, lazy: bool) -> Option<Fragment> {
        if body.begin == FAIL {
            return self.leaf(Inst::Nop(FAIL));
        }
        let (begin, open) = self.choice(body.begin, lazy)?;
        Some(Fragment { begin, open: both(body.open, open), nullable: true })
    }

    /// `(x(x(x)?)?)?`, from the outside to the inside and back, so that depth costs no stack.
    fn optional(&mut self, sub: &Rc<Node>, count: u32, node: &Node) -> Option<Fragment> {
        let outer: Option<Vec<Fragment>> = (1..count).map(|_| self.node(sub)).collect();
        let mut all = self.node(&repeated(Often::Quest, Node::clone(sub), node.flags))?;
        for one in outer?.into_iter().rev() {
            let longer = self.cat(one, all);
            all = self.quest(longer, node.flags.lazy)?;
        }
        Some(all)
    }

    fn capture(&mut self, body: Fragment) -> Option<Fragment> {
        if body.begin == FAIL {
            return Some(body);
        }
        let begin = self.push(Inst::Mark(body.begin))?;
        let end = self.push(Inst::Mark(FAIL))?;
        self.patch(&body.open, end);
        Some(Fragment { begin, open: vec![(end, false)], nullable: body.nullable })
    }

    /// Any bytes in front, as few as possible.
    fn anywhere(&mut self, body: Fragment) -> Option<Fragment> {
        let any = self.leaf(Inst::Bytes(0, 0xff, false, FAIL))?;
        let any = self.star(any, true)?;
        Some(self.cat(any, body))
    }
}

/// Both lists; the shorter one goes to the longer one.
fn both(mut a: Vec<(Id, bool)>, mut b: Vec<(Id, bool)>) -> Vec<(Id, bool)> {
    if a.len() < b.len() {
        std::mem::swap(&mut a, &mut b);
    }
    a.append(&mut b);
    a
}
