//! Route configurations that decode, and that Envoy refuses as a whole or never matches.

use super::cx::{Cx, entry, field, head, items, place};
use super::object::{Config, Of};
use crate::clause::headers;
use crate::yaml::{Kind, Node};
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::codes;
use prost_reflect::MessageDescriptor;
use std::collections::BTreeMap;
use std::ops::Range;

pub(super) fn check(config: &Config<'_>, cx: &mut Cx<'_>) {
    for routes in config.of(Of::Routes) {
        domains(routes.node, cx);
    }
    for (node, message) in config.resources.iter().flat_map(|r| &r.messages) {
        of_message(node, message, cx);
    }
}

/// A domain stands in one virtual host, whatever its case (`RouteMatcher` of Envoy; tried with 1.38).
fn domains(routes: &Node, cx: &mut Cx<'_>) {
    let mut seen: BTreeMap<String, &Range<usize>> = BTreeMap::new();
    let all = items(routes, "virtual_hosts").iter().flat_map(|host| items(host, "domains"));
    for domain in all {
        let Some(name) = domain.as_text() else { continue };
        if let Some(first) = seen.get(&name.to_ascii_lowercase()) {
            let message = format!("the domain `{name}` is there twice, and Envoy refuses all of these routes");
            let twice = Diagnostic::new(codes::DOMAIN_TWICE, cx.span(&domain.range), message)
                .also(cx.span(first), "first written here")
                .help("put the routes of one domain into one virtual host");
            cx.push(twice);
        } else {
            seen.insert(name.to_ascii_lowercase(), &domain.range);
        }
    }
}

fn of_message(node: &Node, message: &MessageDescriptor, cx: &mut Cx<'_>) {
    match message.full_name() {
        "envoy.config.route.v3.RouteMatch" => path(node, cx),
        "envoy.config.route.v3.WeightedCluster" => weights(node, cx),
        "envoy.config.route.v3.HeaderMatcher" => header(node, cx),
        "envoy.config.core.v3.HeaderValue" => blanks(node, "value", (true, true), cx),
        _ => {}
    }
}

/// A path begins with a slash, but for the `*` of `OPTIONS *`, and Envoy looks at it without its query.
fn path(matched: &Node, cx: &mut Cx<'_>) {
    for name in ["path", "prefix", "path_separated_prefix"] {
        let Some((key, value)) = entry(matched, name) else { continue };
        let Some(path) = value.as_text().filter(|path| !path.is_empty()) else { continue };
        let problem = if !path.starts_with(['/', '*']) {
            "does not begin with `/`, and no request matches it"
        } else if path.contains(['?', '#']) {
            "has a query or fragment, which is cut off before paths are compared"
        } else {
            continue;
        };
        let help = "write the path alone, such as `/api`; for the query there is `query_parameters`";
        cx.report(codes::BAD_PATH, &place((key, value)), format!("`{path}` {problem}"), help);
    }
}

/// A test of a header by text, in the newer form or in one that the API has given up.
fn header(matcher: &Node, cx: &mut Cx<'_>) {
    for (name, counts) in [("exact", (true, true)), ("prefix", (true, false)), ("suffix", (false, true))] {
        if let Some(test) = field(matcher, "string_match") {
            blanks(test, name, counts, cx);
        }
        blanks(matcher, &format!("{name}_match"), counts, cx);
    }
}

fn blanks(node: &Node, name: &str, counts: (bool, bool), cx: &mut Cx<'_>) {
    let Some((found, written)) = entry(node, name).and_then(|found| Some((found, found.1.as_text()?))) else { return };
    if let Some(help) = headers::blank_at_end(written, counts) {
        cx.report(codes::BLANK_AT_END, &place(found), headers::BLANK_AT_END, help);
    }
}

/// Each side of a split has a weight, and one of them more than 0.
fn weights(split: &Node, cx: &mut Cx<'_>) {
    let sides = items(split, "clusters");
    let mut sum = Some(0_u64);
    for side in sides {
        match entry(side, "weight") {
            Some((_, Node { kind: Kind::Number(number), .. })) => {
                sum = sum.zip(number.as_u64()).map(|(sum, weight)| sum.saturating_add(weight));
            }
            Some(_) => sum = None,
            None => {
                let message = "this side of the split has no `weight`, and Envoy refuses all of these routes";
                let range = entry(side, "name").map_or_else(|| head(side), place);
                cx.report(codes::FIELD_RULE, &range, message, "write its `weight`, such as `weight: 10`");
                sum = None;
            }
        }
    }
    let message = match sum.filter(|_| !sides.is_empty()) {
        Some(0) => "the weights of this split are 0 together, and Envoy refuses all of these routes",
        Some(sum) if sum > u64::from(u32::MAX) => {
            "the weights of this split are more than 4294967295 together, and Envoy refuses all of these routes"
        }
        _ => return,
    };
    cx.report(codes::FIELD_RULE, &head(split), message, "give its sides weights that say how much goes to each");
}
