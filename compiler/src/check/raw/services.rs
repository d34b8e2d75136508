//! What the object steers: its `services`, and the `backendServices` whose endpoints it needs.

use super::cx::{Cx, entry, items, place, place_of, text};
use super::object::{Config, Of};
use crate::name::{PortText, ServiceName};
use crate::target::{REDIRECT_PER_PORT, SERVICE_PORTS};
use crate::yaml::{Kind, Node};
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::codes;
use std::collections::BTreeMap;

/// The first release that takes the namespaces of services literally.
const LITERAL_NAMESPACES: u8 = 18;

/// The first release that steers whatever protocol a port has.
const FLAGS_UDP: u8 = 18;

pub(super) fn check(config: &Config<'_>, cx: &mut Cx<'_>) {
    for service in named(config.spec, "services") {
        namespace(config, service, true, cx);
        listener(config, service, cx);
        if cx.target.has(&SERVICE_PORTS) && items(service, "ports").is_empty() {
            let udp = if cx.minor() >= FLAGS_UDP { ", those of UDP too" } else { "" };
            let message = format!("this steers every port of the service{udp}");
            cx.report(
                codes::PORTS_LEFT_OPEN,
                &place_of(service, "name"),
                message,
                "write its `ports`, such as `ports: [80]`",
            );
        }
        catalog(config, service, true, cx);
    }
    for service in named(config.spec, "backendServices") {
        namespace(config, service, false, cx);
        if items(service, "number").is_empty() {
            let message = "the endpoints of all ports of this service come as one set";
            let help = "write the port under `number`, such as `number: [\"8080\"]`, and `service_name: namespace/service:8080` in the cluster";
            cx.report(codes::PORTS_LEFT_OPEN, &place_of(service, "name"), message, help);
        }
        catalog(config, service, false, cx);
    }
    one_redirect(config, cx);
}

/// The items of a list that are maps with a name.
fn named<'n>(spec: &'n Node, list: &str) -> impl Iterator<Item = &'n Node> {
    items(spec, list).iter().filter(|service| text(service, "name").is_some())
}

fn namespace(config: &Config<'_>, service: &Node, steered: bool, cx: &mut Cx<'_>) {
    let literal = cx.minor() >= LITERAL_NAMESPACES;
    let assumed = config.namespace_of(service).to_owned();
    let Some(written) = entry(service, "namespace").filter(|(_, value)| value.as_text().is_some_and(|t| !t.is_empty()))
    else {
        let place = place_of(service, "name");
        let help = format!("write `namespace: {assumed}`");
        if literal {
            let what = if steered { "nothing is steered" } else { "it has no endpoints" };
            let message = format!("{} assumes no namespace here, and {what}", cx.target);
            cx.report(codes::SERVICE_WITHOUT_NAMESPACE, &place, message, help);
        } else {
            let message = format!("{} assumes the namespace `{assumed}`, and cilium-1.18 does not", cx.target);
            cx.report(codes::NAMESPACE_ASSUMED, &place, message, help);
        }
        return;
    };
    if !steered || config.clusterwide || assumed == config.namespace {
        return;
    }
    let help = format!(
        "steer it with a CiliumEnvoyConfig in `{assumed}` (under `metadata`, `namespace: {assumed}`), or with a CiliumClusterwideEnvoyConfig"
    );
    if literal {
        let message =
            format!("other releases than cilium-1.18 to 1.20 steer the service in `{}` instead", config.namespace);
        cx.report(codes::FOREIGN_SERVICE, &place(written), message, help);
    } else {
        let message = format!("{} steers the service in `{}` instead", cx.target, config.namespace);
        cx.report(codes::SERVICE_ELSEWHERE, &place(written), message, help);
    }
}

fn listener(config: &Config<'_>, service: &Node, cx: &mut Cx<'_>) {
    let names: Vec<&str> = config.of(Of::Listener).map(|r| r.name()).filter(|n| !n.is_empty()).collect();
    let Some((_, node)) =
        entry(service, "listener").filter(|(_, value)| value.as_text().is_some_and(|t| !t.is_empty()))
    else {
        let place = place_of(service, "name");
        let Some(first) = names.first() else {
            let message = "there is no listener to steer this service to";
            return cx.report(codes::UNKNOWN_LISTENER, &place, message, "write a Listener into `resources`");
        };
        let message = "which listener this goes to is left to the release: the last one, or the first by name";
        return cx.report(codes::LISTENER_LEFT_OPEN, &place, message, format!("write `listener: {first}`"));
    };
    let wanted = config.forced(node.as_text().unwrap_or(""));
    if !names.iter().any(|name| config.forced(name) == wanted) {
        let message = format!("`resources` has no listener `{}`", node.as_text().unwrap_or(""));
        let help = match meshc_dsl::suggest::nearest(node.as_text().unwrap_or(""), names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "nothing is steered without it, and no log says so".to_owned(),
        };
        cx.report(codes::UNKNOWN_LISTENER, &node.range, message, help);
    }
}

