//! In which order a plan is carried out, so that every service ends up steered as it shall be.
//!
//! Before 1.18 Cilium refuses a second object for a service that another one steers, and does not look at it
//! again when the first one is gone. Hence what is let go is let go first.

use super::object::{Desired, Kind, Live};
use super::plan::{Plan, Step};
use super::steering::{Claim, claims, claims_of};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is done at once.
#[derive(Debug, PartialEq)]
pub(super) enum Phase {
    /// These are written.
    Write(Vec<Arc<Step>>),
    /// These are deleted.
    Delete(Vec<Live>),
}

/// The phases of a plan, each of which begins when the one before is done: Services before what steers to
/// them, and the other way round when they go.
pub(super) fn phases(plan: Plan) -> Vec<Phase> {
    let (services, configs): (Vec<_>, Vec<_>) =
        plan.steps.into_iter().partition(|s| s.desired.id.kind == Kind::Service);
    let (old_services, old_configs): (Vec<_>, Vec<_>) =
        plan.prune.into_iter().partition(|l| l.id.kind == Kind::Service);
    let taken = Taken::by(configs.iter().map(|s| &s.desired));
    let (in_the_way, old_configs) = old_configs.into_iter().partition(|live| taken.meets(live));
    let (letting_go, configs) = configs.into_iter().partition(|s| s.live.as_ref().is_some_and(|l| taken.meets(l)));
    vec![
        Phase::Write(services),
        Phase::Delete(in_the_way),
        Phase::Write(letting_go),
        Phase::Write(configs),
        Phase::Delete(old_configs),
        Phase::Delete(old_services),
    ]
}

/// What the wanted objects steer.
struct Taken(BTreeMap<(String, String), Vec<Claim>>);

impl Taken {
    fn by<'a>(desired: impl Iterator<Item = &'a Desired>) -> Self {
        let mut taken: BTreeMap<_, Vec<Claim>> = BTreeMap::new();
        for claim in desired.flat_map(claims_of) {
            taken.entry(claim.service.clone()).or_default().push(claim);
        }
        Self(taken)
    }

    /// Whether an object steers what another one shall steer.
    fn meets(&self, live: &Live) -> bool {
        let held = claims(live.id.kind, live.value.text()).map(|(.., held)| held).unwrap_or_default();
        held.iter().any(|claim| {
            let takers = self.0.get(&claim.service).into_iter().flatten();
            takers.into_iter().any(|taker| taker.by != live.id && taker.meets(claim))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::Id;
    use super::super::plan::Verb;
    use super::*;
    use serde_json::{Value, json};

    fn id(name: &str) -> Id {
        Id { kind: Kind::CiliumEnvoyConfig, namespace: Some("a".into()), name: name.into() }
    }

    fn value(name: &str, services: &[&str]) -> Value {
        let services: Vec<Value> = services.iter().map(|s| json!({"name": s, "namespace": "a"})).collect();
        json!({"metadata": {"name": name, "namespace": "a", "uid": "u", "resourceVersion": "1"},
               "spec": {"services": services}})
    }

    fn live(name: &str, services: &[&str]) -> Live {
        Live::read(Kind::CiliumEnvoyConfig, value(name, services)).unwrap()
    }

    fn step(name: &str, services: &[&str], live: Option<Live>) -> Arc<Step> {
        let desired = Desired { id: id(name), value: value(name, services).into() };
        Arc::new(Step { desired, live, verb: Verb::Create })
    }

    fn names(steps: Vec<Arc<Step>>, prune: Vec<Live>) -> Vec<String> {
        let phases = phases(Plan { steps, prune }).into_iter().filter_map(|phase| {
            let names: Vec<String> = match &phase {
                Phase::Write(steps) => steps.iter().map(|s| format!("+{}", s.desired.id.name)).collect(),
                Phase::Delete(old) => old.iter().map(|l| format!("-{}", l.id.name)).collect(),
            };
            (!names.is_empty()).then(|| names.join(" "))
        });
        phases.collect()
    }

    #[test]
    fn what_nobody_takes_goes_last() {
        assert_eq!(names(vec![step("x", &["x"], None)], vec![live("y", &["y"])]), ["+x", "-y"]);
    }

    #[test]
    fn an_object_whose_service_another_takes_goes_first() {
        assert_eq!(names(vec![step("x", &["web"], None)], vec![live("y", &["web"])]), ["-y", "+x"]);
    }

    #[test]
    fn a_service_is_let_go_before_it_is_taken() {
        let split = step("x", &["x"], Some(live("x", &["x", "y"])));
        assert_eq!(names(vec![step("y", &["y"], None), split], Vec::new()), ["+x", "+y"]);
        let same = step("x", &["x"], Some(live("x", &["x"])));
        assert_eq!(names(vec![same, step("y", &["y"], None)], Vec::new()), ["+x +y"]);
    }
}
