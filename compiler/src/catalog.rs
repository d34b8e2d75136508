//! The catalog: the Kubernetes Services that the compiler is told about.

use crate::name::{PortText, ServiceName};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::suggest::nearest;
use meshc_dsl::{Diagnostic, FileId, Span};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The known Services; `given` tells an empty catalog from none.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Whether any catalog was given.
    pub given: bool,
    /// Whether a part of it could not be read, so that what it lacks says nothing.
    broken: bool,
    services: BTreeMap<ServiceName, CatalogService>,
}

/// A Service of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogService {
    /// Its ports in the order written.
    pub ports: Vec<CatalogPort>,
    /// Whether it has no address of its own.
    pub headless: bool,
    /// Whether it only stands for a DNS name.
    pub external_name: bool,
    /// Whether clients stick to a backend by their address.
    pub session_affinity: bool,
    /// Whether clients outside the cluster call it: `NodePort` or `LoadBalancer`.
    pub outside: bool,
    /// Whether it leads only to endpoints of the node that is called: `externalTrafficPolicy: Local`.
    pub node_local: bool,
    /// What it selects.
    pub selector: BTreeMap<String, String>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogPort {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its number.
    pub number: u16,
    /// Whether it is a TCP port.
    pub tcp: bool,
    /// The protocol hint.
    pub app_protocol: Option<String>,
    /// The port of the pods, as written.
    pub target_port: Option<IntOrString>,
}

/// A port number or a port name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A number.
    Int(u16),
    /// A name.
    Text(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    kind: Option<String>,
    api_version: Option<String>,
    metadata: Option<Metadata>,
    #[serde(default)]
    items: Vec<Object>,
    spec: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceSpec {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    session_affinity: Option<String>,
    external_traffic_policy: Option<String>,
    #[serde(default)]
    selector: BTreeMap<String, String>,
    #[serde(default)]
    ports: Vec<PortSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortSpec {
    name: Option<String>,
    port: u16,
    protocol: Option<String>,
    app_protocol: Option<String>,
    target_port: Option<IntOrString>,
}

impl Catalog {
    /// Reads one file of Kubernetes objects (YAML or JSON, any number of documents, `List`s too);
    /// objects of other kinds are passed over. Objects without a namespace are in `namespace`.
    pub fn read(&mut self, file: FileId, text: &str, namespace: &str) -> Vec<Diagnostic> {
        let options = serde_saphyr::Options::default();
        let objects: Result<Vec<Option<Object>>, _> = serde_saphyr::from_multiple_with_options(text, options);
        let mut problems = Vec::new();
        match objects {
            Ok(objects) => {
                objects.into_iter().flatten().for_each(|object| self.take(object, file, namespace, &mut problems))
            }
            Err(error) => problems.push(unreadable(file, text, &error)),
        }
        self.broken |= !problems.is_empty();
        self.given = !self.broken;
        problems
    }

    fn take(&mut self, object: Object, file: FileId, namespace: &str, problems: &mut Vec<Diagnostic>) {
        for item in object.items {
            self.take(item, file, namespace, problems);
        }
        let service = object.kind.as_deref() == Some("Service") && object.api_version.as_deref() == Some("v1");
        let Some(Metadata { name: Some(name), namespace: own }) = object.metadata.filter(|_| service) else { return };
        let service = ServiceName { namespace: own.unwrap_or_else(|| namespace.to_owned()), name };
        let spec = object.spec.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new()));
        match serde_json::from_value::<ServiceSpec>(spec) {
            Ok(spec) => {
                self.services.insert(service, spec.read());
            }
            Err(error) => {
                let message = format!("the Service `{service}` cannot be read: {error}");
                problems.push(
                    Diagnostic::new(codes::BAD_CATALOG, Span::new(file, 0, 0), message)
                        .help("a catalog holds Services as `kubectl get services -o yaml` prints them"),
                );
            }
        }
    }

    /// The Service of a name.
    pub fn get(&self, name: &ServiceName) -> Option<&CatalogService> {
        self.services.get(name)
    }

    /// All known Services of a namespace, by name.
    pub fn names<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a str> {
        self.services.keys().filter(move |s| s.namespace == namespace).map(|s| s.name.as_str())
    }

    /// The nearest known name to a mistyped one.
    pub fn nearest<'a>(&'a self, name: &'a ServiceName) -> Option<&'a str> {
        nearest(&name.name, self.names(&name.namespace))
    }
}

fn unreadable(file: FileId, text: &str, error: &serde_saphyr::Error) -> Diagnostic {
    let at = error.location().and_then(|l| usize::try_from(l.span().offset()).ok()).unwrap_or(0);
    let start = text.char_indices().nth(at).map_or(0, |(byte, _)| byte);
    let end = text.get(start..).and_then(|t| t.find('\n')).map_or(text.len(), |n| start + n);
    let first_line = error.to_string().lines().next().unwrap_or("unreadable").to_owned();
    Diagnostic::new(
        codes::BAD_CATALOG,
        Span::new(file, start, end),
        format!("this catalog cannot be read: {first_line}"),
    )
    .help("a catalog holds Kubernetes objects in YAML or JSON")
}

impl ServiceSpec {
    fn read(self) -> CatalogService {
        CatalogService {
            headless: self.cluster_ip.as_deref() == Some("None"),
            external_name: self.kind.as_deref() == Some("ExternalName"),
            outside: matches!(self.kind.as_deref(), Some("NodePort" | "LoadBalancer")),
            node_local: self.external_traffic_policy.as_deref() == Some("Local"),
            session_affinity: self.session_affinity.as_deref() == Some("ClientIP"),
            selector: self.selector,
            ports: self.ports.into_iter().map(PortSpec::read).collect(),
        }
    }
}

impl PortSpec {
    fn read(self) -> CatalogPort {
        CatalogPort {
            name: self.name,
            number: self.port,
            tcp: self.protocol.is_none_or(|p| p == "TCP"),
            app_protocol: self.app_protocol,
            target_port: self.target_port,
        }
    }
}

impl CatalogService {
    /// Its TCP ports.
    pub fn tcp_ports(&self) -> impl Iterator<Item = &CatalogPort> {
        self.ports.iter().filter(|p| p.tcp)
    }

    /// The TCP port of a number or name.
    pub fn port(&self, port: &PortText) -> Option<&CatalogPort> {
        self.tcp_ports().find(|p| match port {
            PortText::Number(number) => p.number == *number,
            PortText::Name(name) => p.name.as_deref() == Some(name),
        })
    }
}
