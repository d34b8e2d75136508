//! Listeners and routes that decode, and yet do not do what they look like.

use super::cx::{Cx, entry, field, head, items, place, place_of, text};
use super::object::{Config, Of};
use super::references::ADMIN;
use crate::schema;
use crate::yaml::Node;
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::codes;
use prost_reflect::MessageDescriptor;
use std::collections::{BTreeMap, BTreeSet};

const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "envoy.filters.http.router";
const ROUTER_TYPE: &str = "envoy.extensions.filters.http.router.v3.Router";

/// The names of filters by the route configuration that they work on.
type Filters<'n> = BTreeMap<String, BTreeSet<&'n str>>;

pub(super) fn check(config: &Config<'_>, cx: &mut Cx<'_>) {
    let mut filters = Filters::new();
    for listener in config.of(Of::Listener) {
        chains(listener.node, cx);
        for (node, _) in listener.messages.iter().filter(|(_, message)| message.full_name() == MANAGER) {
            manager(config, node, &mut filters, cx);
        }
    }
    for (node, message) in config.resources.iter().flat_map(|r| &r.messages) {
        of_message(node, message, cx);
    }
    for routes in config.of(Of::Routes) {
        if let Some(known) = filters.get(&config.forced(routes.name())) {
            settings(routes.messages.iter().map(|(node, _)| *node), known, cx);
        }
    }
}

/// Two chains for the same connections: newer agents refuse the listener, Envoy always does.
fn chains(listener: &Node, cx: &mut Cx<'_>) {
    let chains = items(listener, "filter_chains");
    let wanted =
        |chain: &Node| field(chain, "filter_chain_match").map(Node::to_json).filter(|m| *m != serde_json::json!({}));
    let mut seen: Vec<(Option<serde_json::Value>, &Node)> = Vec::new();
    for chain in chains {
        let own = wanted(chain);
        if let Some((_, first)) = seen.iter().find(|(match_, _)| *match_ == own) {
            let message = "this filter chain is for the same connections as another one";
            let twice = Diagnostic::new(codes::FILTER_CHAIN_TWICE, cx.span(&place_of(chain, "filter_chain_match")), message)
                .also(cx.span(&place_of(first, "filter_chain_match")), "first written here")
                .help("give them different `filter_chain_match`es: Envoy refuses the listener, and may take no other update either");
            cx.push(twice);
        } else {
            seen.push((own, chain));
        }
    }
}

fn manager<'n>(config: &Config<'_>, node: &'n Node, filters: &mut Filters<'n>, cx: &mut Cx<'_>) {
    let list = items(node, "http_filters");
    router(node, list, cx);
    let names = list.iter().filter_map(|filter| text(filter, "name"));
    if let Some(name) = field(node, "rds").and_then(|rds| text(rds, "route_config_name")) {
        filters.entry(config.forced(name)).or_default().extend(names);
    } else if let Some(routes) = field(node, "route_config") {
        let mut nodes = Vec::new();
        if let Some(message) = cx.schema.message(Of::Routes.message()) {
            schema::visit(routes, &message, cx.schema, &mut |node, _| nodes.push(node));
        }
        settings(nodes, &names.collect(), cx);
    }
}

fn is_router(filter: &Node) -> bool {
    match field(filter, "typed_config").and_then(|any| any.text("@type")) {
        Some(url) => url.rsplit('/').next() == Some(ROUTER_TYPE),
        None => text(filter, "name") == Some(ROUTER),
    }
}

