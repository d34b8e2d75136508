//! Patterns as RE2 reads them, for an engine of our own: `\d`, `\s`, `\w` and `\b` are of ASCII.

use regex::bytes::Regex;
use regex_syntax::ast::{self, Ast, ClassPerlKind, ClassSetItem, Visitor, parse::Parser};
use regex_syntax::hir::{Look, literal::Extractor};

/// A pattern that is searched for as RE2 would.
///
/// # Errors
/// When the engine does not take it, which the policy's own check does not let happen but for
/// patterns that are far too large for Envoy.
pub(crate) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&translated(pattern))
}

/// The text with which every text begins in which a pattern is found; `None` where there is none.
pub(crate) fn start(pattern: &str) -> Option<String> {
    let hir = regex_syntax::Parser::new().parse(&translated(pattern)).ok()?;
    if !hir.properties().look_set_prefix().contains(Look::Start) {
        return None;
    }
    let found = Extractor::new().extract(&hir);
    String::from_utf8(found.longest_common_prefix()?.to_vec()).ok().filter(|text| !text.is_empty())
}

fn translated(pattern: &str) -> String {
    let Ok(tree) = Parser::new().parse(pattern) else { return pattern.to_owned() };
    let Ok(edits) = ast::visit(&tree, Edits::default()) else { return pattern.to_owned() };
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut at = 0;
    for (start, end, replacement) in edits {
        out.push_str(pattern.get(at..start).unwrap_or(""));
        out.push_str(replacement);
        at = end;
    }
    out.push_str(pattern.get(at..).unwrap_or(""));
    out
}

/// Replacements of pieces of a pattern: start, end, text; in order.
#[derive(Default)]
struct Edits(Vec<(usize, usize, &'static str)>);

impl Edits {
    fn put(&mut self, span: &ast::Span, text: &'static str) {
        self.0.push((span.start.offset, span.end.offset, text));
    }

    fn class(&mut self, class: &ast::ClassPerl) {
        // RE2's blanks have no vertical tab; its `[:space:]` has.
        let text = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => r"[\t\n\f\r ]",
            (ClassPerlKind::Space, true) => r"[^\t\n\f\r ]",
            (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
            (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
        };
        self.put(&class.span, text);
    }
}

impl Visitor for Edits {
    type Output = Vec<(usize, usize, &'static str)>;
    type Err = ();

    fn finish(self) -> Result<Self::Output, ()> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
        match ast {
            Ast::ClassPerl(class) => self.class(class),
            Ast::Assertion(assertion) => match assertion.kind {
                ast::AssertionKind::WordBoundary => self.put(&assertion.span, r"(?-u:\b)"),
                ast::AssertionKind::NotWordBoundary => self.put(&assertion.span, r"(?-u:\B)"),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), ()> {
        if let ClassSetItem::Perl(class) = item {
            self.class(class);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_text_must_begin() {
        let cases = [
            ("^/api/v[0-9]+/", Some("/api/v")),
            ("^/a(b|c)", Some("/a")),
            ("^(/a/x|/a/y)$", Some("/a/")),
            ("/a", None),
            ("^/a|b", None),
            ("(?i)^/1a", Some("/1")),
            ("^[ab]", None),
        ];
        for (pattern, wanted) in cases {
            assert_eq!(start(pattern).as_deref(), wanted, "{pattern}");
        }
    }

    #[test]
    fn classes_are_of_ascii() {
        let cases = [
            (r"^\d$", &["1"][..], &["\u{661}", "a"][..]),
            (r"^[\d_]$", &["1", "_"], &["\u{661}"]),
            (r"^[^\W\d]$", &["a"], &["1", "ö"]),
            (r"^\s$", &[" ", "\t"], &["\u{b}", "\u{a0}"]),
            (r"\bx\b", &["x", "a-x", "öx"], &["ax"]),
            (r"^.$", &["ö", "a"], &["\n", "ab"]),
            (r"(?i)^k$", &["k", "K", "\u{212a}"], &["x"]),
        ];
        for (pattern, hits, misses) in cases {
            let regex = compile(pattern).unwrap();
            for text in hits {
                assert!(regex.is_match(text.as_bytes()), "{pattern} in {text:?}");
            }
            for text in misses {
                assert!(!regex.is_match(text.as_bytes()), "{pattern} not in {text:?}");
            }
        }
    }
}
