//! What can still be judged behind a slip that nothing mends for certain: the tests of a condition and
//! the shares of a split stand for themselves, and so does the block of a declaration.

use crate::condition::SUBJECTS;
use crate::grammar::{Mesh, Rule};
use crate::parse::Builder;
use crate::recover::first_word;
use crate::suggest::nearest;
use pest::Parser;

/// Where the next test of a condition begins behind a byte. Only what begins like one is taken for a
/// test: `path = "/a" or "/b" or "/c"` is one misunderstanding, not two.
pub(crate) fn test(condition: &str, from: usize) -> Option<usize> {
    let begins = |rest: &str| {
        let word = first_word(rest);
        word == "not" || SUBJECTS.contains(&word) || nearest(word, SUBJECTS.iter().copied()).is_some()
    };
    outermost(condition).filter(|(at, _)| *at >= from).find_map(|(at, c)| {
        let before = condition.get(..at)?;
        let word = first_word(condition.get(at..)?);
        let whole = c.is_ascii_alphabetic() && before.ends_with(char::is_whitespace);
        let joined = (whole && matches!(word, "and" | "or")).then(|| behind(condition, at + word.len()))??;
        condition.get(joined..).is_some_and(begins).then_some(joined)
    })
}

/// Where the next share of a split begins behind a byte.
pub(crate) fn share(split: &str, from: usize) -> Option<usize> {
    let commas = outermost(split).filter(|(at, c)| *at >= from && *c == ',');
    commas.filter_map(|(at, _)| behind(split, at + 1)).find(|at| {
        let rest = split.get(*at..).unwrap_or("");
        rest.starts_with(|c: char| c.is_ascii_digit() || c == '$') || first_word(rest) == "rest"
    })
}

/// Judges the clauses in the block of a declaration whose head is wrong.
pub(crate) fn block(cx: &mut Builder<'_>, declaration: &str) {
    let text = declaration.trim_end();
    let Some(at) = outermost(text).find(|(_, c)| *c == '{').map(|(at, _)| at) else { return };
    let (head, block) = text.split_at_checked(at).unwrap_or((text, ""));
    // A head of several lines is no head, nor is one that ends like a line of YAML.
    if head.contains('\n') || head.trim_end().ends_with(':') {
        return;
    }
    let Some(body) = Mesh::parse(Rule::body, block).ok().and_then(|mut pairs| pairs.next()) else { return };
    if body.as_str().len() < block.len() {
        return;
    }
    cx.base += at;
    // What the clauses mean is asked once there is a declaration.
    cx.body(body);
    cx.base -= at;
}

/// What follows the blanks behind a byte, if anything does.
fn behind(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let start = at + rest.len() - rest.trim_start().len();
    (start < text.len()).then_some(start)
}

/// The characters outside quotes and parentheses, each with its place.
fn outermost(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quote, mut depth, mut escaped) = (None, 0_usize, false);
    text.char_indices().filter(move |(_, c)| {
        match (quote, *c) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                return false;
            }
            (Some(open), c) if c == open && !escaped => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`') => quote = Some(*c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) => return depth == 0,
        }
        escaped = false;
        false
    })
}

#[cfg(test)]
mod tests {
    use super::{share, test};

    #[test]
    fn the_next_part_begins_like_one() {
        let of =
            |text: &'static str, find: fn(&str, usize) -> Option<usize>| find(text, 3).and_then(|at| text.get(at..));
        assert_eq!(of("path x and not host = \"a\"", test), Some("not host = \"a\""));
        assert_eq!(of("path x or \"/b\" or methd GET", test), Some("methd GET"));
        for none in
            ["path \" and path\" y", "path (x and path = y", "path x and \"/b\"", "path x band path", "path x and "]
        {
            assert_eq!(of(none, test), None, "{none}");
        }
        assert_eq!(of("90% v1, v2, $x v3", share), Some("$x v3"));
        assert_eq!(of("90% v1, v2", share), None);
    }
}
