//! Which resources Envoy should have now: what the policy says, except that a refused resource
//! stands back to the last good one, or is withdrawn where there is none.

use super::{Key, Kind, Resource, Snapshot};
use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, OnceLock};

/// What the policy says, and what Envoy said to it.
#[derive(Debug, Default)]
pub struct Store {
    wanted: Snapshot,
    good: Snapshot,
    /// What a dead run wrote down of what Envoy has.
    before: Snapshot,
    /// The versions that were refused, by resource.
    refused: BTreeMap<Key, String>,
    generation: u64,
    /// What follows from all that: worked out when it is first asked for.
    effective: OnceLock<Snapshot>,
}

/// What Envoy did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which resource.
    pub key: Key,
    /// The file and declaration that it came from.
    pub source: String,
    /// What Envoy says.
    pub message: String,
    /// Whether the last good one is kept; else it is withdrawn.
    pub kept: bool,
}

impl Store {
    /// Takes in what a policy says now.
    pub fn want(&mut self, wanted: Snapshot) {
        // Clusters that routes still lead to are kept until all is settled.
        self.good.retain(|key, _| key.0.lingers() || wanted.contains_key(key));
        self.refused.retain(|key, version| wanted.get(key).is_some_and(|r| r.version == *version));
        self.wanted = wanted;
        self.generation += 1;
        self.effective.take();
    }

    /// Takes in endpoints that changed, of clusters that are wanted: the policy is the same.
    pub fn move_endpoints(&mut self, endpoints: impl IntoIterator<Item = Arc<Resource>>) {
        for one in endpoints {
            let key = one.key();
            if let Some(old) = self.wanted.get_mut(&key) {
                self.refused.remove(&key);
                *old = one;
            }
        }
        self.effective.take();
    }

    /// What the policy says.
    pub fn wanted(&self) -> &Snapshot {
        &self.wanted
    }

    /// How many times the policy was taken in.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether Envoy refused something of what the policy says now.
    pub fn any_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Envoy took a resource.
    pub fn accepted(&mut self, resource: &Arc<Resource>) {
        self.good.insert(resource.key(), Arc::clone(resource));
        self.good_changed();
    }

    /// Envoy has this version by its own word, over a new stream.
    pub fn has(&mut self, key: &Key, version: &str) {
        // Of what is not wanted, only what routes of before lead to is of use.
        let before = self.before.get(key).filter(|_| key.0.lingers() || self.wanted.contains_key(key));
        let known = [self.wanted.get(key), before].into_iter().flatten().find(|r| r.version == version);
        if let Some(resource) = known {
            self.good.insert(key.clone(), Arc::clone(resource));
            self.good_changed();
        }
    }

    /// Takes in what a dead run wrote down of what Envoy has: what Envoy then says that it has can be set back to.
    pub fn recall(&mut self, before: Snapshot) {
        self.before = before;
    }

    fn good_changed(&mut self) {
        // Where nothing is refused, Envoy should have what the policy says, whatever was good.
        if !self.refused.is_empty() {
            self.effective.take();
        }
    }

    /// Envoy refused a resource.
    pub fn refuse(&mut self, resource: &Resource, message: String) -> Refusal {
        let key = resource.key();
        self.refused.insert(key.clone(), resource.version.clone());
        // What was good once and is refused now is no way back.
        if self.good.get(&key).is_some_and(|good| good.version == resource.version) {
            self.good.remove(&key);
        }
        let kept = self.good.contains_key(&key);
        self.effective.take();
        Refusal { key, source: resource.source.clone(), message, kept }
    }

    /// What Envoy should have now.
    pub fn effective(&self) -> &Snapshot {
        self.effective.get_or_init(|| self.work_out())
    }

    fn work_out(&self) -> Snapshot {
        let mut chosen = Snapshot::new();
        let mut set_back = false;
        // Routes come before the listeners that ask for them, by the order of kinds.
        for (key, wanted) in &self.wanted {
            let refused = self.refused.get(key).is_some_and(|version| *version == wanted.version);
            let candidates = [(!refused).then_some(wanted), self.good.get(key)];
            let complete = |r: &&Arc<Resource>| {
                r.needs.as_ref().is_none_or(|routes| chosen.contains_key(&(Kind::Route, routes.clone())))
            };
            if let Some(one) = candidates.into_iter().flatten().find(complete) {
                set_back |= one.version != wanted.version && !key.0.lingers();
                chosen.insert(key.clone(), Arc::clone(one));
            }
        }
        if set_back {
            // Routes of before may lead to clusters of before.
            for (key, good) in self.good.iter().filter(|(key, _)| key.0.lingers()) {
                chosen.entry(key.clone()).or_insert_with(|| Arc::clone(good));
            }
        }
        chosen
    }

