//! A user's patches onto what the compiler made.

use crate::check::Patterns;
use crate::clause::patch::{self, Part, Patch};
use crate::envoy::Patchable;
use crate::schema::{self, Problem, Schema};
use crate::target::Target;
use crate::yaml::{Kind, Node};
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::{any_error, codes};
use prost_reflect::MessageDescriptor;
use serde::Serialize;

const LISTENER: &str = "envoy.config.listener.v3.Listener";
const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const ROUTE: &str = "envoy.config.route.v3.Route";
const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// The patches of one service or listener, and the names of what they are for.
#[derive(Clone)]
pub(crate) struct Patches<'a> {
    pub(crate) list: &'a [Patch],
    /// The name of its listener.
    pub(crate) listener: String,
    /// The name of its routes.
    pub(crate) routes: String,
    /// The names of the upstreams' clusters.
    pub(crate) clusters: Vec<String>,
    pub(crate) target: Target,
}

/// What kind of resource one is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Listener,
    Routes,
    Cluster,
}

impl Patches<'_> {
    /// Whether a resource is of this service or listener.
    pub(crate) fn concerns(&self, of: Of, name: &str) -> bool {
        match of {
            Of::Listener => self.listener == name,
            Of::Routes => self.routes == name,
            Of::Cluster => self.clusters.iter().any(|c| c == name),
        }
    }

    /// Applies the patches that concern a resource of this service or listener. `known` says
    /// whether a cluster of that name is there.
    pub(crate) fn apply<T: Serialize>(
        &self,
        of: Of,
        resource: &mut Patchable<T>,
        known: &dyn Fn(&str) -> bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let Some(schema) = Schema::get() else { return };
        for patch in self.list {
            let before = resource.patched.clone().unwrap_or_else(|| Node::of(&resource.plain));
            let Some(mut node) = self.one(patch, of, &before, schema) else { continue };
            let mut problems = self.check(patch, of, &node, schema);
            let name = before.text("name").unwrap_or_default();
            self.keeps_references(patch, name, &node, known, &mut problems);
            // What a patch broke is said once, not again for the patches behind it.
            if !any_error(&problems) {
                node.forget_places();
                resource.patched = Some(node);
            }
            diagnostics.append(&mut problems);
        }
    }

    /// The resource with a patch; `None` where the patch is not for it.
    fn one(&self, patch: &Patch, of: Of, before: &Node, schema: &Schema) -> Option<Node> {
        let mut node = before.clone();
        let merged = |old: &Node, name: &str| {
            let old = Node { range: 0..0, kind: old.kind.clone() };
            schema::merge(old, &patch.changes, schema.message(name).as_ref(), schema)
        };
        match (patch.part, of) {
            (Part::Listener, Of::Listener) => Some(merged(before, LISTENER)),
            (Part::Cluster(at), Of::Cluster) => {
                let own = self.clusters.get(at).map(String::as_str) == before.text("name");
                own.then(|| merged(before, CLUSTER))
            }
            (Part::Http, Of::Listener) => {
                let mut managers = self.managers(&mut node);
                managers.iter_mut().for_each(|manager| **manager = merged(manager, MANAGER));
                (!managers.is_empty()).then_some(node)
            }
            (Part::Route, Of::Routes) if before.text("name") == Some(&self.routes) => {
                each_route(&mut node, &mut |route| *route = merged(route, ROUTE));
                Some(node)
            }
            (Part::Route, Of::Listener) => {
                // A plain Envoy has its routes in the connection manager.
                let mut found = false;
                for routes in self.managers(&mut node).into_iter().filter_map(|m| m.get_mut("route_config")) {
                    found = true;
                    each_route(routes, &mut |route| *route = merged(route, ROUTE));
                }
                found.then_some(node)
            }
            _ => None,
        }
    }

    /// The connection managers of a listener that use this service's routes.
    fn managers<'n>(&self, listener: &'n mut Node) -> Vec<&'n mut Node> {
        let chains = listener.items_mut("filter_chains").iter_mut();
        let filters = chains.flat_map(|chain| chain.items_mut("filters").iter_mut());
        let own = |manager: &Node| {
            let by_name = manager.get("rds").and_then(|rds| rds.text("route_config_name"));
            let in_place = manager.get("route_config").and_then(|routes| routes.text("name"));
            by_name.or(in_place) == Some(&self.routes)
        };
        filters.filter_map(|filter| filter.get_mut("typed_config")).filter(|m| own(m)).collect()
    }

    fn check(&self, patch: &Patch, of: Of, node: &Node, schema: &Schema) -> Vec<Diagnostic> {
        let name = match of {
            Of::Listener => LISTENER,
            Of::Routes => ROUTES,
            Of::Cluster => CLUSTER,
        };
        let (Some(message), Kind::Map(fields)) = (schema.message(name), &node.kind) else { return Vec::new() };
        // A resource of a CiliumEnvoyConfig says its type, which its message does not have.
        let fields = fields.iter().filter(|(key, _)| key.name != "@type").cloned().collect();
        let bare = Node { range: node.range.clone(), kind: Kind::Map(fields) };
        let problems = schema::check(&bare, &message, schema, self.target);
        let mut diagnostics: Vec<Diagnostic> = problems.into_iter().map(|problem| diagnostic(patch, problem)).collect();
        diagnostics.extend(patterns(patch, &bare, &message, schema));
        diagnostics
    }

    /// A patch may not rename what other resources refer to, nor refer to a cluster that is not there.
    fn keeps_references(
        &self,
        patch: &Patch,
        name: &str,
        node: &Node,
        known: &dyn Fn(&str) -> bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let mut report = |range: &std::ops::Range<usize>, message: String, help: &str| {
            let place = patch::place(patch.text, patch.literal, range);
            diagnostics.push(Diagnostic::new(codes::PATCH_BREAKS_REFERENCE, place, message).help(help));
        };
        if node.text("name") != Some(name) {
            let range = node.get("name").map_or(0..0, |n| n.range.clone());
            report(&range, format!("this renames `{name}`, which others refer to"), "take the `name` away");
        }
        let mut wanted = Vec::new();
        clusters(node, &mut wanted);
        for (range, cluster) in wanted {
            // A name with a slash may be one that another object, or Cilium itself, defines.
            let elsewhere = self.target.is_cilium() && cluster.contains('/');
            if !range.is_empty() && !elsewhere && !known(&cluster) {
                let help = "name a cluster of the program by its full name, as the compiled resources have it";
                report(&range, format!("there is no cluster `{cluster}`"), help);
            }
        }
    }
}

