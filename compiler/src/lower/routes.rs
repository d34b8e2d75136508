//! Rules → the one virtual host of a service, whose routes Envoy tries in order.

use super::limits::{self, Plan, Use};
use super::matches;
use crate::clause::{respond, split};
use crate::envoy::{
    self, HeaderMatch, HeaderMatcher, HttpFilter, ProtoDuration, Route, RouteAction, RouteActionKind,
    RouteConfiguration, RouteMatch, Str, StringMatcher, VirtualHost,
};
use crate::ir::{Action, Forward, Rule};
use crate::target::Target;
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::codes;

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
    let matches: Vec<Vec<RouteMatch>> = rules.iter().map(|rule| rule_matches(rule, diagnostics)).collect();
    let uses: Vec<Use<'_>> = rules
        .iter()
        .zip(&matches)
        .map(|(rule, matches)| Use {
            limit: rule.limit.as_ref(),
            routes: matches.len(),
            forwards: matches!(rule.action, Action::Forward(_)),
        })
        .collect();
    let plan = limits::plan(&uses, target, diagnostics);
    let mut routes = Vec::with_capacity(matches.iter().map(Vec::len).sum());
    for (at, (rule, matches)) in rules.iter().zip(matches).enumerate() {
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

fn rule_matches(rule: &Rule, diagnostics: &mut Vec<Diagnostic>) -> Vec<RouteMatch> {
    matches::lower(rule.condition.as_ref()).unwrap_or_else(|| {
        let message = format!("this condition has more than {} alternatives", matches::MAX_ALTERNATIVES);
        diagnostics.push(
            Diagnostic::new(codes::TOO_MANY_ALTERNATIVES, rule.span, message)
                .help("split it into several rules, or use a regular expression"),
        );
        Vec::new()
    })
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
    let read_only = matches!(&rule.action, Action::Forward(forward) if forward.read_only);
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
    if !read_only {
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
