//! `envoy.extensions.filters.network.http_connection_manager.v3` and the router filter.

use super::{AccessLog, Empty, LocalRateLimit, ProtoDuration, RouteConfiguration, Str, unset};
use serde::{Deserialize, Serialize};

/// `HttpConnectionManager`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpConnectionManager {
    /// The prefix of its counters.
    pub stat_prefix: String,
    /// Routes by reference, as Cilium's agent wants them.
    #[serde(default, skip_serializing_if = "unset")]
    pub rds: Option<Rds>,
    /// Routes in place, for a bootstrap.
    #[serde(default, skip_serializing_if = "unset")]
    pub route_config: Option<RouteConfiguration>,
    /// Its filters, the router last.
    pub http_filters: Vec<HttpFilter>,
    /// Whether the peer, not a header, says who the client is.
    pub use_remote_address: bool,
    /// Whether X-Forwarded-For is left as it came.
    pub skip_xff_append: bool,
    /// Which peers may steer Envoy by headers.
    pub internal_address_config: InternalAddressConfig,
    /// Whether dot segments are removed before matching.
    pub normalize_path: bool,
    /// Whether doubled slashes are merged before matching.
    pub merge_slashes: bool,
    /// What happens to `%2F`.
    pub path_with_escaped_slashes_action: EscapedSlashes,
    /// The time without bytes before a route is known.
    pub stream_idle_timeout: ProtoDuration,
    /// HTTP/1 options.
    pub http_protocol_options: Http1ProtocolOptions,
    /// Protocols that a client may change to.
    pub upgrade_configs: Vec<UpgradeConfig>,
    /// Access logs.
    #[serde(default, skip_serializing_if = "unset")]
    pub access_log: Vec<AccessLog>,
}

/// `Rds`; the source of the configuration is the agent's to fill in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rds {
    /// The fully qualified name of the RouteConfiguration.
    pub route_config_name: String,
}

/// `HttpConnectionManager.InternalAddressConfig`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InternalAddressConfig {
    /// Peers in these ranges are internal.
    pub cidr_ranges: Vec<CidrRange>,
}

/// `core.v3.CidrRange`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CidrRange {
    /// The address.
    pub address_prefix: Str,
    /// How many bits of it count.
    pub prefix_len: u32,
}

/// `HttpConnectionManager.PathWithEscapedSlashesAction`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EscapedSlashes {
    /// Left as they are.
    KeepUnchanged,
}

/// `core.v3.Http1ProtocolOptions`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Http1ProtocolOptions {
    /// Whether HTTP/1.0 clients are served.
    pub accept_http_10: bool,
    /// The host of HTTP/1.0 requests that name none.
    pub default_host_for_http_10: String,
}

/// `HttpConnectionManager.UpgradeConfig`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpgradeConfig {
    /// The protocol, such as `websocket`.
    pub upgrade_type: Str,
}

/// `HttpFilter`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpFilter {
    /// Its name, by which routes configure it.
    pub name: Str,
    /// Its configuration.
    pub typed_config: HttpFilterConfig,
    /// Whether it is off but on routes that turn it on.
    #[serde(default, skip_serializing_if = "unset")]
    pub disabled: bool,
}

/// The HTTP filters that the compiler emits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "@type")]
pub enum HttpFilterConfig {
    /// Local rate limits.
    #[serde(rename = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit")]
    LocalRateLimit(Box<LocalRateLimit>),
    /// Cross-origin calls.
    #[serde(rename = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors")]
    Cors(Empty),
    /// The router.
    #[serde(rename = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router")]
    Router(Empty),
}