fn each_route(routes: &mut Node, change: &mut dyn FnMut(&mut Node)) {
    for host in routes.items_mut("virtual_hosts") {
        host.items_mut("routes").iter_mut().for_each(&mut *change);
    }
}

fn diagnostic(patch: &Patch, problem: Problem) -> Diagnostic {
    let place = patch::place(patch.text, patch.literal, &problem.range);
    Diagnostic::new(problem.kind.code(), place, problem.message).help(problem.help)
}

/// What is worth saying of the patterns that a patch wrote.
fn patterns(patch: &Patch, resource: &Node, message: &MessageDescriptor, schema: &Schema) -> Vec<Diagnostic> {
    let mut messages = Vec::new();
    schema::visit(resource, message, schema, &mut |node, message| messages.push((node, message.clone())));
    let found = Patterns { text: &patch.yaml, limit: patch.max_regex_program }.check(&messages);
    found
        .into_iter()
        .map(|finding| {
            let place = patch::place(patch.text, patch.literal, &finding.range);
            Diagnostic::new(finding.code, place, finding.message).help(finding.help)
        })
        .collect()
}

/// The names of clusters that a resource refers to, with their places.
fn clusters(node: &Node, found: &mut Vec<(std::ops::Range<usize>, String)>) {
    match &node.kind {
        Kind::Map(fields) => {
            for (key, value) in fields {
                match &value.kind {
                    Kind::Text(name) if matches!(key.name.as_str(), "cluster" | "cluster_name") => {
                        found.push((value.range.clone(), name.clone()));
                    }
                    _ => clusters(value, found),
                }
            }
        }
        Kind::List(items) => items.iter().for_each(|item| clusters(item, found)),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {}
    }
}
