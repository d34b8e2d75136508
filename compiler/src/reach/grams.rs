//! Short runs of characters that stand in every text which passes a test: what tells thousands of
//! patterns apart without trying any of them.

use super::literal::{Key, Op};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// Two to four ASCII characters, with zeros behind.
pub(super) type Gram = [u8; 4];

/// The most runs of one test that are looked at.
const MOST: usize = 64;

/// Runs of which each stands in every text that passes a test.
pub(super) fn of_test(key: Key<'_>, op: Op<'_>) -> Vec<Gram> {
    let mut found = Vec::new();
    match op {
        Op::Begins(text) | Op::Segments(text) | Op::Ends(text) | Op::Contains(text) => {
            longest(text.as_bytes(), &mut found);
        }
        Op::Regex(pattern) => {
            let parsed = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
            parsed.iter().for_each(|tree| of_tree(tree, &mut found));
            if key == Key::Host {
                // Hosts are in lower case, and their patterns leave case out of account.
                found.iter_mut().for_each(|gram| gram.make_ascii_lowercase());
            }
        }
        Op::Exists | Op::Equals(_) | Op::Template(_) => {}
    }
    found.truncate(MOST);
    found
}

/// Every run of a text.
pub(super) fn of_text(text: &str) -> impl Iterator<Item = Gram> {
    (2..=4).flat_map(move |length| text.as_bytes().windows(length).filter_map(gram))
}

/// The runs of the texts that a pattern cannot do without.
fn of_tree(tree: &Hir, found: &mut Vec<Gram>) {
    match tree.kind() {
        HirKind::Literal(literal) => longest(&literal.0, found),
        HirKind::Capture(group) => of_tree(&group.sub, found),
        HirKind::Concat(parts) => parts.iter().for_each(|part| of_tree(part, found)),
        HirKind::Repetition(repeated) if repeated.min > 0 => of_tree(&repeated.sub, found),
        HirKind::Repetition(_) | HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) | HirKind::Alternation(_) => {}
    }
}

/// The longest runs of a text, which tell the most.
fn longest(text: &[u8], found: &mut Vec<Gram>) {
    if text.len() > 1 {
        found.extend(text.windows(text.len().min(4)).filter_map(gram));
    }
}

fn gram(bytes: &[u8]) -> Option<Gram> {
    let mut gram = Gram::default();
    gram.get_mut(..bytes.len())?.copy_from_slice(bytes);
    bytes.is_ascii().then_some(gram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_text_has_is_found() {
        let of = |pattern: &str| {
            let grams = of_test(Key::Path, Op::Regex(pattern));
            let shown = grams.iter().map(|gram| String::from_utf8_lossy(gram).trim_end_matches('\0').to_owned());
            shown.collect::<Vec<_>>()
        };
        assert_eq!(of("/a[0-9]+/bcde"), ["/a", "/bcd", "bcde"]);
        assert_eq!(of("^(?P<x>abc){2,3}$"), ["abc"]);
        for none in ["(?i)abc", "ab|cd", "(abc)*", "(abc)?x", "é", "a.b", "("] {
            assert!(of(none).is_empty(), "{none}");
        }
        assert_eq!(of_text("abc").map(|gram| gram[0]).collect::<Vec<_>>(), [b'a', b'b', b'a']);
        assert_eq!(of_test(Key::Host, Op::Regex("AB")), [*b"ab\0\0"]);
    }
}
