//! Routes and listeners → CiliumEnvoyConfigs, with names that no release rewrites.

use super::cluster::{self, Source};
use super::inlet::Inlet;
use super::patch::{Of, Patches};
use crate::envoy::{Address, FilterChain, Listener, Patchable, Resource, SocketAddress};
use crate::ir::{Endpoint, Listen, Origin, Program, Route, Scope, Steered, Upstream, VersionService};
use crate::kubernetes::{
    BackendService, EnvoyConfig, EnvoyConfigSpec, MANAGED_BY, Metadata, Object, SOURCE_ANNOTATION, Service,
    ServicePort, ServiceSpec, SteeredService,
};
use crate::name::{self, ServiceName};
use crate::target::{self, Target};
use meshc_dsl::Diagnostic;
use meshc_dsl::parallel::map_parts;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// How many objects make a thread worth its start.
const LEAST: usize = 32;

/// All objects of a program: Services first, then what refers to them.
pub(crate) fn objects(program: &Program, target: Target, diagnostics: &mut Vec<Diagnostic>) -> Vec<Object> {
    let mut objects: Vec<Object> =
        program.services.iter().map(|s| Object::Service(Box::new(version_service(s)))).collect();
    let mut configs: Vec<EnvoyConfig> = Vec::new();
    let parts = map_parts(&groups(&program.routes), LEAST, |part| {
        let mut problems = Vec::new();
        let configs: Vec<_> = part.iter().filter_map(|group| steering(group, target, &mut problems)).collect();
        (configs, problems)
    });
    for (mut lowered, mut problems) in parts {
        configs.append(&mut lowered);
        diagnostics.append(&mut problems);
    }
    for listen in &program.listens {
        configs.push(listening(listen, target, diagnostics));
    }
    configs.sort_by(|a, b| {
        (&a.kind, &a.metadata.namespace, &a.metadata.name).cmp(&(&b.kind, &b.metadata.namespace, &b.metadata.name))
    });
    objects.extend(configs.into_iter().map(|c| Object::EnvoyConfig(Box::new(c))));
    objects
}

/// Routes that share a service share an object: only one may steer a service.
fn groups(routes: &[Route]) -> Vec<Vec<&Route>> {
    let mut group_of: BTreeMap<&ServiceName, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&Route>> = Vec::new();
    for route in routes {
        let names: BTreeSet<&ServiceName> = route.steered.iter().map(|s| &s.service.service).collect();
        let joined: BTreeSet<usize> = names.iter().filter_map(|n| group_of.get(n).copied()).collect();
        let mut joined = joined.into_iter();
        let home = joined.next().unwrap_or(groups.len());
        if home == groups.len() {
            groups.push(Vec::new());
        }
        for other in joined {
            let moved = groups.get_mut(other).map(std::mem::take).unwrap_or_default();
            for route in &moved {
                group_of.extend(route.steered.iter().map(|s| (&s.service.service, home)));
            }
            if let Some(group) = groups.get_mut(home) {
                group.extend(moved);
            }
        }
        group_of.extend(names.into_iter().map(|n| (n, home)));
        if let Some(group) = groups.get_mut(home) {
            group.push(route);
        }
    }
    groups.retain(|g| !g.is_empty());
    groups
}

/// The name of an object and the prefix of everything in it.
struct Naming {
    scope: Scope,
    namespace: String,
    name: String,
}

impl Naming {
    /// Names begin with `meshc-`, as nothing does that Cilium's own generators write. Of a cluster
    /// object the dot keeps `a-b/c` and `a/b-c` apart: neither namespaces nor Services have dots.
    fn of_services(scope: Scope, first: &ServiceName) -> Self {
        let name = match scope {
            Scope::Namespace => format!("meshc-{}", first.name),
            Scope::Cluster => format!("meshc-{}.{}", first.namespace, first.name),
        };
        Self { scope, namespace: first.namespace.clone(), name }
    }

    fn of_listen(listen: &Listen) -> Self {
        let name = format!("meshc-listen.{}", listen.name);
        Self { scope: listen.scope, namespace: listen.namespace.clone(), name }
    }

