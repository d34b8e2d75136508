//! Conditions → Envoy route matches. `or` becomes several matches; every match leaves the query
//! out of account, and `not` holds where what it denies is missing.

use crate::envoy::{HeaderMatch, HeaderMatcher, PathSpecifier, RegexMatcher, RouteMatch, StringMatcher};
use crate::ir::{Condition, Pattern, Subject};
use crate::regex;

/// The most matches that one condition may become.
pub(crate) const MAX_ALTERNATIVES: usize = 256;

/// A test or its denial.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Literal<'a> {
    subject: &'a Subject,
    /// One pattern; for methods, any of them.
    patterns: &'a [Pattern],
    negated: bool,
}

/// The matches of a condition, of which any may hold; `None` above [`MAX_ALTERNATIVES`].
pub(crate) fn lower(condition: Option<&Condition>) -> Option<Vec<RouteMatch>> {
    let Some(condition) = condition else { return Some(vec![RouteMatch::default()]) };
    let mut matches = Vec::new();
    for conjunction in alternatives(condition, false)? {
        matches.extend(conjunction_matches(&conjunction));
        if matches.len() > MAX_ALTERNATIVES {
            return None;
        }
    }
    Some(matches)
}

/// The condition as alternatives of literals that all must hold.
fn alternatives(condition: &Condition, negated: bool) -> Option<Vec<Vec<Literal<'_>>>> {
    match (condition, negated) {
        (Condition::Not(part), _) => alternatives(part, !negated),
        (Condition::And(parts), false) | (Condition::Or(parts), true) => {
            let parts: Option<Vec<_>> = parts.iter().map(|part| alternatives(part, negated)).collect();
            product(parts?)
        }
        (Condition::Or(parts), false) | (Condition::And(parts), true) => {
            let parts: Option<Vec<_>> = parts.iter().map(|part| alternatives(part, negated)).collect();
            Some(parts?.into_iter().flatten().collect())
        }
        (Condition::Test(test), _) => {
            let literal = |patterns| Literal { subject: &test.subject, patterns, negated };
            let single = test.patterns.chunks(1).map(literal);
            Some(match (&test.subject, negated) {
                (Subject::Method, _) => vec![vec![literal(test.patterns.as_slice())]],
                (_, true) => vec![single.collect()],
                (_, false) => single.map(|l| vec![l]).collect(),
            })
        }
    }
}

