//! `envoy.config.listener.v3`.

use super::{Address, HttpConnectionManager, Metadata, Str, TcpProxy, unset};
use serde::{Deserialize, Serialize};

/// `listener.v3.Listener`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Its fully qualified name.
    pub name: String,
    /// Where it came from, for targets without Kubernetes metadata.
    #[serde(default, skip_serializing_if = "unset")]
    pub metadata: Option<Metadata>,
    /// Where it listens; Cilium's agent fills it in for steered services.
    #[serde(default, skip_serializing_if = "unset")]
    pub address: Option<Address>,
    /// Its chains.
    pub filter_chains: Vec<FilterChain>,
}

/// `listener.v3.FilterChain`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilterChain {
    /// Which connections; all where there is but one chain.
    #[serde(default, skip_serializing_if = "unset")]
    pub filter_chain_match: Option<FilterChainMatch>,
    /// Its filters.
    pub filters: Vec<Filter>,
}

/// `listener.v3.FilterChainMatch`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilterChainMatch {
    /// The port that the client meant.
    pub destination_port: u16,
}

/// `listener.v3.Filter`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// The filter's name.
    pub name: Str,
    /// Its configuration.
    pub typed_config: NetworkFilter,
}

/// The network filters that the compiler emits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "@type")]
pub enum NetworkFilter {
    /// HTTP.
    #[serde(
        rename = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    )]
    Http(Box<HttpConnectionManager>),
    /// Connections as they are.
    #[serde(rename = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy")]
    Tcp(Box<TcpProxy>),
}
