//! The Kubernetes objects that the compiler writes.

use crate::clause::at::At;
use crate::envoy::{Bootstrap, Patchable, Resource};
use crate::ir::TargetPort;
use crate::name::ServiceName;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The annotation that says where an object came from.
pub const SOURCE_ANNOTATION: &str = "meshc.dev/source";
/// The label of everything that this compiler writes.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

type Str = Cow<'static, str>;

/// All objects of a program, in the order in which they are applied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// The objects.
    pub objects: Vec<Object>,
    /// What `meshc up` steers; only for the target `envoy`.
    pub steering: Vec<Steering>,
    /// What `meshc up` asks a cluster for; only for the target `envoy`.
    pub in_cluster: InCluster,
}

/// What a machine without a cluster of its own asks one for: where the Services are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InCluster {
    /// The steered services, by the name of their listeners.
    pub fronts: Vec<Front>,
    /// The clusters whose endpoints are those of a Service.
    pub backends: Vec<Backend>,
}

/// A steered service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// What is steered of it without a cluster.
    pub steering: Steering,
    /// The Service whose addresses are dialled.
    pub service: ServiceName,
    /// The file and declaration that steer it.
    pub source: String,
}

/// An Envoy cluster without endpoints of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The cluster's name.
    pub cluster: String,
    /// The Service whose endpoints it has.
    pub service: ServiceName,
    /// The Service's port.
    pub port: u16,
    /// The file and declaration that lead there.
    pub source: String,
    /// Whether it is one of the Services that the compiler writes for versions.
    pub written: bool,
}

/// The connections that go to a listener on a machine without a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steering {
    /// The listener's name.
    pub listener: String,
    /// The port that is dialled.
    pub port: u16,
    /// The addresses that are dialled, and what happens without Envoy.
    pub at: At,
}

/// One object of a manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Object {
    /// `v1` Service
    Service(Box<Service>),
    /// `cilium.io/v2` CiliumEnvoyConfig or CiliumClusterwideEnvoyConfig
    EnvoyConfig(Box<EnvoyConfig>),
    /// Not of Kubernetes: what a plain Envoy starts with.
    Bootstrap(Box<Bootstrap>),
}

/// Name, labels and annotations.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// The object's name.
    pub name: String,
    /// Its namespace, unless it is of the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<Str, Str>,
    /// Its annotations.
    pub annotations: BTreeMap<Str, Str>,
}

/// `v1` Service
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// `v1`
    pub api_version: Str,
    /// `Service`
    pub kind: Str,
    /// Name, labels and annotations.
    pub metadata: Metadata,
    /// What it selects, and its ports.
    pub spec: ServiceSpec,
}

/// The specification of a Service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// The labels of its pods.
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its number.
    pub port: u16,
    /// The pods' port.
    pub target_port: TargetPortValue,
    /// `TCP`
    pub protocol: Str,
    /// A hint at what is spoken there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
}

/// A port by number or name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TargetPortValue {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

impl From<&TargetPort> for TargetPortValue {
    fn from(port: &TargetPort) -> Self {
        match port {
            TargetPort::Number(number) => TargetPortValue::Number(*number),
            TargetPort::Name(name) => TargetPortValue::Name(name.clone()),
        }
    }
}

/// CiliumEnvoyConfig and CiliumClusterwideEnvoyConfig, which have one specification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyConfig {
    /// `cilium.io/v2`
    pub api_version: Str,
    /// Which of the two.
    pub kind: Str,
    /// Name, labels and annotations.
    pub metadata: Metadata,
    /// Steered services, backends and resources.
    pub spec: EnvoyConfigSpec,
}

/// `CiliumEnvoyConfigSpec`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyConfigSpec {
    /// The services whose traffic is steered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<SteeredService>,
    /// The services whose endpoints Envoy gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backend_services: Vec<BackendService>,
    /// The Envoy resources.
    pub resources: Vec<Patchable<Resource>>,
}

/// A service whose traffic is steered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SteeredService {
    /// Its name.
    pub name: String,
    /// Its namespace, which Cilium from 1.18 on does not fill in.
    pub namespace: String,
    /// Its ports (from cilium-1.16).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// The listener, by its fully qualified name.
    pub listener: String,
}

/// A service whose endpoints Envoy gets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BackendService {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its ports, as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub number: Vec<String>,
}

impl Object {
    /// `kind namespace/name`, as messages show it.
    pub fn title(&self) -> String {
        match self {
            Object::Service(o) => title(&o.kind, &o.metadata),
            Object::EnvoyConfig(o) => title(&o.kind, &o.metadata),
            Object::Bootstrap(_) => "the Envoy bootstrap".to_owned(),
        }
    }
}

fn title(kind: &str, metadata: &Metadata) -> String {
    match &metadata.namespace {
        Some(namespace) => format!("{kind} {namespace}/{}", metadata.name),
        None => format!("{kind} {}", metadata.name),
    }
}
