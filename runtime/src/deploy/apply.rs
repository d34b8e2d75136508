//! Desired objects → the cluster: read, compare, try all without effect, then write.

use super::client::Client;
use super::cluster;
use super::delete;
use super::error::Error;
use super::history::{self, Meta, Record};
use super::object::{Desired, Id, Live};
use super::order::{Phase, phases};
use super::parallel::parallel;
use super::plan::{Plan, Step, Verb, plan};
use super::restore::{self, Restores};
use super::set::{self, Hold, Parent, Scope, Set};
use super::steering;
use super::write::{Writer, rehearse_all};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// What is put back before it is deleted.
    restores: Restores,
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
    namespaces.extend(steering::namespaces(&desired));
    let seen = cluster::read(client, set, &namespaces, &wanted).await?;
    steering::examine(&seen, &desired, &set.id(), options.keep)?;
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
    rehearsed(client, &mut plan, options.force, renew).await?;
    let restores = restore::plan(client, set, &plan.prune).await?;
    Ok(Prepared { plan, parent, renew, restores })
}

/// Has the API server try every write. What would change nothing is no write, unless all are written anew.
async fn rehearsed(client: &Client, plan: &mut Plan, force: bool, renew: bool) -> Result<(), Error> {
    let tried: Vec<Arc<Step>> = plan.writes().cloned().collect();
    let changes = rehearse_all(client, tried, force).await?;
    let writes = plan.steps.iter_mut().filter(|step| step.verb != Verb::Keep);
    for (step, changes) in writes.zip(changes) {
        if !changes && matches!(step.verb, Verb::Change(_)) && step.live.as_ref().is_some_and(|l| l.ours) {
            Arc::make_mut(step).verb = if renew { Verb::Renew } else { Verb::Keep };
        }
    }
    Ok(())
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
    let Prepared { plan, parent, restores, .. } = prepared;
    let old = parent.revision();
    let scope = Scope::of(plan.steps.iter().map(|s| &s.desired.id));
    let hold = Arc::new(Hold::take(client, set, parent, &scope).await?);
    let client = client.earlier();
    let (who, when) = history::here(&client).await;
    let meta = Meta { revision: old + 1, who, when, ..meta };
    if let Err(error) = history::store(&client, set, &meta, record).await {
        return Err(hold.give_up(error, old).await);
    }
    // A run that another one took over must not find what it read: hence the run's own mark.
    let revision = format!("{}.{}", meta.revision, hold.mark_of_run());
    let writer = Writer { client: client.clone(), hold: hold.clone(), revision, force: options.force };
    let mut report = Report { revision: old, ..Report::default() };
    for phase in phases(plan) {
        match phase {
            Phase::Write(steps) => write(&writer, steps, &mut report).await,
            Phase::Delete(old) => take_out(&writer, old, &restores, &mut report).await,
        }
    }
    if report.failure.is_none() && report.outcomes.iter().any(|outcome| outcome.word == Word::NotTried) {
        let died = || Error::Unfit("a write did not end; run it again".into());
        report.failure = Some(client.going().err().unwrap_or_else(died));
    }
    if report.failure.is_none() {
        report.failure = history::trim(&client, set, meta.revision).await.err();
    }
    match report.failure.take() {
        Some(error) => report.failure = Some(hold.give_up(error, old).await),
        None => match hold.finish(&scope, meta.revision).await {
            Ok(()) => report.revision = meta.revision,
            Err(error) => report.failure = Some(error),
        },
    }
    Ok(report)
}

async fn write(writer: &Writer, steps: Vec<Arc<Step>>, report: &mut Report) {
    let ids: Vec<(Id, Word)> = steps.iter().map(|s| (s.desired.id.clone(), word(&s.verb))).collect();
    let stop = Arc::new(AtomicBool::new(report.failure.is_some()));
    let work = steps.into_iter().map(|step| {
        let (writer, stop) = (writer.clone(), stop.clone());
        async move {
            let done = guard(&writer.client, &stop, async { writer.write(&step).await.map(|_| ()) }).await;
            writer.client.settle();
            done
        }
    });
    collect(ids, parallel(work).await, report);
}

async fn take_out(writer: &Writer, old: Vec<Live>, restores: &Restores, report: &mut Report) {
    let ids: Vec<(Id, Word)> = old.iter().map(|live| (live.id.clone(), Word::Pruned)).collect();
    let stop = Arc::new(AtomicBool::new(report.failure.is_some()));
    let work = old.into_iter().map(|live| {
        let (writer, stop, restore) = (writer.clone(), stop.clone(), restores.get(&live.id).cloned());
        async move { guard(&writer.client, &stop, delete::one(&writer, &live, restore.as_deref())).await }
    });
    collect(ids, parallel(work).await, report);
}

fn word(verb: &Verb) -> Word {
    match verb {
        Verb::Create => Word::Created,
        Verb::Change(_) => Word::Changed,
        Verb::Adopt => Word::Adopted,
        Verb::Renew | Verb::Keep => Word::Unchanged,
    }
}

/// Does nothing once something failed, or the run was asked to stop; `None` then.
async fn guard(
    client: &Client,
    stop: &AtomicBool,
    work: impl Future<Output = Result<(), Error>>,
) -> Option<Result<(), Error>> {
    if stop.load(Ordering::Relaxed) || client.is_stopped() {
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
