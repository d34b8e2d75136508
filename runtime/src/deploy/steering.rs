//! Who steers which service, and whether a service can be steered at all: without any IO.

use super::cluster::Seen;
use super::error::Error;
use super::object::{Desired, Id, Kind, PART_OF};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Namespace and name of a Service.
pub(super) type Name = (String, String);

/// The annotation by which Cilium's operator writes a configuration for a Service by itself.
const OF_CILIUM: &str = "service.cilium.io/lb-l7";

/// A service that some object steers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) by: Id,
    pub(super) set: Option<String>,
    pub(super) service: Name,
    /// All ports when empty.
    pub(super) ports: BTreeSet<u64>,
}

impl Claim {
    /// Whether both steer a port of the same service.
    pub(super) fn meets(&self, other: &Claim) -> bool {
        self.service == other.service
            && (self.ports.is_empty() || other.ports.is_empty() || !self.ports.is_disjoint(&other.ports))
    }
}

/// A Service of the cluster, as far as it matters to who steers it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Serving {
    pub(super) name: Name,
    pub(super) set: Option<String>,
    /// Whether Cilium writes a configuration for it by itself.
    of_cilium: bool,
    /// Whether clients stick to a backend by their address.
    sticky: bool,
    /// Numbers and names of its TCP ports.
    ports: BTreeSet<String>,
}

impl Serving {
    pub(super) fn id(&self) -> Id {
        Id { kind: Kind::Service, namespace: Some(self.name.0.clone()), name: self.name.1.clone() }
    }
}

