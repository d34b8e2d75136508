//! A set leaves the cluster.

use super::client::{Call, Client, Pace, Try};
use super::cluster;
use super::error::Error;
use super::history;
use super::object::{Id, Kind, Live};
use super::parallel::parallel;
use super::plan::Step;
use super::restore::{self, Restores};
use super::set::{self, Hold, Scope, Set};
use super::write::Writer;
use http::Method;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was deleted.
#[derive(Debug, Default)]
pub struct Gone {
    /// The objects, in the order in which they went.
    pub ids: Vec<Id>,
    /// Whether there was a set at all.
    pub existed: bool,
}

/// Deletes a set: what steers before what is steered to, its revisions, its record last. With `look`
/// nothing is deleted.
///
/// # Errors
/// When an object does not go, or another run works on the set.
pub async fn delete(client: &Client, set: &Set, look: bool) -> Result<Gone, Error> {
    let (parent, _) =
        if look { (set::Parent::read(client, set).await?, false) } else { set::free(client, set).await? };
    if !parent.exists() {
        return Ok(Gone::default());
    }
    let seen = cluster::read(client, set, &parent.scope().namespaces, &BTreeSet::new()).await?;
    let mut members: Vec<Live> = seen.live;
    members.sort_by(|a, b| b.id.cmp(&a.id));
    let ids = members.iter().map(|m| m.id.clone()).collect();
    if look {
        return Ok(Gone { ids, existed: true });
    }
    let restores = restore::plan(client, set, &members).await?;
    let revision = parent.revision();
    let hold = Arc::new(Hold::take(client, set, parent, &Scope::default()).await?);
    let mark = format!("{revision}.{}", hold.mark_of_run());
    let writer = Writer { client: client.earlier(), hold: hold.clone(), revision: mark, force: true };
    if let Err(error) = empty(&writer, set, members, &restores).await {
        return Err(hold.give_up(error, revision).await);
    }
    hold.remove().await?;
    Ok(Gone { ids, existed: true })
}

/// Deletes the members and the revisions.
async fn empty(writer: &Writer, set: &Set, members: Vec<Live>, restores: &Restores) -> Result<(), Error> {
    let (services, configs): (Vec<Live>, Vec<Live>) = members.into_iter().partition(|m| m.id.kind == Kind::Service);
    for phase in [configs, services] {
        let work = phase.into_iter().map(|live| {
            let (writer, restore) = (writer.clone(), restores.get(&live.id).cloned());
            async move {
                one(&writer, &live, restore.as_deref()).await?;
                gone(&writer, &live).await
            }
        });
        for done in parallel(work).await {
            done.unwrap_or_else(|| Err(Error::Unfit("a deletion did not end; run it again".into())))?;
        }
    }
    history::remove(&writer.client, set, |_| true).await
}

/// Deletes an object if it still is the one that was read and still says that it is the set's; before that
/// puts back what somebody made of it.
pub(super) async fn one(writer: &Writer, live: &Live, restore: Option<&Step>) -> Result<(), Error> {
    let mut live = live.clone();
    if let Some(step) = restore {
        match writer.restore(step).await? {
            Some(now) if now.uid == live.uid => live = now,
            _ => return Ok(()),
        }
    }
    let mut pace = Pace::default();
    loop {
        writer.hold.ensure().await?;
        let body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": {"uid": live.uid, "resourceVersion": live.resource_version},
        });
        let call = Call::write(Method::DELETE, live.id.path(), &body);
        match writer.client.once(&call).await? {
            Try::Done(_) => return Ok(()),
            Try::No(status) if status.code == 404 => return Ok(()),
            Try::No(status) if status.code == 409 => {
                writer.hold.check().await?;
                writer.client.pause(pace.next()).await?;
            }
            Try::No(status) => {
                return Err(Error::Refused { what: live.id.to_string(), status: Box::new(status) });
            }
            Try::Later { why, after, lost } => writer.client.wait(&call, &mut pace, &why, after, lost).await?,
        }
        let now = writer.client.get(&live.id.path()).await?.and_then(|value| Live::read(live.id.kind, value));
        match now {
            Some(now) if now.uid == live.uid && now.part_of == live.part_of && !now.leaving => live = now,
            // It is gone, or no longer ours.
            _ => return Ok(()),
        }
    }
}

/// Waits until an object is gone: a finalizer may hold it.
async fn gone(writer: &Writer, live: &Live) -> Result<(), Error> {
    let mut pause = Duration::from_millis(50);
    loop {
        let now = writer.client.get(&live.id.path()).await?.and_then(|value| Live::read(live.id.kind, value));
        let Some(now) = now.filter(|now| now.uid == live.uid) else { return Ok(()) };
        if Instant::now() + pause >= writer.client.deadline() {
            let held = now.value.tree().pointer("/metadata/finalizers").map(ToString::to_string).unwrap_or_default();
            return Err(Error::Unfit(format!("{} does not go: finalizers hold it: {held}", live.id)));
        }
        writer.client.pause(pause).await?;
        pause = (pause * 2).min(Duration::from_secs(1));
        writer.hold.ensure().await?;
    }
}
