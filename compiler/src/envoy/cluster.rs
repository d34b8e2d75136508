//! `envoy.config.cluster.v3`, `envoy.config.endpoint.v3` and the HTTP options of upstreams.

use super::{Address, Empty, HashPolicy, ProtoDuration, Str, unset};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `cluster.v3.Cluster`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its fully qualified name.
    pub name: String,
    /// Where its endpoints come from.
    #[serde(rename = "type")]
    pub discovery: DiscoveryType,
    /// The name of its endpoints.
    #[serde(default, skip_serializing_if = "unset")]
    pub eds_cluster_config: Option<EdsClusterConfig>,
    /// Its endpoints.
    #[serde(default, skip_serializing_if = "unset")]
    pub load_assignment: Option<ClusterLoadAssignment>,
    /// Which addresses a name stands for.
    #[serde(default, skip_serializing_if = "unset")]
    pub dns_lookup_family: Option<DnsLookupFamily>,
    /// The time to connect.
    pub connect_timeout: ProtoDuration,
    /// How an endpoint is chosen.
    #[serde(default, skip_serializing_if = "unset")]
    pub lb_policy: Option<LbPolicy>,
    /// The same, with options of its own; in place of `lb_policy`.
    #[serde(default, skip_serializing_if = "unset")]
    pub load_balancing_policy: Option<LoadBalancingPolicy>,
    /// How much may be under way.
    pub circuit_breakers: CircuitBreakers,
    /// When an endpoint is left out.
    #[serde(default, skip_serializing_if = "unset")]
    pub outlier_detection: Option<OutlierDetection>,
    /// Probes.
    #[serde(default, skip_serializing_if = "unset")]
    pub health_checks: Vec<HealthCheck>,
    /// What holds for every way to balance.
    #[serde(default, skip_serializing_if = "unset")]
    pub common_lb_config: Option<CommonLbConfig>,
    /// Which HTTP it speaks; nothing where it speaks none.
    #[serde(default, skip_serializing_if = "unset")]
    pub typed_extension_protocol_options: BTreeMap<Str, ProtocolOptions>,
}

/// `cluster.v3.Cluster.DiscoveryType`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DiscoveryType {
    /// Fixed addresses.
    Static,
    /// A name, every address of it.
    StrictDns,
    /// From the management server.
    Eds,
}

/// `cluster.v3.Cluster.DnsLookupFamily`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsLookupFamily {
    /// IPv6 only where there is no IPv4.
    #[serde(rename = "V4_PREFERRED")]
    V4Preferred,
}

/// `cluster.v3.Cluster.EdsClusterConfig`; the source is the agent's to fill in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdsClusterConfig {
    /// `namespace/service:port`, as Cilium publishes it.
    pub service_name: String,
}

/// `endpoint.v3.ClusterLoadAssignment`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterLoadAssignment {
    /// The cluster's name.
    pub cluster_name: String,
    /// Its endpoints.
    pub endpoints: Vec<LocalityLbEndpoints>,
}

/// `endpoint.v3.LocalityLbEndpoints`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalityLbEndpoints {
    /// The endpoints.
    pub lb_endpoints: Vec<LbEndpoint>,
}

/// `endpoint.v3.LbEndpoint`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LbEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
}

/// `endpoint.v3.Endpoint`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its address.
    pub address: Address,
}

/// `cluster.v3.Cluster.LbPolicy`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LbPolicy {
    /// In turn.
    RoundRobin,
    /// The less busy of two.
    LeastRequest,
    /// Any.
    Random,
    /// By a hash, on a ring.
    RingHash,
    /// By a hash, from a table.
    Maglev,
}

/// `cluster.v3.LoadBalancingPolicy`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadBalancingPolicy {
    /// The policies; the first one that Envoy knows is taken.
    pub policies: Vec<LoadBalancingPolicyItem>,
}

/// `cluster.v3.LoadBalancingPolicy.Policy`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadBalancingPolicyItem {
    /// The policy.
    pub typed_extension_config: LbExtension,
}

/// `core.v3.TypedExtensionConfig` of a load-balancing policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LbExtension {
    /// The extension.
    pub name: Str,
    /// Its configuration.
    pub typed_config: LbExtensionConfig,
}

/// The load-balancing policies that the compiler emits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "@type")]
pub enum LbExtensionConfig {
    /// `load_balancing_policies.ring_hash.v3.RingHash`
    #[serde(rename = "type.googleapis.com/envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash")]
    RingHash {
        /// What is hashed.
        consistent_hashing_lb_config: ConsistentHashing,
    },
    /// `load_balancing_policies.maglev.v3.Maglev`
    #[serde(rename = "type.googleapis.com/envoy.extensions.load_balancing_policies.maglev.v3.Maglev")]
    Maglev {
        /// What is hashed.
        consistent_hashing_lb_config: ConsistentHashing,
    },
}

