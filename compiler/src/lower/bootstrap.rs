//! A program → the bootstrap of a plain Envoy, for machines without a cluster.

use super::cilium::listen_address;
use super::cluster::{self, Source};
use super::inlet::Inlet;
use super::patch::{Of, Patches};
use crate::clause::accesslog::AccessLog;
use crate::clause::patch::Patch;
use crate::envoy::{
    Address, Admin, Bootstrap, Cluster, Listener, Metadata, Patchable, Pipe, SocketAddress, StaticResources,
};
use crate::ir::{Endpoint, Listen, Origin, Program, Route, Steered, Traffic, Upstream};
use crate::kubernetes::{Backend, Front, InCluster, Object, SOURCE_ANNOTATION, Steering};
use crate::name::{ServiceName, ServicePort};
use crate::target::Target;
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::codes;
use std::collections::{BTreeMap, BTreeSet};

/// The port of the first steered service; the others follow in the order of their names.
const FIRST_PORT: u16 = 15000;
/// The port of a Service where nothing knows it.
const UNKNOWN_PORT: u16 = 80;

/// The bootstrap of a program; nothing where it steers and listens to nothing.
pub(crate) fn object(program: &Program, diagnostics: &mut Vec<Diagnostic>) -> Vec<Object> {
    let mut parts = Parts::default();
    let steered: BTreeMap<_, _> =
        program.routes.iter().flat_map(|route| route.steered.iter().map(move |s| (&s.service, (route, s)))).collect();
    for (at, (service, (route, one))) in steered.into_iter().enumerate() {
        let Some(port) = u16::try_from(at).ok().and_then(|at| FIRST_PORT.checked_add(at)) else {
            let message = format!("a plain Envoy has no port left for `{service}`");
            diagnostics.push(
                Diagnostic::new(codes::OUT_OF_RANGE, one.span, message)
                    .help(format!("one machine steers at most {} services", u16::MAX - FIRST_PORT)),
            );
            break;
        };
        let address =
            Address::SocketAddress(SocketAddress { address: "127.0.0.1".into(), port_value: port, ipv4_compat: false });
        let host = format!("{}.{}", service.service.name, service.service.namespace);
        let site = Site {
            name: service.to_string(),
            host,
            address,
            origin: &route.origin,
            access_log: route.access_log.as_ref(),
            patches: &one.patches,
        };
        parts.listener(site, &one.traffic, &one.upstreams, diagnostics);
    }
    for listen in &program.listens {
        let site = Site {
            name: listener_of(listen),
            host: listen.name.clone(),
            address: listen_address(listen.address),
            origin: &listen.origin,
            access_log: listen.access_log.as_ref(),
            patches: &listen.patches,
        };
        parts.listener(site, &listen.traffic, &listen.upstreams, diagnostics);
    }
    if parts.resources.listeners.is_empty() {
        return Vec::new();
    }
    let admin = parts.admin.then(|| Admin { address: admin_pipe() });
    vec![Object::Bootstrap(Box::new(Bootstrap { admin, static_resources: parts.resources }))]
}

/// Which connections go to which listener.
pub(crate) fn steering(program: &Program) -> Vec<Steering> {
    fronts(program).into_iter().map(|front| front.steering).filter(|s| !s.at.addresses.is_empty()).collect()
}

/// Every steered service, by the name of its listener.
fn fronts(program: &Program) -> Vec<Front> {
    let steered = program.routes.iter().flat_map(|route| route.steered.iter().map(move |s| (route, s)));
    let front = |(route, s): (&Route, &Steered)| {
        let steering = Steering { listener: s.service.to_string(), port: s.service.port?, at: s.at.clone() };
        Some(Front { steering, service: s.service.service.clone(), source: source(&route.origin) })
    };
    let mut all: Vec<_> = steered.filter_map(front).collect();
    all.sort_by(|a, b| a.steering.listener.cmp(&b.steering.listener));
    all
}

/// The Services that all of it is about, for those who have a cluster at hand.
pub(crate) fn in_cluster(program: &Program) -> InCluster {
    let written: BTreeSet<&ServiceName> = program.services.iter().map(|s| &s.service).collect();
    let mut backends: BTreeMap<String, Backend> = BTreeMap::new();
    let mut add = |owner: &str, origin: &Origin, upstream: &Upstream| {
        let Endpoint::Service { service, addresses } = &upstream.endpoint else { return };
        if addresses.is_empty() {
            let cluster = cluster_of(owner, service);
            backends.entry(cluster.clone()).or_insert_with(|| Backend {
                cluster,
                service: service.service.clone(),
                port: service.port.unwrap_or(UNKNOWN_PORT),
                source: source(origin),
                written: written.contains(&service.service),
            });
        }
    };
    for route in &program.routes {
        for one in &route.steered {
            let owner = one.service.to_string();
            one.upstreams.iter().for_each(|upstream| add(&owner, &route.origin, upstream));
        }
    }
    for listen in &program.listens {
        let owner = listener_of(listen);
        listen.upstreams.iter().for_each(|upstream| add(&owner, &listen.origin, upstream));
    }
    InCluster { fronts: fronts(program), backends: backends.into_values().collect() }
}

fn listener_of(listen: &Listen) -> String {
    format!("listen/{}", listen.name)
}

fn cluster_of(owner: &str, service: &ServicePort) -> String {
    format!("{owner}/{service}")
}

fn source(origin: &Origin) -> String {
    format!("{} {}", origin.file, origin.declaration)
}

/// A listener to be.
struct Site<'a> {
    name: String,
    host: String,
    address: Address,
    origin: &'a Origin,
    access_log: Option<&'a AccessLog>,
    patches: &'a [Patch],
}