fn router(manager: &Node, filters: &[Node], cx: &mut Cx<'_>) {
    let Some(at) = filters.iter().position(is_router) else {
        let message = "`http_filters` has no router, so no request is sent on";
        let help = format!("end the list with `{ROUTER}`");
        return cx.report(codes::ROUTER_NOT_LAST, &place_of(manager, "http_filters"), message, help);
    };
    if let Some(behind) = filters.get(at + 1) {
        let message = "this filter stands behind the router, and Envoy refuses the listener";
        let help = "the router is the last of the HTTP filters";
        cx.report(codes::ROUTER_NOT_LAST, &place_of(behind, "name"), message, help);
    }
    if let Some(name) =
        filters.get(at).and_then(|filter| entry(filter, "name")).filter(|(_, v)| v.as_text() != Some(ROUTER))
    {
        let message = format!("Cilium puts its policy filter before `{ROUTER}`, and knows it by this name alone");
        let help =
            format!("call the router `{ROUTER}`: as it is, HTTP rules of network policies are not enforced here");
        cx.report(codes::ROUTER_RENAMED, &place(name), message, help);
    }
}

/// Settings of routes are for filters that the connection manager has.
fn settings<'n>(nodes: impl IntoIterator<Item = &'n Node>, filters: &BTreeSet<&str>, cx: &mut Cx<'_>) {
    let maps = nodes.into_iter().filter_map(|node| field(node, "typed_per_filter_config"));
    for (key, _) in maps.flat_map(Node::fields) {
        if !filters.contains(key.name.as_str()) {
            let message = format!("the connection manager has no filter `{}`, so this has no effect", key.name);
            let help =
                "add the filter to `http_filters`, before the router; settings of routes only change what is there";
            cx.report(codes::FILTER_NOT_THERE, &key.range, message, help);
        }
    }
}

fn of_message(node: &Node, message: &MessageDescriptor, cx: &mut Cx<'_>) {
    match message.full_name() {
        "envoy.config.route.v3.Route" => admin(node, cx),
        "envoy.config.route.v3.RouteAction" => timeout(node, cx),
        "envoy.config.route.v3.RetryPolicy" if text(node, "retry_on").is_none() => {
            let help = "write, for example, `retry_on: \"5xx\"`; without it only requests that ask for it by header are retried";
            cx.report(codes::RETRY_WITHOUT_CAUSE, &head(node), "this retries on nothing: it has no `retry_on`", help);
        }
        "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit" => ratelimit(node, cx),
        _ => {}
    }
}

fn timeout(action: &Node, cx: &mut Cx<'_>) {
    if field(action, "timeout").is_none() && field(action, "max_stream_duration").is_none() {
        let message = "this route has Envoy's timeout of 15 seconds for a whole response";
        let help = "write `timeout`, such as `timeout: 5s`; `timeout: 0s` is none, for downloads and streams";
        cx.report(codes::ROUTE_TIMEOUT_LEFT_OPEN, &head(action), message, help);
    }
}

fn ratelimit(node: &Node, cx: &mut Cx<'_>) {
    if field(node, "token_bucket").is_none() {
        return;
    }
    for (name, what) in [("filter_enabled", "looked at"), ("filter_enforced", "refused")] {
        if field(node, name).is_none() {
            let message = format!("without `{name}` 0 % of the requests are {what}");
            let help = format!("write `{name}: {{default_value: {{numerator: 100, denominator: HUNDRED}}}}`");
            cx.report(codes::RATELIMIT_OFF, &place_of(node, "token_bucket"), message, help);
        }
    }
}

/// Envoy's administration interface takes changes from whoever reaches it.
fn admin(route: &Node, cx: &mut Cx<'_>) {
    let cluster = field(route, "route").and_then(|action| entry(action, "cluster"));
    let Some(cluster) = cluster.filter(|(_, v)| v.as_text().is_some_and(|n| n == ADMIN || n == "envoy-admin")) else {
        return;
    };
    let Some(matched) = field(route, "match") else { return };
    let by_method = items(matched, "headers").iter().any(|header| text(header, "name") == Some(":method"));
    if !by_method && field(matched, "path").is_none() {
        let message = "whoever reaches this can change and stop Envoy: its administration interface takes writes";
        let help = "match the one path that is wanted with `path`, or the header `:method` for `GET` alone";
        cx.report(codes::WRITABLE_ADMIN, &place(cluster), message, help);
    }
}
