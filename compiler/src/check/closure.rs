//! Every reference in a manifest leads to something: a failure here is a bug of the compiler, and
//! nothing is written.

use crate::envoy::{Cluster, Listener, NetworkFilter, Resource, RouteActionKind, RouteConfiguration};
use crate::kubernetes::{EnvoyConfig, Manifest, Object};
use std::collections::BTreeSet;

/// Describes every reference that leads nowhere, and every name given twice.
pub fn closure(manifest: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    for object in &manifest.objects {
        let mut names = Names::default();
        match object {
            Object::Service(_) => continue,
            Object::EnvoyConfig(config) => {
                config.spec.resources.iter().for_each(|r| names.resource(&r.plain));
                names.clusters.insert("/envoy-admin");
                names.config(config);
            }
            Object::Bootstrap(bootstrap) => {
                bootstrap.static_resources.listeners.iter().for_each(|l| names.listener(&l.plain));
                bootstrap.static_resources.clusters.iter().for_each(|c| names.cluster(&c.plain));
            }
        }
        problems.extend(names.problems().into_iter().map(|p| format!("{}: {p}", object.title())));
    }
    problems
}

#[derive(Default)]
struct Names<'a> {
    listeners: BTreeSet<&'a str>,
    routes: BTreeSet<&'a str>,
    clusters: BTreeSet<&'a str>,
    published: BTreeSet<String>,
    wanted_listeners: BTreeSet<&'a str>,
    wanted_routes: BTreeSet<&'a str>,
    wanted_clusters: BTreeSet<&'a str>,
    wanted_endpoints: BTreeSet<&'a str>,
    twice: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn resource(&mut self, resource: &'a Resource) {
        match resource {
            Resource::Listener(listener) => self.listener(listener),
            Resource::RouteConfiguration(routes) => {
                let new = self.routes.insert(&routes.name);
                self.twice(new, &routes.name);
                self.route(routes);
            }
            Resource::Cluster(cluster) => self.cluster(cluster),
        }
    }

    fn twice(&mut self, new: bool, name: &'a str) {
        if !new {
            self.twice.push(name);
        }
    }

    fn listener(&mut self, listener: &'a Listener) {
        let new = self.listeners.insert(&listener.name);
        self.twice(new, &listener.name);
        for filter in listener.filter_chains.iter().flat_map(|c| &c.filters) {
            let manager = match &filter.typed_config {
                NetworkFilter::Http(manager) => manager,
                NetworkFilter::Tcp(proxy) => {
                    self.wanted_clusters.extend(proxy.cluster.as_deref());
                    let parts = proxy.weighted_clusters.iter().flat_map(|w| &w.clusters);
                    self.wanted_clusters.extend(parts.map(|c| c.name.as_str()));
                    continue;
                }
            };
            self.wanted_routes.extend(manager.rds.as_ref().map(|r| r.route_config_name.as_str()));
            if let Some(routes) = &manager.route_config {
                self.route(routes);
            }
        }
    }

    fn route(&mut self, routes: &'a RouteConfiguration) {
        for route in routes.virtual_hosts.iter().flat_map(|h| &h.routes) {
            let RouteActionKind::Route(action) = &route.action else { continue };
            self.wanted_clusters.extend(action.cluster.as_deref());
            let parts = action.weighted_clusters.iter().flat_map(|w| &w.clusters);
            self.wanted_clusters.extend(parts.map(|c| c.name.as_str()));
            self.wanted_clusters.extend(action.request_mirror_policies.iter().map(|m| m.cluster.as_str()));
        }
    }

    fn cluster(&mut self, cluster: &'a Cluster) {
        let new = self.clusters.insert(&cluster.name);
        self.twice(new, &cluster.name);
        self.wanted_endpoints.extend(cluster.eds_cluster_config.as_ref().map(|e| e.service_name.as_str()));
    }

    fn config(&mut self, config: &'a EnvoyConfig) {
        self.wanted_listeners.extend(config.spec.services.iter().map(|s| s.listener.as_str()));
        for backend in &config.spec.backend_services {
            let name = format!("{}/{}", backend.namespace, backend.name);
            self.published.extend(backend.number.iter().map(|number| format!("{name}:{number}")));
            if backend.number.is_empty() {
                self.published.insert(name);
            }
        }
    }

    fn problems(&self) -> Vec<String> {
        let missing = |what: &str, wanted: &BTreeSet<&str>, there: &dyn Fn(&str) -> bool| -> Vec<String> {
            wanted.iter().filter(|n| !there(n)).map(|n| format!("the {what} `{n}` is not defined")).collect()
        };
        let mut problems = missing("listener", &self.wanted_listeners, &|n| self.listeners.contains(n));
        problems.extend(missing("route configuration", &self.wanted_routes, &|n| self.routes.contains(n)));
        problems.extend(missing("cluster", &self.wanted_clusters, &|n| self.clusters.contains(n)));
        problems.extend(missing("endpoint set", &self.wanted_endpoints, &|n| self.published.contains(n)));
        problems.extend(self.twice.iter().map(|n| format!("`{n}` is defined twice")));
        problems
    }
}
