//! One object → the cluster, by server-side apply under the preconditions of what was read.

use super::client::{Call, Client, Pace, Try};
use super::compare::{changes, differences};
use super::error::{Conflict, Error, Owned, Refusal};
use super::object::{Id, Live, MANAGER, REVISION, put};
use super::parallel::parallel;
use super::plan::{Step, Verb, own};
use super::set::Hold;
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;

/// How often an object may change under our hands before we give up.
const RACES: usize = 5;
/// A resourceVersion that no object has: what carries it is written only where there is none.
const NONE_YET: &str = "1";

/// What every write of a run needs.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) client: Client,
    pub(super) hold: Arc<Hold>,
    /// What the objects say wrote them.
    pub(super) revision: String,
    /// Whether fields are taken from other owners.
    pub(super) force: bool,
}

impl Writer {
    /// Writes an object with the uid and resourceVersion that were read, so that nothing that we did
    /// not see is overwritten; gives it as it is then.
    pub(super) async fn write(&self, step: &Step) -> Result<Option<Live>, Error> {
        if step.verb == Verb::Keep {
            return Ok(step.live.clone());
        }
        self.send(step, self.force, true).await
    }

    /// Writes over what somebody else made of an object that is about to go; one that is gone stays away.
    pub(super) async fn restore(&self, step: &Step) -> Result<Option<Live>, Error> {
        self.send(step, true, false).await
    }

    async fn send(&self, step: &Step, force: bool, creates: bool) -> Result<Option<Live>, Error> {
        let (mut live, mut pace, mut races) = (step.live.clone(), Pace::default(), 0);
        loop {
            self.hold.ensure().await?;
            let call = real(step, live.as_ref(), &self.revision, force);
            let status = match self.client.once(&call).await? {
                Try::Done(value) => return settled(&step.desired.id, value),
                Try::No(status) if status.code == 409 && status.causes.is_empty() && races < RACES => {
                    races += 1;
                    self.hold.check().await?;
                    None
                }
                Try::No(status) => Some(status),
                Try::Later { why, after, lost } => {
                    self.client.wait(&call, &mut pace, &why, after, lost).await?;
                    None
                }
            };
            if let Some(status) = status {
                let what = step.desired.id.to_string();
                return Err(explain(step, Error::Refused { what, status: Box::new(status) }));
            }
            let now = self.client.get(&step.desired.id.path()).await?;
            live = now.and_then(|value| Live::read(step.desired.id.kind, value));
            match &live {
                Some(live) if self.is_written(step, live) => return Ok(Some(live.clone())),
                Some(live) => own(live, &self.hold.set_id())?,
                None if creates => {}
                None => return Ok(None),
            }
        }
    }

    /// Whether a write whose answer was lost has arrived.
    fn is_written(&self, step: &Step, live: &Live) -> bool {
        live.ours
            && !live.leaving
            && live.revision().as_ref() == Some(&self.revision)
            && differences(&step.desired.value, &live.value).is_empty()
    }
}

/// A write to an object that is on its way out is answered as if it counted.
fn settled(id: &Id, value: Value) -> Result<Option<Live>, Error> {
    match value.pointer("/metadata/deletionTimestamp") {
        Some(_) => Err(Error::Unfit(format!("{id} is being deleted; apply again when it is gone"))),
        None => Ok(Live::read(id.kind, value)),
    }
}

/// Has the API server try a write without effect; whether it would change anything at the paths that we set.
/// It does not where something in the cluster makes of our fields what it made of them before.
pub(super) async fn rehearse(client: &Client, step: &Step, force: bool) -> Result<bool, Error> {
    let call = call(step, json!("0"), force, |_| {}).dry_run();
    let made = client.call(&call).await.map_err(|error| explain(step, error))?;
    Ok(step.live.as_ref().is_none_or(|live| changes(&step.desired.value, &made, &live.value)))
}

/// Has the API server try many writes; which of them would change anything, in their order.
pub(super) async fn rehearse_all(client: &Client, steps: Vec<Arc<Step>>, force: bool) -> Result<Vec<bool>, Error> {
    let tries = steps.into_iter().map(|step| {
        let client = client.clone();
        async move { rehearse(&client, &step, force).await }
    });
    let done = parallel(tries).await.into_iter();
    let died = || Err(Error::Unfit("a dry run did not end; nothing was written".into()));
    done.map(|result| result.unwrap_or_else(died)).collect()
}

/// The write itself: to just the object that was read, or where there is none.
fn real(step: &Step, live: Option<&Live>, revision: &str, force: bool) -> Call {
    call(step, json!(revision), force, |body| match live {
        Some(live) => {
            put(body, &["metadata", "uid"], live.uid.clone().into());
            put(body, &["metadata", "resourceVersion"], live.resource_version.clone().into());
        }
        None => put(body, &["metadata", "resourceVersion"], NONE_YET.into()),
    })
}

/// A server-side apply of an object. The revision is no part of what is compared.
fn call(step: &Step, revision: Value, force: bool, precondition: impl FnOnce(&mut Value)) -> Call {
    let mut body = step.desired.value.tree();
    put(&mut body, &["metadata", "annotations", REVISION], revision);
    precondition(&mut body);
    let path = step.desired.id.path();
    let path = format!("{path}?fieldManager={MANAGER}&fieldValidation=Strict&force={force}");
    Call::write(Method::PATCH, path, &body)
}

/// A refusal in terms of the object: with owners and values where fields are somebody else's.
fn explain(step: &Step, error: Error) -> Error {
    let Error::Refused { status, .. } = error else { return error };
    let owned = conflicts(step, &status);
    if owned.is_empty() {
        return Error::Refused { what: step.desired.id.to_string(), status };
    }
    Error::Conflict(Box::new(Conflict { id: step.desired.id.clone(), fields: owned }))
}

fn conflicts(step: &Step, status: &Refusal) -> Vec<Owned> {
    let all = step.live.as_ref().map(|l| differences(&step.desired.value, &l.value)).unwrap_or_default();
    let mut owned = Vec::new();
    for (reason, field, message) in &status.causes {
        if reason != "FieldManagerConflict" {
            continue;
        }
        let owner = message.split('"').nth(1).unwrap_or(message).to_owned();
        let inside =
            |path: &str| path.strip_prefix(field.as_str()).is_some_and(|r| r.is_empty() || r.starts_with(['.', '[']));
        let before = owned.len();
        for d in all.iter().filter(|d| inside(&d.path)) {
            owned.push(Owned {
                path: d.path.clone(),
                owner: owner.clone(),
                ours: d.ours.clone(),
                live: d.live.clone(),
            });
        }
        if owned.len() == before {
            owned.push(Owned { path: field.clone(), owner, ours: None, live: None });
        }
    }
    owned
}
