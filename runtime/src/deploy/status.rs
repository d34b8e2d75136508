//! Whether the cluster still holds what was applied.

use super::client::Client;
use super::cluster;
use super::compare::{Difference, differences};
use super::error::Error;
use super::history::{self, Meta};
use super::object::{Desired, Id, Live};
use super::set::{Parent, Scope, Set};
use std::collections::{BTreeMap, BTreeSet};

/// How an object stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// It is as applied.
    InSync,
    /// Somebody changed fields of ours.
    Drifted(Vec<Difference>),
    /// It is not there.
    Missing,
    /// It is being deleted.
    Leaving,
}

/// How a set stands.
#[derive(Debug)]
pub struct Health {
    /// The revision that is applied; `None` where the set never was.
    pub applied: Option<Meta>,
    /// Whether a run is under way, or was cut off.
    pub unfinished: bool,
    /// Its objects, as they were applied.
    pub objects: Vec<(Desired, State)>,
}

/// Compares the applied revision with the cluster.
///
/// # Errors
/// When the cluster does not answer, or the revision cannot be read.
pub async fn status(client: &Client, set: &Set) -> Result<Health, Error> {
    let parent = Parent::read(client, set).await?;
    let unfinished = parent.run().is_some();
    if parent.revision() == 0 {
        return Ok(Health { applied: None, unfinished, objects: Vec::new() });
    }
    let (meta, record) = history::read(client, set, parent.revision()).await?;
    let wanted: BTreeSet<Id> = record.objects.iter().map(|d| d.id.clone()).collect();
    let namespaces = Scope::of(wanted.iter()).namespaces;
    let seen = cluster::read(client, set, &namespaces, &wanted).await?;
    let live: BTreeMap<Id, Live> = seen.live.into_iter().map(|l| (l.id.clone(), l)).collect();
    let objects = record.objects.into_iter().map(|desired| {
        let state = match live.get(&desired.id) {
            None => State::Missing,
            Some(live) if live.leaving => State::Leaving,
            Some(live) => match differences(&desired.value, &live.value) {
                found if found.is_empty() => State::InSync,
                found => State::Drifted(found),
            },
        };
        (desired, state)
    });
    Ok(Health { applied: Some(meta), unfinished, objects: objects.collect() })
}
