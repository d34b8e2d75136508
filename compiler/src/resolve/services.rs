//! `service` declarations: what cannot be known from a route alone.

use super::declarations::{Placed, in_namespace};
use super::parts::{Parts, Place};
use super::{Cx, Env};
use crate::clause::{at, upstream};
use crate::ir::{Origin, TargetPort};
use crate::name::{self, PortText, ServiceName};
use meshc_dsl::clause::{self, Clause, Label};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::syntax::Service;
use meshc_dsl::value::{self, Value, ValueError};
use meshc_dsl::{Diagnostic, Span};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A declared service.
#[derive(Debug)]
pub(crate) struct ServiceInfo {
    pub(crate) origin: Origin,
    pub(crate) span: Span,
    pub(crate) port: Option<PortText>,
    pub(crate) selector: Option<BTreeMap<String, String>>,
    pub(crate) target_port: Option<TargetPort>,
    pub(crate) versions: BTreeMap<String, VersionInfo>,
    pub(crate) endpoints: Vec<SocketAddr>,
    pub(crate) at: at::Written,
    pub(crate) upstream: upstream::Written,
}

/// A declared version of a service.
#[derive(Debug)]
pub(crate) struct VersionInfo {
    pub(crate) service: ServiceName,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) endpoints: Vec<SocketAddr>,
    pub(crate) span: Span,
}

pub(crate) fn resolve<'a>(
    declared: &[Placed<'a, Service>],
    env: &Env<'a>,
) -> (BTreeMap<ServiceName, ServiceInfo>, Vec<Diagnostic>) {
    let mut services: BTreeMap<ServiceName, ServiceInfo> = BTreeMap::new();
    let mut cx = Cx::new(env);
    for placed in declared {
        let Some((name, info)) = service(placed, &mut cx) else { continue };
        if let Some(first) = services.get(&name) {
            let message = format!("the service `{name}` is declared twice");
            let diagnostic = Diagnostic::new(codes::DUPLICATE, info.span, message)
                .also(first.span, "first declared here")
                .help("put both into one declaration");
            cx.report(diagnostic);
        } else {
            services.insert(name, info);
        }
    }
    (services, cx.diagnostics)
}

fn service<'a>(placed: &Placed<'a, Service>, cx: &mut Cx<'a>) -> Option<(ServiceName, ServiceInfo)> {
    let node = placed.node;
    let text = match name::service(&node.name.text) {
        Ok(text) => text,
        Err(e) => {
            cx.error(e.code, node.name.span, e.message, e.help);
            return None;
        }
    };
    let name = in_namespace(&text, &placed.namespace);
    let parts = Parts::collect(&node.body, Place::Service, cx);
    let mut info = ServiceInfo {
        origin: placed.origin(format!("service {}", node.name.text)),
        span: node.name.span,
        port: text.port,
        selector: None,
        target_port: None,
        versions: BTreeMap::new(),
        endpoints: Vec::new(),
        at: at::Written::default(),
        upstream: upstream::Written::read(&parts.upstream, cx),
    };
    info.upstream.note_per_node(cx);
    for clause in &node.body.clauses {
        info.clause(&name, clause, cx);
    }
    Some((name, info))
}

