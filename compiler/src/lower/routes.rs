//! Rules → the one virtual host of a service, whose routes Envoy tries in order.

use super::limits::{self, Plan, Use};
use super::{matches, order};
use crate::clause::{respond, split};
use crate::envoy::{
    self, HeaderMatch, HeaderMatcher, HttpFilter, ProtoDuration, Route, RouteAction, RouteActionKind,
    RouteConfiguration, RouteMatch, Str, StringMatcher, VirtualHost,
};
use crate::ir::{Action, Forward, Rule};
use crate::target::Target;
use meshc_dsl::Diagnostic;

/// The routes of one service, and the filters that they need.
pub(crate) struct Routes {
    pub(crate) configuration: RouteConfiguration,
    pub(crate) filters: Vec<HttpFilter>,
}

/// Lowers rules; `clusters` are the names of the upstreams, `name` the fully qualified name of the
/// route configuration and its virtual host.
pub(crate) fn lower(
    rules: &[Rule],
    clusters: &[String],
    name: &str,
    target: Target,
    diagnostics: &mut Vec<Diagnostic>,
) -> Routes {
    let items = order::items(rules, diagnostics);
    let found: Vec<(usize, Vec<RouteMatch>)> =
        items.iter().map(|item| (item.rule, matches::lower(&item.literals, target))).collect();
    let mut counts = vec![0; rules.len()];
    for (at, matches) in &found {
        if let Some(count) = counts.get_mut(*at) {
            *count += matches.len();
        }
    }
    let uses: Vec<Use<'_>> = rules
        .iter()
        .zip(counts)
        .map(|(rule, matches)| Use {
            limit: rule.limit.as_ref(),
            routes: matches * routes_each(rule),
            forwards: matches!(rule.action, Action::Forward(_)),
        })
        .collect();
    let plan = limits::plan(&uses, target, diagnostics);
    let mut routes = Vec::with_capacity(found.iter().map(|(_, m)| m.len()).sum());
    for (at, matches) in found {
        let Some(rule) = rules.get(at) else { continue };
        let name: Str = if rule.condition.is_none() { "fallback".into() } else { format!("rule-{}", at + 1).into() };
        for one in matches {
            rule_routes(rule, &name, one, clusters, &plan, &mut routes);
        }
    }
    let host =
        VirtualHost { name: name.to_owned(), domains: vec!["*".into()], routes, typed_per_filter_config: plan.host };
    let configuration = RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: vec![host],
        max_direct_response_body_size_bytes: longest_body(rules),
    };
    Routes { configuration, filters: plan.filters }
}

/// How many Envoy routes a rule becomes for each of its matches.
fn routes_each(rule: &Rule) -> usize {
    if is_read_only(rule) { 2 } else { 1 }
}

fn is_read_only(rule: &Rule) -> bool {
    matches!(&rule.action, Action::Forward(forward) if forward.read_only)
}

/// The largest body where Envoy's own limit does not suffice.
fn longest_body(rules: &[Rule]) -> Option<u32> {
    let bodies = rules.iter().filter_map(|rule| match &rule.action {
        Action::Respond(respond) => respond.body.as_ref().map(String::len),
        _ => None,
    });
    bodies.max().filter(|n| *n > respond::PLAIN_BODY).and_then(|n| u32::try_from(n).ok())
}

fn rule_routes(
    rule: &Rule,
    name: &Str,
    matches: RouteMatch,
    clusters: &[String],
    plan: &Plan,
    routes: &mut Vec<Route>,
) {
    let (response_headers_to_add, response_headers_to_remove) = rule.response_headers.lower();
    let (request_headers_to_add, request_headers_to_remove) = rule.request_headers.lower();
    let mut route = Route {
        name: name.clone(),
        matches,
        action: action(rule, clusters, plan),
        request_headers_to_add,
        request_headers_to_remove,
        response_headers_to_add,
        response_headers_to_remove,
        typed_per_filter_config: plan.of_route(rule.limit.as_ref()),
    };
    if !is_read_only(rule) {
        return routes.push(route);
    }
    let refusal = Route {
        action: RouteActionKind::DirectResponse(envoy::DirectResponseAction { status: 405, body: None }),
        request_headers_to_add: Vec::new(),
        request_headers_to_remove: Vec::new(),
        ..route.clone()
    };
    route.matches.headers.push(HeaderMatcher {
        name: ":method".into(),
        matches: HeaderMatch::StringMatch(StringMatcher::SafeRegex(envoy::RegexMatcher { regex: "GET|HEAD".into() })),
        invert_match: false,
        treat_missing_header_as_empty: false,
    });
    routes.extend([route, refusal]);
}

fn action(rule: &Rule, clusters: &[String], plan: &Plan) -> RouteActionKind {
    match &rule.action {
        Action::Redirect(redirect) => RouteActionKind::Redirect(redirect.lower()),
        Action::Respond(respond) => RouteActionKind::DirectResponse(respond.lower()),
        Action::Forward(forward) => {
            let mut action = forward_action(forward);
            action.rate_limits = plan.descriptors(rule.limit.as_ref());
            split::lower(&forward.split, clusters, &mut action);
            RouteActionKind::Route(Box::new(action))
        }
    }
}

fn forward_action(forward: &Forward) -> RouteAction {
    RouteAction {
        cluster: None,
        weighted_clusters: None,
        regex_rewrite: forward.path.as_ref().map(|path| path.lower()),
        host_rewrite_literal: forward.host.clone(),
        timeout: ProtoDuration(forward.timeout.unwrap_or_default()),
        idle_timeout: ProtoDuration(forward.idle_timeout.unwrap_or_default()),
        retry_policy: forward.retry.as_ref().map(|retry| retry.lower()),
        rate_limits: Vec::new(),
    }
}
