//! The object's own name, labels and annotations.

use super::cx::{Cx, entry, field, place, place_of, text};
use super::object::Config;
use crate::check::size::{MAX_OBJECT, json_size};
use crate::target::{ORIGINAL_SOURCE_ANNOTATION, ORIGINAL_SOURCE_LABEL};
use crate::yaml::{Kind, Node};
use meshc_dsl::diagnostic::codes;

/// The beginnings of the names that Cilium's own generators give.
const GENERATED: &[&str] = &["cilium-gateway-", "cilium-ingress", "cilium-envoy-lb-"];

pub(super) fn check(config: &Config<'_>, cx: &mut Cx<'_>) {
    let Some((key, metadata)) = entry(config.node, "metadata") else {
        let message = format!("this {} has no `metadata`", config.kind);
        return cx.report(codes::MISSING_PART, &config.node.range, message, "write its `name` there");
    };
    match entry(metadata, "name") {
        Some(name) if matches!(name.1.kind, Kind::Text(_)) && !config.name.is_empty() => {
            of_name(config.name, name.1, cx)
        }
        Some(name) if !matches!(name.1.kind, Kind::Text(_)) => not_text("name", name.1, cx),
        _ => {
            let message = format!("this {} has no name", config.kind);
            cx.report(codes::MISSING_PART, &place((key, metadata)), message, "write `name` under `metadata`");
        }
    }
    for name in ["labels", "annotations"] {
        for (key, value) in field(metadata, name).map_or(&[][..], Node::fields) {
            if !matches!(value.kind, Kind::Text(_) | Kind::Null) {
                not_text(&key.name, value, cx);
            }
        }
    }
    original_source(config, metadata, cx);
    let bytes = json_size(config.node);
    if bytes > MAX_OBJECT {
        let message = format!("this object has {} KiB, and etcd takes 1024", bytes / 1024);
        cx.report(codes::OBJECT_TOO_LARGE, &place_of(metadata, "name"), message, "split it over several objects");
    }
}

fn of_name(name: &str, node: &Node, cx: &mut Cx<'_>) {
    let part = |part: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !part.is_empty() && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(part) {
        let message = format!("`{name}` is not a Kubernetes name");
        let help = "names are of lower-case letters, digits, `-` and `.`, at most 253";
        cx.report(codes::BAD_NAME, &node.range, message, help);
    }
    if let Some(start) = GENERATED.iter().find(|start| name.starts_with(**start)) {
        let message = format!("Cilium names objects that it generates `{start}…`");
        let help = "choose another name: Cilium overwrites and deletes what it takes for its own";
        cx.report(codes::CILIUM_NAME, &node.range, message, help);
    }
}

fn not_text(name: &str, node: &Node, cx: &mut Cx<'_>) {
    let help = "put it in quotes: Kubernetes refuses the object";
    cx.report(codes::WRONG_TYPE, &node.range, format!("`{name}` must be text"), help);
}

/// Without a word on it the client's address is kept, which has its price.
fn original_source(config: &Config<'_>, metadata: &Node, cx: &mut Cx<'_>) {
    if field(config.spec, "services").is_none_or(|s| s.items().is_empty()) {
        return;
    }
    let said = |of: &str, name: &str| field(metadata, of).is_some_and(|map| text(map, name).is_some());
    let (label, annotation) = (ORIGINAL_SOURCE_LABEL.name, ORIGINAL_SOURCE_ANNOTATION.name);
    let annotated = cx.target.has(&ORIGINAL_SOURCE_ANNOTATION) && said("annotations", annotation);
    if cx.target.has(&ORIGINAL_SOURCE_LABEL) && (said("labels", label) || annotated) {
        return;
    }
    let message = "the backends see the client's own address, and only pods may be clients";
    let help = if !cx.target.has(&ORIGINAL_SOURCE_LABEL) {
        format!("{} always keeps it; from {} on the label `{label}` decides", cx.target, ORIGINAL_SOURCE_LABEL.first())
    } else {
        format!(
            "write the label `{label}: \"false\"`{} to hide it: then NodePorts and nodes may be clients too, and \
             network policies of the backends see `reserved:ingress`; write `\"true\"` to keep it",
            if cx.target.has(&ORIGINAL_SOURCE_ANNOTATION) {
                format!(" and the annotation `{annotation}: \"false\"`")
            } else {
                String::new()
            }
        )
    };
    cx.report(codes::ORIGINAL_SOURCE_NOTE, &place_of(config.node, "kind"), message, help);
}
