//! Counted repetitions written out, as RE2 does before it compiles: neighbours that repeat the same
//! character are counted together, `x{2}` is `xx`, and `x{2,4}` is `xx(x(x)?)?`.

use super::ast::{Flags, Node, Often, Op};
use super::repeat::repeated;
use std::rc::Rc;

/// The tree without counts.
pub(super) fn simplify(tree: Node) -> Rc<Node> {
    simple(&together(Rc::new(tree)))
}

/// Counts neighbours together that repeat the same.
fn together(node: Rc<Node>) -> Rc<Node> {
    let flags = node.flags;
    let op = match &node.op {
        Op::Concat(parts) => return neighbours(parts.iter().map(|p| together(Rc::clone(p))).collect(), flags),
        Op::Alternate(parts) => Op::Alternate(parts.iter().map(|p| together(Rc::clone(p))).collect()),
        Op::Repeat(often, sub) => Op::Repeat(*often, together(Rc::clone(sub))),
        Op::Counted(sub, low, high) => Op::Counted(together(Rc::clone(sub)), *low, *high),
        Op::Capture(sub) => Op::Capture(together(Rc::clone(sub))),
        _ => return node,
    };
    Rc::new(Node::new(op, flags))
}

fn neighbours(mut parts: Vec<Rc<Node>>, flags: Flags) -> Rc<Node> {
    let mut changed = false;
    for at in 1..parts.len() {
        let Some([left, right]) = parts.get_mut(at - 1..=at) else { continue };
        if let Some((first, second)) = counted_together(left, right) {
            (*left, *right) = (Rc::new(first), Rc::new(second));
            changed = true;
        }
    }
    if changed {
        parts.retain(|part| !matches!(part.op, Op::Empty));
    }
    Rc::new(Node::new(Op::Concat(parts), flags))
}

/// Both as one repetition behind nothing, or a repetition and what is left of a text.
fn counted_together(left: &Node, right: &Node) -> Option<(Node, Node)> {
    let (sub, low, high) = repetition(left).filter(|(sub, ..)| sub.is_single())?;
    let more = |more: u32, most: Option<u32>, of: &Node| {
        let high = high.zip(most).map(|(a, b)| a + b);
        Node::new(Op::Counted(Rc::clone(sub), low + more, high), of.flags)
    };
    let nothing = Node::empty(Flags::default());
    if let Some((other, other_low, other_high)) = repetition(right)
        && sub.same(other)
        && left.flags.lazy == right.flags.lazy
    {
        return Some((nothing, more(other_low, other_high, left)));
    }
    if sub.same(right) {
        return Some((nothing, more(1, Some(1), left)));
    }
    let (Op::Literal(c), Op::Text(text)) = (&sub.op, &right.op) else { return None };
    if text.first() != Some(c) || sub.flags.fold != right.flags.fold {
        return None;
    }
    let count = text.iter().take_while(|d| *d == c).count();
    let many = u32::try_from(count).unwrap_or(u32::MAX);
    let repetition = more(many, Some(many), left);
    match text.get(count..) {
        None | Some([]) => Some((nothing, repetition)),
        Some(rest) => Some((repetition, Node::text(rest.to_vec(), right.flags))),
    }
}

fn repetition(node: &Node) -> Option<(&Rc<Node>, u32, Option<u32>)> {
    match &node.op {
        Op::Repeat(Often::Star, sub) => Some((sub, 0, None)),
        Op::Repeat(Often::Plus, sub) => Some((sub, 1, None)),
        Op::Repeat(Often::Quest, sub) => Some((sub, 0, Some(1))),
        Op::Counted(sub, low, high) => Some((sub, *low, *high)),
        _ => None,
    }
}

fn simple(node: &Rc<Node>) -> Rc<Node> {
    let flags = node.flags;
    let op = match &node.op {
        Op::Class(class) if class.is_empty() => Op::NoMatch,
        Op::Class(class) if class.is_full() => Op::AnyChar,
        Op::Concat(parts) => Op::Concat(parts.iter().map(simple).collect()),
        Op::Alternate(parts) => Op::Alternate(parts.iter().map(simple).collect()),
        Op::Capture(sub) => Op::Capture(simple(sub)),
        Op::Repeat(often, sub) => {
            let sub = simple(sub);
            match &sub.op {
                Op::Empty => return sub,
                // Once more of the same is the same.
                Op::Repeat(inner, _) if inner == often && sub.flags == flags => return sub,
                _ => Op::Repeat(*often, sub),
            }
        }
        Op::Counted(sub, low, high) => {
            let sub = simple(sub);
            return if matches!(sub.op, Op::Empty) { sub } else { counted(&sub, *low, *high, flags) };
        }
        _ => return Rc::clone(node),
    };
    Rc::new(Node::new(op, flags))
}

/// A count, written out.
fn counted(sub: &Rc<Node>, low: u32, high: Option<u32>, flags: Flags) -> Rc<Node> {
    // A place is there or is not: more than once changes nothing.
    let (low, high) = if is_place(sub) { (low.min(1), high.map(|h| h.min(1))) } else { (low, high) };
    let again = |often| Rc::new(repeated(often, Node::clone(sub), flags));
    let mut parts: Vec<Rc<Node>> = Vec::new();
    match (low, high) {
        (0, None) => return again(Often::Star),
        (1, None) => return again(Often::Plus),
        (0, Some(0)) => return Rc::new(Node::empty(flags)),
        (1, Some(1)) => return Rc::clone(sub),
        (low, None) => {
            parts.extend((1..low).map(|_| Rc::clone(sub)));
            parts.push(again(Often::Plus));
        }
        (low, Some(high)) => {
            parts.extend((0..low).map(|_| Rc::clone(sub)));
            if high > low {
                // The innermost is a plain `x?`, and so nothing new where `x` is one already.
                parts.push(Rc::new(Node::new(Op::Optional(Rc::clone(sub), high - low), flags)));
            }
        }
    }
    match parts.as_slice() {
        [only] => Rc::clone(only),
        _ => Rc::new(Node::new(Op::Concat(parts), flags)),
    }
}

/// A place, or pieces that are nothing but places.
fn is_place(node: &Node) -> bool {
    match &node.op {
        Op::Place(_) => true,
        Op::Concat(parts) | Op::Alternate(parts) => parts.iter().all(|p| matches!(p.op, Op::Place(_))),
        _ => false,
    }
}
