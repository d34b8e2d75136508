//! The last revisions of a set, kept in the cluster: policies and manifests, by whom, when, from where.
//!
//! A revision is one JSON text, compressed, cut into Secrets that a cluster takes.

use super::client::{Call, Client, encode};
use super::error::Error;
use super::object::Desired;
use super::set::{Parent, Set};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::Method;
use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

/// How many revisions are kept.
const KEPT: u64 = 10;
/// A Secret holds 1 MiB in all.
const PART: usize = 700 << 10;
/// What a revision may be when it is unpacked: who can write Secrets shall not fill our memory.
const UNPACKED: u64 = 256 << 20;
const OF_SET: &str = "meshc.dev/set";
const NUMBER: &str = "meshc.dev/revision";
const META: &str = "meshc.dev/meta";

/// What is known of a revision without its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Its number.
    pub revision: u64,
    /// When it was applied, in UTC.
    pub when: String,
    /// Who applied it, as the cluster knows them.
    pub who: String,
    /// From which commit.
    #[serde(default)]
    pub commit: Option<String>,
    /// In how many parts it is stored.
    #[serde(default)]
    pub parts: usize,
    /// The revision that it brings back.
    #[serde(default)]
    pub of: Option<u64>,
}

/// The content of a revision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The policies: name and text.
    pub sources: BTreeMap<String, String>,
    /// The objects.
    pub objects: Vec<Desired>,
}

fn collection(set: &Set) -> String {
    format!("/api/v1/namespaces/{}/secrets", set.namespace)
}

fn name(set: &Set, revision: u64, part: usize) -> String {
    format!("{}.v{revision}.{part}", set.record())
}

/// The Secret that goes when this revision is applied; none while there are few.
pub(super) fn oldest_after(revision: u64, set: &Set) -> Option<String> {
    revision.checked_sub(KEPT).filter(|oldest| *oldest > 0).map(|oldest| name(set, oldest, 0))
}

/// The number of the applied revision, and the revisions that there are up to it, the oldest first.
///
/// # Errors
/// When the cluster does not answer.
pub async fn list(client: &Client, set: &Set) -> Result<(u64, Vec<Meta>), Error> {
    let applied = Parent::read(client, set).await?.revision();
    let selector = format!("{OF_SET}={}", set.id());
    let read = |secret: Value| {
        let meta = secret.pointer("/metadata/annotations")?.get(META)?.as_str()?;
        serde_json::from_str::<Meta>(meta).ok()
    };
    let mut found = client.list(&collection(set), Some(&selector), read).await?;
    found.sort_by_key(|meta| meta.revision);
    found.dedup_by_key(|meta| meta.revision);
    // A run that was cut off leaves one that never was.
    found.retain(|meta| meta.revision <= applied);
    Ok((applied, found))
}

/// A revision's content.
///
/// # Errors
/// When it is not there, not whole, or the cluster does not answer.
pub async fn read(client: &Client, set: &Set, revision: u64) -> Result<(Meta, Record), Error> {
    let selector = format!("{OF_SET}={},{NUMBER}={revision}", set.id());
    let parts = client.list(&collection(set), Some(&selector), |secret| part(&secret)).await?;
    let missing = || Error::Record(format!("there is no revision {revision} of the set `{}`", set.name));
    let meta = parts.first().map(|(meta, ..)| meta.clone()).ok_or_else(missing)?;
    let parts: BTreeMap<usize, Vec<u8>> = parts.into_iter().map(|(_, index, bytes)| (index, bytes)).collect();
    if parts.len() != meta.parts {
        return Err(Error::Record(format!(
            "revision {revision} is not whole: {} of {} parts",
            parts.len(),
            meta.parts
        )));
    }
    let packed: Vec<u8> = parts.into_values().flatten().collect();
    let mut text = Vec::new();
    GzDecoder::new(packed.as_slice())
        .take(UNPACKED)
        .read_to_end(&mut text)
        .map_err(|e| Error::Record(format!("revision {revision} cannot be unpacked: {e}")))?;
    let record =
        serde_json::from_slice(&text).map_err(|e| Error::Record(format!("revision {revision} cannot be read: {e}")))?;
    Ok((meta, record))
}

fn part(secret: &Value) -> Option<(Meta, usize, Vec<u8>)> {
    let meta = serde_json::from_str(secret.pointer("/metadata/annotations")?.get(META)?.as_str()?).ok()?;
    let index = secret.pointer("/metadata/name")?.as_str()?.rsplit('.').next()?.parse().ok()?;
    let bytes: ByteString = serde_json::from_value(secret.pointer("/data/part")?.clone()).ok()?;
    Some((meta, index, bytes.0))
}

/// Stores a revision. What an earlier run left under its number is replaced.
pub(super) async fn store(client: &Client, set: &Set, meta: &Meta, record: &Record) -> Result<(), Error> {
    remove(client, set, |number| number >= meta.revision).await?;
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    let packed = packer
        .write_all(&serde_json::to_vec(record)?)
        .and_then(|()| packer.finish())
        .map_err(|e| Error::Record(format!("the revision cannot be packed: {e}")))?;
    let parts: Vec<&[u8]> = packed.chunks(PART).collect();
    let meta = Meta { parts: parts.len(), ..meta.clone() };
    for (index, bytes) in parts.into_iter().enumerate() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "meshc.dev/revision", "immutable": true,
            "metadata": {
                "name": name(set, meta.revision, index),
                "labels": {
                    OF_SET: set.id(), NUMBER: meta.revision.to_string(), "app.kubernetes.io/managed-by": "meshc",
                },
                "annotations": {META: serde_json::to_string(&meta)?},
            },
            "data": {"part": ByteString(bytes.to_vec())},
        });
        let call = Call::write(Method::POST, collection(set), &secret);
        match client.call(&call).await {
            // After a lost answer: the name is free of others, so what is there is ours.
            Err(error) if error.is(409) => {}
            other => drop(other?),
        }
    }
    Ok(())
}

/// Removes what is older than the last revisions.
pub(super) async fn trim(client: &Client, set: &Set, newest: u64) -> Result<(), Error> {
    if newest <= KEPT {
        return Ok(());
    }
    remove(client, set, |number| number + KEPT <= newest).await
}

/// Removes the Secrets of some revisions.
pub(super) async fn remove(client: &Client, set: &Set, wanted: impl Fn(u64) -> bool) -> Result<(), Error> {
    let selector = format!("{OF_SET}={}", set.id());
    let named = |secret: Value| {
        let number: u64 = secret.pointer("/metadata/labels")?.get(NUMBER)?.as_str()?.parse().ok()?;
        let name = secret.pointer("/metadata/name")?.as_str()?.to_owned();
        wanted(number).then_some(name)
    };
    let names: BTreeSet<String> = client.list(&collection(set), Some(&selector), named).await?.into_iter().collect();
    for name in names {
        let body = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        let call = Call::write(Method::DELETE, format!("{}/{}", collection(set), encode(&name)), &body);
        match client.call(&call).await {
            Err(error) if error.is(404) => {}
            other => drop(other?),
        }
    }
    Ok(())
}

/// Who we are, as the cluster knows us; and when it is.
pub(super) async fn here(client: &Client) -> (String, String) {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let call = Call::ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", &body);
    let who = match client.call(&call).await {
        Ok(answer) => answer.pointer("/status/userInfo/username").and_then(Value::as_str).map(str::to_owned),
        // A cluster older than 1.28 has no such review.
        Err(_) => None,
    };
    let now = k8s_openapi::jiff::Timestamp::now();
    (who.unwrap_or_else(|| "unknown".to_owned()), format!("{now:.0}"))
}
