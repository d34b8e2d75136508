//! What has to be done: desired objects against live ones, without any IO.

use super::compare::{Difference, differences};
use super::error::Error;
use super::object::{Desired, Id, Live};
use super::set::Set;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is done with an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// It is not there.
    Create,
    /// Fields of ours differ.
    Change(Vec<Difference>),
    /// It is as it shall be, but we never applied it: it becomes ours.
    Adopt,
    /// It is as it shall be, and is written anew to shut out a run that was taken over.
    Renew,
    /// Nothing.
    Keep,
}

/// An object and what is done with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// As it shall be.
    pub desired: Desired,
    /// As it is.
    pub live: Option<Live>,
    /// What is done.
    pub verb: Verb,
}

/// All that has to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The objects that shall be, in the order in which they are applied.
    pub steps: Vec<Arc<Step>>,
    /// The set's objects that shall not be, in the order in which they are deleted.
    pub prune: Vec<Live>,
}

/// Decides. `renew` is for a run that took another one's place.
///
/// # Errors
/// When an object belongs to another set, or is being deleted.
pub(super) fn plan(desired: Vec<Desired>, live: Vec<Live>, set: &str, renew: bool) -> Result<Plan, Error> {
    let mut live: BTreeMap<Id, Live> = live.into_iter().map(|l| (l.id.clone(), l)).collect();
    let mut steps = Vec::with_capacity(desired.len());
    for desired in desired {
        let live = live.remove(&desired.id);
        let verb = verb(&desired, live.as_ref(), set, renew)?;
        steps.push(Arc::new(Step { desired, live, verb }));
    }
    // Configurations first: no traffic is steered to what is gone.
    let prune = live.into_values().rev().filter(|l| l.part_of.as_deref() == Some(set) && !l.leaving).collect();
    Ok(Plan { steps, prune })
}

/// What separates two lists of objects, without a cluster.
///
/// # Errors
/// When an object belongs to another set.
pub fn between(desired: Vec<Desired>, then: Vec<Desired>, set: &Set) -> Result<Plan, Error> {
    let live = |then: Desired| Live {
        id: then.id,
        uid: String::new(),
        resource_version: String::new(),
        part_of: Some(set.id()),
        ours: true,
        edited: false,
        leaving: false,
        value: then.value,
    };
    plan(desired, then.into_iter().map(live).collect(), &set.id(), false)
}

fn verb(desired: &Desired, live: Option<&Live>, set: &str, renew: bool) -> Result<Verb, Error> {
    let Some(live) = live else { return Ok(Verb::Create) };
    own(live, set)?;
    let differences = differences(&desired.value, &live.value);
    Ok(match (differences.is_empty(), live.ours) {
        (false, _) => Verb::Change(differences),
        (true, false) => Verb::Adopt,
        (true, true) if renew => Verb::Renew,
        (true, true) => Verb::Keep,
    })
}

/// Refuses an object that is of another set, or on its way out.
pub(super) fn own(live: &Live, set: &str) -> Result<(), Error> {
    if let Some(other) = live.part_of.as_deref().filter(|other| *other != set) {
        return Err(Error::Foreign(format!(
            "{} belongs to another set (`{other}`); take it out of one of the two",
            live.id
        )));
    }
    if live.leaving {
        return Err(Error::Unfit(format!("{} is being deleted; apply again when it is gone", live.id)));
    }
    Ok(())
}

impl Plan {
    /// The steps that write.
    pub fn writes(&self) -> impl Iterator<Item = &Arc<Step>> {
        self.steps.iter().filter(|step| step.verb != Verb::Keep)
    }

    /// Whether nothing has to be done.
    pub fn is_empty(&self) -> bool {
        self.writes().next().is_none() && self.prune.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::{Kind, MANAGER, PART_OF};
    use super::*;
    use serde_json::{Value, json};

    fn object(name: &str, weight: u32, set: Option<&str>) -> Value {
        let mut labels = json!({});
        if let Some(set) = set {
            labels[PART_OF] = json!(set);
        }
        json!({"metadata": {"name": name, "namespace": "a", "labels": labels}, "spec": {"resources": [{"w": weight}]}})
    }

    fn wanted(name: &str, weight: u32) -> Desired {
        let id = Id { kind: Kind::CiliumEnvoyConfig, namespace: Some("a".into()), name: name.into() };
        Desired { id, value: object(name, weight, Some("s")).into() }
    }

    fn there(name: &str, weight: u32, set: Option<&str>, manager: &str) -> Live {
        let mut value = object(name, weight, set);
        value["metadata"]["uid"] = json!("u");
        value["metadata"]["resourceVersion"] = json!("1");
        value["metadata"]["managedFields"] = json!([{"manager": manager, "operation": "Apply"}]);
        Live::read(Kind::CiliumEnvoyConfig, value).unwrap()
    }

    #[test]
    fn each_verb() {
        let desired = ["new", "same", "other", "adopted"].map(|n| wanted(n, 1)).to_vec();
        let live = vec![
            there("same", 1, Some("s"), MANAGER),
            there("other", 2, Some("s"), MANAGER),
            there("adopted", 1, Some("s"), "kubectl"),
            there("old", 1, Some("s"), MANAGER),
            there("foreign", 1, Some("t"), MANAGER),
            there("unlabelled", 1, None, MANAGER),
        ];
        let plan = plan(desired.clone(), live, "s", false).unwrap();
        let verbs: Vec<_> = plan.steps.iter().map(|s| (s.desired.id.name.as_str(), &s.verb)).collect();
        assert!(matches!(
            verbs[..],
            [("new", Verb::Create), ("same", Verb::Keep), ("other", Verb::Change(_)), ("adopted", Verb::Adopt)]
        ));
        assert_eq!(plan.prune.iter().map(|l| l.id.name.as_str()).collect::<Vec<_>>(), ["old"]);
        let again =
            super::plan(vec![wanted("same", 1)], vec![there("same", 1, Some("s"), MANAGER)], "s", true).unwrap();
        assert_eq!(again.steps[0].verb, Verb::Renew);
    }

    #[test]
    fn what_belongs_to_another_set_is_refused() {
        let error = plan(vec![wanted("x", 1)], vec![there("x", 1, Some("t"), MANAGER)], "s", false).unwrap_err();
        assert!(matches!(error, Error::Foreign(_)), "{error}");
    }

    #[test]
    fn an_object_without_our_label_becomes_ours() {
        let plan = plan(vec![wanted("x", 1)], vec![there("x", 1, None, "kubectl")], "s", false).unwrap();
        assert!(matches!(&plan.steps[0].verb, Verb::Change(d) if d[0].path.contains("part-of")));
    }
}
