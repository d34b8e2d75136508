//! The record of a set in the cluster: a ConfigMap after KEP-3659 that says where its objects may be,
//! which revision is applied, and who works on it.
//!
//! It is written only by POST and by PUT with a resourceVersion, so that of two runs one wins.

use super::client::{Call, Client, Pace, Try, random};
use super::error::Error;
use super::object::{Id, Kind, put};
use http::Method;
use ring::digest;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const ID: &str = "applyset.kubernetes.io/id";
const TOOLING: &str = "applyset.kubernetes.io/tooling";
const KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
const NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";
/// Who is the tool; what another one made is left alone.
const TOOL: &str = "meshc";
/// How long a run that shows no sign of life keeps others out, by the clock of who waits.
const EXPIRY: Duration = Duration::from_secs(15);
/// How old a sign of life may be before a write: a request takes at most 5 s more.
const FRESH: Duration = Duration::from_secs(5);

/// The name of a set, and the namespace of its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Where its record is.
    pub namespace: String,
}

impl Set {
    /// The name of its record.
    pub fn record(&self) -> String {
        format!("meshc-{}", self.name)
    }

    /// Its identity, which its members carry as a label.
    pub fn id(&self) -> String {
        let text = format!("{}.{}.ConfigMap.", self.record(), self.namespace);
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let bytes = k8s_openapi::ByteString(hash.as_ref().to_vec());
        let base64 = serde_json::to_value(bytes).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let base64 = base64.trim_end_matches('=').replace('+', "-").replace('/', "_");
        format!("applyset-{base64}-v1")
    }

    fn collection(&self) -> String {
        format!("/api/v1/namespaces/{}/configmaps", self.namespace)
    }

    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.record())
    }
}

/// Where a set's objects may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scope {
    /// Their kinds.
    pub kinds: BTreeSet<Kind>,
    /// Their namespaces.
    pub namespaces: BTreeSet<String>,
}

impl Scope {
    /// The scope of some objects.
    pub(super) fn of<'a>(ids: impl Iterator<Item = &'a Id>) -> Self {
        let mut scope = Scope::default();
        for id in ids {
            scope.kinds.insert(id.kind);
            scope.namespaces.extend(id.namespace.clone());
        }
        scope
    }

    fn union(&self, other: &Scope) -> Self {
        Scope {
            kinds: self.kinds.union(&other.kinds).copied().collect(),
            namespaces: self.namespaces.union(&other.namespaces).cloned().collect(),
        }
    }
}

/// The record as it is in the cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct Parent {
    /// The object; `Null` where there is none.
    value: Value,
}

impl Parent {
    /// Reads the record; one that is not ours is refused.
    pub(super) async fn read(client: &Client, set: &Set) -> Result<Parent, Error> {
        let Some(value) = client.get(&set.path()).await? else { return Ok(Parent::default()) };
        let parent = Parent { value };
        let at = format!("ConfigMap {}/{}", set.namespace, set.record());
        if parent.text("labels", ID) != Some(&set.id()) {
            return Err(Error::Foreign(format!("{at} is not the record of this set; take another `name`")));
        }
        if parent.text("annotations", TOOLING).is_none_or(|tool| tool.split('/').next() != Some(TOOL)) {
            return Err(Error::Foreign(format!("{at} is the record of another tool")));
        }
        if parent.text("annotations", TOOLING) != Some(&tooling()) {
            return Err(Error::Foreign(format!("{at} is of a newer meshc; use that one")));
        }
        Ok(parent)
    }

    fn text(&self, part: &str, key: &str) -> Option<&str> {
        self.value.get("metadata")?.get(part)?.get(key)?.as_str()
    }