/// `load_balancing_policies.common.v3.ConsistentHashingLbConfig`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsistentHashing {
    /// What is hashed.
    pub hash_policy: Vec<HashPolicy>,
}

/// `cluster.v3.Cluster.CommonLbConfig`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommonLbConfig {
    /// Below which share of healthy endpoints all are taken.
    pub healthy_panic_threshold: Percent,
}

/// `type.v3.Percent`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Percent {
    /// So many of a hundred.
    pub value: f64,
}

/// `core.v3.HealthCheck`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The time for an answer.
    pub timeout: ProtoDuration,
    /// The time between probes.
    pub interval: ProtoDuration,
    /// The same while there is no traffic.
    pub no_traffic_interval: ProtoDuration,
    /// How many bad ones in a row make an endpoint unhealthy.
    pub unhealthy_threshold: u32,
    /// How many good ones in a row make it healthy.
    pub healthy_threshold: u32,
    /// What a probe is.
    #[serde(flatten)]
    pub kind: HealthCheckKind,
}

/// The `health_checker` oneof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthCheckKind {
    /// A request.
    HttpHealthCheck(HttpHealthCheck),
    /// A connection.
    TcpHealthCheck(Empty),
    /// A gRPC call.
    GrpcHealthCheck(GrpcHealthCheck),
}

/// `core.v3.HealthCheck.HttpHealthCheck`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpHealthCheck {
    /// The Host.
    pub host: String,
    /// The path.
    pub path: String,
    /// Which HTTP; HTTP/1 where unset.
    #[serde(default, skip_serializing_if = "unset")]
    pub codec_client_type: Option<CodecClientType>,
}

/// `type.v3.CodecClientType`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CodecClientType {
    /// HTTP/2.
    Http2,
}

/// `core.v3.HealthCheck.GrpcHealthCheck`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrpcHealthCheck {
    /// The service asked for.
    #[serde(default, skip_serializing_if = "unset")]
    pub service_name: Option<String>,
    /// The authority of the call.
    pub authority: String,
}

/// `cluster.v3.CircuitBreakers`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CircuitBreakers {
    /// One set of limits for each priority.
    pub thresholds: Vec<Thresholds>,
}

/// `cluster.v3.CircuitBreakers.Thresholds` of the default priority; Envoy's own default for
/// retries is 3, so all four are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Connections.
    pub max_connections: u32,
    /// Requests that wait for a connection.
    pub max_pending_requests: u32,
    /// Requests under way.
    pub max_requests: u32,
    /// Retries under way.
    pub max_retries: u32,
}

/// `cluster.v3.OutlierDetection`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutlierDetection {
    /// Server errors in a row.
    pub consecutive_5xx: u32,
    /// How often ejections are looked at.
    pub interval: ProtoDuration,
    /// How long the first ejection lasts.
    pub base_ejection_time: ProtoDuration,
    /// How many endpoints at most, in percent.
    pub max_ejection_percent: u32,
    /// Ejection by the rate of successes, which the language does not have: off.
    pub enforcing_success_rate: u32,
    /// Whether failures to connect are counted apart from answers.
    #[serde(default, skip_serializing_if = "unset")]
    pub split_external_local_origin_errors: bool,
    /// Failures to connect in a row.
    #[serde(default, skip_serializing_if = "unset")]
    pub consecutive_local_origin_failure: Option<u32>,
    /// The same as `enforcing_success_rate` for failures to connect: off.
    #[serde(default, skip_serializing_if = "unset")]
    pub enforcing_local_origin_success_rate: Option<u32>,
    /// Whether one endpoint may go whatever the percentage.
    #[serde(default, skip_serializing_if = "unset")]
    pub always_eject_one_host: bool,
}

/// The protocol options of an upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "@type")]
pub enum ProtocolOptions {
    /// `upstreams.http.v3.HttpProtocolOptions`
    #[serde(rename = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions")]
    Http(UpstreamProtocol),
}

/// The `upstream_protocol_options` oneof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamProtocol {
    /// What the client speaks.
    UseDownstreamProtocolConfig(DownstreamProtocol),
    /// One protocol.
    ExplicitHttpConfig(ExplicitProtocol),
}

/// `HttpProtocolOptions.UseDownstreamHttpConfig`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownstreamProtocol {
    /// Options for HTTP/1 clients.
    pub http_protocol_options: Empty,
    /// Options for HTTP/2 clients.
    pub http2_protocol_options: Empty,
}

/// `HttpProtocolOptions.ExplicitHttpConfig`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplicitProtocol {
    /// HTTP/1.1.
    HttpProtocolOptions(Empty),
    /// HTTP/2.
    Http2ProtocolOptions(Empty),
}
