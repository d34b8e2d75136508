//! Every extension in a manifest is one that the target's Envoy is built with: a failure here is a
//! bug of the compiler, which should have refused the clause.

use crate::envoy::{
    AccessLogConfig, Cluster, DiscoveryType, HealthCheckKind, HttpFilterConfig, LbExtensionConfig, LbPolicy, Listener,
    NetworkFilter, Resource,
};
use crate::kubernetes::{Manifest, Object};
use crate::target::Target;
use std::collections::BTreeSet;

/// Describes every extension that the target's Envoy lacks.
pub fn extensions(manifest: &Manifest, target: Target) -> Vec<String> {
    let mut used = BTreeSet::new();
    for object in &manifest.objects {
        let Object::EnvoyConfig(config) = object else { continue };
        for resource in &config.spec.resources {
            match &resource.plain {
                Resource::Listener(listener) => of_listener(listener, &mut used),
                Resource::Cluster(cluster) => of_cluster(cluster, &mut used),
                Resource::RouteConfiguration(_) => {}
            }
        }
    }
    let missing = used.into_iter().filter(|name| !target.has_extension(name));
    missing.map(|name| format!("{target} has no extension `{name}`")).collect()
}

fn of_listener(listener: &Listener, used: &mut BTreeSet<&'static str>) {
    for filter in listener.filter_chains.iter().flat_map(|chain| &chain.filters) {
        let (manager, logs) = match &filter.typed_config {
            NetworkFilter::Http(manager) => {
                used.insert("envoy.filters.network.http_connection_manager");
                (Some(manager), &manager.access_log)
            }
            NetworkFilter::Tcp(proxy) => {
                used.insert("envoy.filters.network.tcp_proxy");
                (None, &proxy.access_log)
            }
        };
        used.extend(manager.iter().flat_map(|m| &m.http_filters).map(|filter| match filter.typed_config {
            HttpFilterConfig::Cors(_) => "envoy.filters.http.cors",
            HttpFilterConfig::LocalRateLimit(_) => "envoy.filters.http.local_ratelimit",
            HttpFilterConfig::Router(_) => "envoy.filters.http.router",
        }));
        used.extend(logs.iter().map(|log| match log.typed_config {
            AccessLogConfig::Stdout { .. } => "envoy.access_loggers.stdout",
        }));
    }
}

fn of_cluster(cluster: &Cluster, used: &mut BTreeSet<&'static str>) {
    used.insert(match cluster.discovery {
        DiscoveryType::Static => "envoy.clusters.static",
        DiscoveryType::StrictDns => "envoy.clusters.strict_dns",
        DiscoveryType::Eds => "envoy.clusters.eds",
    });
    used.extend(cluster.lb_policy.map(|policy| match policy {
        LbPolicy::RoundRobin => "envoy.load_balancing_policies.round_robin",
        LbPolicy::LeastRequest => "envoy.load_balancing_policies.least_request",
        LbPolicy::Random => "envoy.load_balancing_policies.random",
        LbPolicy::RingHash => "envoy.load_balancing_policies.ring_hash",
        LbPolicy::Maglev => "envoy.load_balancing_policies.maglev",
    }));
    let policies = cluster.load_balancing_policy.iter().flat_map(|p| &p.policies);
    used.extend(policies.map(|p| match p.typed_extension_config.typed_config {
        LbExtensionConfig::RingHash { .. } => "envoy.load_balancing_policies.ring_hash",
        LbExtensionConfig::Maglev { .. } => "envoy.load_balancing_policies.maglev",
    }));
    used.extend(cluster.health_checks.iter().map(|check| match check.kind {
        HealthCheckKind::HttpHealthCheck(_) => "envoy.health_checkers.http",
        HealthCheckKind::TcpHealthCheck(_) => "envoy.health_checkers.tcp",
        HealthCheckKind::GrpcHealthCheck(_) => "envoy.health_checkers.grpc",
    }));
}