fn product(parts: Vec<Vec<Vec<Literal<'_>>>>) -> Option<Vec<Vec<Literal<'_>>>> {
    let mut all = vec![Vec::new()];
    for part in parts {
        if all.len() * part.len() > MAX_ALTERNATIVES {
            return None;
        }
        let mut longer = Vec::with_capacity(all.len() * part.len());
        for left in &all {
            for right in &part {
                let new = right.iter().filter(|l| !left.contains(*l));
                longer.push(left.iter().chain(new).cloned().collect());
            }
        }
        all = longer;
    }
    Some(all)
}

/// The matches of literals that all must hold: one, or more where a denial needs a choice.
fn conjunction_matches(literals: &[Literal<'_>]) -> Vec<RouteMatch> {
    let chosen = choose_path(literals);
    let path = chosen.and_then(|at| literals.get(at)).and_then(path_specifier).unwrap_or_default();
    let mut matches = vec![RouteMatch { path, headers: Vec::new() }];
    for (at, literal) in literals.iter().enumerate() {
        if chosen == Some(at) {
            continue;
        }
        let choices = header_matchers(literal);
        let mut longer = Vec::with_capacity(matches.len() * choices.len());
        for one in &matches {
            for choice in &choices {
                let mut next = one.clone();
                next.headers.extend(choice.iter().cloned());
                longer.push(next);
            }
        }
        matches = longer;
    }
    matches
}

/// Which literal becomes the path of the match: a pattern rather than a text, since a pattern is
/// exact there alone; the others become matches of the `:path` header, which has the query.
fn choose_path(literals: &[Literal<'_>]) -> Option<usize> {
    let path = |l: &Literal<'_>| *l.subject == Subject::Path && !l.negated;
    let is_regex = |l: &Literal<'_>| matches!(l.patterns, [Pattern::Regex(_)]);
    literals.iter().position(|l| path(l) && is_regex(l)).or_else(|| literals.iter().position(path))
}

fn path_specifier(literal: &Literal<'_>) -> Option<PathSpecifier> {
    Some(match literal.patterns.first()? {
        Pattern::Equals(path) => PathSpecifier::Path(path.clone()),
        // The API refuses a separated prefix that ends in a slash; such a prefix is literal.
        Pattern::Prefix(prefix) if prefix.ends_with('/') => PathSpecifier::Prefix(prefix.clone().into()),
        Pattern::Prefix(prefix) => PathSpecifier::PathSeparatedPrefix(prefix.clone()),
        Pattern::Regex(pattern) => PathSpecifier::SafeRegex(RegexMatcher { regex: regex::search(pattern) }),
        Pattern::Exists => PathSpecifier::default(),
    })
}

/// The header matchers of a literal, as alternatives of lists that all must hold.
fn header_matchers(literal: &Literal<'_>) -> Vec<Vec<HeaderMatcher>> {
    match literal.subject {
        Subject::Method => vec![vec![methods(literal)]],
        Subject::Header(name) => literal.patterns.iter().flat_map(|p| header(name, p, literal.negated)).collect(),
        Subject::Path => literal.patterns.iter().map(|p| path_header(p, literal.negated)).collect(),
    }
}

fn matcher(name: &str, matches: StringMatcher, invert: bool) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned().into(),
        matches: HeaderMatch::StringMatch(matches),
        invert_match: invert,
        treat_missing_header_as_empty: false,
    }
}

fn pattern(regex: String) -> StringMatcher {
    StringMatcher::SafeRegex(RegexMatcher { regex })
}

fn methods(literal: &Literal<'_>) -> HeaderMatcher {
    let names: Vec<&str> = literal
        .patterns
        .iter()
        .filter_map(|p| match p {
            Pattern::Equals(method) => Some(method.as_str()),
            _ => None,
        })
        .collect();
    let matches = match names.as_slice() {
        [only] => StringMatcher::Exact((*only).to_owned()),
        _ => pattern(names.join("|")),
    };
    matcher(":method", matches, literal.negated)
}

fn header(name: &str, wanted: &Pattern, negated: bool) -> Vec<Vec<HeaderMatcher>> {
    let present = |invert_match| HeaderMatcher {
        name: name.to_owned().into(),
        matches: HeaderMatch::PresentMatch(true),
        invert_match,
        treat_missing_header_as_empty: false,
    };
    let (matches, may_be_empty) = match wanted {
        Pattern::Exists => return vec![vec![present(negated)]],
        Pattern::Equals(text) => (StringMatcher::Exact(text.clone()), text.is_empty()),
        Pattern::Prefix(text) => (StringMatcher::Prefix(text.clone()), text.is_empty()),
        Pattern::Regex(text) => (pattern(regex::search(text)), regex::may_match_empty(text)),
    };
    let mut one = matcher(name, matches, negated);
    if !negated {
        return vec![vec![one]];
    }
    if may_be_empty {
        // A missing header must satisfy this, and an empty one must not: two ways to hold.
        return vec![vec![present(true)], vec![one]];
    }
    one.treat_missing_header_as_empty = true;
    vec![vec![one]]
}

/// A test of the path by the `:path` header, in which a query may follow.
fn path_header(wanted: &Pattern, negated: bool) -> Vec<HeaderMatcher> {
    let one = |matches| matcher(":path", matches, negated);
    match (wanted, negated) {
        (Pattern::Equals(path), true) => {
            vec![one(StringMatcher::Exact(path.clone())), one(StringMatcher::Prefix(format!("{path}?")))]
        }
        (Pattern::Equals(path), false) => vec![one(pattern(format!("^{}(?:\\?.*)?$", regex::quote(path))))],
        (Pattern::Prefix(prefix), _) if prefix.ends_with('/') => vec![one(StringMatcher::Prefix(prefix.clone()))],
        (Pattern::Prefix(prefix), true) => {
            let further = ["/", "?"].map(|end| one(StringMatcher::Prefix(format!("{prefix}{end}"))));
            std::iter::once(one(StringMatcher::Exact(prefix.clone()))).chain(further).collect()
        }
        (Pattern::Prefix(prefix), false) => vec![one(pattern(format!("^{}(?:[/?].*)?$", regex::quote(prefix))))],
        (Pattern::Regex(text), _) => vec![one(pattern(regex::search_before_query(text)))],
        (Pattern::Exists, _) => Vec::new(),
    }
}
