//! Destinations: from the names in a split to upstreams.

use super::Cx;
use super::declarations::in_namespace;
use super::ports::{self, Use};
use super::services::{ServiceInfo, socket_address};
use crate::clause::protocol::Protocol;
use crate::clause::split;
use crate::clause::upstream;
use crate::ir::{Endpoint, Share, Upstream};
use crate::name::{self, ServiceName, ServicePort, ServiceText, looks_like_version};
use meshc_dsl::clause::{Destination, DestinationKind, Split};
use meshc_dsl::diagnostic::{Diagnostic, codes};
use meshc_dsl::suggest::nearest;
use meshc_dsl::value::ValueError;
use meshc_dsl::{Code, Span};
use std::net::SocketAddr;

/// Whose rules are resolved.
#[derive(Debug, Clone)]
pub(crate) struct Owner<'s> {
    /// The steered service, if it is a route.
    pub(crate) service: Option<&'s ServicePort>,
    /// The namespace of bare names.
    pub(crate) namespace: &'s str,
    /// Whether the route has several subjects, each of which must declare the versions used.
    pub(crate) shared: bool,
    /// Whether connections are routed, not requests.
    pub(crate) tcp: bool,
}

/// The destinations of one steered service or listener.
pub(crate) struct Upstreams<'s> {
    pub(crate) owner: Owner<'s>,
    pub(crate) settings: &'s upstream::Written,
    pub(crate) list: Vec<Upstream>,
}

/// A destination that was looked up.
struct Found {
    service: ServiceName,
    port: Option<u16>,
    addresses: Vec<SocketAddr>,
    settings: Vec<ServiceName>,
}

