//! `query` → `query_parameters`, which see the first value of a name, not decoded.

use super::header::text;
use crate::envoy::{QueryParameterMatch, QueryParameterMatcher, RouteMatch};
use crate::ir::Pattern;

pub(super) fn parameter(name: &str, wanted: &Pattern) -> RouteMatch {
    let matches = match text(wanted) {
        Some((matcher, _)) => QueryParameterMatch::StringMatch(matcher),
        None => QueryParameterMatch::PresentMatch(true),
    };
    let one = QueryParameterMatcher { name: name.to_owned(), matches };
    RouteMatch { query_parameters: vec![one], ..RouteMatch::default() }
}