#[derive(Default)]
struct Parts {
    resources: StaticResources,
    admin: bool,
}

impl Parts {
    fn listener(
        &mut self,
        site: Site<'_>,
        traffic: &Traffic,
        upstreams: &[Upstream],
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let clusters: Vec<String> = upstreams.iter().map(|u| self.cluster(&site.name, u)).collect();
        let inlet = Inlet {
            traffic,
            upstreams,
            clusters: &clusters,
            name: site.name.clone(),
            stat_prefix: site.name.clone(),
            default_host: site.host,
            access_log: site.access_log,
            port: None,
        };
        let (chain, _) = inlet.chain(Target::Envoy, diagnostics);
        let facts = BTreeMap::from([("source".into(), source(site.origin))]);
        let reader = SOURCE_ANNOTATION.split('/').next().unwrap_or(SOURCE_ANNOTATION);
        let patches = Patches {
            list: site.patches,
            listener: site.name.clone(),
            routes: site.name.clone(),
            clusters,
            target: Target::Envoy,
        };
        let listener = Listener {
            name: site.name,
            metadata: Some(Metadata { filter_metadata: BTreeMap::from([(reader.into(), facts)]) }),
            address: Some(site.address),
            filter_chains: vec![chain],
        };
        self.patched(listener, &patches, diagnostics);
    }

    /// Adds a listener, with its patches and those of its clusters.
    fn patched(&mut self, listener: Listener, patches: &Patches<'_>, diagnostics: &mut Vec<Diagnostic>) {
        let mut listener = Patchable::from(listener);
        if !patches.list.is_empty() {
            let names: BTreeSet<String> = self.resources.clusters.iter().map(|c| c.plain.name.clone()).collect();
            let known = |name: &str| names.contains(name);
            patches.apply(Of::Listener, &mut listener, &known, diagnostics);
            for cluster in self.resources.clusters.iter_mut().filter(|c| patches.concerns(Of::Cluster, &c.plain.name)) {
                patches.apply(Of::Cluster, cluster, &known, diagnostics);
            }
        }
        self.resources.listeners.push(listener);
    }

    /// Adds the cluster of an upstream unless it is there, and gives its name.
    fn cluster(&mut self, owner: &str, upstream: &Upstream) -> String {
        let (name, source) = match &upstream.endpoint {
            Endpoint::EnvoyAdmin => {
                self.admin = true;
                ("envoy-admin".to_owned(), Source::Given(admin_pipe()))
            }
            Endpoint::Address(address) => (format!("{owner}/{address}"), Source::Static(vec![*address])),
            Endpoint::Dns { host, port } => (format!("{owner}/{host}:{port}"), Source::Dns(host.clone(), *port)),
            Endpoint::Service { service, addresses } => {
                let source = if addresses.is_empty() {
                    let host = format!("{}.{}.svc.cluster.local", service.service.name, service.service.namespace);
                    Source::Dns(host, service.port.unwrap_or(UNKNOWN_PORT))
                } else {
                    Source::Static(addresses.clone())
                };
                (cluster_of(owner, service), source)
            }
        };
        let known = |c: &Patchable<Cluster>| c.plain.name == name;
        if !self.resources.clusters.iter().any(known) {
            let host = upstream.endpoint.host();
            self.resources
                .clusters
                .push(cluster::lower(&name, source, &host, &upstream.settings, Target::Envoy).into());
        }
        name
    }
}

/// The administration interface: a socket in Envoy's working folder that its user alone may open.
fn admin_pipe() -> Address {
    Address::Pipe(Pipe { path: "envoy-admin.sock".into(), mode: 0o600 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalog, Options};
    use meshc_dsl::Sources;

    #[test]
    fn a_cluster_is_asked_for_what_has_no_endpoints() {
        let text = "service cart:80 { selector app=cart; version v1; version v2 = stable; at 10.0.0.1 }\n\
                    service pinned:80 { endpoints 127.0.0.1:1 }\n\
                    route cart { 50% v1, 50% v2; when path = \"/x\" { to pinned } }\n\
                    route shop/web:8080 { to shop/api:81 }\n\
                    listen edge 127.0.0.1:9000 { to cart }";
        let mut sources = Sources::default();
        let file = sources.add("policy.mesh", text);
        let (target, max_regex_program) = (Target::Envoy, crate::regex::LIMIT);
        let options = Options { target, namespace: "default".into(), params: Vec::new(), max_regex_program };
        let compiled = crate::compile(&sources, &[file], &Catalog::default(), &options);
        let manifest = compiled.manifest.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
        let wanted = manifest.in_cluster;
        let fronts: Vec<_> = wanted.fronts.iter().map(|f| (f.service.to_string(), f.steering.port)).collect();
        assert_eq!(fronts, [("default/cart".to_owned(), 80), ("shop/web".to_owned(), 8080)]);
        let backend = |b: &Backend| format!("{} {}:{} {} {}", b.cluster, b.service, b.port, b.written, b.source);
        let backends: Vec<_> = wanted.backends.iter().map(backend).collect();
        let expected = [
            "default/cart:80/default/cart-v1:80 default/cart-v1:80 true policy.mesh route cart",
            "default/cart:80/default/stable:80 default/stable:80 true policy.mesh route cart",
            "listen/edge/default/cart:80 default/cart:80 false policy.mesh listen edge",
            "shop/web:8080/shop/api:81 shop/api:81 false policy.mesh route shop/web:8080",
        ];
        assert_eq!(backends, expected);
    }
}
