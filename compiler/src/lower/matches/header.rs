//! `header` and `method` → header matchers.

use super::{matcher, pattern};
use crate::envoy::{HeaderMatch, HeaderMatcher, StringMatcher};
use crate::ir::Pattern;
use crate::regex;

pub(super) fn methods(patterns: &[Pattern], negated: bool) -> HeaderMatcher {
    of_methods(":method", patterns, negated)
}

/// A header that is one of these methods.
pub(super) fn of_methods(name: &str, patterns: &[Pattern], negated: bool) -> HeaderMatcher {
    let names: Vec<&str> = patterns
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
    matcher(name, matches, negated)
}

/// How a text is compared, and whether the empty one fits.
pub(super) fn text(wanted: &Pattern) -> Option<(StringMatcher, bool)> {
    Some(match wanted {
        Pattern::Equals(text) => (StringMatcher::Exact(text.clone()), text.is_empty()),
        // Envoy refuses an empty prefix, suffix or part, which every text has.
        Pattern::Prefix(text) | Pattern::Suffix(text) | Pattern::Contains(text) if text.is_empty() => {
            (pattern(".*".to_owned()), true)
        }
        Pattern::Prefix(text) => (StringMatcher::Prefix(text.clone()), false),
        Pattern::Suffix(text) => (StringMatcher::Suffix(text.clone()), false),
        Pattern::Contains(text) => (StringMatcher::Contains(text.clone()), false),
        Pattern::Regex(text) => (pattern(regex::search(text)), regex::may_match_empty(text)),
        Pattern::Exists | Pattern::Template(_) => return None,
    })
}

/// The header is there, or is not.
pub(super) fn present(name: &str, invert_match: bool) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned().into(),
        matches: HeaderMatch::PresentMatch(true),
        invert_match,
        treat_missing_header_as_empty: false,
    }
}

/// The header is there and not empty.
pub(super) fn some_text(name: &str) -> HeaderMatcher {
    matcher(name, pattern(".+".to_owned()), false)
}

/// The tests of a header, as alternatives of lists that all must hold.
pub(super) fn tests(name: &str, wanted: &Pattern, negated: bool) -> Vec<Vec<HeaderMatcher>> {
    let Some((matches, may_be_empty)) = text(wanted) else { return vec![vec![present(name, negated)]] };
    let mut one = matcher(name, matches, negated);
    if !negated {
        return vec![vec![one]];
    }
    if may_be_empty {
        // A missing header must satisfy this, and an empty one must not: two ways to hold.
        return vec![vec![present(name, true)], vec![one]];
    }
    one.treat_missing_header_as_empty = true;
    vec![vec![one]]
}

/// The request is no gRPC call: the denial of `RouteMatch.grpc`.
pub(super) fn not_grpc() -> HeaderMatcher {
    let mut one = matcher("content-type", pattern(r"application/grpc(?:\+.*)?".to_owned()), true);
    one.treat_missing_header_as_empty = true;
    one
}
