//! The per-version Services that a `service` with a selector asks for.

use super::services::{ServiceInfo, VersionInfo};
use super::{Cx, Env};
use crate::catalog::{CatalogPort, IntOrString};
use crate::ir::{TargetPort, VersionService};
use crate::name::{PortText, ServiceName};
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::codes;
use std::collections::BTreeMap;

pub(crate) fn services(env: &Env<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<VersionService> {
    let mut cx = Cx::new(env);
    let mut services = Vec::new();
    for (name, info) in &env.services {
        let Some(selector) = &info.selector else { continue };
        if info.versions.is_empty() {
            let message = "a selector makes Services for versions, and there are none";
            cx.report(Diagnostic::new(codes::SELECTS_NOTHING, info.span, message).help("declare them: `version v1`"));
            continue;
        }
        for version in info.versions.values() {
            services.extend(service(name, info, version, selector, &mut cx));
        }
    }
    diagnostics.append(&mut cx.diagnostics);
    services.sort_by(|a, b| a.service.cmp(&b.service));
    services
}

fn service(
    parent: &ServiceName,
    info: &ServiceInfo,
    version: &VersionInfo,
    selector: &BTreeMap<String, String>,
    cx: &mut Cx<'_>,
) -> Option<VersionService> {
    let mut labels = selector.clone();
    labels.extend(version.labels.clone());
    if let Some(existing) = cx.env.catalog.get(&version.service).filter(|s| s.selector != labels) {
        let show = |labels: &BTreeMap<String, String>| {
            labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(", ")
        };
        let message = format!("the Service `{}` exists and selects {}", version.service, show(&existing.selector));
        let help = format!("this version selects {}; name another Service: `version NAME = SERVICE`", show(&labels));
        cx.error(codes::SERVICE_CONFLICT, version.span, message, help);
        return None;
    }
    let known = catalog_port(parent, info, cx);
    let Some(port) = known.map(|p| p.number).or(declared_port(info)) else {
        let message = format!("nothing knows the port of `{parent}`, which its versions have too");
        cx.error(codes::PORT_NEEDED, info.span, message, format!("write `service {}:PORT`", parent.name));
        return None;
    };
    Some(VersionService {
        origin: info.origin.clone(),
        service: version.service.clone(),
        selector: labels,
        port_name: known.and_then(|p| p.name.clone()),
        port,
        target_port: target_port(info, known, port, cx),
        app_protocol: known.and_then(|p| p.app_protocol.clone()),
    })
}

fn declared_port(info: &ServiceInfo) -> Option<u16> {
    match info.port {
        Some(PortText::Number(number)) => Some(number),
        _ => None,
    }
}

/// The catalog's port that the declaration names, or its only one.
fn catalog_port<'a>(parent: &ServiceName, info: &ServiceInfo, cx: &Cx<'a>) -> Option<&'a CatalogPort> {
    let service = cx.env.catalog.get(parent)?;
    match &info.port {
        Some(port) => service.port(port),
        None => service.tcp_ports().next().filter(|_| service.tcp_ports().count() == 1),
    }
}

fn target_port(info: &ServiceInfo, known: Option<&CatalogPort>, port: u16, cx: &mut Cx<'_>) -> TargetPort {
    if let Some(written) = &info.target_port {
        return written.clone();
    }
    match known.map(|p| &p.target_port) {
        Some(Some(IntOrString::Int(number))) => TargetPort::Number(*number),
        Some(Some(IntOrString::Text(name))) => TargetPort::Name(name.clone()),
        // Kubernetes' own default.
        Some(None) => TargetPort::Number(port),
        None => {
            let message = format!("the pods' port is taken to be {port}, as the Service's");
            cx.report(
                Diagnostic::new(codes::TARGET_PORT_NOTE, info.span, message).help("`target-port PORT` says another"),
            );
            TargetPort::Number(port)
        }
    }
}