impl ServiceInfo {
    fn clause<'a>(&mut self, name: &ServiceName, clause: &'a Clause, cx: &mut Cx<'a>) {
        match clause {
            Clause::Selector(c) => {
                refuse_second(self.selector.is_some(), "selector", c.span, cx);
                self.selector = Some(labels(&c.labels, cx));
            }
            Clause::TargetPort(c) => {
                refuse_second(self.target_port.is_some(), "target-port", c.span, cx);
                self.target_port = cx.word(&c.value, name::port).map(|port| match port {
                    PortText::Number(number) => TargetPort::Number(number),
                    PortText::Name(name) => TargetPort::Name(name),
                });
            }
            Clause::Endpoints(c) => {
                refuse_second(!self.endpoints.is_empty(), "endpoints", c.span, cx);
                self.endpoints = addresses(&c.addresses, cx);
            }
            Clause::At(c) => self.at.at(c, cx),
            Clause::OnFailure(c) => self.at.on_failure(c, cx),
            Clause::Version(c) => self.version(name, c, cx),
            _ => {}
        }
    }

    fn version<'a>(&mut self, service: &ServiceName, clause: &'a clause::Version, cx: &mut Cx<'a>) {
        let version = clause.name.text.as_str();
        if let Err(e) = value::name(version) {
            return cx.error(e.code, clause.name.span, e.message, e.help);
        }
        let own = match &clause.service {
            None => format!("{}-{version}", service.name),
            Some(value) => match cx.word(value, |w| value::name(w).map(|()| w.to_owned())) {
                Some(own) => own,
                None => return,
            },
        };
        if let Err(e) = value::name(&own) {
            return cx.error(e.code, clause.name.span, e.message, e.help);
        }
        let labels = match &clause.labels {
            Some(written) => labels(written, cx),
            None => BTreeMap::from([("version".to_owned(), version.to_owned())]),
        };
        let endpoints = addresses(&clause.endpoints, cx);
        if let Some(first) = self.versions.get(version) {
            let message = format!("the version `{version}` is declared twice");
            let diagnostic = Diagnostic::new(codes::DUPLICATE, clause.name.span, message)
                .also(first.span, "first declared here")
                .help("take one of the two away");
            return cx.report(diagnostic);
        }
        let name = ServiceName { namespace: service.namespace.clone(), name: own };
        let info = VersionInfo { service: name, labels, endpoints, span: clause.name.span };
        self.versions.insert(version.to_owned(), info);
    }
}

fn refuse_second(given: bool, what: &str, span: Span, cx: &mut Cx<'_>) {
    if given {
        cx.error(codes::WRITTEN_TWICE, span, format!("`{what}` is written twice"), "put all of it into one");
    }
}

fn labels<'a>(labels: &'a [Label], cx: &mut Cx<'a>) -> BTreeMap<String, String> {
    let mut read = BTreeMap::new();
    for label in labels {
        let (Some(key), Some(text)) = (cx.bare_or_text(&label.key), cx.bare_or_text(&label.value)) else { continue };
        if !label_key(key) {
            let help = "label keys are letters, digits, `-`, `_` and `.`, after an optional `domain/`";
            cx.error(codes::BAD_NAME, label.key.span, format!("`{key}` is not a label key"), help);
        } else if !label_part(text, true) {
            let help = "label values are at most 63 letters, digits, `-`, `_` and `.`, and begin and end with a letter or digit";
            cx.error(codes::BAD_NAME, label.value.span, format!("`{text}` is not a label value"), help);
        } else if read.insert(key.to_owned(), text.to_owned()).is_some() {
            cx.error(
                codes::WRITTEN_TWICE,
                label.key.span,
                format!("`{key}` is written twice"),
                "take one of the two away",
            );
        }
    }
    read
}

fn label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, name)) => {
            domain.len() <= 253 && domain.split('.').all(|p| value::name(p).is_ok()) && label_part(name, false)
        }
        None => label_part(key, false),
    }
}

fn label_part(text: &str, empty: bool) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    (empty && bytes.is_empty())
        || (bytes.len() <= 63 && ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|b| inner(*b)))
}

fn addresses<'a>(values: &'a [Value], cx: &mut Cx<'a>) -> Vec<SocketAddr> {
    values.iter().filter_map(|v| cx.word(v, socket_address)).collect()
}

/// Reads `10.0.0.55:5000`, `[fd00::1]:80`.
///
/// # Errors
/// When it is not an IP address with a port from 1 on.
pub(crate) fn socket_address(text: &str) -> Result<SocketAddr, ValueError> {
    let read = text.parse::<SocketAddr>().ok().filter(|a| a.port() != 0);
    read.ok_or_else(|| ValueError {
        code: codes::BAD_ADDRESS,
        message: format!("`{text}` is not an address with a port"),
        help: "addresses are written `10.0.0.55:5000` or `[fd00::1]:5000`".into(),
    })
}
