//! Conditions → Envoy route matches. `or` becomes several matches; every match leaves the query
//! out of account, and `not` holds where what it denies is missing.

mod cookie;
mod header;
mod host;
mod path;
mod query;

use crate::envoy::{
    Empty, HeaderMatch, HeaderMatcher, PathSpecifier, QueryParameterMatch, RegexMatcher, RouteMatch, StringMatcher,
};
use crate::ir::{Condition, Pattern, Subject, Test};
use crate::target::Target;

/// The most matches that one condition may become.
pub(crate) const MAX_ALTERNATIVES: usize = 256;

/// A test or its denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Literal<'a> {
    subject: &'a Subject,
    /// One pattern; for methods, any of them.
    patterns: &'a [Pattern],
    negated: bool,
}

impl Literal<'_> {
    /// Whether the route match has no form for it: Envoy cannot deny a query parameter.
    pub(crate) fn has_no_form(&self) -> bool {
        self.negated && matches!(self.subject, Subject::Query(_))
    }

    pub(crate) fn denied(&self) -> Self {
        Literal { negated: !self.negated, ..self.clone() }
    }
}

/// Literals that all must hold.
pub(crate) type Conjunction<'a> = Vec<Literal<'a>>;

/// A condition as alternatives, of which any may hold; `None` above [`MAX_ALTERNATIVES`].
pub(crate) fn of(condition: Option<&Condition>) -> Option<Vec<Conjunction<'_>>> {
    match condition {
        Some(condition) => alternatives(condition, false).filter(|a| a.len() <= MAX_ALTERNATIVES),
        None => Some(vec![Vec::new()]),
    }
}

/// The condition as alternatives of literals that all must hold.
fn alternatives(condition: &Condition, negated: bool) -> Option<Vec<Conjunction<'_>>> {
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

fn product(parts: Vec<Vec<Conjunction<'_>>>) -> Option<Vec<Conjunction<'_>>> {
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
/// Literals that have no form are left out: what they deny has to be routed before.
pub(crate) fn lower(literals: &[Literal<'_>], target: Target) -> Vec<RouteMatch> {
    let chosen = path::choose(literals);
    let path = chosen.and_then(|at| literals.get(at)).and_then(path::specifier).unwrap_or_default();
    let mut matches = vec![RouteMatch { path, ..RouteMatch::default() }];
    for (at, literal) in literals.iter().enumerate() {
        if chosen == Some(at) || literal.has_no_form() {
            continue;
        }
        let choices = choices(literal, target);
        let mut longer = Vec::with_capacity(matches.len() * choices.len());
        for one in &matches {
            for choice in &choices {
                longer.push(one.clone().and(choice));
            }
        }
        matches = longer;
    }
    matches
}

/// What a literal asks for, as alternatives: lists of headers that all must match, and the like.
fn choices(literal: &Literal<'_>, target: Target) -> Vec<RouteMatch> {
    let negated = literal.negated;
    let headers = |headers| RouteMatch { headers, ..RouteMatch::default() };
    let each = literal.patterns.iter();
    match literal.subject {
        Subject::Method => vec![headers(vec![header::methods(literal.patterns, negated)])],
        Subject::Header(name) => each.flat_map(|p| header::tests(name, p, negated)).map(headers).collect(),
        Subject::Path => each.map(|p| headers(path::header(p, negated))).collect(),
        Subject::Host => each.map(|p| headers(vec![host::header(p, negated)])).collect(),
        Subject::Query(name) => each.map(|p| query::parameter(name, p)).collect(),
        Subject::Cookie(name) => each.map(|p| cookie::test(name, p, negated, target)).collect(),
        Subject::Grpc if negated => vec![headers(vec![header::not_grpc()])],
        Subject::Grpc => vec![RouteMatch { grpc: Some(Empty {}), ..RouteMatch::default() }],
    }
}

/// The patterns that Envoy is given for tests of one subject, or for their denial.
pub(crate) fn regexes(test: &Test, negated: bool, target: Target) -> Vec<String> {
    let literal = |patterns| Literal { subject: &test.subject, patterns, negated };
    let all = test.patterns.chunks(1).flat_map(|patterns| lower(&[literal(patterns)], target));
    all.flat_map(|one| one.regexes()).collect()
}

/// The patterns of a condition's matches.
pub(crate) fn regexes_of(condition: &Condition, target: Target) -> Vec<String> {
    let all = of(Some(condition)).unwrap_or_default().into_iter();
    all.flat_map(|literals| lower(&literals, target)).flat_map(|one| one.regexes()).collect()
}

/// A test of a cookie.
pub(crate) fn cookie(name: &str, wanted: &Pattern, target: Target) -> RouteMatch {
    cookie::test(name, wanted, false, target)
}

/// Whether literals let `OPTIONS` through.
pub(crate) fn sees_options(literals: &[Literal<'_>]) -> bool {
    let options = Pattern::Equals("OPTIONS".to_owned());
    literals.iter().filter(|l| *l.subject == Subject::Method).all(|l| l.patterns.contains(&options) != l.negated)
}

/// The matches of what a browser asks before a call that the literals take.
pub(crate) fn preflight(literals: &[Literal<'_>], target: Target) -> Vec<RouteMatch> {
    const ASKED: &str = "access-control-request-method";
    let (methods, others): (Vec<_>, Vec<_>) = literals.iter().cloned().partition(|l| *l.subject == Subject::Method);
    let mut headers = vec![header::methods(&[Pattern::Equals("OPTIONS".to_owned())], false)];
    headers.extend(methods.iter().map(|l| header::of_methods(ASKED, l.patterns, l.negated)));
    if methods.is_empty() {
        headers.push(header::present(ASKED, false));
    }
    let question = RouteMatch { headers, ..RouteMatch::default() };
    lower(&others, target).into_iter().map(|one| one.and(&question)).collect()
}

/// A match for requests from each of these origins.
pub(crate) fn with_origin(one: &RouteMatch, origins: &[StringMatcher]) -> Vec<RouteMatch> {
    let from = |origin: &StringMatcher| {
        let mut one = one.clone();
        one.headers.push(matcher("origin", origin.clone(), false));
        one
    };
    origins.iter().map(from).collect()
}

impl RouteMatch {
    /// This match and what another one asks for beside the path.
    pub(crate) fn and(mut self, other: &RouteMatch) -> Self {
        self.headers.extend(other.headers.iter().cloned());
        self.query_parameters.extend(other.query_parameters.iter().cloned());
        self.cookies.extend(other.cookies.iter().cloned());
        self.grpc = self.grpc.or(other.grpc);
        self
    }
}

impl RouteMatch {
    fn regexes(&self) -> Vec<String> {
        let regex = |matcher: &StringMatcher| match matcher {
            StringMatcher::SafeRegex(pattern) => Some(pattern.regex.clone()),
            _ => None,
        };
        let path = match &self.path {
            PathSpecifier::SafeRegex(pattern) => Some(pattern.regex.clone()),
            _ => None,
        };
        let headers = self.headers.iter().filter_map(|header| match &header.matches {
            HeaderMatch::StringMatch(matcher) => regex(matcher),
            HeaderMatch::PresentMatch(_) => None,
        });
        let queries = self.query_parameters.iter().filter_map(|query| match &query.matches {
            QueryParameterMatch::StringMatch(matcher) => regex(matcher),
            QueryParameterMatch::PresentMatch(_) => None,
        });
        let cookies = self.cookies.iter().filter_map(|cookie| regex(&cookie.string_match));
        path.into_iter().chain(headers).chain(queries).chain(cookies).collect()
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
