//! Every reference between resources leads to something, under the names that Cilium makes of them.

use super::cx::{Cx, entry, field, place, place_of, text};
use super::names::World;
use super::object::{Config, Of, Resource};
use crate::yaml::Node;
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::suggest::nearest;
use std::collections::BTreeSet;

/// Envoy's own administration interface, a cluster of the agent's bootstrap.
pub(super) const ADMIN: &str = "/envoy-admin";

/// The fields that name a cluster, with the first minor release that qualifies the name.
const CLUSTER_FIELDS: &[(&str, &str, u8)] = &[
    ("envoy.config.core.v3.GrpcService.EnvoyGrpc", "cluster_name", 20),
    ("envoy.config.core.v3.HttpUri", "cluster", 20),
    ("envoy.config.route.v3.RouteAction", "cluster", 14),
    ("envoy.config.route.v3.RouteAction.RequestMirrorPolicy", "cluster", 15),
    ("envoy.config.route.v3.WeightedCluster.ClusterWeight", "name", 14),
    ("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster", 15),
    ("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight", "name", 15),
];

/// The names that an object defines, qualified.
struct Names {
    clusters: BTreeSet<String>,
    routes: BTreeSet<String>,
}

pub(super) fn check(config: &Config<'_>, world: &World, cx: &mut Cx<'_>) {
    let names = Names {
        clusters: config.of(Of::Cluster).map(|r| config.qualified(r.name())).collect(),
        routes: config.of(Of::Routes).map(|r| config.forced(r.name())).collect(),
    };
    for resource in &config.resources {
        let mut wanted = Vec::new();
        for (node, message) in &resource.messages {
            for (_, field, since) in CLUSTER_FIELDS.iter().filter(|(of, ..)| *of == message.full_name()) {
                wanted.extend(text(node, field).map(|name| (*node, *field, name, *since)));
            }
            if message.full_name() == "envoy.extensions.filters.network.http_connection_manager.v3.Rds" {
                wanted.extend(text(node, "route_config_name").map(|name| (*node, "route_config_name", name, 0)));
            }
        }
        for (node, field, name, since) in wanted {
            if field == "route_config_name" {
                routes(config, node, name, &names, cx);
            } else {
                cluster(config, (node, field, name, since), &names, world, cx);
            }
        }
    }
    for resource in config.of(Of::Cluster) {
        node_wide(config, resource, cx);
        endpoints(config, resource, world, cx);
    }
}

fn routes(config: &Config<'_>, node: &Node, name: &str, names: &Names, cx: &mut Cx<'_>) {
    if names.routes.contains(&config.forced(name)) {
        return;
    }
    let message = format!("`resources` has no route configuration `{name}`");
    let written = config.of(Of::Routes).map(Resource::name);
    let help = match nearest(name, written) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a RouteConfiguration of this name: without it requests are answered 404".to_owned(),
    };
    cx.report(codes::UNKNOWN_ROUTES, &place_of(node, "route_config_name"), message, help);
}

fn cluster(
    config: &Config<'_>,
    (node, field, name, since): (&Node, &str, &str, u8),
    names: &Names,
    world: &World,
    cx: &mut Cx<'_>,
) {
    let qualifies = cx.minor() >= since;
    let wanted = if qualifies { config.qualified(name) } else { name.to_owned() };
    if name == ADMIN || names.clusters.contains(&wanted) || world.clusters.contains(&wanted) {
        return;
    }
    let place = place_of(node, field);
    if name == "envoy-admin" {
        let message = format!("`envoy-admin` means the cluster `{wanted}` here, which is not there");
        let span = cx.span(&place);
        let diagnostic = Diagnostic::new(codes::UNKNOWN_CLUSTER, span, message)
            .help(format!("Envoy's administration interface is `{ADMIN}`"))
            .fix(span, format!("\"{ADMIN}\""));
        return cx.push(diagnostic);
    }
    if name.contains('/') && !wanted.starts_with(&config.prefix()) {
        let message = format!("no object of this file defines the cluster `{name}`");
        let help = "define it here: what another object defines goes when that object goes";
        return cx.report(codes::CLUSTER_ELSEWHERE, &place, message, help);
    }
    let unqualified = !qualifies && names.clusters.contains(&config.qualified(name));
    let message = if unqualified {
        format!("{} does not complete this name, and there is no cluster `{name}`", cx.target)
    } else {
        format!("`resources` has no cluster `{name}`")
    };
    let help = match nearest(name, config.of(Of::Cluster).map(Resource::name)) {
        _ if unqualified => format!("write its full name, `{}`", config.qualified(name)),
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a Cluster of this name: without it requests are answered 503".to_owned(),
    };
    cx.report(codes::UNKNOWN_CLUSTER, &place, message, help);
}

