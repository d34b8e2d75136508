//! Whether the cluster still holds what was applied.

use super::client::Client;
use super::cluster;
use super::compare::{Difference, differences};
use super::error::Error;
use super::history::{self, Meta};
use super::object::{Desired, Id, Live};
use super::parallel::parallel;
use super::plan::{Step, Verb};
use super::set::{Parent, Scope, Set};
use super::write::rehearse;
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
    let looks = record.objects.iter().cloned().map(|desired| {
        let (client, live) = (client.clone(), live.get(&desired.id).cloned());
        async move { state(&client, desired, live).await }
    });
    let died = || Err(Error::Unfit("looking at an object did not end".into()));
    let states = parallel(looks).await.into_iter().map(|state| state.unwrap_or_else(died));
    let states: Vec<State> = states.collect::<Result<_, _>>()?;
    Ok(Health { applied: Some(meta), unfinished, objects: record.objects.into_iter().zip(states).collect() })
}

/// How an object stands. What the cluster's admission makes of our fields each time is no drift: where they
/// differ, the API server is asked what it would make of them now, if it lets us ask.
async fn state(client: &Client, desired: Desired, live: Option<Live>) -> Result<State, Error> {
    let Some(live) = live else { return Ok(State::Missing) };
    if live.leaving {
        return Ok(State::Leaving);
    }
    let found = differences(&desired.value, &live.value);
    if found.is_empty() {
        return Ok(State::InSync);
    }
    let step = Step { desired, live: Some(live), verb: Verb::Change(found.clone()) };
    match rehearse(client, &step, true).await {
        Ok(false) => Ok(State::InSync),
        Ok(true) | Err(Error::Refused { .. }) => Ok(State::Drifted(found)),
        Err(error) => Err(error),
    }
}
