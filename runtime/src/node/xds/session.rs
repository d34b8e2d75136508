//! One stream: what Envoy asked for, has, and was sent → the next responses.
//!
//! Envoy refuses a whole response of routes or endpoints for one bad resource, so these go one a response,
//! and the nonce says which one was refused. Clusters and listeners go together; where such a response
//! is refused, each of it is sent again alone.
//!
//! The order is make before break: clusters with their endpoints, routes, listeners, and last what goes away.
//! The next step waits for the answers to the one before, but no longer than a deadline. Envoy accepts clusters
//! once all of them are ready, so what it says to them is also that their endpoints have come.

use super::store::{Refusal, Store};
use super::{Key, Kind, Resource, Snapshot};
use envoy_types::pb::envoy::service::discovery::v3 as discovery;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use envoy_types::pb::google::protobuf::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a step waits for the answers to the one before.
const PATIENCE: Duration = Duration::from_secs(1);

/// The state of one stream.
#[derive(Debug, Default)]
pub struct Session {
    kinds: BTreeMap<Kind, Subscription>,
    /// What was sent and not answered, by nonce.
    waiting: BTreeMap<String, Sent>,
    nonces: u64,
}

#[derive(Debug, Default)]
struct Subscription {
    /// The names asked for; clusters and listeners are always asked for as a whole.
    names: BTreeSet<String>,
    /// The versions that Envoy has or was sent; an empty one where it refused what it was sent.
    known: BTreeMap<String, String>,
    /// Names whose absence is still to be said.
    asked: BTreeSet<String>,
    /// Resources that are sent alone, since one of theirs was refused.
    alone: BTreeSet<String>,
    /// Whether the subscription was answered at all: Envoy waits for that even where there is nothing.
    answered: bool,
}

#[derive(Debug)]
struct Sent {
    kind: Kind,
    resources: Vec<Arc<Resource>>,
    deadline: Instant,
}

impl Session {
    /// Takes in a request. What Envoy refused comes back.
    pub fn request(&mut self, request: DeltaDiscoveryRequest, store: &mut Store) -> Vec<Refusal> {
        let Some(kind) = Kind::of_url(&request.type_url) else { return Vec::new() };
        let refusals = self.answer(&request, store);
        let first = !self.kinds.contains_key(&kind);
        let subscription = self.kinds.entry(kind).or_default();
        if first {
            subscription.known = request.initial_resource_versions.into_iter().collect();
            for (name, version) in &subscription.known {
                store.has(&(kind, name.clone()), version);
            }
        }
        for name in request.resource_names_subscribe {
            if !first {
                // A name that is asked for again has been forgotten on the other side.
                subscription.known.remove(&name);
            }
            subscription.asked.insert(name.clone());
            subscription.names.insert(name);
        }
        for name in &request.resource_names_unsubscribe {
            subscription.names.remove(name);
            subscription.known.remove(name);
            subscription.asked.remove(name);
        }
        refusals
    }

    /// Takes in what a request says to the response of its nonce.
    fn answer(&mut self, request: &DeltaDiscoveryRequest, store: &mut Store) -> Vec<Refusal> {
        let Some(sent) = self.waiting.remove(&request.response_nonce) else { return Vec::new() };
        let Some(error) = &request.error_detail else {
            sent.resources.iter().for_each(|resource| store.accepted(resource));
            return Vec::new();
        };
        let subscription = self.kinds.entry(sent.kind).or_default();
        for resource in &sent.resources {
            // A version that differs from all, so that the next step sends it, or takes it away.
            subscription.known.insert(resource.name.clone(), String::new());
        }
        match sent.resources.as_slice() {
            [] => Vec::new(),
            [one] => vec![store.refuse(one, error.message.clone())],
            several => {
                subscription.alone.extend(several.iter().map(|resource| resource.name.clone()));
                Vec::new()
            }
        }
    }

