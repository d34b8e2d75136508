//! What takes in the traffic of a steered service or listener: a filter chain, and where it routes
//! requests, its routes.

use super::http::{self, Http, RouteSource};
use super::routes::{self, Routes, Site};
use super::tcp;
use crate::clause::accesslog::AccessLog;
use crate::envoy::{FilterChain, RouteConfiguration};
use crate::ir::{Traffic, Upstream};
use crate::target::Target;
use meshc_dsl::Diagnostic;

/// A filter chain to be.
pub(crate) struct Inlet<'a> {
    pub(crate) traffic: &'a Traffic,
    pub(crate) upstreams: &'a [Upstream],
    /// The names of the upstreams' clusters.
    pub(crate) clusters: &'a [String],
    /// The fully qualified name of its routes.
    pub(crate) name: String,
    /// The prefix of its counters.
    pub(crate) stat_prefix: String,
    /// The host of HTTP/1.0 requests that name none.
    pub(crate) default_host: String,
    pub(crate) access_log: Option<&'a AccessLog>,
    /// The port of the connections that it takes; all where `None`.
    pub(crate) port: Option<u16>,
}

impl Inlet<'_> {
    /// The chain, and its routes where they stand apart: for a plain Envoy they stand in the chain.
    pub(crate) fn chain(
        self,
        target: Target,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> (FilterChain, Option<RouteConfiguration>) {
        let rules = match self.traffic {
            Traffic::Http(rules) => rules,
            Traffic::Tcp(tcp) => {
                let Inlet { upstreams, clusters, stat_prefix, access_log, port, .. } = self;
                return (tcp::chain(tcp, upstreams, clusters, stat_prefix, access_log, port), None);
            }
        };
        let site = Site { upstreams: self.upstreams, clusters: self.clusters, target };
        let Routes { configuration, filters } = routes::lower(rules, site, &self.name, diagnostics);
        let (routes, apart) = match target {
            Target::Envoy => (RouteSource::InPlace(configuration), None),
            Target::Cilium { .. } => (RouteSource::ByName(self.name), Some(configuration)),
        };
        let http = Http {
            stat_prefix: self.stat_prefix,
            default_host: self.default_host,
            routes,
            filters,
            access_log: self.access_log,
        };
        (http::chain(http, self.port), apart)
    }
}