/// Holds a service against the catalog, where one was given.
fn catalog(config: &Config<'_>, service: &Node, steered: bool, cx: &mut Cx<'_>) {
    let name = ServiceName {
        namespace: config.namespace_of(service).to_owned(),
        name: text(service, "name").unwrap_or("").to_owned(),
    };
    if !cx.catalog.given {
        return;
    }
    let catalog = cx.catalog;
    let place = place_of(service, "name");
    let Some(known) = catalog.get(&name) else {
        let help = match catalog.nearest(&name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "the catalog does not have it".to_owned(),
        };
        return cx.report(codes::UNKNOWN_SERVICE, &place, format!("there is no Service `{name}`"), help);
    };
    let unfit = match () {
        () if known.external_name => Some("it only stands for a DNS name, and has no endpoints"),
        () if steered && known.headless => Some("it is headless, and so has no address to steer"),
        () if steered && known.session_affinity => {
            Some("its clients stick to a backend by address (`sessionAffinity`)")
        }
        () => None,
    };
    if let Some(why) = unfit {
        let message =
            format!("the Service `{name}` cannot be {}: {why}", if steered { "steered" } else { "a backend" });
        cx.report(codes::UNFIT_SERVICE, &place, message, "change the Service, or name another one");
    }
    for node in items(service, if steered { "ports" } else { "number" }) {
        let port = match &node.kind {
            Kind::Number(number) => number.as_u64().and_then(|n| u16::try_from(n).ok()).map(PortText::Number),
            Kind::Text(text) => Some(text.parse().map_or_else(|_| PortText::Name(text.clone()), PortText::Number)),
            _ => None,
        };
        let Some(port) = port.filter(|port| known.port(port).is_none()) else { continue };
        let ports: Vec<String> = known.tcp_ports().map(|p| format!("`{}`", p.number)).collect();
        let written = match port {
            PortText::Number(number) => number.to_string(),
            PortText::Name(name) => name,
        };
        let message = format!("the Service `{name}` has no TCP port `{written}`");
        cx.report(codes::UNKNOWN_PORT, &node.range, message, format!("its TCP ports are {}", ports.join(", ")));
    }
}

/// Before 1.20 all of a service goes to one listener.
fn one_redirect(config: &Config<'_>, cx: &mut Cx<'_>) {
    if cx.target.has(&REDIRECT_PER_PORT) {
        return;
    }
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for service in named(config.spec, "services") {
        let Some((_, node)) = entry(service, "listener") else { continue };
        let listener = config.forced(node.as_text().unwrap_or(""));
        let known = first.entry(config.service(service)).or_insert_with(|| listener.clone());
        if *known != listener {
            let message = format!("{} has one listener for a service, whatever its port", cx.target);
            let help = format!(
                "{}: each port may have its own from {} on",
                REDIRECT_PER_PORT.reason,
                REDIRECT_PER_PORT.first()
            );
            cx.report(codes::TARGET_CANNOT, &node.range, message, help);
        }
    }
}

/// Of two objects that steer one service the last one written wins, and deleting either clears both.
pub(super) fn steered_twice(configs: &[Config<'_>], cx: &mut Cx<'_>) {
    let mut seen: BTreeMap<String, Vec<(usize, &Node)>> = BTreeMap::new();
    for (at, config) in configs.iter().enumerate() {
        for service in named(config.spec, "services") {
            let others = seen.entry(config.service(service)).or_default();
            if let Some((_, other)) = others.iter().find(|(object, other)| *object != at && overlap(other, service, cx))
            {
                let message = format!("another object steers `{}` too", config.service(service));
                let diagnostic =
                    Diagnostic::new(codes::SERVICE_STEERED_TWICE, cx.span(&place_of(service, "name")), message)
                        .also(cx.span(&place_of(other, "name")), "steered here")
                        .help("put both into one object: one wins, and deleting either stops the steering");
                cx.push(diagnostic);
            }
            others.push((at, service));
        }
    }
}

fn overlap(one: &Node, other: &Node, cx: &Cx<'_>) -> bool {
    let (one, other) = (items(one, "ports"), items(other, "ports"));
    let all = one.is_empty() || other.is_empty() || !cx.target.has(&REDIRECT_PER_PORT);
    all || one.iter().any(|port| other.iter().any(|p| p.kind == port.kind))
}
