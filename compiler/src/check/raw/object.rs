//! Which objects of a file are CiliumEnvoyConfigs, and what they hold.

use super::LEAST;
use super::cx::{Cx, entry, field, place, place_of, text};
use crate::schema;
use crate::yaml::{Key, Kind, Node};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::parallel::map_parts;
use prost_reflect::MessageDescriptor;

/// A CiliumEnvoyConfig or CiliumClusterwideEnvoyConfig.
pub(super) struct Config<'n> {
    /// The whole object.
    pub(super) node: &'n Node,
    /// Its `kind`.
    pub(super) kind: &'n str,
    /// Whether it is of the whole cluster, in no namespace.
    pub(super) clusterwide: bool,
    /// Its name; empty where it has none.
    pub(super) name: &'n str,
    /// Its namespace: `default` where it names none, empty where it is of the whole cluster.
    pub(super) namespace: &'n str,
    /// Its `spec`.
    pub(super) spec: &'n Node,
    /// Its resources of the types that Cilium takes.
    pub(super) resources: Vec<Resource<'n>>,
}

/// A resource of a type that Cilium takes.
pub(super) struct Resource<'n> {
    /// The resource with its `@type`.
    pub(super) node: &'n Node,
    /// Its type.
    pub(super) of: Of,
    /// Its name with the key before it, if it has one.
    pub(super) name: Option<(&'n Key, &'n Node)>,
    /// Every message in it with its type, itself first.
    pub(super) messages: Vec<(&'n Node, MessageDescriptor)>,
}

/// The types of resource that Cilium takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    Listener,
    Routes,
    Cluster,
    Endpoints,
    Secret,
}

impl Of {
    pub(super) const ALL: [Of; 5] = [Of::Listener, Of::Routes, Of::Cluster, Of::Endpoints, Of::Secret];

    /// The full name of its message.
    pub(super) fn message(self) -> &'static str {
        match self {
            Of::Listener => "envoy.config.listener.v3.Listener",
            Of::Routes => "envoy.config.route.v3.RouteConfiguration",
            Of::Cluster => "envoy.config.cluster.v3.Cluster",
            Of::Endpoints => "envoy.config.endpoint.v3.ClusterLoadAssignment",
            Of::Secret => "envoy.extensions.transport_sockets.tls.v3.Secret",
        }
    }

    /// The field with its name.
    pub(super) fn name_field(self) -> &'static str {
        if self == Of::Endpoints { "cluster_name" } else { "name" }
    }
}

impl Resource<'_> {
    /// Its name as written; empty where it has none.
    pub(super) fn name(&self) -> &str {
        self.name.and_then(|(_, value)| value.as_text()).unwrap_or("")
    }
}

impl<'n> Config<'n> {
    /// The resources of a type.
    pub(super) fn of(&self, of: Of) -> impl Iterator<Item = &Resource<'n>> {
        self.resources.iter().filter(move |r| r.of == of)
    }
}

/// Every CiliumEnvoyConfig of some documents; others are noted.
pub(super) fn configs<'n>(documents: &'n [Node], cx: &mut Cx<'_>) -> Vec<Config<'n>> {
    if documents.is_empty() {
        cx.report(codes::PASSED_OVER, &(0..0), "there is no object in this file", "nothing is checked");
    }
    let parts = map_parts(documents, LEAST, |part| {
        let (mut found, mut cx) = (Vec::new(), cx.beside());
        part.iter().for_each(|document| object(document, &mut found, &mut cx));
        (found, cx.diagnostics)
    });
    let mut all = Vec::new();
    for (mut found, mut problems) in parts {
        all.append(&mut found);
        cx.diagnostics.append(&mut problems);
    }
    all
}

fn object<'n>(node: &'n Node, found: &mut Vec<Config<'n>>, cx: &mut Cx<'_>) {
    if !matches!(node.kind, Kind::Map(_)) {
        let message = "this is not a Kubernetes object";
        return cx.report(codes::BAD_YAML, &node.range, message, "an object is a map with `apiVersion` and `kind`");
    }
    let Some(kind) = text(node, "kind") else {
        let help = "write `kind: CiliumEnvoyConfig`";
        return match entry(node, "kind") {
            Some(found) if found.1.as_text().is_none() => {
                cx.report(codes::WRONG_TYPE, &place(found), "`kind` must be text", help)
            }
            _ => cx.report(codes::MISSING_PART, &node.range, "this object has no `kind`", help),
        };
    };
    if let (true, Some(Kind::List(items))) = (kind.ends_with("List"), field(node, "items").map(|i| &i.kind)) {
        return items.iter().for_each(|item| object(item, found, cx));
    }
    if !matches!(kind, "CiliumEnvoyConfig" | "CiliumClusterwideEnvoyConfig") {
        let message = format!("a {kind} is not checked");
        let help = "`CiliumEnvoyConfig` and `CiliumClusterwideEnvoyConfig` are";
        return cx.report(codes::PASSED_OVER, &place_of(node, "kind"), message, help);
    }
    if text(node, "apiVersion") != Some("cilium.io/v2") {
        let message = format!("a {kind} is of `cilium.io/v2`");
        cx.report(codes::BAD_API_VERSION, &place_of(node, "apiVersion"), message, "write `apiVersion: cilium.io/v2`");
    }
    found.extend(config(node, kind, cx));
}

fn config<'n>(node: &'n Node, kind: &'n str, cx: &mut Cx<'_>) -> Option<Config<'n>> {
    let spec = match entry(node, "spec") {
        Some((_, spec)) if matches!(spec.kind, Kind::Map(_)) => spec,
        Some(found) => {
            cx.report(codes::WRONG_TYPE, &place(found), "`spec` must be a map", "write its `resources` there");
            return None;
        }
        None => {
            let message = format!("this {kind} has no `spec`");
            cx.report(codes::MISSING_PART, &place_of(node, "kind"), message, "write its `resources` there");
            return None;
        }
    };
    let metadata = field(node, "metadata");
    let of_metadata = |name: &str| metadata.and_then(|m| text(m, name));
    let clusterwide = kind == "CiliumClusterwideEnvoyConfig";
    let namespace = if clusterwide { "" } else { of_metadata("namespace").unwrap_or("default") };
    let resources =
        field(spec, "resources").map_or(&[][..], Node::items).iter().filter_map(|node| resource(node, cx)).collect();
    let name = of_metadata("name").unwrap_or("");
    Some(Config { node, kind, clusterwide, name, namespace, spec, resources })
}

fn resource<'n>(node: &'n Node, cx: &Cx<'_>) -> Option<Resource<'n>> {
    let name = node.text("@type")?.rsplit('/').next()?;
    let of = Of::ALL.into_iter().find(|of| of.message() == name)?;
    let mut messages = Vec::new();
    let message = cx.schema.message(of.message())?;
    schema::visit(node, &message, cx.schema, &mut |node, message| messages.push((node, message.clone())));
    Some(Resource { node, of, name: entry(node, of.name_field()), messages })
}
