//! Upstreams → Envoy clusters, one for each steered service and destination.

use crate::clause::outlier::Outlier;
use crate::clause::upstream::UpstreamSettings;
use crate::envoy::{
    Address, CircuitBreakers, Cluster, ClusterLoadAssignment, CommonLbConfig, DiscoveryType, DnsLookupFamily,
    EdsClusterConfig, Endpoint, LbEndpoint, LocalityLbEndpoints, OutlierDetection, Percent, ProtoDuration,
    SocketAddress, Thresholds,
};
use crate::target::{self, Target};
use std::net::SocketAddr;

/// Where a cluster's endpoints come from.
pub(crate) enum Source {
    /// Cilium publishes them under this name.
    Eds(String),
    /// Fixed addresses.
    Static(Vec<SocketAddr>),
    /// A DNS name and port.
    Dns(String, u16),
    /// A given address, such as a pipe.
    Given(Address),
}

/// A cluster; `host` is what its health checks ask for.
pub(crate) fn lower(name: &str, source: Source, host: &str, settings: &UpstreamSettings, target: Target) -> Cluster {
    let breaker = settings.circuit_breaker;
    let thresholds = Thresholds {
        max_connections: breaker.connections,
        max_pending_requests: breaker.pending,
        max_requests: breaker.requests,
        max_retries: breaker.retries,
    };
    let protocol = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let own_hash = if target.has(&target::CLUSTER_HASH_POLICY) { settings.balance.lower_with_key() } else { None };
    let health_check = settings.health_check.as_ref();
    let mut cluster = Cluster {
        name: name.to_owned(),
        discovery: DiscoveryType::Static,
        eds_cluster_config: None,
        load_assignment: None,
        dns_lookup_family: None,
        connect_timeout: ProtoDuration(settings.connect_timeout),
        lb_policy: own_hash.is_none().then(|| settings.balance.lower()),
        load_balancing_policy: own_hash,
        circuit_breakers: CircuitBreakers { thresholds: vec![thresholds] },
        outlier_detection: settings.outlier.as_ref().map(|o| outlier(o, target)),
        health_checks: health_check.map(|check| check.lower(host, settings.protocol)).into_iter().collect(),
        // Unhealthy endpoints get nothing, even where all are.
        common_lb_config: health_check.map(|_| CommonLbConfig { healthy_panic_threshold: Percent { value: 0.0 } }),
        typed_extension_protocol_options: settings.protocol.lower().map(|p| (protocol.into(), p)).into_iter().collect(),
    };
    cluster.locate(source);
    cluster
}

impl Cluster {
    fn locate(&mut self, source: Source) {
        let socket = |address: String, port: u16| {
            Address::SocketAddress(SocketAddress { address, port_value: port, ipv4_compat: false })
        };
        let addresses = match source {
            Source::Eds(service_name) => {
                self.discovery = DiscoveryType::Eds;
                self.eds_cluster_config = Some(EdsClusterConfig { service_name });
                return;
            }
            Source::Static(addresses) => addresses.iter().map(|a| socket(a.ip().to_string(), a.port())).collect(),
            Source::Dns(host, port) => {
                self.discovery = DiscoveryType::StrictDns;
                // AUTO prefers IPv6 even where there is no route to it.
                self.dns_lookup_family = Some(DnsLookupFamily::V4Preferred);
                vec![socket(host, port)]
            }
            Source::Given(address) => vec![address],
        };
        let endpoint = |address| LbEndpoint { endpoint: Endpoint { address } };
        self.load_assignment = Some(ClusterLoadAssignment {
            cluster_name: self.name.clone(),
            endpoints: vec![LocalityLbEndpoints { lb_endpoints: addresses.into_iter().map(endpoint).collect() }],
        });
    }
}

fn outlier(outlier: &Outlier, target: Target) -> OutlierDetection {
    let local = outlier.consecutive_local_origin;
    OutlierDetection {
        consecutive_5xx: outlier.consecutive_5xx,
        interval: ProtoDuration(outlier.interval),
        base_ejection_time: ProtoDuration(outlier.eject),
        max_ejection_percent: outlier.max_ejected,
        enforcing_success_rate: 0,
        split_external_local_origin_errors: local.is_some(),
        consecutive_local_origin_failure: local,
        enforcing_local_origin_success_rate: local.map(|_| 0),
        always_eject_one_host: target.has(&target::ALWAYS_EJECT),
    }
}
