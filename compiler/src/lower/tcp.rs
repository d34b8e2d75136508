//! The TCP proxy of a steered service or listener.

use crate::clause::accesslog::AccessLog;
use crate::envoy::{
    Empty, Filter, FilterChain, FilterChainMatch, NetworkFilter, ProtoDuration, TcpClusterWeight, TcpHashPolicy,
    TcpProxy, TcpWeightedClusters,
};
use crate::ir::{Tcp, Upstream};

/// A filter chain with the TCP proxy, for all connections or those to one port. `clusters` are the
/// names of the upstreams.
pub(crate) fn chain(
    tcp: &Tcp,
    upstreams: &[Upstream],
    clusters: &[String],
    stat_prefix: String,
    access_log: Option<&AccessLog>,
    port: Option<u16>,
) -> FilterChain {
    let name = |at: usize| clusters.get(at).cloned().unwrap_or_default();
    // Envoy refuses a weight of 0 here.
    let sides: Vec<_> = tcp.split.iter().filter(|share| share.portion.0 > 0).collect();
    let hashed = sides.iter().any(|s| upstreams.get(s.upstream).is_some_and(|u| u.settings.balance.key().is_some()));
    let (cluster, weighted_clusters) = match sides.as_slice() {
        [only] => (Some(name(only.upstream)), None),
        _ => {
            // Whole percents read better than millionths; Envoy takes any sum.
            let unit = if sides.iter().all(|s| s.portion.0.is_multiple_of(10_000)) { 10_000 } else { 1 };
            let weight =
                |s: &&crate::ir::Share| TcpClusterWeight { name: name(s.upstream), weight: s.portion.0 / unit };
            (None, Some(TcpWeightedClusters { clusters: sides.iter().map(weight).collect() }))
        }
    };
    let proxy = TcpProxy {
        stat_prefix,
        cluster,
        weighted_clusters,
        // Unset, Envoy takes an hour.
        idle_timeout: ProtoDuration(tcp.idle_timeout.unwrap_or_default()),
        hash_policy: if hashed { vec![TcpHashPolicy::SourceIp(Empty {})] } else { Vec::new() },
        access_log: access_log.map(AccessLog::lower).into_iter().collect(),
    };
    let filter =
        Filter { name: "envoy.filters.network.tcp_proxy".into(), typed_config: NetworkFilter::Tcp(Box::new(proxy)) };
    FilterChain {
        filter_chain_match: port.map(|destination_port| FilterChainMatch { destination_port }),
        filters: vec![filter],
    }
}
