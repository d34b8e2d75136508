//! Whether we may do what has to be done, as the API server's own review says it.

use super::super::apply::Prepared;
use super::super::client::{Call, Client};
use super::super::error::Error;
use super::super::history;
use super::super::object::Kind;
use super::super::set::{Scope, Set};
use super::Finding;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Verbs on a resource; in all namespaces without one, on any object without a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Need {
    verbs: Vec<&'static str>,
    group: &'static str,
    resource: &'static str,
    sub: &'static str,
    namespace: Option<String>,
    name: Option<String>,
    /// Whether an apply works without it.
    optional: bool,
}

impl Need {
    fn new(verbs: &[&'static str], group: &'static str, resource: &'static str, namespace: Option<&str>) -> Self {
        let namespace = namespace.map(str::to_owned);
        Self { verbs: verbs.to_vec(), group, resource, namespace, ..Self::default() }
    }

    fn of(kind: Kind, verbs: &[&'static str], namespace: Option<&str>) -> Self {
        let (group, resource) = kind.resource();
        Self::new(verbs, group, resource, namespace)
    }
}

/// All that the life of a set takes: in its own namespace, in those that have objects of it, and to see the
/// agents.
pub(super) fn of_set(set: &Set, scope: &Scope, cilium: &str) -> Vec<Need> {
    let own = set.namespace.as_str();
    let with_objects: BTreeSet<&str> = scope.namespaces.iter().map(String::as_str).chain([own]).collect();
    let mut needs = Vec::new();
    for namespace in with_objects {
        needs.push(Need::of(Kind::CiliumEnvoyConfig, &["get", "create", "patch", "delete"], Some(namespace)));
        needs.push(Need::of(Kind::Service, &["get", "list", "create", "patch", "delete"], Some(namespace)));
    }
    needs.push(Need::of(Kind::CiliumEnvoyConfig, &["list"], None));
    let everywhere: &[&str] = match scope.kinds.contains(&Kind::CiliumClusterwideEnvoyConfig) {
        true => &["list", "get", "create", "patch", "delete"],
        false => &["list"],
    };
    needs.push(Need::of(Kind::CiliumClusterwideEnvoyConfig, everywhere, None));
    needs.push(Need::new(&["get", "create", "update", "delete"], "", "configmaps", Some(own)));
    needs.push(Need::new(&["list", "create", "delete"], "", "secrets", Some(own)));
    let agents = |verbs: &[&'static str], resource, sub| Need {
        sub,
        optional: true,
        ..Need::new(verbs, "", resource, Some(cilium))
    };
    needs.push(Need { name: Some("cilium-config".to_owned()), ..agents(&["get"], "configmaps", "") });
    needs.push(agents(&["list"], "pods", ""));
    needs.push(agents(&["get", "create"], "pods", "exec"));
    needs
}

/// What applying a plan takes for certain, beyond what the dry run has shown: that we may write the objects.
pub(super) fn of_plan(set: &Set, prepared: &Prepared) -> Vec<Need> {
    let mut gone: BTreeMap<(Kind, Option<&str>), &str> = BTreeMap::new();
    for live in &prepared.plan.prune {
        gone.entry((live.id.kind, live.id.namespace.as_deref())).or_insert(&live.id.name);
    }
    let delete = |((kind, namespace), name): ((Kind, Option<&str>), &str)| Need {
        name: named("delete", name),
        ..Need::of(kind, &["delete"], namespace)
    };
    let mut needs: Vec<Need> = gone.into_iter().map(delete).collect();
    let own = Some(set.namespace.as_str());
    let record =
        |verb: &'static str| Need { name: named(verb, &set.record()), ..Need::new(&[verb], "", "configmaps", own) };
    needs.extend((!prepared.is_known()).then(|| record("create")));
    needs.push(record("update"));
    needs.push(Need::new(&["list", "create"], "", "secrets", own));
    let oldest = history::oldest_after(prepared.revision() + 1, set);
    needs.extend(oldest.map(|name| Need { name: Some(name), ..Need::new(&["delete"], "", "secrets", own) }));
    needs
}

/// A Role may name objects; but what does not exist has no name.
fn named(verb: &str, name: &str) -> Option<String> {
    (verb != "create").then(|| name.to_owned())
}

/// Asks for each verb. What does not exist is not asked for: the review would say no.
pub(super) async fn finding(client: &Client, need: &Need, served: &BTreeSet<Kind>) -> Result<Finding, Error> {
    let place = need.namespace.as_ref().map_or_else(|| "in all namespaces".to_owned(), |n| format!("in `{n}`"));
    let slash = if need.sub.is_empty() { "" } else { "/" };
    let subject = format!("permission on {}{slash}{} {place}", need.resource, need.sub);
    let kind = Kind::ALL.into_iter().find(|kind| kind.resource() == (need.group, need.resource));
    if kind.is_some_and(|kind| kind != Kind::Service && !served.contains(&kind)) {
        return Ok(
            Finding::bad(subject, "not asked: the cluster has no such resource", "install Cilium first").unsure()
        );
    }
    let mut denied = Vec::new();
    for verb in &need.verbs {
        if !allowed(client, need, verb).await? {
            denied.push(*verb);
        }
    }
    if denied.is_empty() {
        return Ok(Finding::good(subject, need.verbs.join(", ")));
    }
    let found = format!("without {}", denied.join(", "));
    if need.optional {
        let remedy =
            "give the verbs by a Role in Cilium's namespace, to see what the agents say; docs/deploy.md has it";
        return Ok(Finding::bad(subject, found, remedy).unsure());
    }
    Ok(Finding::bad(subject, found, "give the verbs by a Role; docs/deploy.md has the whole one"))
}

async fn allowed(client: &Client, need: &Need, verb: &str) -> Result<bool, Error> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "verb": verb, "group": need.group, "resource": need.resource, "subresource": need.sub,
            "namespace": need.namespace, "name": need.name,
        }},
    });
    let answer = client.call(&Call::ask("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review)).await?;
    Ok(answer.pointer("/status/allowed").and_then(Value::as_bool) == Some(true))
}
