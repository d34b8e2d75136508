//! Which cookie each sticky rule goes by. Rules of one route that split over the same destinations
//! share a cookie, so that a client has one side in all of them; others have one each, since a
//! cookie holds one side.

use super::Cx;
use super::rule::{Deed, Draft};
use crate::clause::key::Key;
use meshc_dsl::Span;
use meshc_dsl::diagnostic::{Diagnostic, codes};
use std::collections::{BTreeMap, BTreeSet};

/// Warns of sticky clauses that no rule with a split goes by.
pub(crate) fn check(rules: &[Draft<'_>], cx: &mut Cx<'_>) {
    for (key, place) in rules.iter().filter_map(Draft::own_sticky) {
        let splits = |rule: &Draft<'_>| matches!(&rule.deed, Deed::Forward(split) if split.shares.len() > 1);
        if !rules.iter().any(|rule| splits(rule) && rule.sticky().as_ref() == Some(key)) {
            let message = "clients have one side to keep: nothing is split here";
            let help = "take it away, or write a split: `90% v1, 10% v2`";
            cx.report(Diagnostic::new(codes::STICKY_OF_ONE, place, message).help(help));
        }
    }
}

/// Numbers the cookies of a route's rules; the fallback's comes first, and has the plain name.
pub(crate) fn number(rules: &mut [Draft<'_>], cx: &mut Cx<'_>) {
    let mut splits: Vec<BTreeSet<String>> = Vec::new();
    let mut named: BTreeMap<String, (usize, Span)> = BTreeMap::new();
    let last = rules.len().saturating_sub(1);
    for at in std::iter::once(last).chain(0..last) {
        let Some(rule) = rules.get_mut(at) else { continue };
        let (Some(Key::IssuedCookie(name)), Deed::Forward(split)) = (rule.sticky(), &rule.deed) else { continue };
        let sides: BTreeSet<String> = split.shares.iter().map(|s| s.destination.to_string()).collect();
        if sides.len() < 2 {
            continue;
        }
        let known = splits.iter().position(|s| *s == sides);
        rule.cookie = known.unwrap_or(splits.len());
        if known.is_none() {
            splits.push(sides);
        }
        let Some(name) = name else { continue };
        let (first, place) = *named.entry(name.clone()).or_insert((rule.cookie, rule.span));
        if first != rule.cookie {
            let message = format!("the cookie `{name}` would hold the sides of two different splits");
            cx.report(
                Diagnostic::new(codes::COOKIE_OF_TWO_SPLITS, rule.span, message)
                    .also(place, "it holds the side of this one")
                    .help("give one of them a cookie of its own: `sticky by issued-cookie NAME`, or no name"),
            );
        }
    }
}