/// A name with a slash is left as it is, and so shared by all objects on a node.
fn node_wide(config: &Config<'_>, resource: &Resource<'_>, cx: &mut Cx<'_>) {
    let name = resource.name();
    let Some(written) = resource.name.filter(|_| name.contains('/') && !name.starts_with(&config.prefix())) else {
        return;
    };
    let message = format!("`{name}` is one name for every object on a node");
    let own = name.rsplit('/').next().unwrap_or(name);
    let mut help = format!(
        "another object with this name overwrites it, or takes it away when it goes; call it `{}{own}`",
        config.prefix()
    );
    let named = field(resource.node, "eds_cluster_config").is_some_and(|eds| text(eds, "service_name").is_some());
    if is_eds(resource.node) && !named {
        // The endpoints go by the cluster's name, which is about to change.
        help.push_str(&format!(", with `eds_cluster_config: {{service_name: \"{name}\"}}`"));
    }
    cx.report(codes::NODE_WIDE_NAME, &place(written), message, help);
}

fn is_eds(cluster: &Node) -> bool {
    text(cluster, "type") == Some("EDS") || super::upstream::type_number(cluster) == Some(3)
}

/// What an EDS cluster asks for is one of the sets that Cilium publishes.
fn endpoints(config: &Config<'_>, resource: &Resource<'_>, world: &World, cx: &mut Cx<'_>) {
    let eds = field(resource.node, "eds_cluster_config");
    if !is_eds(resource.node) || eds.is_some_and(|eds| field(eds, "eds_config").is_some()) {
        return;
    }
    let written =
        eds.and_then(|eds| entry(eds, "service_name")).filter(|(_, v)| v.as_text().is_some_and(|t| !t.is_empty()));
    let own = config.qualified(resource.name());
    let wanted = written.and_then(|(_, value)| value.as_text()).unwrap_or(&own);
    if wanted.is_empty() || world.published.contains(wanted) {
        return;
    }
    let range = written.or(resource.name).map_or_else(|| resource.node.range.clone(), place);
    let message = format!("no object of this file makes Cilium publish the endpoints `{wanted}`");
    cx.report(codes::UNPUBLISHED_ENDPOINTS, &range, message, publish(wanted, written.is_some(), world));
}

/// How the endpoints could come to be published.
fn publish(wanted: &str, written: bool, world: &World) -> String {
    let (service, port) = wanted.rsplit_once(':').unwrap_or((wanted, ""));
    let same = world.published.iter().filter(|name| name.rsplit_once(':').map_or(name.as_str(), |(s, _)| s) == service);
    let near: Vec<String> = same.map(|name| format!("`{name}`")).collect();
    if !near.is_empty() {
        return format!("published are {}; name one of them in `service_name`", near.join(", "));
    }
    match service.split_once('/') {
        Some((namespace, name)) if !name.contains('/') => {
            let number = if port.is_empty() { String::new() } else { format!(" and `number: [\"{port}\"]`") };
            format!("write `{name}` under `backendServices`, with `namespace: {namespace}`{number}")
        }
        _ if written => "names of endpoints are `namespace/service:port`".to_owned(),
        _ => "write `eds_cluster_config: {service_name: \"namespace/service:port\"}`".to_owned(),
    }
}
