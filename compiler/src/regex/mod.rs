//! Regular expressions for Envoy, which wants RE2 patterns that match the whole text.

mod check;
pub(crate) mod matcher;
mod re2;
mod shrink;
pub(crate) mod within;

pub(crate) use check::{Remark, Use, check, check_second, inspect};

use regex_syntax::ast::{self, Ast, parse::Parser};

/// The largest program that Envoy takes where nothing raises its limit
/// (`re2.max_program_size.error_level`).
pub const LIMIT: usize = 100;

/// The size of a pattern's program, as the pattern is given to Envoy.
///
/// # Errors
/// Which bytes of it RE2 refuses, and why.
pub fn verdict(pattern: &str) -> Result<usize, String> {
    let parsed = re2::parse(pattern).map_err(|p| format!("{}..{}: {}", p.at.start, p.at.end, p.what))?;
    let canonical = re2::parse(&parsed.text).map_err(|p| format!("its own form {}: {}", parsed.text, p.what))?;
    Ok(re2::size(&canonical.tree).max(re2::size(&parsed.tree)))
}

/// How many groups a pattern has, if it parses.
pub(crate) fn groups(pattern: &str) -> Option<usize> {
    re2::parse(pattern).ok().map(|parsed| parsed.groups)
}

/// The first `\N` of a substitution that names a group which a pattern with so many does not have.
pub(crate) fn missing_group(substitution: &str, groups: usize) -> Option<char> {
    let mut chars = substitution.chars();
    while let Some(c) = chars.next() {
        let named = if c == '\\' { chars.next() } else { None };
        if let Some(digit) = named.filter(|d| d.to_digit(10).is_some_and(|n| n as usize > groups)) {
            return Some(digit);
        }
    }
    None
}

/// The literal text as a pattern.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A pattern that is found somewhere in a text, as one for the whole text. Anchors at its ends
/// are taken at their word, and keep RE2 from counting a literal beginning as program.
pub(crate) fn search(pattern: &str) -> String {
    let (flags, body) = leading_flags(pattern);
    if alternatives(body) {
        return format!("{flags}.*(?:{body}).*");
    }
    let start = if body.starts_with('^') { "" } else { ".*" };
    let end = if ends_anchored(body) { "" } else { ".*" };
    format!("{flags}{start}{body}{end}")
}

/// Whether a pattern matches the empty text, as far as can be told; `true` when in doubt.
pub(crate) fn may_match_empty(pattern: &str) -> bool {
    Parser::new().parse(pattern).is_ok_and(|ast| empty(&ast))
}

fn empty(ast: &Ast) -> bool {
    match ast {
        Ast::Dot(_) | Ast::Literal(_) | Ast::ClassUnicode(_) | Ast::ClassPerl(_) | Ast::ClassBracketed(_) => false,
        Ast::Group(group) => empty(&group.ast),
        Ast::Alternation(parts) => parts.asts.iter().any(empty),
        Ast::Concat(parts) => parts.asts.iter().all(empty),
        Ast::Repetition(repetition) => match &repetition.op.kind {
            ast::RepetitionKind::OneOrMore => empty(&repetition.ast),
            ast::RepetitionKind::Range(
                ast::RepetitionRange::Exactly(n)
                | ast::RepetitionRange::AtLeast(n)
                | ast::RepetitionRange::Bounded(n, _),
            ) => *n == 0 || empty(&repetition.ast),
            _ => true,
        },
        Ast::Empty(_) | Ast::Flags(_) | Ast::Assertion(_) => true,
    }
}

/// Splits `(?i)` from the rest of a pattern.
fn leading_flags(pattern: &str) -> (&str, &str) {
    let end = pattern.strip_prefix("(?").and_then(|rest| {
        rest.find(')')
            .filter(|at| rest.get(..*at).is_some_and(|f| f.chars().all(|c| c.is_ascii_alphabetic() || c == '-')))
    });
    end.and_then(|at| pattern.split_at_checked(at + 3)).unwrap_or(("", pattern))
}

/// Whether the pattern has alternatives at its outermost level, or might have.
fn alternatives(pattern: &str) -> bool {
    matches!(Parser::new().parse(pattern), Ok(Ast::Alternation(_)) | Err(_))
}

fn ends_anchored(pattern: &str) -> bool {
    pattern.strip_suffix('$').is_some_and(|before| {
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        backslashes % 2 == 0 && matches!(Parser::new().parse(pattern), Ok(Ast::Concat(_) | Ast::Assertion(_)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_become_full_matches() {
        assert_eq!(search("^/v[0-9]+/"), "^/v[0-9]+/.*");
        assert_eq!(search("foo$"), ".*foo$");
        assert_eq!(search("^/a$"), "^/a$");
        assert_eq!(search("foo"), ".*foo.*");
        assert_eq!(search("^a|b$"), ".*(?:^a|b$).*");
        assert_eq!(search("(?i)^/a"), "(?i)^/a.*");
        assert_eq!(search(r"price\$"), r".*price\$.*");
        assert_eq!(search("(a|b)"), ".*(a|b).*");
    }

    #[test]
    fn emptiness() {
        for yes in ["", "a*", "^$", "(a|b?)", "a{0,3}"] {
            assert!(may_match_empty(yes), "{yes}");
        }
        for no in ["a", ".+", "^a$", "(a|b)", "a{1,3}"] {
            assert!(!may_match_empty(no), "{no}");
        }
    }

    #[test]
    fn group_counts() {
        assert_eq!(missing_group(r"/\\3/\1\2", 2), None);
        assert_eq!(missing_group(r"/\3", 2), Some('3'));
        assert_eq!(groups("(a)(?:b)(?P<c>d)"), Some(2));
    }
}
