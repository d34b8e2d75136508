//! `cors` on the routes of a rule.
//!
//! Envoy's CORS filter looks only at routes to an upstream. It answers what a browser asks before
//! a call, if the route sees that question, which a rule with a `method` does not; so such a rule
//! has a route for the question too. On redirects and responses of the proxy the same headers are
//! written out.

use super::matches;
use crate::clause::cors::Cors;
use crate::envoy::{
    DirectResponseAction, Empty, HeaderValueOption, HttpFilter, HttpFilterConfig, PerFilterConfig, Route,
    RouteActionKind, RouteMatch,
};
use crate::target::Target;

const FILTER: &str = "envoy.filters.http.cors";

/// The filter, which does nothing but on routes with a policy.
pub(crate) fn filter() -> HttpFilter {
    HttpFilter { name: FILTER.into(), typed_config: HttpFilterConfig::Cors(Empty {}), disabled: false }
}

/// Puts the policy on a route to an upstream.
pub(crate) fn put(cors: &Cors, route: &mut Route) {
    route.typed_per_filter_config.insert(FILTER.into(), PerFilterConfig::Cors(Box::new(cors.lower())));
}

/// The matches of questions before calls that the literals take. A route to an upstream sees them
/// by itself where no method keeps it from them; an answer of the proxy's own never does.
pub(crate) fn questions(
    cors: &Cors,
    literals: &[matches::Literal<'_>],
    to_upstream: bool,
    target: Target,
) -> Vec<RouteMatch> {
    if to_upstream && matches::sees_options(literals) {
        return Vec::new();
    }
    let from = cors.allowed();
    matches::preflight(literals, target).into_iter().flat_map(|one| matches::with_origin(&one, &from)).collect()
}

/// Makes a route answer a question.
pub(crate) fn answer(cors: &Cors, route: &mut Route) {
    route.action = RouteActionKind::DirectResponse(DirectResponseAction { status: 200, body: None });
    let policy = cors.lower();
    let fields = [
        ("access-control-allow-methods", policy.allow_methods),
        ("access-control-allow-headers", policy.allow_headers),
        ("access-control-max-age", policy.max_age),
    ];
    route.response_headers_to_add = allowed(cors);
    route.response_headers_to_add.extend(fields.into_iter().filter_map(|(name, value)| Some(header(name, value?))));
}

/// The same route for calls from the allowed origins, whose answers say so, and for all others.
pub(crate) fn with_origins(cors: &Cors, route: Route) -> Vec<Route> {
    let mut routes: Vec<Route> = matches::with_origin(&route.matches, &cors.allowed())
        .into_iter()
        .map(|matches| Route { matches, ..route.clone() })
        .collect();
    let exposed = cors.lower().expose_headers.map(|names| header("access-control-expose-headers", names));
    for one in &mut routes {
        one.response_headers_to_add.extend(allowed(cors));
        one.response_headers_to_add.extend(exposed.clone());
    }
    routes.push(route);
    routes
}

fn allowed(cors: &Cors) -> Vec<HeaderValueOption> {
    // A command of Envoy's, which names the origin of the request.
    let mut headers = vec![header("access-control-allow-origin", "%REQ(ORIGIN)%".to_owned())];
    headers.extend(cors.credentials.then(|| header("access-control-allow-credentials", "true".to_owned())));
    headers
}

fn header(name: &'static str, value: String) -> HeaderValueOption {
    let header = crate::envoy::HeaderValue { key: name.into(), value };
    HeaderValueOption {
        header,
        append_action: crate::envoy::AppendAction::OverwriteIfExistsOrAdd,
        keep_empty_value: false,
    }
}