    fn datum(&self, key: &str) -> Option<&str> {
        self.value.get("data")?.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn exists(&self) -> bool {
        !self.value.is_null()
    }

    /// The uid and resourceVersion that were read.
    pub(super) fn precondition(&self) -> Value {
        let field = |key: &str| self.value.pointer(&format!("/metadata/{key}")).cloned().unwrap_or_default();
        json!({"uid": field("uid"), "resourceVersion": field("resourceVersion")})
    }

    /// The revision that was applied last; 0 before the first.
    pub(super) fn revision(&self) -> u64 {
        self.datum("revision").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Who works on the set, and their latest sign of life.
    pub(super) fn run(&self) -> Option<&str> {
        self.datum("run")
    }

    pub(super) fn scope(&self) -> Scope {
        let list = |key: &str| self.text("annotations", key).unwrap_or_default().split(',').filter(|t| !t.is_empty());
        let own = self.value.pointer("/metadata/namespace").and_then(Value::as_str).map(str::to_owned);
        Scope {
            kinds: list(KINDS).filter_map(|t| Kind::ALL.into_iter().find(|k| k.group_kind() == t)).collect(),
            namespaces: list(NAMESPACES).map(str::to_owned).chain(own).collect(),
        }
    }

    fn with(&self, set: &Set, scope: &Scope, run: &str, revision: u64) -> Value {
        let mut value =
            if self.exists() { self.value.clone() } else { json!({"apiVersion": "v1", "kind": "ConfigMap"}) };
        let list = |items: Vec<String>| Value::String(items.join(","));
        let others = scope.namespaces.iter().filter(|n| **n != set.namespace).cloned().collect();
        let mut kinds: Vec<String> = scope.kinds.iter().map(|k| k.group_kind()).collect();
        kinds.sort();
        put(&mut value, &["metadata", "name"], set.record().into());
        put(&mut value, &["metadata", "namespace"], set.namespace.clone().into());
        put(&mut value, &["metadata", "labels", ID], set.id().into());
        put(&mut value, &["metadata", "labels", "app.kubernetes.io/managed-by"], TOOL.into());
        put(&mut value, &["metadata", "annotations", TOOLING], tooling().into());
        put(&mut value, &["metadata", "annotations", KINDS], list(kinds));
        put(&mut value, &["metadata", "annotations", NAMESPACES], list(others));
        put(&mut value, &["data", "run"], run.into());
        put(&mut value, &["data", "revision"], revision.to_string().into());
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        value
    }
}

/// The form of the record; another one has another number.
fn tooling() -> String {
    format!("{TOOL}/v1")
}

/// Reads the record when nobody works on the set. A run without a sign of life for a while is taken
/// over: the answer says so.
pub(super) async fn free(client: &Client, set: &Set) -> Result<(Parent, bool), Error> {
    let mut parent = Parent::read(client, set).await?;
    let Some(run) = parent.run().map(str::to_owned) else { return Ok((parent, false)) };
    let start = Instant::now();
    while start.elapsed() < EXPIRY {
        if Instant::now() + Duration::from_secs(1) > client.deadline() {
            return Err(busy(set));
        }
        client.pause(Duration::from_secs(1)).await?;
        parent = Parent::read(client, set).await?;
        if parent.run() != Some(&run) {
            return Err(busy(set));
        }
    }
    Ok((parent, true))
}

fn busy(set: &Set) -> Error {
    Error::Busy(format!(
        "another run of meshc works on the set `{}`; nothing was written: run it again when that is done",
        set.name
    ))
}

/// The right to write: this run's mark in the record.
pub(super) struct Hold {
    client: Client,
    set: Set,
    run: String,
    scope: Scope,
    state: Mutex<State>,
}

struct State {
    parent: Parent,
    sign: Instant,
    signs: u64,
}

impl Hold {
    /// Marks the record, in the same write that widens the scope. Who comes second gets nothing.
    pub(super) async fn take(client: &Client, set: &Set, parent: Parent, scope: &Scope) -> Result<Hold, Error> {
        let run = format!("{:016x}{:016x}", random(), random());
        let scope = parent.scope().union(scope);
        let state = Mutex::new(State { parent, sign: Instant::now(), signs: 0 });
        let hold = Hold { client: client.clone(), set: set.clone(), run, scope, state };
        hold.mark(&mut *hold.state.lock().await).await?;
        Ok(hold)
    }

    /// Gives a sign of life if the last one is old; fails when another run has taken over, and when this one
    /// was asked to stop.
    pub(super) async fn ensure(&self) -> Result<(), Error> {
        self.client.going()?;
        let mut state = self.state.lock().await;
        if state.sign.elapsed() < FRESH {
            return Ok(());
        }
        self.mark(&mut state).await
    }

    /// Takes the mark away after a failure, unless another run has the set now; gives the failure back.
    pub(super) async fn give_up(&self, error: Error, revision: u64) -> Error {
        if !matches!(error, Error::Busy(_)) {
            // A mark that stays makes the next run wait, no more: what failed first is what counts.
            drop(self.finish(&self.scope, revision).await);
        }
        error
    }

    /// The identity of the set.
    pub(super) fn set_id(&self) -> String {
        self.set.id()
    }

    /// What tells this run's writes from those of others.
    pub(super) fn mark_of_run(&self) -> String {
        self.run.chars().take(8).collect()
    }

    /// Asks the cluster whether this run still holds the set.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let parent = Parent::read(&self.client, &self.set).await?;
        if self.is_ours(&parent) { Ok(()) } else { Err(lost(&self.set)) }
    }

    fn is_ours(&self, parent: &Parent) -> bool {
        parent.run().and_then(|run| run.split(' ').next()) == Some(&self.run)
    }

    async fn mark(&self, state: &mut State) -> Result<(), Error> {
        state.signs += 1;
        let text = format!("{} {}", self.run, state.signs);
        let value = state.parent.with(&self.set, &self.scope, &text, state.parent.revision());
        self.write(state, &value, &text).await
    }

    /// Clears the mark, shrinks the scope, and names the revision that is applied now.
    pub(super) async fn finish(&self, scope: &Scope, revision: u64) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        let value = state.parent.with(&self.set, scope, "", revision);
        self.write(&mut state, &value, "").await
    }

