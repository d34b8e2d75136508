//! The fields of the object's `spec`: those that the CRD has not, Kubernetes drops in silence.

use super::cx::{Cx, entry, field, place, place_of, text};
use super::object::Config;
use crate::schema::place as place_of_value;
use crate::target::SERVICE_PORTS;
use crate::yaml::{Key, Kind, Node};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::suggest::nearest;

const OPERATORS: &[&str] = &["In", "NotIn", "Exists", "DoesNotExist"];

/// The first release with `nodeSelector`.
const NODE_SELECTOR_SINCE: u8 = 16;

pub(super) fn check(config: &Config<'_>, cx: &mut Cx<'_>) {
    known(config.spec, "spec", &["services", "backendServices", "resources", "nodeSelector"], cx);
    for service in list(config.spec, "services", cx) {
        service_of(service, "services", &["name", "namespace", "ports", "listener"], cx);
    }
    for service in list(config.spec, "backendServices", cx) {
        service_of(service, "backendServices", &["name", "namespace", "number"], cx);
    }
    let resources = list(config.spec, "resources", cx);
    let other = field(config.spec, "resources").is_some_and(|found| !matches!(found.kind, Kind::List(_)));
    if resources.is_empty() && !other {
        let message = format!("this {} has no `resources`", config.kind);
        let range = entry(config.spec, "resources").or(entry(config.node, "spec")).map(place);
        let help = "write its listeners, route configurations and clusters";
        cx.report(codes::MISSING_PART, &range.unwrap_or_default(), message, help);
    }
    if let Some((key, selector)) = entry(config.spec, "nodeSelector") {
        node_selector(key, selector, cx);
    }
}

/// Reports the fields that the CRD does not have.
fn known(node: &Node, of: &str, names: &[&str], cx: &mut Cx<'_>) {
    for (key, _) in node.fields() {
        if names.contains(&key.name.as_str()) {
            continue;
        }
        let message = format!("`{of}` has no field `{}`, and Kubernetes drops it", key.name);
        let help = match (of, key.name.as_str()) {
            ("backendServices", "ports") => {
                "ports of backend services are texts under `number`, such as `number: [\"8080\"]`".to_owned()
            }
            ("services", "number") => "ports of steered services are numbers under `ports`".to_owned(),
            _ => match nearest(&key.name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has `{}`", names.join("`, `")),
            },
        };
        cx.report(codes::PRUNED_FIELD, &key.range, message, help);
    }
}

/// The items of a list; anything else there is reported.
fn list<'n>(node: &'n Node, name: &str, cx: &mut Cx<'_>) -> &'n [Node] {
    match entry(node, name) {
        Some((_, value)) if matches!(value.kind, Kind::List(_)) => value.items(),
        Some(found) => {
            wrong(found, "a list", cx);
            &[]
        }
        None => &[],
    }
}

fn wrong((key, value): (&Key, &Node), wanted: &str, cx: &mut Cx<'_>) {
    let message = format!("`{}` must be {wanted}", key.name);
    cx.report(codes::WRONG_TYPE, &place_of_value(key, value), message, "Kubernetes refuses the object");
}

fn service_of(service: &Node, of: &str, names: &[&str], cx: &mut Cx<'_>) {
    if !matches!(service.kind, Kind::Map(_)) {
        let message = format!("`{of}` must be a list of maps");
        return cx.report(codes::WRONG_TYPE, &service.range, message, "write `- name: …`");
    }
    known(service, of, names, cx);
    if text(service, "name").is_none() && field(service, "name").is_none_or(|n| n.as_text().is_some()) {
        let message = format!("this item of `{of}` names no service");
        cx.report(codes::MISSING_PART, &place_of(service, "name"), message, "write its `name`");
    }
    for name in ["name", "namespace", "listener"] {
        if let Some(found) = entry(service, name).filter(|(_, value)| value.as_text().is_none()) {
            wrong(found, "text", cx);
        }
    }
    let numbers = of == "services";
    let name = if numbers { "ports" } else { "number" };
    for port in list(service, name, cx) {
        if numbers { port_number(port, cx) } else { port_text(port, cx) }
    }
    if let Some((key, _)) = entry(service, "ports").filter(|_| numbers && !cx.target.has(&SERVICE_PORTS)) {
        let message = format!("{} drops the ports of steered services, and steers all of them", cx.target);
        cx.report(
            codes::TARGET_CANNOT,
            &key.range,
            message,
            format!("they are there from {} on", SERVICE_PORTS.first()),
        );
    }
}

fn port_number(port: &Node, cx: &mut Cx<'_>) {
    let Kind::Number(number) = &port.kind else {
        return cx.report(
            codes::WRONG_TYPE,
            &port.range,
            "a port of `services` must be a number",
            "write it without quotes",
        );
    };
    if !number.as_u64().is_some_and(|n| (1..=65535).contains(&n)) {
        let message = format!("`{}` is not a port", cx.text.get(port.range.clone()).unwrap_or(""));
        let help = "ports are from 1 to 65535; Kubernetes takes any number, and then no agent can read any object of this kind";
        cx.report(codes::BAD_SERVICE_PORT, &port.range, message, help);
    }
}

fn port_text(port: &Node, cx: &mut Cx<'_>) {
    let Some(text) = port.as_text() else {
        let message = "a port of `backendServices` must be text";
        return cx.report(codes::WRONG_TYPE, &port.range, message, "put it in quotes");
    };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if text.is_empty() || digits && !text.parse::<u16>().is_ok_and(|n| n > 0) {
        let message = format!("`{text}` is not a port");
        cx.report(codes::BAD_SERVICE_PORT, &port.range, message, "write a number from 1 to 65535, or a port's name");
    }
}

fn node_selector(key: &Key, selector: &Node, cx: &mut Cx<'_>) {
    if !matches!(selector.kind, Kind::Map(_)) {
        return wrong((key, selector), "a map", cx);
    }
    if cx.minor() < NODE_SELECTOR_SINCE {
        let message = format!("{} drops `nodeSelector`, and takes the object on every node", cx.target);
        let help = format!("it is there from cilium-1.{NODE_SELECTOR_SINCE} on");
        cx.report(codes::TARGET_CANNOT, &key.range, message, help);
    }
    known(selector, "nodeSelector", &["matchLabels", "matchExpressions"], cx);
    for label in field(selector, "matchLabels").map_or(&[][..], Node::fields) {
        if label.1.as_text().is_none() {
            wrong((&label.0, &label.1), "text", cx);
        }
    }
    for expression in list(selector, "matchExpressions", cx) {
        known(expression, "matchExpressions", &["key", "operator", "values"], cx);
        let operator = text(expression, "operator").unwrap_or("");
        if !OPERATORS.contains(&operator) {
            let message = format!("`{operator}` is not an operator");
            let help = format!("operators are `{}`", OPERATORS.join("`, `"));
            cx.report(codes::WRONG_TYPE, &place_of(expression, "operator"), message, help);
        }
    }
}