impl Upstreams<'_> {
    /// Resolves a split; `None` when a part of it was reported.
    pub(crate) fn split<'a>(&mut self, split: &'a Split, cx: &mut Cx<'a>) -> Option<Vec<Share>> {
        let portions = split::portions(split, cx);
        let indices: Vec<Option<usize>> = split.shares.iter().map(|s| self.destination(&s.destination, cx)).collect();
        let mut shares: Vec<Share> = Vec::with_capacity(indices.len());
        for ((portion, upstream), part) in portions?.into_iter().zip(indices).zip(&split.shares) {
            let upstream = upstream?;
            if shares.iter().any(|s| s.upstream == upstream) {
                let message = "this destination is named twice in one split";
                cx.error(codes::DESTINATION_TWICE, part.destination.span, message, "add the two shares up");
            }
            shares.push(Share { portion, upstream });
        }
        Some(shares)
    }

    /// The routed service itself, as a split of one.
    pub(crate) fn routed(&mut self, service: &ServicePort, cx: &mut Cx<'_>) -> Vec<Share> {
        let addresses = cx.env.services.get(&service.service).map(|i| i.endpoints.clone()).unwrap_or_default();
        let endpoint = Endpoint::Service { service: service.clone(), addresses };
        let upstream = self.index(endpoint, std::slice::from_ref(&service.service), cx);
        split::whole(upstream)
    }

    pub(crate) fn destination<'a>(&mut self, destination: &'a Destination, cx: &mut Cx<'a>) -> Option<usize> {
        let (endpoint, settings) = self.endpoint(destination, cx)?;
        let at = self.index(endpoint, &settings, cx);
        if !self.owner.tcp && self.list.get(at).is_some_and(|u| u.settings.protocol == Protocol::Tcp) {
            let message = "this destination speaks TCP, and requests are routed here";
            let help = "write `protocol tcp` in the route too, or another one in the service";
            cx.error(codes::PROTOCOLS_DIFFER, destination.span, message, help);
        }
        Some(at)
    }

    /// The place of a destination that is there already. `None` when it was reported.
    pub(crate) fn find<'a>(&self, destination: &'a Destination, cx: &mut Cx<'a>) -> Option<Option<usize>> {
        let (endpoint, _) = self.endpoint(destination, cx)?;
        Some(self.list.iter().position(|u| u.endpoint == endpoint))
    }

    /// What is behind a destination, and the declared services whose settings hold for it.
    fn endpoint<'a>(&self, destination: &'a Destination, cx: &mut Cx<'a>) -> Option<(Endpoint, Vec<ServiceName>)> {
        Some(match &destination.kind {
            DestinationKind::EnvoyAdmin { writable } => {
                if *writable {
                    let message = "any caller can stop the proxy through this interface";
                    cx.report(
                        Diagnostic::new(codes::WRITABLE_ADMIN, destination.span, message)
                            .help("without `writable` only GET and HEAD pass"),
                    );
                }
                (Endpoint::EnvoyAdmin, Vec::new())
            }
            DestinationKind::Address(value) => {
                let address = cx.word(value, socket_address)?;
                let message = "a fixed address does not follow its pod";
                cx.report(
                    Diagnostic::new(codes::FIXED_ADDRESS, destination.span, message)
                        .help("use it in tests only; a version or a service follows its pods"),
                );
                (Endpoint::Address(address), Vec::new())
            }
            DestinationKind::Dns(value) => {
                let (host, port) = cx.word(value, dns)?;
                if port == 443 {
                    let message = "port 443 is TLS, which meshc does not speak to destinations yet";
                    cx.error(codes::NEEDS_TLS, value.span, message, "use a port that takes plain text");
                    return None;
                }
                (Endpoint::Dns { host, port }, Vec::new())
            }
            DestinationKind::Named(value) => {
                let text = cx.word(value, name::service)?;
                let found = self.look_up(&text, value.span, cx)?;
                let service = ServicePort { service: found.service, port: found.port };
                (Endpoint::Service { service, addresses: found.addresses }, found.settings)
            }
        })
    }

    /// The place of an endpoint in the list, which it is added to where it is new. Its settings
    /// are the route's over those of the declared services, first named first.
    fn index(&mut self, endpoint: Endpoint, declared: &[ServiceName], cx: &mut Cx<'_>) -> usize {
        if let Some(known) = self.list.iter().position(|u| u.endpoint == endpoint) {
            return known;
        }
        let mut settings = self.settings.clone();
        for name in declared {
            if let Some(info) = cx.env.services.get(name) {
                settings = settings.over(&info.upstream);
            }
        }
        if self.owner.tcp {
            settings.speak_tcp();
        }
        settings.check(cx);
        self.list.push(Upstream { endpoint, settings: settings.finish() });
        self.list.len() - 1
    }

    /// A bare name is a declared version of the routed service, a known service, a version by its
    /// looks, or a service of the same namespace, in this order.
    fn look_up(&self, text: &ServiceText, place: Span, cx: &mut Cx<'_>) -> Option<Found> {
        if let Some(version) = &text.version {
            let parent = in_namespace(&ServiceText { version: None, ..text.clone() }, self.owner.namespace);
            return self.version(&parent, version, text, place, cx);
        }
        let bare = text.namespace.is_none() && text.port.is_none();
        let name = in_namespace(text, self.owner.namespace);
        if let Some(routed) = self.owner.service.filter(|_| bare) {
            let info = cx.env.services.get(&routed.service);
            let declared = info.is_some_and(|i| i.versions.contains_key(&text.name));
            if declared || (!known(&name, cx) && looks_like_version(&text.name)) {
                return self.version(&routed.service, &text.name, text, place, cx);
            }
        }
        self.plain(name, text, place, cx)
    }

    fn plain(&self, name: ServiceName, text: &ServiceText, place: Span, cx: &mut Cx<'_>) -> Option<Found> {
        exists(&name, place, cx)?;
        if !ports::fit(&name, Use::Destination, place, cx) {
            return None;
        }
        let own = ports::resolve(&name, text.port.as_ref(), place, cx)?;
        let port = own.or(self.owner.service.and_then(|s| s.port));
        let addresses = cx.env.services.get(&name).map(|i| i.endpoints.clone()).unwrap_or_default();
        Some(Found { port, addresses, settings: vec![name.clone()], service: name })
    }

    fn version(
        &self,
        parent: &ServiceName,
        version: &str,
        text: &ServiceText,
        place: Span,
        cx: &mut Cx<'_>,
    ) -> Option<Found> {
        let env = cx.env;
        let info = env.services.get(parent);
        let port = self.version_port(parent, text, place, cx)?;
        if let Some(declared) = info.and_then(|i| i.versions.get(version)) {
            let generated = info.is_some_and(|i| i.selector.is_some());
            if !generated {
                exists(&declared.service, place, cx)?;
            }
            let settings = vec![declared.service.clone(), parent.clone()];
            return Some(Found {
                service: declared.service.clone(),
                port,
                addresses: declared.endpoints.clone(),
                settings,
            });
        }
        let service = ServiceName { namespace: parent.namespace.clone(), name: format!("{}-{version}", parent.name) };
        let in_catalog = env.catalog.get(&service).is_some();
        if let Some(info) = info.filter(|i| !i.versions.is_empty() && !in_catalog) {
            self.unknown_version(parent, version, info, place, cx);
            return None;
        }
        if self.owner.shared && text.version.is_none() && !in_catalog {
            let message = format!("`{parent}` does not declare the version `{version}`");
            let help = format!(
                "declare it: `service {} {{ version {version} }}`; in a route of several services each has its own",
                parent.name
            );
            cx.error(codes::UNKNOWN_VERSION, place, message, help);
            return None;
        }
        if env.catalog.given {
            exists(&service, place, cx)?;
        }
        let settings = vec![service.clone(), parent.clone()];
        let addresses = env.services.get(&service).map(|i| i.endpoints.clone()).unwrap_or_default();
        Some(Found { service, port, addresses, settings })
    }

    /// A version has its service's port.
    fn version_port(
        &self,
        parent: &ServiceName,
        text: &ServiceText,
        place: Span,
        cx: &mut Cx<'_>,
    ) -> Option<Option<u16>> {
        let routed = self.owner.service.filter(|s| s.service == *parent && text.port.is_none());
        match routed.and_then(|s| s.port) {
            Some(port) => Some(Some(port)),
            None => ports::resolve(parent, text.port.as_ref(), place, cx),
        }
    }

    fn unknown_version(&self, parent: &ServiceName, version: &str, info: &ServiceInfo, place: Span, cx: &mut Cx<'_>) {
        let names = info.versions.keys().map(String::as_str);
        let message = format!("`{parent}` has no version `{version}`");
        let diagnostic =
            Diagnostic::new(codes::UNKNOWN_VERSION, place, message).also(info.span, "its versions are declared here");
        cx.report(match nearest(version, names.clone()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => {
                diagnostic.help(format!("it has {}", names.map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")))
            }
        });
    }
}

/// Reads `api.example.com:80`.
fn dns(text: &str) -> Result<(String, u16), ValueError> {
    let label = |l: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !l.is_empty() && l.len() <= 63 && !l.starts_with('-') && !l.ends_with('-') && l.bytes().all(inner)
    };
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    let numeric = |host: &str| host.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    match parts {
        Some((host, port)) if port > 0 && host.len() <= 253 && host.split('.').all(label) && !numeric(host) => {
            Ok((host.to_ascii_lowercase(), port))
        }
        _ => Err(ValueError {
            code: codes::BAD_ADDRESS,
            message: format!("`{text}` is not a DNS name with a port"),
            help: "write it as `dns api.example.com:80`; an IP address is `address 10.0.0.55:5000`".into(),
        }),
    }
}