    /// The responses that are due.
    pub fn step(&mut self, store: &Store, now: Instant) -> Vec<DeltaDiscoveryResponse> {
        let effective = store.effective();
        let mut out = Vec::new();
        for kind in Kind::ALL {
            self.update(kind, effective, now, &mut out);
            // Envoy does not accept clusters before they have their endpoints.
            if kind != Kind::Cluster && (self.waits(kind, now) || self.waits(Kind::Cluster, now)) {
                return out;
            }
        }
        for kind in [Kind::Listener, Kind::Cluster] {
            self.remove(kind, effective, now, &mut out);
            if self.waits(kind, now) {
                break;
            }
        }
        out
    }

    /// Until when the next step waits, if it does.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        self.waiting.values().map(|sent| sent.deadline).filter(|deadline| *deadline > now).min()
    }

    /// Whether Envoy has answered everything, and nothing is left to send.
    pub fn settled(&self, store: &Store) -> bool {
        let effective = store.effective();
        let all = |kind| match self.kinds.get(&kind) {
            Some(subscription) => subscription.answered && subscription.has_all(kind, effective),
            // Of endpoints those count that a cluster asks for.
            None if kind == Kind::Endpoints => !effective.values().any(|resource| resource.asks),
            None => !effective.keys().any(|key| key.0 == kind),
        };
        self.waiting.is_empty() && self.kinds.contains_key(&Kind::Listener) && Kind::ALL.into_iter().all(all)
    }

    fn waits(&self, kind: Kind, now: Instant) -> bool {
        self.waiting.values().any(|sent| sent.kind == kind && sent.deadline > now)
    }

    /// Sends what is new or changed of a kind.
    fn update(&mut self, kind: Kind, effective: &Snapshot, now: Instant, out: &mut Vec<DeltaDiscoveryResponse>) {
        let Some(subscription) = self.kinds.get_mut(&kind) else { return };
        let changed = subscription.changed(kind, effective);
        // What is known under a name that is refused now, and routes that are not there.
        let absent = subscription.absent(kind, effective);
        let (alone, together): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|r| kind.by_name() || subscription.alone.contains(&r.name));
        for resource in alone.iter().chain(&together) {
            subscription.known.insert(resource.name.clone(), resource.version.clone());
            subscription.asked.remove(&resource.name);
        }
        for name in &absent {
            subscription.known.remove(name);
            subscription.asked.remove(name);
        }
        let anew: Vec<_> = alone.iter().chain(&together).filter(|r| r.asks).map(|r| r.name.clone()).collect();
        let empty = !subscription.answered && alone.is_empty() && together.is_empty() && absent.is_empty();
        subscription.answered = true;
        if !absent.is_empty() || (empty && !kind.by_name()) {
            out.push(self.response(kind, Vec::new(), absent, now));
        }
        if !together.is_empty() {
            out.push(self.response(kind, together, Vec::new(), now));
        }
        for one in alone {
            out.push(self.response(kind, vec![one], Vec::new(), now));
        }
        self.forget(Kind::Endpoints, &anew);
    }

    /// Has resources sent again: a cluster that changed is ready once it has endpoints, even the same.
    fn forget(&mut self, kind: Kind, names: &[String]) {
        if let Some(subscription) = self.kinds.get_mut(&kind) {
            names.iter().for_each(|name| {
                subscription.known.remove(name);
            });
        }
    }

    /// Takes away what is of a kind and no longer wanted.
    fn remove(&mut self, kind: Kind, effective: &Snapshot, now: Instant, out: &mut Vec<DeltaDiscoveryResponse>) {
        let Some(subscription) = self.kinds.get_mut(&kind) else { return };
        let gone: Vec<String> = subscription.gone(kind, effective).cloned().collect();
        if gone.is_empty() {
            return;
        }
        for name in &gone {
            subscription.known.remove(name);
            subscription.alone.remove(name);
        }
        out.push(self.response(kind, Vec::new(), gone, now));
    }

    fn response(
        &mut self,
        kind: Kind,
        resources: Vec<Arc<Resource>>,
        removed: Vec<String>,
        now: Instant,
    ) -> DeltaDiscoveryResponse {
        self.nonces += 1;
        let nonce = match resources.as_slice() {
            [one] => format!("{} {}", self.nonces, one.name),
            _ => self.nonces.to_string(),
        };
        let response = DeltaDiscoveryResponse {
            type_url: kind.url(),
            resources: resources.iter().map(|resource| encoded(resource)).collect(),
            removed_resources: removed,
            nonce: nonce.clone(),
            ..DeltaDiscoveryResponse::default()
        };
        self.waiting.insert(nonce, Sent { kind, resources, deadline: now + PATIENCE });
        response
    }
}

