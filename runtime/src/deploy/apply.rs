//! Desired objects → the cluster: read, compare, try all without effect, then write.

use super::client::{Call, Client, Pace, Try};
use super::cluster;
use super::compare::differences;
use super::delete;
use super::error::{Conflict, Error, Owned, Refusal};
use super::history::{self, Meta, Record};
use super::object::{Desired, Id, Live, MANAGER, REVISION, put};
use super::plan::{Plan, Step, Verb, plan};
use super::set::{self, Hold, Parent, Scope, Set};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many objects are written at once.
const AT_ONCE: usize = 16;
/// How often an object may change under our hands before we give up.
const RACES: usize = 5;

/// What a run may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Take fields from other owners.
    pub force: bool,
    /// Delete the set's last object.
    pub allow_empty: bool,
    /// Leave objects that the policies no longer have.
    pub keep: bool,
}

/// A plan that the API server would take, and what it was made from.
#[derive(Debug)]
pub struct Prepared {
    /// What would be done.
    pub plan: Plan,
    parent: Parent,
    /// Whether a dead run's place is taken.
    renew: bool,
}

impl Prepared {
    /// Whether nothing has to be written.
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty() && !self.renew
    }

    /// Whether the set has a record already.
    pub(super) fn is_known(&self) -> bool {
        self.parent.exists()
    }

    /// The revision that is applied now; 0 before the first.
    pub fn revision(&self) -> u64 {
        self.parent.revision()
    }
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It is new.
    Created,
    /// It was changed.
    Changed,
    /// It became ours without a change.
    Adopted,
    /// It was as it shall be.
    Unchanged,
    /// It was deleted.
    Pruned,
    /// It could not be written.
    Failed,
    /// An earlier one failed.
    NotTried,
}

/// An object and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which.
    pub id: Id,
    /// What became of it.
    pub word: Word,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Report {
    /// Every object.
    pub outcomes: Vec<Outcome>,
    /// The revision that is applied now.
    pub revision: u64,
    /// Why it ended early.
    pub failure: Option<Error>,
}

/// Reads the cluster and decides, and has the API server try every write without effect. With `look`
/// nobody is waited for, since nothing will be written.
///
/// # Errors
/// When anything stands in the way: then nothing may be written.
pub async fn prepare(
    client: &Client,
    set: &Set,
    desired: Vec<Desired>,
    options: Options,
    look: bool,
) -> Result<Prepared, Error> {
    let (parent, renew) = if look { (Parent::read(client, set).await?, false) } else { set::free(client, set).await? };
    let wanted: BTreeSet<Id> = desired.iter().map(|d| d.id.clone()).collect();
    let mut namespaces = parent.scope().namespaces;
    namespaces.extend(Scope::of(wanted.iter()).namespaces);
    namespaces.extend(steered(&desired));
    let seen = cluster::read(client, set, &namespaces, &wanted).await?;
    seen.disputed(&desired, &set.id())?;
    let mut plan = plan(desired, seen.live, &set.id(), renew)?;
    if options.keep {
        plan.prune.clear();
    }
    if plan.steps.is_empty() && !plan.prune.is_empty() && !options.allow_empty {
        return Err(Error::Unfit(format!(
            "the policies have no objects any more, and all {} of the set `{}` would go; if that is meant, say `--allow-empty`",
            plan.prune.len(),
            set.name
        )));
    }
    let tries = plan.writes().cloned().map(|step| {
        let client = client.clone();
        async move {
            let call = apply_call(&step, None, Value::Null, options.force)?.dry_run();
            client.call(&call).await.map(|_| ()).map_err(|error| explain(&step, error))
        }
    });
    for done in parallel(tries).await {
        done.unwrap_or_else(|| Err(Error::Unfit("a dry run did not end; nothing was written".into())))?;
    }
    Ok(Prepared { plan, parent, renew })
}

/// The namespaces of steered services: their annotations matter.
fn steered(desired: &[Desired]) -> impl Iterator<Item = String> {
    let services = desired.iter().filter_map(|d| d.value.pointer("/spec/services")?.as_array()).flatten();
    services.filter_map(|s| Some(s.get("namespace")?.as_str()?.to_owned()))
}

/// Writes what was prepared. A failure of an object is in the report; an error means that nothing of
/// the objects was written.
///
/// # Errors
/// When another run came first, or the revision cannot be stored.
pub async fn execute(
    client: &Client,
    set: &Set,
    prepared: Prepared,
    options: Options,
    record: &Record,
    meta: Meta,
) -> Result<Report, Error> {
    let Prepared { plan, parent, .. } = prepared;
    let old = parent.revision();
    let scope = Scope::of(plan.steps.iter().map(|s| &s.desired.id));
    let hold = Arc::new(Hold::take(client, set, parent, &scope).await?);
    let (who, when) = history::here(client).await;
    let meta = Meta { revision: old + 1, who, when, ..meta };
    if let Err(error) = history::store(client, set, &meta, record).await {
        hold.finish(hold.scope(), old).await?;
        return Err(error);
    }
    // A run that another one took over must not find what it read: hence the run's own mark.
    let revision = format!("{}.{}", meta.revision, hold.mark_of_run());
    let run = Run { client: client.clone(), hold: hold.clone(), revision, force: options.force };
    let mut report = Report { revision: old, ..Report::default() };
    run.all(plan, &mut report).await;
    if report.failure.is_none() {
        report.failure = history::trim(client, set, meta.revision).await.err();
    }
    let finished = match &report.failure {
        // Another run has it now.
        Some(Error::Busy(_)) => Ok(()),
        Some(_) => hold.finish(hold.scope(), old).await,
        None => hold.finish(&scope, meta.revision).await,
    };
    match finished {
        Ok(()) if report.failure.is_none() => report.revision = meta.revision,
        Ok(()) => {}
        Err(error) => report.failure = report.failure.or(Some(error)),
    }
    Ok(report)
}

