//! The program as the product speaks of it: routes, rules, splits, limits. Every name is resolved
//! and every default is filled in; no Envoy or Kubernetes resource is known here.

mod condition;

pub use condition::{Condition, Pattern, Subject, Test};

use crate::clause::accesslog::AccessLog;
use crate::clause::at::At;
use crate::clause::client_address::ClientAddress;
use crate::clause::cors::Cors;
use crate::clause::headers::HeaderChanges;
use crate::clause::mirror::Mirror;
use crate::clause::patch::Patch;
use crate::clause::ratelimit::RateLimit;
use crate::clause::redirect::Redirect;
use crate::clause::respond::Respond;
use crate::clause::retry::Retry;
use crate::clause::rewrite::PathRewrite;
use crate::clause::sticky::Sticky;
use crate::clause::upstream::UpstreamSettings;
use crate::name::{ServiceName, ServicePort};
use meshc_dsl::Span;
use meshc_dsl::value::Portion;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// A whole program.
#[derive(Debug, Default)]
pub struct Program {
    /// Its routes, in the order of their first subjects.
    pub routes: Vec<Route>,
    /// Its listeners, by name.
    pub listens: Vec<Listen>,
    /// The per-version Services to write, by name.
    pub services: Vec<VersionService>,
}

/// What an object says of where it came from: no line, so that a comment rewrites nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Path of the file within the program.
    pub file: String,
    /// `route helloworld`.
    pub declaration: String,
}

/// Which kind of object a file compiles to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// CiliumEnvoyConfig.
    Namespace,
    /// CiliumClusterwideEnvoyConfig.
    Cluster,
}

/// The traffic policy of one or more steered services.
#[derive(Debug)]
pub struct Route {
    /// Where it came from.
    pub origin: Origin,
    /// Where the declaration stands.
    pub span: Span,
    /// The kind of object it becomes.
    pub scope: Scope,
    /// Its services, in the order written; at least one.
    pub steered: Vec<Steered>,
    /// Whether destinations see the client's own address.
    pub client_address: ClientAddress,
    /// The access log, if any.
    pub access_log: Option<AccessLog>,
}

/// One steered service with its rules.
#[derive(Debug)]
pub struct Steered {
    /// The service and port whose traffic is steered.
    pub service: ServicePort,
    /// Where the route names it.
    pub span: Span,
    /// What happens to its traffic.
    pub traffic: Traffic,
    /// Every destination of it, each once.
    pub upstreams: Vec<Upstream>,
    /// Changes of what it becomes.
    pub patches: Vec<Patch>,
    /// The addresses that are steered on a machine without a cluster.
    pub at: At,
}

/// What happens to the traffic of a service or listener.
#[derive(Debug)]
pub enum Traffic {
    /// Requests go by rules, tried in order; in a route the last one, the fallback, has no condition.
    Http(Vec<Rule>),
    /// Connections go by a split.
    Tcp(Tcp),
}

impl Traffic {
    /// The rules; none where connections are routed.
    pub fn rules(&self) -> &[Rule] {
        match self {
            Traffic::Http(rules) => rules,
            Traffic::Tcp(_) => &[],
        }
    }
}

/// Where connections go.
#[derive(Debug, Clone)]
pub struct Tcp {
    /// The split; the portions sum to the whole.
    pub split: Vec<Share>,
    /// The time without bytes on a connection; `None` for no limit.
    pub idle_timeout: Option<Duration>,
}

/// A listener on the node's own address.
#[derive(Debug)]
pub struct Listen {
    /// Where it came from.
    pub origin: Origin,
    /// Where the declaration stands.
    pub span: Span,
    /// The kind of object it becomes.
    pub scope: Scope,
    /// The namespace of a namespaced object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What happens to its traffic.
    pub traffic: Traffic,
    /// Every destination of it, each once.
    pub upstreams: Vec<Upstream>,
    /// Changes of what it becomes.
    pub patches: Vec<Patch>,
    /// Whether destinations see the client's own address.
    pub client_address: ClientAddress,
    /// The access log, if any.
    pub access_log: Option<AccessLog>,
}

/// What happens to some of the requests.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Where the rule stands.
    pub span: Span,
    /// Which requests; `None` for all that are left.
    pub condition: Option<Condition>,
    /// What happens to them.
    pub action: Action,
    /// Which pages of other origins may call.
    pub cors: Option<Cors>,
    /// The limit that they count against.
    pub limit: Option<RateLimit>,
    /// Changes of the request's headers.
    pub request_headers: HeaderChanges,
    /// Changes of the response's headers.
    pub response_headers: HeaderChanges,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Action {
    /// It goes to an upstream.
    Forward(Box<Forward>),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// The proxy answers.
    Respond(Respond),
}

/// How a request goes to its upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The split; the portions sum to the whole.
    pub split: Vec<Share>,
    /// A change of the path.
    pub path: Option<PathRewrite>,
    /// The host that the upstream sees.
    pub host: Option<String>,
    /// The time for all tries together; `None` for no limit.
    pub timeout: Option<Duration>,
    /// Where that is written.
    pub timeout_span: Option<Span>,
    /// The time without bytes on the request; `None` for no limit.
    pub idle_timeout: Option<Duration>,
    /// Further tries.
    pub retry: Option<Retry>,
    /// How a client keeps its side of the split; `None` also for a split of one.
    pub sticky: Option<Sticky>,
    /// Copies of the requests.
    pub mirrors: Vec<Mirror>,
    /// Whether only GET and HEAD may pass, as to the administration interface.
    pub read_only: bool,
}

/// One part of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// How much of the traffic.
    pub portion: Portion,
    /// Which upstream: an index into the list beside the rules.
    pub upstream: usize,
}

/// A destination with its settings.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// What is behind it.
    pub endpoint: Endpoint,
    /// How it is talked to.
    pub settings: UpstreamSettings,
}

/// What is behind a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The endpoints of a Service.
    Service {
        /// The Service and its port.
        service: ServicePort,
        /// Its endpoints where there is no cluster.
        addresses: Vec<SocketAddr>,
    },
    /// A fixed address.
    Address(SocketAddr),
    /// A name that DNS resolves, outside the cluster.
    Dns {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
    /// Envoy's administration interface.
    EnvoyAdmin,
}

impl Endpoint {
    /// The host that a request of the proxy's own, such as a probe, asks for.
    pub fn host(&self) -> String {
        match self {
            Endpoint::Service { service, .. } => format!("{}.{}", service.service.name, service.service.namespace),
            Endpoint::Dns { host, .. } => host.clone(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Service { service, .. } => service.fmt(f),
            Endpoint::Address(address) => address.fmt(f),
            Endpoint::Dns { host, port } => write!(f, "{host}:{port}"),
            Endpoint::EnvoyAdmin => f.write_str("envoy-admin"),
        }
    }
}

/// A Service for one version of a service.
#[derive(Debug)]
pub struct VersionService {
    /// Where it came from.
    pub origin: Origin,
    /// The Service.
    pub service: ServiceName,
    /// What it selects.
    pub selector: BTreeMap<String, String>,
    /// The port's name.
    pub port_name: Option<String>,
    /// Its port.
    pub port: u16,
    /// The port of the pods: a number or a name.
    pub target_port: TargetPort,
    /// The protocol hint of the port.
    pub app_protocol: Option<String>,
}

/// The port of the pods behind a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetPort {
    /// By number.
    Number(u16),
    /// By the container port's name.
    Name(String),
}
