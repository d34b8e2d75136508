//! `envoy.extensions.filters.network.tcp_proxy.v3`.

use super::{AccessLog, Empty, ProtoDuration, unset};
use serde::{Deserialize, Serialize};

/// `TcpProxy`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpProxy {
    /// The prefix of its counters.
    pub stat_prefix: String,
    /// The one cluster.
    #[serde(default, skip_serializing_if = "unset")]
    pub cluster: Option<String>,
    /// A split.
    #[serde(default, skip_serializing_if = "unset")]
    pub weighted_clusters: Option<TcpWeightedClusters>,
    /// The time without bytes; zero for no limit.
    pub idle_timeout: ProtoDuration,
    /// What is hashed.
    #[serde(default, skip_serializing_if = "unset")]
    pub hash_policy: Vec<TcpHashPolicy>,
    /// Access logs.
    #[serde(default, skip_serializing_if = "unset")]
    pub access_log: Vec<AccessLog>,
}

/// `TcpProxy.WeightedCluster`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpWeightedClusters {
    /// The parts of the split.
    pub clusters: Vec<TcpClusterWeight>,
}

/// `TcpProxy.WeightedCluster.ClusterWeight`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpClusterWeight {
    /// The cluster.
    pub name: String,
    /// Its weight among the sum of all; at least 1.
    pub weight: u32,
}

/// `type.v3.HashPolicy`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TcpHashPolicy {
    /// The peer's address.
    SourceIp(Empty),
}
