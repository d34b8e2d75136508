//! Which port of a Service is meant, and whether the Service can be used at all.

use super::Cx;
use crate::name::{PortText, ServiceName};
use meshc_dsl::Span;
use meshc_dsl::diagnostic::{Diagnostic, codes};

/// What a Service is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Its traffic is steered.
    Steered,
    /// Traffic goes to it.
    Destination,
}

/// The port of a Service: as written, as declared, or the catalog's only one. `None` when it was
/// reported, `Some(None)` when nothing knows it.
pub(crate) fn resolve(
    name: &ServiceName,
    written: Option<&PortText>,
    place: Span,
    cx: &mut Cx<'_>,
) -> Option<Option<u16>> {
    let env = cx.env;
    let declared = env.services.get(name).and_then(|info| info.port.as_ref());
    let Some(service) = env.catalog.get(name) else {
        return match written.or(declared) {
            Some(PortText::Number(number)) => Some(Some(*number)),
            Some(PortText::Name(port)) => {
                let message = format!("nothing knows the number of the port `{port}`");
                cx.error(
                    codes::UNKNOWN_PORT_NAME,
                    place,
                    message,
                    "port names need the service in the catalog (`--catalog`); write the number",
                );
                None
            }
            None => Some(None),
        };
    };
    let known: Vec<String> = service
        .tcp_ports()
        .map(|p| match &p.name {
            Some(name) => format!("{} ({name})", p.number),
            None => p.number.to_string(),
        })
        .collect();
    let list = if known.is_empty() {
        "it has no TCP port".to_owned()
    } else {
        format!("its TCP ports are {}", known.join(", "))
    };
    match written.or(declared) {
        Some(port) => match service.port(port) {
            Some(port) => Some(Some(port.number)),
            None => {
                let port = match port {
                    PortText::Number(number) => number.to_string(),
                    PortText::Name(name) => name.clone(),
                };
                let other = service
                    .ports
                    .iter()
                    .any(|p| !p.tcp && (p.number.to_string() == port || p.name.as_deref() == Some(port.as_str())));
                let message = if other {
                    format!("the port `{port}` of `{name}` is not a TCP port")
                } else {
                    format!("`{name}` has no port `{port}`")
                };
                cx.error(codes::UNKNOWN_PORT, place, message, list);
                None
            }
        },
        None => {
            let mut ports = service.tcp_ports();
            match (ports.next(), ports.next()) {
                (Some(port), None) => Some(Some(port.number)),
                (None, _) => {
                    cx.error(codes::UNKNOWN_PORT, place, format!("`{name}` has no TCP port"), "HTTP needs one");
                    None
                }
                _ => {
                    let message = format!("`{name}` has several ports");
                    cx.error(
                        codes::AMBIGUOUS_PORT,
                        place,
                        message,
                        format!("write which: `{}:PORT`; {list}", name.name),
                    );
                    None
                }
            }
        }
    }
}

/// Cilium publishes only endpoints of the node itself for `externalTrafficPolicy: Local`.
pub(crate) fn warn_of_node_local(name: &ServiceName, place: Span, cx: &mut Cx<'_>) {
    if cx.env.target.is_cilium() && cx.env.catalog.get(name).is_some_and(|service| service.node_local) {
        let message = format!("`{name}` has externalTrafficPolicy Local: each node sends only to its own pods of it");
        let help = "set `externalTrafficPolicy: Cluster`, or send to another Service of the same pods";
        cx.report(Diagnostic::new(codes::NODE_LOCAL_ENDPOINTS, place, message).help(help));
    }
}

/// Checks that the catalog's Service, if it knows one, can be used. `false` when it was reported.
pub(crate) fn fit(name: &ServiceName, purpose: Use, place: Span, cx: &mut Cx<'_>) -> bool {
    let Some(service) = cx.env.catalog.get(name) else { return true };
    let (what, help) = if service.external_name {
        ("stands for a DNS name and has no endpoints", "use a Service with a selector")
    } else if purpose == Use::Destination {
        warn_of_node_local(name, place, cx);
        return true;
    } else if service.headless {
        (
            "is headless: it has no address whose traffic could be steered",
            "give it a cluster IP, or steer the Service that clients call",
        )
    } else if service.session_affinity {
        ("has sessionAffinity ClientIP, with which Cilium does not steer it", "set `sessionAffinity: None`")
    } else {
        return true;
    };
    cx.report(Diagnostic::new(codes::UNFIT_SERVICE, place, format!("`{name}` {what}")).help(help));
    false
}
