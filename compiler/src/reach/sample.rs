//! A plain text in which a pattern is found, which is tried before the search for the shortest one.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, Hir, HirKind};

/// The letters that a text is made of first.
pub(super) const LETTERS: &[u8] = b"xayb1c0";
/// The longest text that is made.
const LONGEST: usize = 256;

/// A text that a pattern is likely to be found in.
pub(super) fn of(pattern: &str) -> Option<String> {
    let tree = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).ok()?;
    let mut text = Vec::new();
    write(&tree, &mut text)?;
    String::from_utf8(text).ok().filter(|text| text.is_ascii())
}

fn write(tree: &Hir, text: &mut Vec<u8>) -> Option<()> {
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.extend(&literal.0),
        HirKind::Class(Class::Bytes(class)) => text.push(letter(class)?),
        HirKind::Class(Class::Unicode(_)) => return None,
        HirKind::Repetition(repeated) => {
            for _ in 0..repeated.min {
                write(&repeated.sub, text)?;
            }
        }
        HirKind::Capture(group) => write(&group.sub, text)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, text))?,
        HirKind::Alternation(parts) => {
            let each = parts.iter().filter_map(|part| {
                let mut text = Vec::new();
                write(part, &mut text).map(|()| text)
            });
            text.extend(each.min_by_key(Vec::len)?);
        }
    }
    (text.len() <= LONGEST).then_some(())
}

/// The plainest character of a class.
fn letter(class: &ClassBytes) -> Option<u8> {
    let printable = (b'a'..=b'z').chain(b'0'..=b'9').chain(b"-._/".iter().copied()).chain(b' '..=b'~');
    let mut all = LETTERS.iter().copied().chain(printable);
    all.find(|byte| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(byte)))
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_sample_is_plain_and_short() {
        for (pattern, sample) in [
            ("^/users/[0-9]+/7$", "/users/1/7"),
            ("(abc|d|e)?f{2,}.", "ffx"),
            ("(?i)K", "k"),
            ("[^a-z]", "1"),
            ("long|ab", "ab"),
        ] {
            assert_eq!(of(pattern).as_deref(), Some(sample), "{pattern}");
        }
        assert_eq!(of("a{300}"), None);
    }
}
