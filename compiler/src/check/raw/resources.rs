//! Each resource by itself: its type and name, the Envoy API's descriptors and field rules, fields
//! that the API has given up.

use super::cx::{Cx, entry, place};
use super::object::{Config, Of};
use crate::schema::{self, Problem, ProblemKind, field_of};
use crate::yaml::{Kind, Node};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::{Code, Diagnostic};
use prost_reflect::{FieldDescriptor, MessageDescriptor};
use std::collections::BTreeMap;
use std::ops::Range;

const ANY: &str = "google.protobuf.Any";

/// What to write instead of fields that are no more.
const INSTEAD: &[(&str, &str)] = &[
    ("envoy.config.cluster.v3.Cluster.http2_protocol_options", PROTOCOL_OPTIONS),
    ("envoy.config.cluster.v3.Cluster.http_protocol_options", PROTOCOL_OPTIONS),
    ("envoy.config.cluster.v3.Cluster.common_http_protocol_options", PROTOCOL_OPTIONS),
    ("envoy.config.core.v3.HeaderValueOption.append", "write `append_action: …`"),
    ("envoy.config.route.v3.HeaderMatcher.contains_match", "write `string_match: {contains: …}`"),
    ("envoy.config.route.v3.HeaderMatcher.exact_match", "write `string_match: {exact: …}`"),
    ("envoy.config.route.v3.HeaderMatcher.prefix_match", "write `string_match: {prefix: …}`"),
    ("envoy.config.route.v3.HeaderMatcher.safe_regex_match", "write `string_match: {safe_regex: …}`"),
    ("envoy.config.route.v3.HeaderMatcher.suffix_match", "write `string_match: {suffix: …}`"),
    ("envoy.type.matcher.v3.RegexMatcher.google_re2", "take it away: RE2 is what is used without it"),
];

const PROTOCOL_OPTIONS: &str =
    "write `typed_extension_protocol_options` with `envoy.extensions.upstreams.http.v3.HttpProtocolOptions`";

pub(super) fn check(config: &Config<'_>, cx: &mut Cx<'_>) {
    let Some(any) = cx.schema.message(ANY) else { return };
    for node in entry(config.spec, "resources").map_or(&[][..], |(_, list)| list.items()) {
        if !matches!(node.kind, Kind::Map(_)) {
            let help = "write its `@type` and fields, or take it away";
            cx.report(codes::WRONG_TYPE, &node.range, "a resource must be a map with an `@type`", help);
            continue;
        }
        supported(node, cx);
        for problem in schema::check(node, &any, cx.schema, cx.target) {
            cx.push(diagnostic(problem, cx));
        }
    }
    let mut found = Vec::new();
    for (node, message) in config.resources.iter().flat_map(|r| &r.messages) {
        look(node, message, &mut found);
    }
    for (range, code, message, help) in found {
        cx.report(code, &range, message, help);
    }
    names(config, cx);
}

/// Reports a resource of a type that Cilium does not take, or that says none.
fn supported(node: &Node, cx: &mut Cx<'_>) {
    let Some((key, value)) = node.fields().iter().find(|(key, _)| key.name == "@type") else {
        if node.fields().is_empty() {
            let help = "write its `@type` and fields, or take it away";
            cx.report(codes::UNKNOWN_TYPE, &node.range, "this resource is empty", help);
        }
        return;
    };
    let url = value.as_text().unwrap_or("");
    let name = url.rsplit('/').next().unwrap_or("");
    let known = cx.schema.message(name).is_some();
    let taken = Of::ALL.iter().any(|of| of.message() == name);
    let whole = format!("type.googleapis.com/{name}");
    if taken && url != whole {
        let message = "Cilium knows a type by its whole name alone, and skips the whole object";
        cx.report(codes::UNSUPPORTED_RESOURCE, &place((key, value)), message, format!("write `{whole}`"));
    }
    if known && !taken {
        let message = format!("Cilium takes no `{name}`, and skips the whole object");
        let help = "resources are Listeners, RouteConfigurations, Clusters, ClusterLoadAssignments and Secrets";
        cx.report(codes::UNSUPPORTED_RESOURCE, &place((key, value)), message, help);
    }
}

fn diagnostic(problem: Problem, cx: &Cx<'_>) -> Diagnostic {
    let help = match problem.kind {
        ProblemKind::TwoArms => "take one of the two away".to_owned(),
        _ => problem.help,
    };
    Diagnostic::new(problem.kind.code(), cx.span(&problem.range), problem.message).help(help)
}

type Found = (Range<usize>, Code, String, String);

/// Deprecated fields of a message.
fn look(node: &Node, message: &MessageDescriptor, found: &mut Vec<Found>) {
    for (key, value) in node.fields() {
        let Some(field) = field_of(message, &key.name) else { continue };
        if value.kind != Kind::Null && deprecated(&field) {
            let instead = INSTEAD.iter().find(|(name, _)| *name == field.full_name()).map(|(_, help)| *help);
            let text = format!("`{}` is deprecated in Envoy's API", key.name);
            let help =
                instead.unwrap_or("later releases of Envoy refuse it; its API documentation names what took its place");
            found.push((key.range.clone(), codes::DEPRECATED_FIELD, text, help.to_owned()));
        }
    }
}

fn deprecated(field: &FieldDescriptor) -> bool {
    field.field_descriptor_proto().options.as_ref().is_some_and(|options| options.deprecated())
}

/// Every resource has a name, and no other of its type has it.
fn names(config: &Config<'_>, cx: &mut Cx<'_>) {
    let mut seen: BTreeMap<(Of, String), Range<usize>> = BTreeMap::new();
    for resource in &config.resources {
        let name = match resource.name {
            Some((key, value)) if !resource.name().is_empty() => place((key, value)),
            // The field rules say it of the others.
            None if matches!(resource.of, Of::Listener | Of::Routes | Of::Secret) => {
                let message = "this resource has no `name`, and Cilium skips the whole object";
                cx.report(codes::MISSING_PART, &resource.node.range, message, "write a `name`");
                continue;
            }
            _ => continue,
        };
        let qualified = match resource.of {
            Of::Listener | Of::Routes => config.forced(resource.name()),
            Of::Cluster | Of::Endpoints | Of::Secret => config.qualified(resource.name()),
        };
        if let Some(first) = seen.get(&(resource.of, qualified.clone())) {
            let message = format!("`{qualified}` is there twice, and Cilium skips the whole object");
            let twice = Diagnostic::new(codes::RESOURCE_TWICE, cx.span(&name), message)
                .also(cx.span(first), "first defined here")
                .help("give one of them another name");
            cx.push(twice);
        } else {
            seen.insert((resource.of, qualified), name);
        }
    }
}
