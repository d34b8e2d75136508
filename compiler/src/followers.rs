//! What is said only since something else is broken: it hides the mistake, and goes with it.

use meshc_dsl::diagnostic::codes;
use meshc_dsl::{Code, Diagnostic, FileId, Severity, Sources, Span};
use std::collections::{BTreeMap, BTreeSet};

/// What is said of text that does not have its form.
const BROKEN: &[Code] = &[
    codes::UNCLOSED,
    codes::UNKNOWN_DECLARATION,
    codes::UNKNOWN_CLAUSE,
    codes::MALFORMED,
    codes::INCOMPLETE,
    codes::FOREIGN_SYNTAX,
    codes::FOREIGN_QUOTES,
];

/// What is said of a name that nothing declares.
const UNDECLARED: &[Code] = &[
    codes::UNKNOWN_VERSION,
    codes::UNKNOWN_POLICY,
    codes::UNKNOWN_PARAM,
    codes::UNKNOWN_PORT_SWEPT,
    codes::UNCHECKED_SERVICE,
];

/// The beginning of a line: its file and byte.
type Line = (FileId, usize);

/// Takes away that a name is unknown where a broken line, other than its own, has that name, and may
/// have been to declare it; that a rule changes nothing where a clause of its file is broken; and that
/// the compiler lost a rule that has a mistake.
pub(crate) fn drop_all(diagnostics: &mut Vec<Diagnostic>, sources: &Sources) {
    keep_bugs_without_cause(diagnostics);
    let errors = || diagnostics.iter().filter(|d| d.severity() == Severity::Error);
    let files: BTreeSet<FileId> = errors().filter_map(|d| d.place().map(|place| place.file)).collect();
    let broken = errors().filter(|d| BROKEN.contains(&d.code)).filter_map(Diagnostic::place);
    let lines: BTreeSet<Line> = broken.map(|place| line(place, sources)).collect();
    let mut names: BTreeMap<&str, Vec<Line>> = BTreeMap::new();
    for at in &lines {
        for name in words(*at, sources) {
            names.entry(name).or_default().push(*at);
        }
    }
    diagnostics.retain(|d| match d.place() {
        Some(place) if d.code == codes::SAME_AS_NEXT => !files.contains(&place.file),
        Some(place) if UNDECLARED.contains(&d.code) => {
            let own = line(place, sources);
            !names.get(name(sources.text(place))).is_some_and(|lines| lines.iter().any(|at| *at != own))
        }
        _ => true,
    });
}

/// What is lost because of a mistake that is reported is no bug of the compiler.
fn keep_bugs_without_cause(diagnostics: &mut Vec<Diagnostic>) {
    if diagnostics.iter().any(|d| d.severity() == Severity::Error && d.code != codes::INTERNAL) {
        diagnostics.retain(|d| d.code != codes::INTERNAL);
    }
}

fn line(place: Span, sources: &Sources) -> Line {
    let text = sources.get(place.file).map_or("", |file| file.text.as_str());
    let before = text.get(..place.start as usize).unwrap_or("");
    (place.file, before.rfind('\n').map_or(0, |at| at + 1))
}

/// The words of a line that could be names.
fn words((file, start): Line, sources: &Sources) -> impl Iterator<Item = &str> {
    let text = sources.get(file).and_then(|file| file.text.get(start..)).unwrap_or("");
    let line = text.lines().next().unwrap_or("");
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|word| !word.is_empty())
}

/// The name within a reference: `x` of `$x`, `v1` of `cart@v1`, `cart` of `shop/cart:8080`.
fn name(reference: &str) -> &str {
    let behind = reference.rsplit(['$', '/', '@']).next().unwrap_or(reference);
    behind.split(':').next().unwrap_or(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_references() {
        for (reference, wanted) in [("$x", "x"), ("cart@v1", "v1"), ("shop/cart:8080", "cart"), ("cart", "cart")] {
            assert_eq!(name(reference), wanted);
        }
    }

    #[test]
    fn a_bug_is_reported_where_no_mistake_explains_it() {
        let of = |code| Diagnostic::new(code, Span::default(), "");
        let kept = |codes: &[_]| {
            let mut diagnostics = codes.iter().copied().map(of).collect();
            keep_bugs_without_cause(&mut diagnostics);
            diagnostics.into_iter().map(|d| d.code).collect::<Vec<_>>()
        };
        assert_eq!(kept(&[codes::INTERNAL]), [codes::INTERNAL]);
        assert_eq!(kept(&[codes::INTERNAL, codes::UNKNOWN_PARAM]), [codes::UNKNOWN_PARAM]);
        assert_eq!(kept(&[codes::SAME_AS_NEXT, codes::INTERNAL]), [codes::SAME_AS_NEXT, codes::INTERNAL]);
    }
}