impl Subscription {
    /// Whether a name of a kind was asked for.
    fn wants(&self, kind: Kind, name: &str) -> bool {
        !kind.by_name() || self.names.contains(name)
    }

    fn changed(&self, kind: Kind, effective: &Snapshot) -> Vec<Arc<Resource>> {
        let of_kind = effective.values().filter(|r| r.kind == kind && self.wants(kind, &r.name));
        of_kind.filter(|r| self.known.get(&r.name) != Some(&r.version)).map(Arc::clone).collect()
    }

    /// What Envoy has and should not.
    fn gone<'a>(&'a self, kind: Kind, effective: &'a Snapshot) -> impl Iterator<Item = &'a String> {
        self.known.keys().filter(move |name| !effective.contains_key(&key(kind, name)))
    }

    /// What is to be taken away at once, since it was refused or asked for in vain.
    fn absent(&self, kind: Kind, effective: &Snapshot) -> Vec<String> {
        let refused = self.gone(kind, effective).filter(|name| self.known.get(*name).is_some_and(String::is_empty));
        let vain = self.asked.iter().filter(|name| kind.by_name() && !effective.contains_key(&key(kind, name)));
        refused.chain(vain).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn has_all(&self, kind: Kind, effective: &Snapshot) -> bool {
        // Envoy forgets by itself what a listener or cluster asked for that is gone.
        self.changed(kind, effective).is_empty() && (kind.by_name() || self.gone(kind, effective).next().is_none())
    }
}

fn key(kind: Kind, name: &str) -> Key {
    (kind, name.to_owned())
}

fn encoded(resource: &Resource) -> discovery::Resource {
    discovery::Resource {
        name: resource.name.clone(),
        version: resource.version.clone(),
        resource: Some(Any { type_url: resource.kind.url(), value: resource.body.clone() }),
        ..discovery::Resource::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::tests::snapshot;
    use super::*;
    use envoy_types::pb::google::rpc::Status;

    const C: Kind = Kind::Cluster;
    const E: Kind = Kind::Endpoints;
    const R: Kind = Kind::Route;
    const L: Kind = Kind::Listener;

    /// A store, a stream, and the time.
    struct Stream {
        store: Store,
        session: Session,
        now: Instant,
    }

    impl Stream {
        fn of(all: &[(Kind, &str, &str)]) -> Self {
            let mut store = Store::default();
            store.want(snapshot(all));
            Self { store, session: Session::default(), now: Instant::now() }
        }

        /// Sends a request, and says what comes back, a line a response.
        fn send(&mut self, request: DeltaDiscoveryRequest) -> Vec<String> {
            self.session.request(request, &mut self.store);
            self.step()
        }

        fn step(&mut self) -> Vec<String> {
            self.session.step(&self.store, self.now).iter().map(line).collect()
        }

        fn subscribe(&mut self, kind: Kind, names: &[&str]) -> Vec<String> {
            let names = names.iter().map(|n| (*n).to_owned()).collect();
            let first = DeltaDiscoveryRequest { resource_names_subscribe: names, ..request(kind) };
            self.send(first)
        }

        fn ack(&mut self, kind: Kind, nonce: &str) -> Vec<String> {
            self.send(DeltaDiscoveryRequest { response_nonce: nonce.into(), ..request(kind) })
        }

        fn refuse(&mut self, kind: Kind, nonce: &str) -> Vec<String> {
            let error_detail = Some(Status { message: "no".into(), ..Status::default() });
            self.send(DeltaDiscoveryRequest { response_nonce: nonce.into(), error_detail, ..request(kind) })
        }
    }

    fn request(kind: Kind) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest { type_url: kind.url(), ..DeltaDiscoveryRequest::default() }
    }

    fn line(response: &DeltaDiscoveryResponse) -> String {
        let kind = Kind::of_url(&response.type_url).unwrap().word();
        let given = response.resources.iter().map(|r| format!("{}={}", r.name, r.version));
        let gone = response.removed_resources.iter().map(|name| format!("-{name}"));
        let rest: Vec<_> = given.chain(gone).collect();
        format!("{}: {kind} {}", response.nonce, rest.join(" "))
    }

    #[test]
    fn the_first_wildcard_is_answered_even_when_empty() {
        let mut stream = Stream::of(&[]);
        assert_eq!(stream.subscribe(C, &[]), ["1: cluster "]);
        assert_eq!(stream.ack(C, "1"), [""; 0]);
        assert_eq!(stream.subscribe(L, &[]), ["2: listener "]);
        assert_eq!(stream.ack(L, "2"), [""; 0]);
        assert!(stream.session.settled(&stream.store));
    }

    #[test]
    fn each_step_waits_for_the_one_before_but_not_for_ever() {
        let mut stream = Stream::of(&[(C, "c", "1"), (L, "a", "1"), (R, "a", "1")]);
        assert_eq!(stream.subscribe(C, &[]), ["1 c: cluster c=1"]);
        assert_eq!(stream.subscribe(L, &[]), [""; 0]);
        assert!(stream.session.deadline(stream.now).is_some());
        stream.now += PATIENCE;
        assert_eq!(stream.step(), ["2 a: listener a=1"]);
        assert_eq!(stream.subscribe(R, &["a"]), ["3 a: routes a=1"]);
        assert_eq!(stream.ack(C, "1 c").len() + stream.ack(L, "2 a").len(), 0);
        assert!(!stream.session.settled(&stream.store));
        stream.ack(R, "3 a");
        assert!(stream.session.settled(&stream.store));
    }

    #[test]
    fn what_goes_away_goes_last() {
        let mut stream = Stream::of(&[(C, "old", "1"), (L, "a", "1"), (R, "a", "1")]);
        stream.subscribe(C, &[]);
        stream.ack(C, "1 old");
        stream.subscribe(L, &[]);
        stream.ack(L, "2 a");
        stream.subscribe(R, &["a"]);
        stream.ack(R, "3 a");
        stream.store.want(snapshot(&[(C, "new", "1"), (L, "a", "1"), (R, "a", "2")]));
        assert_eq!(stream.step(), ["4 new: cluster new=1"]);
        assert_eq!(stream.ack(C, "4 new"), ["5 a: routes a=2"]);
        assert_eq!(stream.ack(R, "5 a"), ["6: cluster -old"]);
        stream.ack(C, "6");
        assert!(stream.session.settled(&stream.store));
    }

    #[test]
    fn a_response_that_is_refused_is_sent_again_one_by_one() {
        let mut stream = Stream::of(&[(C, "bad", "1"), (C, "good", "1")]);
        assert_eq!(stream.subscribe(C, &[]), ["1: cluster bad=1 good=1"]);
        assert_eq!(stream.refuse(C, "1"), ["2 bad: cluster bad=1", "3 good: cluster good=1"]);
        assert_eq!(stream.refuse(C, "2 bad"), ["4: cluster -bad"]);
        assert_eq!(stream.ack(C, "3 good").len() + stream.ack(C, "4").len(), 0);
        assert_eq!(stream.session.step(&stream.store, stream.now), []);
    }

    #[test]
    fn refused_routes_are_set_back_at_once() {
        let mut stream = Stream::of(&[(L, "a", "1"), (R, "a", "1"), (L, "b", "1"), (R, "b", "1")]);
        stream.subscribe(C, &[]);
        stream.ack(C, "1");
        stream.subscribe(L, &[]);
        stream.ack(L, "2");
        assert_eq!(stream.subscribe(R, &["a", "b"]), ["3 a: routes a=1", "4 b: routes b=1"]);
        stream.ack(R, "3 a");
        stream.ack(R, "4 b");
        stream.store.want(snapshot(&[(L, "a", "1"), (R, "a", "2"), (L, "b", "1"), (R, "b", "2")]));
        assert_eq!(stream.step(), ["5 a: routes a=2", "6 b: routes b=2"]);
        assert_eq!(stream.refuse(R, "5 a"), ["7 a: routes a=1"]);
        stream.ack(R, "6 b");
        stream.ack(R, "7 a");
        assert!(stream.session.settled(&stream.store) && stream.store.any_refused());
    }

    #[test]
    fn a_new_stream_gets_only_what_changed() {
        let mut stream = Stream::of(&[(C, "c", "1"), (C, "d", "2")]);
        let has =
            [("c".to_owned(), "1".to_owned()), ("d".to_owned(), "1".to_owned()), ("e".to_owned(), "1".to_owned())];
        let first = DeltaDiscoveryRequest { initial_resource_versions: has.into_iter().collect(), ..request(C) };
        assert_eq!(stream.send(first), ["1 d: cluster d=2"]);
        assert_eq!(stream.ack(C, "1 d"), ["2: cluster -e"]);
    }

    #[test]
    fn clusters_get_their_endpoints_before_they_are_accepted() {
        let all = [(C, "eds", "1"), (E, "eds", "1"), (L, "a", "1"), (R, "a", "1")];
        let mut stream = Stream::of(&all);
        assert_eq!(stream.subscribe(C, &[]), ["1 eds: cluster eds=1"]);
        assert_eq!(stream.subscribe(R, &["a"]).len(), 0);
        assert_eq!(stream.subscribe(E, &["eds"]), ["2 eds: endpoints eds=1"]);
        assert_eq!(stream.ack(E, "2 eds").len(), 0);
        assert_eq!(stream.ack(C, "1 eds"), ["3 a: routes a=1"]);
    }

    #[test]
    fn endpoints_go_one_by_one_and_again_with_their_cluster() {
        let all = [(C, "eds", "1"), (C, "eds2", "1"), (E, "eds", "1"), (E, "eds2", "1")];
        let mut stream = Stream::of(&all);
        stream.subscribe(L, &[]);
        stream.ack(L, "1");
        stream.subscribe(C, &[]);
        stream.ack(C, "2");
        let sent = stream.subscribe(E, &["eds", "eds2"]);
        assert_eq!(sent, ["3 eds: endpoints eds=1", "4 eds2: endpoints eds2=1"]);
        stream.ack(E, "3 eds");
        stream.ack(E, "4 eds2");
        assert!(stream.session.settled(&stream.store));
        stream.store.want(snapshot(&[&[(C, "eds", "2")], &all[1..]].concat()));
        assert_eq!(stream.step(), ["5 eds: cluster eds=2", "6 eds: endpoints eds=1"]);
        stream.ack(E, "6 eds");
        stream.ack(C, "5 eds");
        stream.store.move_endpoints([super::super::store::tests::resource(E, "eds2", "2")]);
        assert_eq!(stream.step(), ["7 eds2: endpoints eds2=2"]);
        assert_eq!(stream.refuse(E, "7 eds2"), ["8 eds2: endpoints eds2=1"]);
    }

    #[test]
    fn routes_that_are_not_there_are_said_to_be_absent() {
        let mut stream = Stream::of(&[]);
        assert_eq!(stream.subscribe(R, &["a"]), ["1: routes -a"]);
    }
}
