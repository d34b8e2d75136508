//! `cookie` → `cookies` where the target has them, which see the first value of a name; else a
//! pattern for the `cookie` header, which sees every value.

use super::header::text;
use super::{matcher, pattern};
use crate::envoy::{CookieMatcher, RouteMatch, StringMatcher};
use crate::ir::Pattern;
use crate::regex::{quote, within::COOKIE};
use crate::target::{COOKIE_MATCH, Target};

pub(super) fn test(name: &str, wanted: &Pattern, negated: bool, target: Target) -> RouteMatch {
    if target.has(&COOKIE_MATCH) {
        let string_match = match text(wanted) {
            Some((matcher, _)) => matcher,
            None => pattern(".*".to_owned()),
        };
        let one = CookieMatcher { name: name.to_owned(), string_match, invert_match: negated };
        return RouteMatch { cookies: vec![one], ..RouteMatch::default() };
    }
    let mut one = matcher(
        "cookie",
        StringMatcher::SafeRegex(crate::envoy::RegexMatcher { regex: header(name, wanted) }),
        negated,
    );
    // No pattern below matches an empty header, so a missing one satisfies a denial.
    one.treat_missing_header_as_empty = negated;
    RouteMatch { headers: vec![one], ..RouteMatch::default() }
}

/// A pattern for a `cookie` header with such a cookie. HTTP/2 joins crumbs with `; `, and Envoy
/// joins repeated headers with commas.
fn header(name: &str, wanted: &Pattern) -> String {
    let value = match wanted {
        Pattern::Equals(text) => COOKIE.equals(text),
        Pattern::Prefix(text) => COOKIE.prefix(text),
        Pattern::Suffix(text) => COOKIE.suffix(text),
        Pattern::Contains(text) => COOKIE.contains(text),
        Pattern::Regex(text) => COOKIE.search(text),
        Pattern::Exists | Pattern::Template(_) => ".*".to_owned(),
    };
    format!("(?:.*[;,]\\s*)?{}=\"?{value}", quote(name))
}