/// What every write of a run needs.
#[derive(Clone)]
struct Run {
    client: Client,
    hold: Arc<Hold>,
    revision: String,
    force: bool,
}

impl Run {
    /// Services first, then what steers to them, then what goes; each phase only after the one before.
    async fn all(&self, plan: Plan, report: &mut Report) {
        let (services, configs): (Vec<Step>, Vec<Step>) =
            plan.steps.into_iter().partition(|s| s.desired.id.kind == super::Kind::Service);
        for steps in [services, configs] {
            let ids: Vec<(Id, Word)> = steps.iter().map(|s| (s.desired.id.clone(), word(&s.verb))).collect();
            let stop = Arc::new(AtomicBool::new(report.failure.is_some()));
            let work = steps.into_iter().map(|step| {
                let (run, stop) = (self.clone(), stop.clone());
                async move {
                    let done = guard(&stop, run.write(&step)).await;
                    run.client.settle();
                    done
                }
            });
            collect(ids, parallel(work).await, report);
        }
        for live in plan.prune {
            let word = if report.failure.is_some() {
                Word::NotTried
            } else if let Err(error) = delete::one(&self.client, &self.hold, &live).await {
                report.failure = Some(error);
                Word::Failed
            } else {
                Word::Pruned
            };
            report.outcomes.push(Outcome { id: live.id, word });
        }
    }

    /// Writes an object with the uid and resourceVersion that were read, so that nothing that we did
    /// not see is overwritten.
    async fn write(&self, step: &Step) -> Result<(), Error> {
        if step.verb == Verb::Keep {
            return Ok(());
        }
        let (mut live, mut pace, mut races) = (step.live.clone(), Pace::default(), 0);
        loop {
            self.hold.ensure().await?;
            let call = apply_call(step, live.as_ref(), Value::String(self.revision.clone()), self.force)?;
            let status = match self.client.once(&call).await? {
                Try::Done(value) => return settled(&step.desired.id, &value),
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
            if live.as_ref().is_some_and(|l| self.is_written(step, l)) {
                return Ok(());
            }
        }
    }

    /// Whether a write whose answer was lost has arrived.
    fn is_written(&self, step: &Step, live: &Live) -> bool {
        live.ours
            && !live.leaving
            && live.revision() == Some(self.revision.as_str())
            && differences(&step.desired.value, &live.value).is_empty()
    }
}

/// A write to an object that is on its way out is answered as if it counted.
fn settled(id: &Id, value: &Value) -> Result<(), Error> {
    match value.pointer("/metadata/deletionTimestamp") {
        Some(_) => Err(Error::Unfit(format!("{id} is being deleted; apply again when it is gone"))),
        None => Ok(()),
    }
}

fn word(verb: &Verb) -> Word {
    match verb {
        Verb::Create => Word::Created,
        Verb::Change(_) => Word::Changed,
        Verb::Adopt => Word::Adopted,
        Verb::Renew | Verb::Keep => Word::Unchanged,
    }
}

/// Does nothing once something failed; `None` then.
async fn guard(stop: &AtomicBool, work: impl Future<Output = Result<(), Error>>) -> Option<Result<(), Error>> {
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    let done = work.await;
    if done.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    Some(done)
}

fn collect(ids: Vec<(Id, Word)>, done: Vec<Option<Option<Result<(), Error>>>>, report: &mut Report) {
    for ((id, word), done) in ids.into_iter().zip(done) {
        let word = match done.flatten() {
            Some(Ok(())) => word,
            Some(Err(error)) => {
                report.failure = report.failure.take().or(Some(error));
                Word::Failed
            }
            None if word == Word::Unchanged => word,
            None => Word::NotTried,
        };
        report.outcomes.push(Outcome { id, word });
    }
}

/// Runs work at once but bounded; the results are in order, `None` where a task died.
async fn parallel<T, F>(work: impl Iterator<Item = F>) -> Vec<Option<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let bound = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for (index, future) in work.enumerate() {
        let bound = bound.clone();
        tasks.spawn(async move {
            let _permit = bound.acquire().await;
            (index, future.await)
        });
    }
    let mut done: Vec<Option<T>> = (0..tasks.len()).map(|_| None).collect();
    while let Some(joined) = tasks.join_next().await {
        if let Ok((index, result)) = joined
            && let Some(slot) = done.get_mut(index)
        {
            *slot = Some(result);
        }
    }
    done
}

/// A server-side apply of an object. The revision is no part of what is compared.
fn apply_call(step: &Step, live: Option<&Live>, revision: Value, force: bool) -> Result<Call, Error> {
    let mut body = step.desired.value.clone();
    let revision = match revision {
        Value::Null => json!("0"),
        other => other,
    };
    put(&mut body, &["metadata", "annotations", REVISION], revision);
    if let Some(live) = live {
        put(&mut body, &["metadata", "uid"], live.uid.clone().into());
        put(&mut body, &["metadata", "resourceVersion"], live.resource_version.clone().into());
    }
    let path = step.desired.id.path();
    let path = format!("{path}?fieldManager={MANAGER}&fieldValidation=Strict&force={force}");
    Ok(Call::write(Method::PATCH, path, &body))
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
