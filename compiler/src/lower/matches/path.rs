//! `path` → the path specifier of a match, or, for a second test and for denials, the `:path` header.

use super::{Literal, matcher, pattern};
use crate::envoy::{
    HeaderMatcher, PathMatchPolicy, PathSpecifier, RegexMatcher, StringMatcher, UriTemplateMatch,
    UriTemplateMatchConfig,
};
use crate::ir::{Pattern, Subject};
use crate::regex::{self, within};

/// Which literal becomes the path of the match: one that is exact there alone rather than a text,
/// since the others become matches of the `:path` header, which has the query.
pub(super) fn choose(literals: &[Literal<'_>]) -> Option<usize> {
    let rank = |literal: &Literal<'_>| match literal.patterns.first()? {
        Pattern::Template(_) => Some(0),
        Pattern::Regex(_) => Some(1),
        Pattern::Suffix(_) | Pattern::Contains(_) => Some(2),
        _ => Some(3),
    };
    let paths = literals.iter().enumerate().filter(|(_, l)| *l.subject == Subject::Path && !l.negated);
    paths.min_by_key(|(_, l)| rank(l)).map(|(at, _)| at)
}

pub(super) fn specifier(literal: &Literal<'_>) -> Option<PathSpecifier> {
    let regex = |regex| PathSpecifier::SafeRegex(RegexMatcher { regex });
    Some(match literal.patterns.first()? {
        Pattern::Equals(path) => PathSpecifier::Path(path.clone()),
        // The API refuses a separated prefix that ends in a slash; such a prefix is literal.
        Pattern::Prefix(prefix) if prefix.ends_with('/') => PathSpecifier::Prefix(prefix.clone().into()),
        Pattern::Prefix(prefix) => PathSpecifier::PathSeparatedPrefix(prefix.clone()),
        Pattern::Suffix(suffix) => regex(format!(".*{}", regex::quote(suffix))),
        Pattern::Contains(part) => regex(format!(".*{}.*", regex::quote(part))),
        Pattern::Regex(pattern) => regex(regex::search(pattern)),
        Pattern::Template(template) => PathSpecifier::PathMatchPolicy(PathMatchPolicy {
            name: "envoy.path.match.uri_template.uri_template_matcher".into(),
            typed_config: UriTemplateMatch::Config(UriTemplateMatchConfig { path_template: template.to_string() }),
        }),
        Pattern::Exists => PathSpecifier::default(),
    })
}

/// A test of the path by the `:path` header, in which a query may follow.
pub(super) fn header(wanted: &Pattern, negated: bool) -> Vec<HeaderMatcher> {
    let one = |matches| matcher(":path", matches, negated);
    // A literal beginning does not count towards Envoy's limit on patterns where `^` precedes it.
    let whole = |text: String| vec![one(pattern(text))];
    match (wanted, negated) {
        (Pattern::Equals(path), true) => {
            vec![one(StringMatcher::Exact(path.clone())), one(StringMatcher::Prefix(format!("{path}?")))]
        }
        (Pattern::Equals(path), false) => whole(format!("^{}(?:\\?.*)?$", regex::quote(path))),
        (Pattern::Prefix(prefix), _) if prefix.ends_with('/') => vec![one(StringMatcher::Prefix(prefix.clone()))],
        (Pattern::Prefix(prefix), true) => {
            let further = ["/", "?"].map(|end| one(StringMatcher::Prefix(format!("{prefix}{end}"))));
            std::iter::once(one(StringMatcher::Exact(prefix.clone()))).chain(further).collect()
        }
        (Pattern::Prefix(prefix), false) => whole(format!("^{}(?:[/?].*)?$", regex::quote(prefix))),
        (Pattern::Suffix(suffix), _) => whole(within::PATH.suffix(suffix)),
        (Pattern::Contains(part), _) => whole(within::PATH.contains(part)),
        (Pattern::Regex(text), _) => whole(within::PATH.search(text)),
        (Pattern::Template(template), _) => whole(format!("^{}(?:\\?.*)?$", template.regex())),
        (Pattern::Exists, _) => Vec::new(),
    }
}