fn known(name: &ServiceName, cx: &Cx<'_>) -> bool {
    let env = cx.env;
    env.services.contains_key(name) || env.routed.contains(name) || env.catalog.get(name).is_some()
}

/// Whether a destination exists: with a catalog it must, without one there is a warning.
fn exists(name: &ServiceName, place: Span, cx: &mut Cx<'_>) -> Option<()> {
    let env = cx.env;
    if env.catalog.get(name).is_some() {
        return Some(());
    }
    if env.catalog.given {
        unknown_service(name, codes::UNKNOWN_SERVICE, place, cx);
        return None;
    }
    if !known(name, cx) && !env.of_versions.contains(name) {
        let message = format!("nothing says that the service `{name}` exists");
        cx.report(
            Diagnostic::new(codes::UNCHECKED_SERVICE, place, message)
                .help("give the Services by `--catalog`, or declare it: `service NAME`"),
        );
    }
    Some(())
}

/// Reports a service that the catalog does not have, with the nearest that it has.
pub(crate) fn unknown_service(name: &ServiceName, code: Code, place: Span, cx: &mut Cx<'_>) {
    let diagnostic = Diagnostic::new(code, place, format!("the catalog has no service `{name}`"));
    let catalog = cx.env.catalog;
    cx.report(match catalog.nearest(name) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => {
            let known: Vec<&str> = catalog.names(&name.namespace).take(8).collect();
            let list = if known.is_empty() { "none".to_owned() } else { format!("`{}`", known.join("`, `")) };
            diagnostic.help(format!("in the namespace `{}` it has {list}", name.namespace))
        }
    });
}