    /// Envoy has all of it: what nothing leads to any more is forgotten.
    pub fn settled(&mut self) {
        self.before.clear();
        self.effective();
        // That is kept, so that what is good is not needed for it now.
        let mut good = mem::take(&mut self.good);
        good.retain(|key, _| self.effective().contains_key(key));
        self.good = good;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn resource(kind: Kind, name: &str, version: &str) -> Arc<Resource> {
        let needs = (kind == Kind::Listener).then(|| name.to_owned());
        let asks = kind == Kind::Cluster && name.starts_with("eds");
        let (name, version, source) = (name.to_owned(), version.to_owned(), format!("p.mesh route {name}"));
        Arc::new(Resource { kind, name, version, body: Vec::new(), source, needs, asks, address: None })
    }

    pub(in super::super) fn snapshot(all: &[(Kind, &str, &str)]) -> Snapshot {
        all.iter().map(|(kind, name, version)| resource(*kind, name, version)).map(|r| (r.key(), r)).collect()
    }

    fn versions(store: &Store) -> Vec<(Kind, String, String)> {
        store.effective().values().map(|r| (r.kind, r.name.clone(), r.version.clone())).collect()
    }

    fn take_all(store: &mut Store) {
        for resource in store.effective().clone().values() {
            store.accepted(resource);
        }
    }

    #[test]
    fn a_refused_resource_is_withdrawn_or_set_back() {
        let mut store = Store::default();
        store.want(snapshot(&[(Kind::Cluster, "c", "1")]));
        let refusal = store.refuse(&resource(Kind::Cluster, "c", "1"), "no".into());
        assert!(!refusal.kept);
        assert_eq!(versions(&store), []);

        store.want(snapshot(&[(Kind::Cluster, "c", "2")]));
        take_all(&mut store);
        store.want(snapshot(&[(Kind::Cluster, "c", "3")]));
        assert!(store.refuse(&resource(Kind::Cluster, "c", "3"), "no".into()).kept);
        assert_eq!(versions(&store), [(Kind::Cluster, "c".into(), "2".into())]);
    }

    #[test]
    fn a_listener_without_its_routes_is_withdrawn() {
        let mut store = Store::default();
        store.want(snapshot(&[(Kind::Route, "a", "1"), (Kind::Listener, "a", "1")]));
        store.refuse(&resource(Kind::Route, "a", "1"), "no".into());
        assert_eq!(versions(&store), []);
    }

    #[test]
    fn endpoints_move_while_the_policy_stays() {
        let mut store = Store::default();
        store.want(snapshot(&[(Kind::Cluster, "eds", "1"), (Kind::Endpoints, "eds", "1")]));
        take_all(&mut store);
        store.refuse(&resource(Kind::Endpoints, "eds", "1"), "no".into());
        // Another cluster's are not wanted any more.
        let moved = [resource(Kind::Endpoints, "eds", "2"), resource(Kind::Endpoints, "other", "2")];
        store.move_endpoints(moved);
        assert_eq!((store.generation(), store.any_refused()), (1, false));
        let wanted = [(Kind::Cluster, "eds".into(), "1".into()), (Kind::Endpoints, "eds".into(), "2".into())];
        assert_eq!(versions(&store), wanted);
    }

    #[test]
    fn what_a_dead_run_left_in_envoy_is_set_back_to() {
        let mut store = Store::default();
        store.recall(snapshot(&[(Kind::Cluster, "old", "1"), (Kind::Route, "a", "1"), (Kind::Route, "b", "1")]));
        store.want(snapshot(&[(Kind::Cluster, "new", "1"), (Kind::Route, "a", "2")]));
        // Envoy has something else of `a` than what was written down last.
        store.has(&(Kind::Route, "a".into()), "0");
        assert!(!store.refuse(&resource(Kind::Route, "a", "2"), "no".into()).kept);
        store.want(snapshot(&[(Kind::Cluster, "new", "1"), (Kind::Route, "a", "3")]));
        for (kind, name) in [(Kind::Cluster, "old"), (Kind::Route, "a"), (Kind::Route, "b")] {
            store.has(&(kind, name.into()), "1");
        }
        assert!(store.refuse(&resource(Kind::Route, "a", "3"), "no".into()).kept);
        let names: Vec<_> =
            versions(&store).into_iter().map(|(_, name, version)| format!("{name} {version}")).collect();
        assert_eq!(names, ["new 1", "old 1", "a 1"]);
    }

    #[test]
    fn routes_that_are_set_back_keep_their_clusters() {
        let mut store = Store::default();
        store.want(snapshot(&[(Kind::Cluster, "old", "1"), (Kind::Route, "a", "1")]));
        take_all(&mut store);
        store.want(snapshot(&[(Kind::Cluster, "new", "1"), (Kind::Route, "a", "2")]));
        assert_eq!(versions(&store).len(), 2);
        store.refuse(&resource(Kind::Route, "a", "2"), "no".into());
        let names: Vec<_> =
            versions(&store).into_iter().map(|(_, name, version)| format!("{name} {version}")).collect();
        assert_eq!(names, ["new 1", "old 1", "a 1"]);
    }
}