    /// Deletes the record.
    pub(super) async fn remove(&self) -> Result<(), Error> {
        let state = self.state.lock().await;
        let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": state.parent.precondition()});
        let call = Call::write(Method::DELETE, self.set.path(), &body);
        match self.client.call(&call).await {
            Err(error) if error.is(404) => Ok(()),
            Err(error) if error.is(409) => Err(lost(&self.set)),
            other => other.map(|_| ()),
        }
    }

    /// A write whose outcome is unknown is looked for before it is sent again.
    async fn write(&self, state: &mut State, value: &Value, text: &str) -> Result<(), Error> {
        let first = state.signs == 1 && !text.is_empty();
        let call = if state.parent.exists() {
            Call::write(Method::PUT, self.set.path(), value)
        } else {
            Call::write(Method::POST, self.set.collection(), value)
        };
        let mut pace = Pace::default();
        loop {
            let sign = Instant::now();
            let why = match self.client.once(&call).await? {
                Try::Done(value) => {
                    (state.parent, state.sign) = (Parent { value }, sign);
                    return Ok(());
                }
                Try::No(status) if status.code == 409 => status.to_string(),
                Try::No(status) => {
                    let what = format!("the record {}/{}", self.set.namespace, self.set.record());
                    return Err(Error::Refused { what, status: Box::new(status) });
                }
                Try::Later { why, after, lost } => {
                    self.client.wait(&call, &mut pace, &why, after, lost).await?;
                    why
                }
            };
            let now = Parent::read(&self.client, &self.set).await?;
            if now.run().unwrap_or_default() == text && now.exists() {
                (state.parent, state.sign) = (now, sign);
                return Ok(());
            }
            let unchanged = now.precondition() == state.parent.precondition();
            if !unchanged {
                return Err(if first { busy(&self.set) } else { lost(&self.set) });
            }
            if Instant::now() > self.client.deadline() {
                return Err(Error::Unreachable { what: call.path.clone(), last: why });
            }
        }
    }
}

fn lost(set: &Set) -> Error {
    Error::Busy(format!("another run of meshc took the set `{}` over; this one stops", set.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_that_of_the_proposal() {
        let id = Set { name: "shop".into(), namespace: "prod".into() }.id();
        assert!(id.starts_with("applyset-") && id.ends_with("-v1"), "{id}");
        assert_eq!(id.len(), "applyset-".len() + 43 + "-v1".len(), "a label has at most 63 characters");
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{id}");
    }

    #[test]
    fn a_record_says_what_it_was_given() {
        let set = Set { name: "shop".into(), namespace: "prod".into() };
        let scope = Scope {
            kinds: [Kind::Service, Kind::CiliumEnvoyConfig].into(),
            namespaces: ["prod".to_owned(), "other".to_owned()].into(),
        };
        let value = Parent::default().with(&set, &scope, "me 1", 7);
        assert_eq!(value["metadata"]["annotations"][KINDS], "CiliumEnvoyConfig.cilium.io,Service");
        assert_eq!(value["metadata"]["annotations"][NAMESPACES], "other");
        let parent = Parent { value };
        assert_eq!((parent.scope(), parent.revision(), parent.run()), (scope, 7, Some("me 1")));
    }
}