    /// `namespace/object/…` or `/object/…`: what Cilium would make of any other name.
    fn qualify(&self, rest: &str) -> String {
        match self.scope {
            Scope::Namespace => format!("{}/{}/{rest}", self.namespace, self.name),
            Scope::Cluster => format!("/{}/{rest}", self.name),
        }
    }

    /// How a service is called inside the object.
    fn inside(&self, service: &name::ServicePort) -> String {
        if self.scope == Scope::Namespace && service.service.namespace == self.namespace {
            service.short()
        } else {
            format!("{}.{}", service.service.namespace, service.short())
        }
    }

    fn cluster(&self, owner: &str, upstream: &Upstream) -> String {
        match &upstream.endpoint {
            // Cilium's bootstrap has this cluster; the slash keeps it from being qualified.
            Endpoint::EnvoyAdmin => "/envoy-admin".to_owned(),
            Endpoint::Address(_) | Endpoint::Dns { .. } => self.qualify(&format!("{owner}/{}", upstream.endpoint)),
            Endpoint::Service { service, .. } => self.qualify(&format!("{owner}/{}", self.inside(service))),
        }
    }

    fn object(
        &self,
        origins: &BTreeSet<&Origin>,
        mut labels: Vec<(&'static str, &'static str)>,
        extra: Option<(&'static str, &'static str)>,
        spec: EnvoyConfigSpec,
    ) -> EnvoyConfig {
        labels.push((MANAGED_BY, "meshc"));
        let source: Vec<String> = origins.iter().map(|o| format!("{} {}", o.file, o.declaration)).collect();
        let mut annotations = BTreeMap::from([(SOURCE_ANNOTATION.into(), source.join("; ").into())]);
        annotations.extend(extra.map(|(k, v)| (k.into(), v.into())));
        EnvoyConfig {
            api_version: "cilium.io/v2".into(),
            kind: match self.scope {
                Scope::Namespace => "CiliumEnvoyConfig".into(),
                Scope::Cluster => "CiliumClusterwideEnvoyConfig".into(),
            },
            metadata: Metadata {
                name: self.name.clone(),
                namespace: (self.scope == Scope::Namespace).then(|| self.namespace.clone()),
                labels: labels.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
                annotations,
            },
            spec,
        }
    }
}

/// The clusters and backends of an object as they come together.
#[derive(Default)]
struct Parts<'a> {
    services: Vec<SteeredService>,
    backends: BTreeMap<ServiceName, BTreeSet<String>>,
    listeners: Vec<Listener>,
    routes: Vec<Resource>,
    clusters: Vec<Resource>,
    patches: Vec<Patches<'a>>,
}

impl Parts<'_> {
    /// Adds the clusters of a list of upstreams, and gives their names.
    fn upstreams(&mut self, upstreams: &[Upstream], owner: &str, naming: &Naming, target: Target) -> Vec<String> {
        let mut names = Vec::with_capacity(upstreams.len());
        for upstream in upstreams {
            let name = naming.cluster(owner, upstream);
            let source = match &upstream.endpoint {
                Endpoint::EnvoyAdmin => None,
                Endpoint::Address(address) => Some(Source::Static(vec![*address])),
                Endpoint::Dns { host, port } => Some(Source::Dns(host.clone(), *port)),
                Endpoint::Service { service, .. } => {
                    let numbers = self.backends.entry(service.service.clone()).or_default();
                    numbers.extend(service.port.map(|p| p.to_string()));
                    Some(Source::Eds(service.to_string()))
                }
            };
            if let Some(source) = source {
                let host = upstream.endpoint.host();
                self.clusters.push(Resource::Cluster(cluster::lower(&name, source, &host, &upstream.settings, target)));
            }
            names.push(name);
        }
        names
    }

    fn spec(self, diagnostics: &mut Vec<Diagnostic>) -> EnvoyConfigSpec {
        let backend = |(service, numbers): (ServiceName, BTreeSet<String>)| BackendService {
            name: service.name,
            namespace: service.namespace,
            number: numbers.into_iter().collect(),
        };
        let mut resources: Vec<Resource> = self.listeners.into_iter().map(Resource::Listener).collect();
        resources.extend(self.routes);
        resources.extend(self.clusters);
        EnvoyConfigSpec {
            services: self.services,
            backend_services: self.backends.into_iter().map(backend).collect(),
            resources: patched(resources, &self.patches, diagnostics),
        }
    }
}

