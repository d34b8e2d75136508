//! What is in the cluster already: the live objects, and who steers which service.

use super::client::Client;
use super::error::Error;
use super::object::{Id, Kind, Live, PART_OF};
use super::set::Set;
use super::steering::{Claim, Serving, claims, serving};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What a cluster holds, as far as it matters to a set.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) live: Vec<Live>,
    /// Who steers what.
    pub(super) claims: Vec<Claim>,
    /// The Services of the namespaces that were looked at.
    pub(super) services: Vec<Serving>,
}

/// The Services of some namespaces as a List; those that the set itself wrote are left out.
///
/// # Errors
/// When the cluster does not answer, or refuses.
pub async fn services(client: &Client, namespaces: &BTreeSet<String>, set: &Set) -> Result<Value, Error> {
    let id = set.id();
    let mut items = Vec::new();
    for namespace in namespaces {
        let foreign = |mut value: Value| {
            let own =
                value.pointer("/metadata/labels").and_then(|l| l.get(PART_OF)) == Some(&Value::String(id.clone()));
            let metadata = json!({"name": value.pointer("/metadata/name")?, "namespace": namespace});
            let spec = value.get_mut("spec")?.take();
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
    let id = set.id();
    let member = |kind: Kind, text: &str, of: Option<&str>, object: &Id| {
        let matters = of == Some(&id) || wanted.contains(object);
        matters.then(|| Live::read(kind, serde_json::from_str(text).ok()?)).flatten()
    };
    let configs = async |kind: Kind| {
        let keep = |text: &str| {
            let (object, of, claims) = claims(kind, text)?;
            Some((member(kind, text, of.as_deref(), &object), claims))
        };
        client.list_texts(&kind.path(None), None, keep).await.map_err(|e| absent(kind, e))
    };
    let serves = async || {
        let mut found = Vec::new();
        for namespace in namespaces {
            let keep = |text: &str| {
                let service = serving(namespace, text)?;
                let object = service.id();
                Some((member(Kind::Service, text, service.set.as_deref(), &object), service))
            };
            found.extend(client.list_texts(&Kind::Service.path(Some(namespace)), None, keep).await?);
        }
        Ok(found)
    };
    let (of_namespaces, of_cluster, services) =
        tokio::try_join!(configs(Kind::CiliumEnvoyConfig), configs(Kind::CiliumClusterwideEnvoyConfig), serves())?;
    let mut seen = Seen::default();
    for (live, claims) in of_namespaces.into_iter().chain(of_cluster) {
        seen.live.extend(live);
        seen.claims.extend(claims);
    }
    for (live, service) in services {
        seen.live.extend(live);
        seen.services.push(service);
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
