//! The objects that a set can hold.

use super::agents;
use super::error::Error;
use super::json::Json;
use super::set::Set;
use meshc_compiler::kubernetes::{Manifest, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The field manager of everything that is written.
pub(super) const MANAGER: &str = "meshc";
/// The label that says to which set an object belongs.
pub(super) const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// The annotation with the revision that wrote an object last.
pub(super) const REVISION: &str = "meshc.dev/revision";
/// The label with the hash of a configuration's content, which agents show in their tables.
pub(super) const CONTENT: &str = "meshc.dev/content";
/// The API server takes some more, but does not say so in a dry run.
const LARGEST: usize = 1 << 20;

/// The kinds of objects, in the order in which they are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// `v1` Service
    Service,
    /// `cilium.io/v2` CiliumEnvoyConfig
    CiliumEnvoyConfig,
    /// `cilium.io/v2` CiliumClusterwideEnvoyConfig
    CiliumClusterwideEnvoyConfig,
}

impl Kind {
    /// All, in the order in which they are applied.
    pub const ALL: [Kind; 3] = [Kind::Service, Kind::CiliumEnvoyConfig, Kind::CiliumClusterwideEnvoyConfig];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Service => "Service",
            Kind::CiliumEnvoyConfig => "CiliumEnvoyConfig",
            Kind::CiliumClusterwideEnvoyConfig => "CiliumClusterwideEnvoyConfig",
        }
    }

    /// Its API group and the name of its collection.
    pub fn resource(self) -> (&'static str, &'static str) {
        match self {
            Kind::Service => ("", "services"),
            Kind::CiliumEnvoyConfig => ("cilium.io", "ciliumenvoyconfigs"),
            Kind::CiliumClusterwideEnvoyConfig => ("cilium.io", "ciliumclusterwideenvoyconfigs"),
        }
    }

    /// `Kind.group`, as a set's record names it.
    pub(super) fn group_kind(self) -> String {
        match self.resource().0 {
            "" => self.name().to_owned(),
            group => format!("{}.{group}", self.name()),
        }
    }

    /// The path of a collection; of all namespaces without one.
    pub(super) fn path(self, namespace: Option<&str>) -> String {
        let (group, plural) = self.resource();
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v2") };
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
            None => format!("{root}/{plural}"),
        }
    }
}

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, unless it is of the whole cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.name(), self.name),
            None => write!(f, "{} {}", self.kind.name(), self.name),
        }
    }
}

impl Id {
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.kind.path(self.namespace.as_deref()), self.name)
    }
}

/// An object as it shall be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// Which.
    pub id: Id,
    /// All that we set of it.
    pub value: Json,
}

/// The objects of a manifest as members of a set.
///
/// # Errors
/// When the manifest is not for a cluster, or an object is too large for one.
pub fn desired(manifest: &Manifest, set: &Set) -> Result<Vec<Desired>, Error> {
    let mut objects = Vec::with_capacity(manifest.objects.len());
    for object in &manifest.objects {
        let id = id(object)?;
        let mut value = serde_json::to_value(object)?;
        put(&mut value, &["metadata", "labels", PART_OF], Value::String(set.id()));
        if let Some(spec) = value.get("spec").filter(|_| id.kind != Kind::Service) {
            let content = agents::content(spec);
            put(&mut value, &["metadata", "labels", CONTENT], Value::String(content));
        }
        let value = Json::from(value);
        let size = value.text().len();
        if size > LARGEST {
            return Err(Error::Unfit(format!(
                "{id} is {size} bytes of JSON, and a cluster takes 1 MiB; put fewer services into one route"
            )));
        }
        objects.push(Desired { id, value });
    }
    objects.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(objects)
}

fn id(object: &Object) -> Result<Id, Error> {
    let (kind, metadata) = match object {
        Object::Service(o) => (Kind::Service, &o.metadata),
        Object::EnvoyConfig(o) if o.kind == "CiliumEnvoyConfig" => (Kind::CiliumEnvoyConfig, &o.metadata),
        Object::EnvoyConfig(o) => (Kind::CiliumClusterwideEnvoyConfig, &o.metadata),
        Object::Bootstrap(_) => {
            return Err(Error::Unfit(
                "the target `envoy` is not of a cluster; compile for a Cilium release: `--target cilium-1.20`".into(),
            ));
        }
    };
    Ok(Id { kind, namespace: metadata.namespace.clone(), name: metadata.name.clone() })
}

/// An object as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Which.
    pub id: Id,
    /// Its identity for as long as it exists.
    pub uid: String,
    /// Which version of it was read.
    pub resource_version: String,
    /// The set that it says it belongs to.
    pub part_of: Option<String>,
    /// Whether we applied it before.
    pub ours: bool,
    /// Whether somebody else may have changed its spec since.
    pub edited: bool,
    /// Whether it is being deleted.
    pub leaving: bool,
    /// The object without its managedFields.
    pub value: Json,
}

impl Live {
    /// Reads an object of a known kind.
    pub(super) fn read(kind: Kind, mut value: Value) -> Option<Live> {
        let text = |value: &Value, pointer: &str| value.pointer(pointer)?.as_str().map(str::to_owned);
        let applied = |entry: &Value| {
            entry.get("manager").and_then(Value::as_str) == Some(MANAGER)
                && entry.get("operation").and_then(Value::as_str) == Some("Apply")
        };
        // The items of a list do not say what they are.
        let version = if kind.resource().0.is_empty() { "v1" } else { "cilium.io/v2" };
        put(&mut value, &["kind"], kind.name().into());
        put(&mut value, &["apiVersion"], version.into());
        let managed = value.get_mut("metadata").and_then(|m| m.as_object_mut()?.remove("managedFields"));
        let managed = managed.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let ours = managed.iter().any(applied);
        let foreign = |entry: &Value| !applied(entry) && entry.pointer("/fieldsV1/f:spec").is_some();
        Some(Live {
            id: Id { kind, namespace: text(&value, "/metadata/namespace"), name: text(&value, "/metadata/name")? },
            uid: text(&value, "/metadata/uid")?,
            resource_version: text(&value, "/metadata/resourceVersion")?,
            part_of: value.pointer("/metadata/labels").and_then(|l| l.get(PART_OF)?.as_str()).map(str::to_owned),
            ours,
            edited: !ours || managed.iter().any(foreign),
            leaving: value.pointer("/metadata/deletionTimestamp").is_some(),
            value: value.into(),
        })
    }

    /// The revision that wrote it last.
    pub(super) fn revision(&self) -> Option<String> {
        self.value.tree().pointer("/metadata/annotations")?.get(REVISION)?.as_str().map(str::to_owned)
    }
}

/// Sets a value at a path of keys; what is missing on the way is made.
pub(super) fn put(value: &mut Value, path: &[&str], new: Value) {
    let mut at = value;
    for key in path {
        if !at.is_object() {
            *at = Value::Object(serde_json::Map::new());
        }
        let Some(object) = at.as_object_mut() else { return };
        at = object.entry(*key).or_insert(Value::Null);
    }
    *at = new;
}