/// What is read of an object; all else is passed over without being kept.
#[derive(Deserialize)]
struct Object<S> {
    metadata: Metadata,
    spec: Option<S>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Metadata {
    fn set(&self) -> Option<String> {
        self.labels.as_ref()?.get(PART_OF).cloned()
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    services: Option<Vec<Reference>>,
    backend_services: Option<Vec<Reference>>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
    namespace: Option<String>,
    ports: Option<Vec<i64>>,
    number: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    session_affinity: Option<String>,
    ports: Option<Vec<Port>>,
}

#[derive(Deserialize)]
struct Port {
    name: Option<String>,
    port: u64,
    protocol: Option<String>,
}

/// A configuration: which, of which set, and the services that it steers. `None` where it is no object.
pub(super) fn claims(kind: Kind, text: &str) -> Option<(Id, Option<String>, Vec<Claim>)> {
    let object: Object<Config> = serde_json::from_str(text).ok()?;
    let (by, set) = (id(kind, &object.metadata), object.metadata.set());
    let claims = object.spec.unwrap_or_default().services.unwrap_or_default();
    let claims = claims.into_iter().map(|service| Claim {
        service: service.of(&by),
        by: by.clone(),
        set: set.clone(),
        ports: service.ports.unwrap_or_default().into_iter().filter_map(|port| u64::try_from(port).ok()).collect(),
    });
    Some((by.clone(), set.clone(), claims.collect()))
}

/// The services that an object of ours steers.
pub(super) fn claims_of(desired: &Desired) -> Vec<Claim> {
    claims(desired.id.kind, desired.value.text()).map(|(.., claims)| claims).unwrap_or_default()
}

fn config(desired: &Desired) -> Config {
    let object: Option<Object<Config>> = serde_json::from_str(desired.value.text()).ok();
    object.and_then(|o| o.spec).unwrap_or_default()
}

fn id(kind: Kind, metadata: &Metadata) -> Id {
    Id { kind, namespace: metadata.namespace.clone(), name: metadata.name.clone() }
}

impl Reference {
    /// Where nothing is said it is the object's own namespace; a clusterwide one has `default`.
    fn of(&self, by: &Id) -> Name {
        let namespace = self.namespace.clone().filter(|n| !n.is_empty()).or_else(|| by.namespace.clone());
        (namespace.unwrap_or_else(|| "default".to_owned()), self.name.clone())
    }

    /// Its ports as text; none are all.
    fn ports(&self) -> impl Iterator<Item = String> {
        let numbers = self.ports.iter().flatten().map(ToString::to_string);
        numbers.chain(self.number.iter().flatten().cloned())
    }
}

/// A Service of a namespace.
pub(super) fn serving(namespace: &str, text: &str) -> Option<Serving> {
    let object: Object<Service> = serde_json::from_str(text).ok()?;
    let spec = object.spec.unwrap_or_default();
    let note = object.metadata.annotations.as_ref().and_then(|a| a.get(OF_CILIUM));
    let tcp = spec.ports.iter().flatten().filter(|p| p.protocol.as_deref().is_none_or(|p| p == "TCP"));
    Some(Serving {
        of_cilium: note.is_some_and(|note| note == "enabled"),
        sticky: spec.session_affinity.as_deref() == Some("ClientIP"),
        ports: tcp.flat_map(|p| [Some(p.port.to_string()), p.name.clone()]).flatten().collect(),
        set: object.metadata.set(),
        name: (namespace.to_owned(), object.metadata.name),
    })
}

/// The namespaces whose Services matter to some objects: of those steered, and of those led to.
pub(super) fn namespaces(desired: &[Desired]) -> BTreeSet<String> {
    let named = desired.iter().filter(|d| d.id.kind != Kind::Service).flat_map(|object| {
        let Config { services, backend_services } = config(object);
        let all = services.into_iter().chain(backend_services).flatten();
        all.map(|reference| reference.of(&object.id).0).collect::<Vec<_>>()
    });
    named.collect()
}

/// Refuses what cannot work, or what somebody else steers already: Cilium takes one of the two, and says
/// nothing. With `keep` members that are no longer wanted stay, and are rivals as well.
pub(super) fn examine(seen: &Seen, desired: &[Desired], set: &str, keep: bool) -> Result<(), Error> {
    let rivals = rivals(seen, desired, set, keep);
    if !rivals.is_empty() {
        return Err(Error::Foreign(rivals.into_iter().collect::<Vec<_>>().join("\n")));
    }
    let missing = missing(seen, desired, set, keep);
    if missing.is_empty() { Ok(()) } else { Err(Error::Unfit(missing.into_iter().collect::<Vec<_>>().join("\n"))) }
}

fn rivals(seen: &Seen, desired: &[Desired], set: &str, keep: bool) -> BTreeSet<String> {
    let wanted: BTreeSet<&Id> = desired.iter().map(|d| &d.id).collect();
    let own: BTreeSet<&Name> = seen.services.iter().filter(|s| s.of_cilium).map(|s| &s.name).collect();
    let mut others: BTreeMap<&Name, Vec<&Claim>> = BTreeMap::new();
    let rival = |c: &&Claim| !wanted.contains(&c.by) && (keep || c.set.as_deref() != Some(set));
    seen.claims.iter().filter(rival).for_each(|c| others.entry(&c.service).or_default().push(c));
    let mut lines = BTreeSet::new();
    for claim in desired.iter().flat_map(claims_of) {
        let (namespace, name) = &claim.service;
        let start = format!("{} steers the Service {namespace}/{name}, and so does", claim.by);
        if own.contains(&claim.service) {
            lines.insert(format!("{start} Cilium itself: take its annotation `{OF_CILIUM}` away"));
        }
        for other in others.get(&claim.service).into_iter().flatten().filter(|other| other.meets(&claim)) {
            lines.insert(format!("{start} {}: {}", other.by, remedy(other, set)));
        }
    }
    lines
}

fn remedy(other: &Claim, set: &str) -> &'static str {
    if other.set.as_deref() == Some(set) {
        return "the policies no longer have it; let it go, without `--prune=false`";
    }
    match other.by.name.as_str() {
        name if name.starts_with("cilium-gateway-") => "Gateway API made that one; steer the service by one of the two",
        name if name.starts_with("cilium-ingress") => "an Ingress made that one; steer the service by one of the two",
        _ => "delete one of the two",
    }
}

/// What objects of ours speak of and the cluster does not have.
fn missing(seen: &Seen, desired: &[Desired], set: &str, keep: bool) -> BTreeSet<String> {
    let ours: Vec<Serving> = desired
        .iter()
        .filter(|d| d.id.kind == Kind::Service)
        .filter_map(|d| serving(d.id.namespace.as_deref().unwrap_or_default(), d.value.text()))
        .collect();
    // What the set is about to write is as good as there, and what it is about to delete as good as gone.
    let there = seen.services.iter().filter(|s| keep || s.set.as_deref() != Some(set));
    let known: BTreeMap<&Name, &Serving> = there.chain(&ours).map(|s| (&s.name, s)).collect();
    let mut lines = BTreeSet::new();
    for object in desired.iter().filter(|d| d.id.kind != Kind::Service) {
        let Config { services, backend_services } = config(object);
        for (steers, reference) in
            services.iter().flatten().map(|r| (true, r)).chain(backend_services.iter().flatten().map(|r| (false, r)))
        {
            lines.extend(lacks(&object.id, reference, steers, &known));
        }
    }
    lines
}

fn lacks(by: &Id, reference: &Reference, steers: bool, known: &BTreeMap<&Name, &Serving>) -> Vec<String> {
    let name = reference.of(by);
    let what = if steers { "steers" } else { "leads to" };
    let start = format!("{by} {what} the Service {}/{}", name.0, name.1);
    let Some(service) = known.get(&name) else {
        return vec![format!("{start}, which the cluster does not have; make it first, or correct the name")];
    };
    if steers && service.sticky {
        return vec![format!(
            "{start}, which has sessionAffinity ClientIP, with which Cilium does not steer it: set `sessionAffinity: None`"
        )];
    }
    let absent = reference.ports().filter(|port| !service.ports.contains(port));
    absent.map(|port| format!("{start} on the port {port}, which it does not have")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn config(name: &str, ports: Value, set: Option<&str>) -> Value {
        json!({"metadata": {"name": name, "namespace": "a", "labels": set.map(|s| json!({PART_OF: s}))},
               "spec": {"services": [{"name": "web", "ports": ports}]}})
    }

    fn wanted(value: Value) -> [Desired; 1] {
        let id = Id { kind: Kind::CiliumEnvoyConfig, namespace: Some("a".into()), name: "ours".into() };
        [Desired { id, value: value.into() }]
    }

    fn service(spec: Value, annotations: Value) -> Vec<Serving> {
        let text = json!({"metadata": {"name": "web", "annotations": annotations}, "spec": spec}).to_string();
        serving("a", &text).into_iter().collect()
    }

    fn web() -> Vec<Serving> {
        service(json!({"ports": [{"name": "http", "port": 80}, {"port": 53, "protocol": "UDP"}]}), json!(null))
    }

    fn beside(other: &Value, keep: bool) -> bool {
        let (.., claims) = claims(Kind::CiliumEnvoyConfig, &other.to_string()).unwrap();
        let seen = Seen { claims, services: web(), ..Seen::default() };
        examine(&seen, &wanted(config("ours", json!([80]), Some("s"))), "s", keep).is_ok()
    }

    #[test]
    fn one_service_has_one_master() {
        assert!(!beside(&config("theirs", json!([80]), None), false));
        assert!(!beside(&config("theirs", json!([]), None), false), "no ports are all ports");
        assert!(beside(&config("theirs", json!([81]), None), false));
        assert!(!beside(&config("theirs", json!([80]), Some("t")), false));
        assert!(beside(&config("old", json!([80]), Some("s")), false), "a member that goes is no rival");
        assert!(!beside(&config("old", json!([80]), Some("s")), true), "a member that stays is one");
        assert!(beside(&config("ours", json!([80]), None), false), "the same object is no rival");
    }

    #[test]
    fn a_clusterwide_claim_without_a_namespace_is_of_the_default_one() {
        let object = json!({"metadata": {"name": "x"}, "spec": {"services": [{"name": "web"}]}}).to_string();
        let (.., claims) = claims(Kind::CiliumClusterwideEnvoyConfig, &object).unwrap();
        assert_eq!(claims[0].service, ("default".to_owned(), "web".to_owned()));
    }

    fn found(services: Vec<Serving>, spec: Value) -> String {
        let seen = Seen { services, ..Seen::default() };
        let desired = wanted(json!({"metadata": {"name": "ours", "namespace": "a"}, "spec": spec}));
        examine(&seen, &desired, "s", false).map_or_else(|e| e.to_string(), |()| String::new())
    }

    #[test]
    fn what_is_spoken_of_must_be_there() {
        let steers = |ports: Value| json!({"services": [{"name": "web", "namespace": "a", "ports": ports}]});
        let leads = |port: &str| json!({"backendServices": [{"name": "web", "namespace": "a", "number": [port]}]});
        assert_eq!(found(web(), steers(json!([80]))), "");
        assert!(found(Vec::new(), steers(json!([80]))).contains("does not have; make it first"));
        assert!(found(web(), steers(json!([81]))).contains("on the port 81"));
        assert!(found(web(), steers(json!([53]))).contains("on the port 53"), "only TCP can be steered");
        assert_eq!(found(web(), leads("http")), "");
        assert!(found(web(), leads("81")).contains("leads to the Service a/web on the port 81"));
    }

    #[test]
    fn a_sticky_service_can_be_led_to_but_not_steered() {
        let sticky = || service(json!({"sessionAffinity": "ClientIP", "ports": [{"port": 80}]}), json!(null));
        let reference = json!([{"name": "web", "namespace": "a"}]);
        assert!(found(sticky(), json!({"services": reference})).contains("sessionAffinity"));
        assert_eq!(found(sticky(), json!({"backendServices": reference})), "");
    }

    #[test]
    fn what_cilium_steers_by_itself_is_refused() {
        let of_cilium = service(json!({"ports": [{"port": 80}]}), json!({OF_CILIUM: "enabled"}));
        assert!(found(of_cilium, json!({"services": [{"name": "web", "namespace": "a"}]})).contains(OF_CILIUM));
    }
}
