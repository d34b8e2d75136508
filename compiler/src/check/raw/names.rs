//! Names as Cilium qualifies them, and everything that is defined under one.

use super::cx::{Cx, field, items, text};
use super::object::{Config, Of};
use crate::target::SERVICE_PORTS;
use crate::yaml::Node;
use std::collections::{BTreeMap, BTreeSet};

/// What all objects of the file define together.
#[derive(Default)]
pub(super) struct World {
    /// The clusters, qualified.
    pub(super) clusters: BTreeSet<String>,
    /// The names of endpoint sets that Cilium publishes for the services, or that are written out.
    pub(super) published: BTreeSet<String>,
}

impl World {
    pub(super) fn of(configs: &[Config<'_>], cx: &Cx<'_>) -> Self {
        let mut world = Self::default();
        let mut ports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for config in configs {
            world.clusters.extend(config.of(Of::Cluster).map(|r| config.qualified(r.name())));
            world.published.extend(config.of(Of::Endpoints).map(|r| config.qualified(r.name())));
            for (list, of_ports) in [("services", "ports"), ("backendServices", "number")] {
                for service in items(config.spec, list) {
                    let known = ports.entry(config.service(service)).or_default();
                    if list != "services" || cx.target.has(&SERVICE_PORTS) {
                        known.extend(items(service, of_ports).iter().filter_map(port));
                    }
                }
            }
        }
        for (service, ports) in ports {
            if ports.is_empty() {
                world.published.extend([format!("{service}:*"), service.clone()]);
            }
            world.published.extend(ports.iter().map(|port| format!("{service}:{port}")));
        }
        world
    }
}

fn port(node: &Node) -> Option<String> {
    match &node.kind {
        crate::yaml::Kind::Text(text) => Some(text.clone()),
        crate::yaml::Kind::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl Config<'_> {
    /// The beginning of every name that Cilium qualifies: `namespace/object/`.
    pub(super) fn prefix(&self) -> String {
        format!("{}/{}/", self.namespace, self.name)
    }

    /// The name that Cilium makes of a cluster's, a load assignment's or a secret's.
    pub(super) fn qualified(&self, name: &str) -> String {
        if name.is_empty() || name.contains('/') { name.to_owned() } else { format!("{}{name}", self.prefix()) }
    }

    /// The name that Cilium makes of a listener's or a route configuration's, which may not be of
    /// another namespace.
    pub(super) fn forced(&self, name: &str) -> String {
        let own = name.split_once('/').is_some_and(|(namespace, _)| namespace == self.namespace);
        if name.is_empty() || own { name.to_owned() } else { format!("{}{name}", self.prefix()) }
    }

    /// The namespace of an item of `services` or `backendServices`.
    pub(super) fn namespace_of<'s>(&'s self, service: &'s Node) -> &'s str {
        let own = if self.clusterwide { "default" } else { self.namespace };
        text(service, "namespace").unwrap_or(own)
    }

    /// An item of `services` or `backendServices` as `namespace/name`.
    pub(super) fn service(&self, service: &Node) -> String {
        let name = field(service, "name").and_then(Node::as_text).unwrap_or("");
        format!("{}/{name}", self.namespace_of(service))
    }
}
