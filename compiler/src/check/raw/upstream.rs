//! Clusters that decode, and yet leave something to defaults that surprise.

use super::cx::{Cx, entry, field, head, items, place, text};
use super::object::{Config, Of};
use crate::yaml::{Kind, Node};
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::codes;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The thresholds of a circuit breaker, with Envoy's defaults.
const THRESHOLDS: &[(&str, u32)] =
    &[("max_connections", 1024), ("max_pending_requests", 1024), ("max_requests", 1024), ("max_retries", 3)];

pub(super) fn check(config: &Config<'_>, cx: &mut Cx<'_>) {
    for resource in config.of(Of::Cluster) {
        let node = resource.node;
        if let Some(name) = resource.name.filter(|_| field(node, "connect_timeout").is_none()) {
            let message = "this cluster has Envoy's connect timeout of 5 seconds";
            let help = "write `connect_timeout`: a short one, as an endpoint that is gone costs this long";
            cx.report(codes::CONNECT_TIMEOUT_LEFT_OPEN, &place(name), message, help);
        }
        thresholds(node, cx);
        outlier(node, cx);
        localities(node, cx);
        fixed_addresses(node, cx);
    }
    uneven(config, cx);
}

/// The number of a cluster's `type`, where it is written as one.
pub(super) fn type_number(cluster: &Node) -> Option<u64> {
    match &field(cluster, "type")?.kind {
        Kind::Number(number) => number.as_u64(),
        _ => None,
    }
}

fn thresholds(cluster: &Node, cx: &mut Cx<'_>) {
    for threshold in field(cluster, "circuit_breakers").map_or(&[][..], |breakers| items(breakers, "thresholds")) {
        let open = THRESHOLDS.iter().filter(|(name, _)| field(threshold, name).is_none());
        // A retry budget takes the place of the number.
        let open = open.filter(|(name, _)| *name != "max_retries" || field(threshold, "retry_budget").is_none());
        let open: Vec<String> = open.map(|(name, default)| format!("`{name}` ({default})")).collect();
        if !open.is_empty() {
            let message = format!("these thresholds leave {} to Envoy's defaults", open.join(", "));
            let help = "write all four: with any of them Cilium fills in none of its own";
            cx.report(codes::THRESHOLDS_LEFT_OPEN, &head(threshold), message, help);
        }
    }
}

fn outlier(cluster: &Node, cx: &mut Cx<'_>) {
    let Some((key, detection)) = entry(cluster, "outlier_detection") else { return };
    if field(detection, "max_ejection_percent").is_none() && field(detection, "always_eject_one_host").is_none() {
        let message = "at most 10 % of the endpoints are ejected: none of fewer than ten";
        let help = "write `max_ejection_percent`, such as `max_ejection_percent: 50`";
        cx.report(codes::EJECTION_LEFT_OPEN, &place((key, detection)), message, help);
    }
}

/// Weights of localities count only where the cluster says so.
fn localities(cluster: &Node, cx: &mut Cx<'_>) {
    let weighted =
        field(cluster, "common_lb_config").is_some_and(|c| field(c, "locality_weighted_lb_config").is_some());
    if weighted || field(cluster, "load_balancing_policy").is_some() {
        return;
    }
    let localities = field(cluster, "load_assignment").map_or(&[][..], |assignment| items(assignment, "endpoints"));
    for weight in localities.iter().filter_map(|locality| entry(locality, "load_balancing_weight")) {
        let message = "the weights of localities have no effect in this cluster";
        let help = "write `common_lb_config: {locality_weighted_lb_config: {}}`, or split between clusters with `weighted_clusters`";
        cx.report(codes::LOCALITY_WEIGHTS, &place(weight), message, help);
    }
}

/// Addresses written out are those of pods, which do not last.
fn fixed_addresses(cluster: &Node, cx: &mut Cx<'_>) {
    // `STATIC` is what a cluster without a type is.
    let other = text(cluster, "type").is_some_and(|t| t != "STATIC") || type_number(cluster).is_some_and(|n| n != 0);
    if other || field(cluster, "cluster_type").is_some() {
        return;
    }
    let localities = field(cluster, "load_assignment").map_or(&[][..], |assignment| items(assignment, "endpoints"));
    for endpoint in localities.iter().flat_map(|locality| items(locality, "lb_endpoints")) {
        let address =
            field(endpoint, "endpoint").and_then(|e| field(e, "address")).and_then(|a| field(a, "socket_address"));
        let Some(found) = address.and_then(|a| entry(a, "address")) else { continue };
        if found.1.as_text().and_then(|t| t.parse::<IpAddr>().ok()).is_some_and(|ip| !ip.is_loopback()) {
            let message = "a fixed address is for tests: the pod behind it gets another one when it restarts";
            let help = "use `type: EDS` with a Service under `backendServices`";
            cx.report(codes::FIXED_ADDRESS, &place(found), message, help);
        }
    }
}

/// Sides of one split whose connect timeouts differ.
fn uneven(config: &Config<'_>, cx: &mut Cx<'_>) {
    let clusters: BTreeMap<String, &Node> =
        config.of(Of::Cluster).map(|r| (config.qualified(r.name()), r.node)).collect();
    let messages = config.resources.iter().flat_map(|r| &r.messages);
    for (split, _) in messages.filter(|(_, message)| message.full_name().ends_with(".WeightedCluster")) {
        let sides = items(split, "clusters").iter().filter_map(|side| text(side, "name"));
        let nodes = sides.filter_map(|name| clusters.get(&config.qualified(name)).copied());
        let times: Vec<&Node> = nodes.filter_map(|node| field(node, "connect_timeout")).collect();
        let Some((first, others)) = times.split_first() else { continue };
        for other in others.iter().filter(|other| other.kind != first.kind) {
            let message = "the sides of one split have different connect timeouts";
            let uneven = Diagnostic::new(codes::UNEVEN_CONNECT_TIMEOUTS, cx.span(&other.range), message)
                .also(cx.span(&first.range), "this is the first side's")
                .help("give them the same, or one side looks worse than it is");
            cx.push(uneven);
        }
    }
}
