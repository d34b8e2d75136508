//! What an object asks of an agent.

use super::super::compare::Difference;
use super::super::object::{CONTENT, Desired, Id, Kind};
use ring::digest;
use serde_json::Value;
use std::collections::BTreeSet;

/// The label's value for a content: 64 bits of its hash, in hexadecimal. An agent's tables show labels, and
/// neither resourceVersions nor annotations: it is what tells which version of an object an agent has.
pub(in super::super) fn content(spec: &Value) -> String {
    let hash = digest::digest(&digest::SHA256, spec.to_string().as_bytes());
    hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The differences that a person wants to know of: the hash of a content only where nothing else differs.
pub fn told(found: &[Difference]) -> Vec<Difference> {
    let mark = format!(".metadata.labels.{CONTENT}");
    found.iter().filter(|d| d.path != mark || found.len() == 1).cloned().collect()
}

/// A service that is steered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Steered {
    pub(super) namespace: String,
    pub(super) name: String,
    /// All ports when empty.
    pub(super) ports: BTreeSet<u16>,
}

/// A configuration as an agent should have it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expected {
    pub(super) id: Id,
    /// The hash of its content; nothing where an earlier meshc wrote it.
    pub(super) content: Option<String>,
    pub(super) steered: Vec<Steered>,
    /// Its resources, as in the object.
    pub(super) resources: Vec<Value>,
    /// The rest of its specification.
    pub(super) rest: Value,
}

impl Expected {
    /// What the objects ask for; Services ask for nothing.
    pub(super) fn all(objects: &[Desired]) -> Vec<Expected> {
        objects.iter().filter(|o| o.id.kind != Kind::Service).map(Expected::of).collect()
    }

    fn of(object: &Desired) -> Expected {
        let value = serde_json::to_value(&object.value).unwrap_or_default();
        let list = |pointer: &str| value.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut rest = value.get("spec").cloned().unwrap_or_default();
        if let Some(spec) = rest.as_object_mut() {
            spec.remove("resources");
        }
        let content = value.pointer("/metadata/labels").and_then(|l| l.get(CONTENT)?.as_str());
        Expected {
            id: object.id.clone(),
            content: content.map(str::to_owned),
            steered: list("/spec/services").iter().filter_map(steered).collect(),
            resources: list("/spec/resources"),
            rest,
        }
    }

    /// The names of its resources of a type, such as `Listener`.
    pub(super) fn of_type<'e>(&'e self, kind: &'e str) -> impl Iterator<Item = (&'e str, &'e Value)> {
        let of = move |resource: &'e Value| {
            let url = resource.get("@type")?.as_str()?;
            let name = resource.get("name")?.as_str()?;
            (url.rsplit('.').next() == Some(kind)).then_some((name, resource))
        };
        self.resources.iter().filter_map(of)
    }
}

fn steered(service: &Value) -> Option<Steered> {
    let text = |key: &str| service.get(key).and_then(Value::as_str).map(str::to_owned);
    let ports = service.get("ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let port = |port: &Value| port.as_u64().and_then(|p| u16::try_from(p).ok());
    Some(Steered {
        namespace: text("namespace").unwrap_or_default(),
        name: text("name")?,
        ports: ports.iter().filter_map(port).collect(),
    })
}

/// An object for the tests of the readers.
#[cfg(test)]
pub(super) fn example(content: &str) -> Expected {
    use serde_json::json;
    let value = json!({
        "metadata": {"labels": {CONTENT: content}},
        "spec": {
            "services": [{"name": "web", "namespace": "shop", "listener": "shop/web/in", "ports": [80]}],
            "resources": [
                {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "shop/web/in"},
                {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "shop/web/in"},
                {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "shop/web/v1",
                 "connectTimeout": "0.25s"},
            ],
        },
    });
    let id = json!({"kind": "CiliumEnvoyConfig", "namespace": "shop", "name": "web"});
    Expected::of(&serde_json::from_value(json!({"id": id, "value": value})).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_configuration_asks_for_its_services_and_resources() {
        let expected = example("abc");
        assert_eq!(expected.content.as_deref(), Some("abc"));
        let web = Steered { namespace: "shop".into(), name: "web".into(), ports: [80].into() };
        assert_eq!(expected.steered, [web]);
        assert_eq!(expected.of_type("Cluster").map(|(name, _)| name).collect::<Vec<_>>(), ["shop/web/v1"]);
    }

    #[test]
    fn a_changed_hash_is_told_only_alone() {
        let difference = |path: &str| Difference { path: path.into(), ours: None, live: None };
        let (hash, other) = (difference(".metadata.labels.meshc.dev/content"), difference(".spec.a"));
        assert_eq!(told(&[hash.clone(), other.clone()]), [other]);
        assert_eq!(told(std::slice::from_ref(&hash)).len(), 1);
    }

    #[test]
    fn a_label_can_hold_the_hash_of_a_content() {
        let (one, two) = (content(&json!({"a": 1})), content(&json!({"a": 2})));
        assert_ne!(one, two);
        assert!(one.len() == 16 && one.bytes().all(|b| b.is_ascii_hexdigit()), "{one}");
        assert_eq!(one, content(&json!({"a": 1})));
    }
}
