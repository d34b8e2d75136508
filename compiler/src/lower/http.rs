//! The HTTP connection manager of a steered service or listener.

use crate::clause::accesslog::AccessLog;
use crate::clause::timeout::DEFAULT_IDLE;
use crate::envoy::{
    CidrRange, Empty, EscapedSlashes, Filter, FilterChain, FilterChainMatch, Http1ProtocolOptions,
    HttpConnectionManager, HttpFilter, HttpFilterConfig, InternalAddressConfig, NetworkFilter, ProtoDuration, Rds,
    RouteConfiguration, UpgradeConfig,
};

/// What one connection manager needs.
pub(crate) struct Http<'a> {
    /// The prefix of its counters.
    pub(crate) stat_prefix: String,
    /// The host of HTTP/1.0 requests that name none.
    pub(crate) default_host: String,
    /// Its routes: by name, or in place.
    pub(crate) routes: RouteSource,
    /// Its filters, without the router.
    pub(crate) filters: Vec<HttpFilter>,
    /// Its access log.
    pub(crate) access_log: Option<&'a AccessLog>,
}

/// Where the routes are.
pub(crate) enum RouteSource {
    ByName(String),
    InPlace(RouteConfiguration),
}

/// A filter chain with the connection manager, for all connections or those to one port.
pub(crate) fn chain(http: Http<'_>, port: Option<u16>) -> FilterChain {
    let filter = Filter {
        name: "envoy.filters.network.http_connection_manager".into(),
        typed_config: NetworkFilter::Http(Box::new(manager(http))),
    };
    FilterChain {
        filter_chain_match: port.map(|destination_port| FilterChainMatch { destination_port }),
        filters: vec![filter],
    }
}

fn manager(http: Http<'_>) -> HttpConnectionManager {
    let (rds, route_config) = match http.routes {
        RouteSource::ByName(route_config_name) => (Some(Rds { route_config_name }), None),
        RouteSource::InPlace(configuration) => (None, Some(configuration)),
    };
    let mut http_filters = http.filters;
    http_filters.push(HttpFilter {
        name: "envoy.filters.http.router".into(),
        typed_config: HttpFilterConfig::Router(Empty {}),
        disabled: false,
    });
    HttpConnectionManager {
        stat_prefix: http.stat_prefix,
        rds,
        route_config,
        http_filters,
        use_remote_address: true,
        skip_xff_append: true,
        internal_address_config: nobody_internal(),
        normalize_path: true,
        merge_slashes: true,
        path_with_escaped_slashes_action: EscapedSlashes::KeepUnchanged,
        stream_idle_timeout: ProtoDuration(DEFAULT_IDLE),
        http_protocol_options: Http1ProtocolOptions {
            accept_http_10: true,
            default_host_for_http_10: http.default_host,
        },
        upgrade_configs: vec![UpgradeConfig { upgrade_type: "websocket".into() }],
        access_log: http.access_log.map(AccessLog::lower).into_iter().collect(),
    }
}

/// No peer may steer Envoy by `x-envoy-*` headers. An empty list would mean the private ranges in
/// older Envoys; the limited broadcast address is no peer's.
fn nobody_internal() -> InternalAddressConfig {
    InternalAddressConfig { cidr_ranges: vec![CidrRange { address_prefix: "255.255.255.255".into(), prefix_len: 32 }] }
}
