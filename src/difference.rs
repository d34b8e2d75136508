//! The difference of two texts, line by line.

/// How many unchanged lines stand around a change.
const CONTEXT: usize = 3;
/// The largest table that is filled to find what both texts share.
const MOST: usize = 4_000_000;

/// A line of the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'t> {
    /// In both.
    Same(&'t str),
    /// Only in the old text.
    Old(&'t str),
    /// Only in the new text.
    New(&'t str),
}

/// The changed lines with some around them, as `diff -u` shows them; parts are set apart by `…`.
pub(crate) fn shown(old: &str, new: &str) -> Vec<String> {
    let lines = lines(old, new);
    let changed: Vec<usize> =
        lines.iter().enumerate().filter(|(_, l)| !matches!(l, Line::Same(_))).map(|(at, _)| at).collect();
    let near = |at: usize| changed.iter().any(|c| c.abs_diff(at) <= CONTEXT);
    let mut out = Vec::new();
    let mut apart = false;
    for (at, line) in lines.iter().enumerate() {
        if !near(at) {
            apart = !out.is_empty();
            continue;
        }
        if std::mem::take(&mut apart) {
            out.push("  …".to_owned());
        }
        out.push(match line {
            Line::Same(text) => format!("  {text}").trim_end().to_owned(),
            Line::Old(text) => format!("- {text}"),
            Line::New(text) => format!("+ {text}"),
        });
    }
    out
}

/// All lines of both texts.
pub(crate) fn lines<'t>(old: &'t str, new: &'t str) -> Vec<Line<'t>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = |lines: &[&'t str]| lines.get(head..).unwrap_or_default().to_vec();
    let (old_rest, new_rest) = (rest(&old), rest(&new));
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = |lines: &[&'t str]| lines.get(..lines.len() - tail).unwrap_or_default().to_vec();
    let mut out: Vec<Line<'t>> = old.iter().take(head).map(|line| Line::Same(line)).collect();
    out.extend(between(&middle(&old_rest), &middle(&new_rest)));
    out.extend(old_rest.iter().skip(old_rest.len() - tail).map(|line| Line::Same(line)));
    out
}

/// The difference by the longest common subsequence; of texts too long for that, all of both.
fn between<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let width = new.len() + 1;
    if (old.len() + 1).saturating_mul(width) > MOST {
        return old.iter().map(|l| Line::Old(l)).chain(new.iter().map(|l| Line::New(l))).collect();
    }
    let mut common = vec![0_u32; (old.len() + 1) * width];
    let get = |common: &[u32], i: usize, j: usize| common.get(i * width + j).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let longest = if a == b {
                get(&common, i + 1, j + 1) + 1
            } else {
                get(&common, i + 1, j).max(get(&common, i, j + 1))
            };
            if let Some(cell) = common.get_mut(i * width + j) {
                *cell = longest;
            }
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                out.push(Line::Same(a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || get(&common, i + 1, j) >= get(&common, i, j + 1) => {
                out.push(Line::Old(a));
                i += 1;
            }
            (_, Some(b)) => {
                out.push(Line::New(b));
                j += 1;
            }
            _ => return out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_shown_with_its_surroundings() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\ni\nj\nk\nl\nm\n";
        assert_eq!(
            shown(old, new),
            ["  b", "  c", "  d", "- e", "+ E", "  f", "  g", "  h", "  …", "  j", "  k", "  l", "+ m"]
        );
        assert!(shown(old, old).is_empty());
        assert!(shown(old, &old.replace('\n', "\r\n")).is_empty(), "line ends do not count");
        assert_eq!(shown("", "a\n"), ["+ a"]);
        assert_eq!(shown("a\nb\n", ""), ["- a", "- b"]);
    }

    #[test]
    fn every_line_is_in_the_difference_once() {
        let (old, new) = ("x\na\nb\nx\nc\n", "a\nx\nx\nb\nc\nd\n");
        let both = lines(old, new);
        let of = |keep: fn(&Line<'_>) -> bool| both.iter().filter(|l| keep(l)).count();
        assert_eq!(of(|l| !matches!(l, Line::New(_))), 5);
        assert_eq!(of(|l| !matches!(l, Line::Old(_))), 6);
    }
}
