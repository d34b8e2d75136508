//! Common beginnings of alternatives: `abc|abd` is `ab[cd]`, in three rounds as RE2 does it.

use super::ast::{Flags, Node, Op};
use super::class::Class;
use std::rc::Rc;

/// Alternatives, factored.
pub(super) fn alternate(parts: Vec<Node>, flags: Flags) -> Node {
    Node::alternate(factor(parts, flags), flags)
}

fn factor(parts: Vec<Node>, flags: Flags) -> Vec<Node> {
    let parts = texts(parts, flags);
    let parts = pieces(parts, flags);
    singles(parts, flags)
}

/// What begins alike, and the rest of each.
fn joined(beginning: Node, rests: Vec<Node>, flags: Flags) -> Node {
    let rest = Node::alternate(factor(rests, flags), flags);
    Node::new(Op::Concat(vec![Rc::new(beginning), Rc::new(rest)]), flags)
}

/// Round 1: runs of alternatives that begin with the same characters.
fn texts(parts: Vec<Node>, flags: Flags) -> Vec<Node> {
    let mut out = Vec::with_capacity(parts.len());
    let mut run: Vec<Node> = Vec::new();
    let mut common: (Vec<char>, bool) = (Vec::new(), false);
    for part in parts {
        let next = leading_text(&part);
        let same = common.0.iter().zip(&next.0).take_while(|(a, b)| a == b).count();
        if !run.is_empty() && common.1 == next.1 && same > 0 {
            common.0.truncate(same);
        } else {
            end_of_texts(&mut run, &common, flags, &mut out);
            common = next;
        }
        run.push(part);
    }
    end_of_texts(&mut run, &common, flags, &mut out);
    out
}

fn end_of_texts(run: &mut Vec<Node>, common: &(Vec<char>, bool), flags: Flags, out: &mut Vec<Node>) {
    if run.len() < 2 {
        return out.append(run);
    }
    let (text, fold) = common;
    let rests = run.drain(..).map(|part| without_text(part, text.len())).collect();
    let beginning = Node::text(text.clone(), Flags { fold: *fold, ..flags });
    out.push(joined(beginning, rests, flags));
}

/// The characters that a piece begins with, and whether their case is ignored.
fn leading_text(node: &Node) -> (Vec<char>, bool) {
    match &node.op {
        Op::Concat(parts) => parts.first().map_or((Vec::new(), false), |first| leading_text(first)),
        Op::Literal(c) => (vec![*c], node.flags.fold),
        Op::Text(text) => (text.clone(), node.flags.fold),
        _ => (Vec::new(), node.flags.fold),
    }
}

/// A piece without the first `count` of its characters.
fn without_text(node: Node, count: usize) -> Node {
    let flags = node.flags;
    match node.op {
        Op::Literal(_) => Node::empty(flags),
        Op::Text(text) => match text.get(count..) {
            None | Some([]) => Node::empty(flags),
            Some([only]) => Node::new(Op::Literal(*only), flags),
            Some(rest) => Node::new(Op::Text(rest.to_vec()), flags),
        },
        Op::Concat(parts) => {
            let mut parts = parts.into_iter();
            let Some(first) = parts.next() else { return Node::empty(flags) };
            let first = without_text(Rc::unwrap_or_clone(first), count);
            let kept = (!matches!(first.op, Op::Empty)).then(|| Rc::new(first));
            concat(kept.into_iter().chain(parts).collect(), flags)
        }
        op => Node::new(op, flags),
    }
}

fn concat(mut parts: Vec<Rc<Node>>, flags: Flags) -> Node {
    match parts.len() {
        0 => Node::empty(flags),
        1 => parts.pop().map_or_else(|| Node::empty(flags), Rc::unwrap_or_clone),
        _ => Node::new(Op::Concat(parts), flags),
    }
}

/// Round 2: runs of alternatives whose first piece is the same and simple.
fn pieces(parts: Vec<Node>, flags: Flags) -> Vec<Node> {
    let mut out = Vec::with_capacity(parts.len());
    let mut run: Vec<Node> = Vec::new();
    let mut common: Option<Node> = None;
    for part in parts {
        let next = leading_piece(&part);
        let alike = match (&common, &next) {
            (Some(common), Some(next)) => is_simple(common) && common.same(next),
            _ => false,
        };
        if !alike {
            end_of_pieces(&mut run, common.take(), flags, &mut out);
            common = next;
        }
        run.push(part);
    }
    end_of_pieces(&mut run, common, flags, &mut out);
    out
}

fn end_of_pieces(run: &mut Vec<Node>, common: Option<Node>, flags: Flags, out: &mut Vec<Node>) {
    match common {
        Some(beginning) if run.len() > 1 => {
            let rests = run.drain(..).map(without_piece).collect();
            out.push(joined(beginning, rests, flags));
        }
        _ => out.append(run),
    }
}

/// A place, a single character, or a fixed number of one.
fn is_simple(node: &Node) -> bool {
    match &node.op {
        Op::Place(_) | Op::Class(_) | Op::AnyChar => true,
        Op::Counted(sub, low, high) => *high == Some(*low) && sub.is_single(),
        _ => false,
    }
}

fn leading_piece(node: &Node) -> Option<Node> {
    match &node.op {
        Op::Empty => None,
        Op::Concat(parts) if parts.len() > 1 => {
            parts.first().filter(|first| !matches!(first.op, Op::Empty)).map(|first| Node::clone(first))
        }
        _ => Some(node.clone()),
    }
}

fn without_piece(node: Node) -> Node {
    let flags = node.flags;
    match node.op {
        Op::Concat(mut parts) if parts.len() > 1 => {
            parts.remove(0);
            concat(parts, flags)
        }
        _ => Node::empty(flags),
    }
}

/// Round 3: runs of single characters, which are one class.
fn singles(parts: Vec<Node>, flags: Flags) -> Vec<Node> {
    let mut out: Vec<Node> = Vec::with_capacity(parts.len());
    let mut run: Vec<Node> = Vec::new();
    for part in parts {
        if !matches!(part.op, Op::Literal(_) | Op::Class(_)) {
            end_of_singles(&mut run, flags, &mut out);
            out.push(part);
            continue;
        }
        run.push(part);
    }
    end_of_singles(&mut run, flags, &mut out);
    out
}

fn end_of_singles(run: &mut Vec<Node>, flags: Flags, out: &mut Vec<Node>) {
    if run.len() < 2 {
        return out.append(run);
    }
    let mut class = Class::default();
    for part in run.drain(..) {
        match part.op {
            Op::Class(more) => class.add(&more),
            Op::Literal(c) => {
                let mut one = Class::of(c);
                if part.flags.fold {
                    one.fold();
                }
                class.add(&one);
            }
            _ => {}
        }
    }
    out.push(Node::new(Op::Class(Rc::new(class)), flags.without_fold()));
}
