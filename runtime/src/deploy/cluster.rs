//! What is in the cluster already: the live objects, and who steers which service.

use super::client::Client;
use super::error::Error;
use super::object::{Desired, Id, Kind, Live, PART_OF};
use super::set::Set;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A service that some object steers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) by: Id,
    pub(super) set: Option<String>,
    service: (String, String),
    /// All ports when empty.
    ports: BTreeSet<u64>,
}

/// What a cluster holds, as far as it matters to a set.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) live: Vec<Live>,
    claims: Vec<Claim>,
    /// Services that Cilium's operator writes configurations for by itself.
    annotated: BTreeSet<(String, String)>,
}

/// The Services of some namespaces as a List; those that the set itself wrote are left out.
///
/// # Errors
/// When the cluster does not answer, or refuses.
pub async fn services(client: &Client, namespaces: &BTreeSet<String>, set: &Set) -> Result<Value, Error> {
    let id = set.id();
    let mut items = Vec::new();
    for namespace in namespaces {
        let foreign = |value: Value| {
            let own =
                value.pointer("/metadata/labels").and_then(|l| l.get(PART_OF)) == Some(&Value::String(id.clone()));
            let metadata = json!({"name": value.pointer("/metadata/name")?, "namespace": namespace});
            let spec = value.get("spec")?;
            (!own).then(|| json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}))
        };
        items.extend(client.list(&Kind::Service.path(Some(namespace)), None, foreign).await?);
    }
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": items}))
}

/// Reads it. Of objects that are neither wanted nor the set's own only the claims are kept.
pub(super) async fn read(
    client: &Client,
    set: &Set,
    namespaces: &BTreeSet<String>,
    wanted: &BTreeSet<Id>,
) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    let id = set.id();
    for kind in [Kind::CiliumEnvoyConfig, Kind::CiliumClusterwideEnvoyConfig] {
        let keep = |value: Value| {
            let claims = claims(kind, &value);
            let live = Live::read(kind, value).filter(|l| wanted.contains(&l.id) || l.part_of.as_ref() == Some(&id));
            Some((live, claims))
        };
        for (live, claims) in client.list(&kind.path(None), None, keep).await.map_err(|e| absent(kind, e))? {
            seen.live.extend(live);
            seen.claims.extend(claims);
        }
    }
    for namespace in namespaces {
        let annotated = &mut seen.annotated;
        let keep = |value: Value| {
            let note = value.pointer("/metadata/annotations").and_then(|a| a.get("service.cilium.io/lb-l7"));
            if note.and_then(Value::as_str) == Some("enabled") {
                let name = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                annotated.insert((namespace.clone(), name.to_owned()));
            }
            Live::read(Kind::Service, value).filter(|l| wanted.contains(&l.id) || l.part_of.as_ref() == Some(&id))
        };
        seen.live.extend(client.list(&Kind::Service.path(Some(namespace)), None, keep).await?);
    }
    Ok(seen)
}

fn absent(kind: Kind, error: Error) -> Error {
    if error.is(404) {
        let (group, plural) = kind.resource();
        return Error::Unfit(format!("the cluster does not know {plural}.{group}: Cilium is not installed there"));
    }
    error
}

fn claims(kind: Kind, value: &Value) -> Vec<Claim> {
    let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let by = Id {
        kind,
        namespace: text(value, "/metadata/namespace"),
        name: text(value, "/metadata/name").unwrap_or_default(),
    };
    let set = value.pointer("/metadata/labels").and_then(|l| l.get(PART_OF)?.as_str()).map(str::to_owned);
    let services = value.pointer("/spec/services").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let claim = |service: &Value| {
        let namespace = text(service, "/namespace").filter(|n| !n.is_empty()).or_else(|| by.namespace.clone());
        let ports = service.get("ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Some(Claim {
            by: by.clone(),
            set: set.clone(),
            service: (namespace.unwrap_or_default(), text(service, "/name")?),
            ports: ports.iter().filter_map(Value::as_u64).collect(),
        })
    };
    services.iter().filter_map(claim).collect()
}

impl Seen {
    /// Refuses what somebody else steers already: Cilium takes one of the two, and says nothing.
    pub(super) fn disputed(&self, desired: &[Desired], set: &str) -> Result<(), Error> {
        let wanted: BTreeSet<&Id> = desired.iter().map(|d| &d.id).collect();
        let ours = desired.iter().flat_map(|d| claims(d.id.kind, &d.value));
        let mut lines = Vec::new();
        for claim in ours {
            let (namespace, name) = &claim.service;
            if self.annotated.contains(&claim.service) {
                lines.push(format!(
                    "{} steers the Service {namespace}/{name}, and so does Cilium itself: take its annotation \
                     `service.cilium.io/lb-l7` away",
                    claim.by
                ));
            }
            let other = |c: &&Claim| {
                c.service == claim.service
                    && !wanted.contains(&c.by)
                    && c.set.as_deref() != Some(set)
                    && (c.ports.is_empty() || claim.ports.is_empty() || !c.ports.is_disjoint(&claim.ports))
            };
            lines.extend(self.claims.iter().filter(other).map(|other| {
                format!(
                    "{} steers the Service {namespace}/{name}, and so does {}: delete one of the two",
                    claim.by, other.by
                )
            }));
        }
        lines.sort();
        lines.dedup();
        if lines.is_empty() { Ok(()) } else { Err(Error::Foreign(lines.join("\n"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, ports: Value, set: Option<&str>) -> Value {
        json!({"metadata": {"name": name, "namespace": "a", "labels": {PART_OF: set}},
               "spec": {"services": [{"name": "web", "ports": ports}]}})
    }

    fn disputed(other: &Value) -> Result<(), Error> {
        let id = Id { kind: Kind::CiliumEnvoyConfig, namespace: Some("a".into()), name: "ours".into() };
        let desired = [Desired { id, value: config("ours", json!([80]), Some("s")) }];
        let seen = Seen { claims: claims(Kind::CiliumEnvoyConfig, other), ..Seen::default() };
        seen.disputed(&desired, "s")
    }

    #[test]
    fn one_service_has_one_master() {
        assert!(disputed(&config("theirs", json!([80]), None)).is_err());
        assert!(disputed(&config("theirs", json!([]), None)).is_err(), "no ports are all ports");
        assert!(disputed(&config("theirs", json!([81]), None)).is_ok());
        assert!(disputed(&config("theirs", json!([80]), Some("t"))).is_err());
        assert!(disputed(&config("old", json!([80]), Some("s"))).is_ok(), "a member that goes is no rival");
        assert!(disputed(&config("ours", json!([80]), None)).is_ok(), "the same object is no rival");
    }
}