/// The resources with their patches.
fn patched(
    resources: Vec<Resource>,
    patches: &[Patches<'_>],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Patchable<Resource>> {
    let mut all: Vec<Patchable<Resource>> = resources.into_iter().map(Patchable::from).collect();
    if patches.iter().all(|p| p.list.is_empty()) {
        return all;
    }
    let clusters: BTreeSet<String> = all
        .iter()
        .filter_map(|r| match &r.plain {
            Resource::Cluster(cluster) => Some(cluster.name.clone()),
            _ => None,
        })
        .collect();
    for resource in &mut all {
        let of = match resource.plain {
            Resource::Listener(_) => Of::Listener,
            Resource::RouteConfiguration(_) => Of::Routes,
            Resource::Cluster(_) => Of::Cluster,
        };
        let name = resource.plain.name().to_owned();
        for one in patches.iter().filter(|p| p.concerns(of, &name)) {
            one.apply(of, resource, &|name| clusters.contains(name), diagnostics);
        }
    }
    all
}

/// The object that steers a group of services.
fn steering(group: &[&Route], target: Target, diagnostics: &mut Vec<Diagnostic>) -> Option<EnvoyConfig> {
    let steered: BTreeMap<&name::ServicePort, (&Route, &Steered)> =
        group.iter().flat_map(|route| route.steered.iter().map(move |s| (&s.service, (*route, s)))).collect();
    let first = steered.keys().next()?;
    let route = group.first()?;
    let naming = Naming::of_services(route.scope, &first.service);
    let mut parts = Parts::default();
    let mut chains: BTreeMap<&ServiceName, Vec<(&name::ServicePort, FilterChain)>> = BTreeMap::new();
    let several = |service: &ServiceName| steered.keys().filter(|s| s.service == *service).count() > 1;
    let per_port = target.has(&target::REDIRECT_PER_PORT);
    for (service, (route, one)) in &steered {
        let owner = naming.inside(service);
        let name = naming.qualify(&owner);
        let clusters = parts.upstreams(&one.upstreams, &owner, &naming, target);
        let inlet = Inlet {
            traffic: &one.traffic,
            upstreams: &one.upstreams,
            clusters: &clusters,
            name,
            stat_prefix: service.to_string(),
            default_host: format!("{}.{}", service.service.name, service.service.namespace),
            access_log: route.access_log.as_ref(),
            port: service.port.filter(|_| several(&service.service) && !per_port),
        };
        let (chain, routes) = inlet.chain(target, diagnostics);
        parts.patches.push(Patches {
            list: &one.patches,
            listener: listener_name(service, several(&service.service), &naming, target),
            routes: naming.qualify(&owner),
            clusters,
            target,
        });
        chains.entry(&service.service).or_default().push((service, chain));
        parts.routes.extend(routes.map(Resource::RouteConfiguration));
    }
    for (service, chains) in chains {
        listeners(service, chains, &naming, target, &mut parts);
    }
    let origins = group.iter().map(|r| &r.origin).collect();
    let (labels, annotation) = original_source(route, target);
    Some(naming.object(&origins, labels, annotation, parts.spec(diagnostics)))
}

/// The name of the listener that takes a port of a service.
fn listener_name(port: &name::ServicePort, several: bool, naming: &Naming, target: Target) -> String {
    if several && !target.has(&target::REDIRECT_PER_PORT) {
        let whole = name::ServicePort { service: port.service.clone(), port: None };
        return naming.qualify(&naming.inside(&whole));
    }
    naming.qualify(&naming.inside(port))
}

/// A listener for each port from 1.20 on; before, one for the service, whose chains tell the ports
/// apart, since a service holds one redirect.
fn listeners(
    service: &ServiceName,
    chains: Vec<(&name::ServicePort, FilterChain)>,
    naming: &Naming,
    target: Target,
    parts: &mut Parts<'_>,
) {
    let ports_known = target.has(&target::SERVICE_PORTS);
    let mut add = |name: String, ports: Vec<u16>, filter_chains: Vec<FilterChain>| {
        parts.services.push(SteeredService {
            name: service.name.clone(),
            namespace: service.namespace.clone(),
            ports: if ports_known { ports } else { Vec::new() },
            listener: name.clone(),
        });
        parts.listeners.push(Listener { name, metadata: None, address: None, filter_chains });
    };
    if target.has(&target::REDIRECT_PER_PORT) || chains.len() == 1 {
        for (port, chain) in chains {
            add(naming.qualify(&naming.inside(port)), port.port.into_iter().collect(), vec![chain]);
        }
    } else {
        let whole = name::ServicePort { service: service.clone(), port: None };
        let ports = chains.iter().filter_map(|(port, _)| port.port).collect();
        add(naming.qualify(&naming.inside(&whole)), ports, chains.into_iter().map(|(_, chain)| chain).collect());
    }
}

type Mark = (&'static str, &'static str);

/// The label, and from 1.19 on the annotation that took its place, about the client's address.
fn original_source(route: &Route, target: Target) -> (Vec<Mark>, Option<Mark>) {
    marks(route.client_address.use_original_source(), target)
}

fn marks(value: &'static str, target: Target) -> (Vec<Mark>, Option<Mark>) {
    let label = target.has(&target::ORIGINAL_SOURCE_LABEL).then_some(("cilium.io/use-original-source-address", value));
    let annotation =
        target.has(&target::ORIGINAL_SOURCE_ANNOTATION).then_some(("cec.cilium.io/use-original-source-address", value));
    (label.into_iter().collect(), annotation)
}

/// The object of a listener on the node's own address.
fn listening(listen: &Listen, target: Target, diagnostics: &mut Vec<Diagnostic>) -> EnvoyConfig {
    let naming = Naming::of_listen(listen);
    let mut parts = Parts::default();
    let clusters = parts.upstreams(&listen.upstreams, "to", &naming, target);
    // Envoy cannot move a listener to another address, so the address is part of the name.
    let name = naming.qualify(&listen.address.to_string());
    let inlet = Inlet {
        traffic: &listen.traffic,
        upstreams: &listen.upstreams,
        clusters: &clusters,
        name: name.clone(),
        stat_prefix: format!("listen/{}", listen.name),
        default_host: listen.name.clone(),
        access_log: listen.access_log.as_ref(),
        port: None,
    };
    let (chain, routes) = inlet.chain(target, diagnostics);
    parts.routes.extend(routes.map(Resource::RouteConfiguration));
    parts.patches.push(Patches {
        list: &listen.patches,
        listener: name.clone(),
        routes: name.clone(),
        clusters,
        target,
    });
    parts.listeners.push(Listener {
        name,
        metadata: None,
        address: Some(listen_address(listen.address)),
        filter_chains: vec![chain],
    });
    let (labels, annotation) = marks(listen.client_address.use_original_source(), target);
    naming.object(&BTreeSet::from([&listen.origin]), labels, annotation, parts.spec(diagnostics))
}

/// `[::]` takes IPv4 connections too.
pub(crate) fn listen_address(address: SocketAddr) -> Address {
    Address::SocketAddress(SocketAddress {
        address: address.ip().to_string(),
        port_value: address.port(),
        ipv4_compat: matches!(address.ip(), IpAddr::V6(ip) if ip.is_unspecified()),
    })
}

fn version_service(service: &VersionService) -> Service {
    let source = format!("{} {}", service.origin.file, service.origin.declaration);
    Service {
        api_version: "v1".into(),
        kind: "Service".into(),
        metadata: Metadata {
            name: service.service.name.clone(),
            namespace: Some(service.service.namespace.clone()),
            labels: BTreeMap::from([(MANAGED_BY.into(), "meshc".into())]),
            annotations: BTreeMap::from([(SOURCE_ANNOTATION.into(), source.into())]),
        },
        spec: ServiceSpec {
            selector: service.selector.clone(),
            ports: vec![ServicePort {
                name: service.port_name.clone(),
                port: service.port,
                target_port: (&service.target_port).into(),
                protocol: "TCP".into(),
                app_protocol: service.app_protocol.clone(),
            }],
        },
    }
}
