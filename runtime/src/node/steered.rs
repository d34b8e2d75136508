//! Steering as a run needs it: which services are steered to which of Envoy's listeners, at which moment.
//!
//! A rule for a listener comes when that is live, and goes before it does. The programs are attached with the first
//! policy that wants it.

use super::steering::{Service, Size, SteerError, Steering};
use meshc_compiler::clause::at::OnFailure;
use meshc_compiler::kubernetes;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::{IpAddr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A compiled policy, as a run takes it.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The bootstrap.
    pub bootstrap: Value,
    /// Which connections go to which listener.
    pub steering: Vec<kubernetes::Steering>,
    /// What a cluster is asked for, if there is one.
    pub in_cluster: kubernetes::InCluster,
}

/// What becomes of connections to steered addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// They go to Envoy.
    On,
    /// They go where they are dialled, by `meshc steer off`.
    SwitchedOff,
    /// They fare as `on-failure` says, since Envoy does not answer.
    NoAnswer,
    /// They go where they are dialled, since the user wants that.
    Declined,
    /// They go where they are dialled, since the programs cannot be attached.
    Impossible,
    /// They go where they are dialled, since somebody removed what was pinned.
    Removed,
    /// There are none: no service has such an address any more.
    Nothing,
}

/// How steering begins, should a policy want it.
#[derive(Debug, Clone)]
pub struct Way {
    /// The set's name.
    pub set: String,
    /// The cgroup whose processes are steered, if not the machine's root.
    pub cgroup: Option<PathBuf>,
    /// A command that moves itself into the cgroup that is its last word.
    pub mover: Vec<OsString>,
    /// Whether the addresses that Services have in a cluster are steered, too.
    pub in_cluster: bool,
}

/// How many addresses a Service of a cluster has: one of each family.
const ADDRESSES: usize = 2;

/// How long Envoy may take to its first answer before that is told.
const GRACE: Duration = Duration::from_secs(1);

/// The steering of a run; without one nothing is steered.
#[derive(Default)]
pub struct Steered {
    /// None where the user wants no steering.
    way: Option<Way>,
    steering: Option<Steering>,
    /// Whether it was tried last, and could not begin.
    failed: bool,
    wanted: Vec<Service>,
    /// What was told to be steered.
    told: Vec<Service>,
    /// When a listener of this run was live first: the rules of before are a dead run's.
    begun: Option<Instant>,
    /// The listeners that are on IPv6, too.
    on_ipv6: BTreeSet<String>,
    /// Whether nothing of what a dead run steered leads to this Envoy.
    anew: bool,
    /// The state that was told last.
    state: Option<State>,
}

impl Steered {
    /// Steering that begins in this way; without one, there is none whatever policies say.
    pub fn new(way: Option<Way>) -> Self {
        Self { way, ..Self::default() }
    }

    /// Attaches the programs, if a policy is the first that wants it; says whether they were.
    ///
    /// # Errors
    /// When they cannot be attached. Then nothing is.
    pub fn begin(&mut self, policy: &Policy) -> Result<bool, SteerError> {
        let Some(way) = self.way.as_ref().filter(|_| self.steering.is_none()) else { return Ok(false) };
        let fronts = if way.in_cluster { policy.in_cluster.fronts.len() } else { 0 };
        // What nobody asked for in so many words is tried once.
        if policy.steering.is_empty() && (fronts == 0 || self.failed) {
            return Ok(false);
        }
        let addresses = policy.steering.iter().map(|service| service.at.addresses.len()).sum::<usize>();
        let size = Size { services: policy.steering.len().max(fronts), addresses: addresses + ADDRESSES * fronts };
        self.failed = true;
        self.steering = Some(Steering::start(&way.set, way.cgroup.as_deref(), &way.mover, size)?);
        (self.failed, self.begun) = (false, None);
        Ok(true)
    }

    /// Begins to ask the Envoy of a folder whether it answers.
    pub(super) fn watch(&mut self, folder: &Path) -> Result<(), SteerError> {
        self.steering.as_mut().map_or(Ok(()), |steering| steering.watch(folder))
    }

    /// What a dead run steered leads to another Envoy than the one that is there now, and its lease is that one's.
    pub(super) fn anew(&mut self) {
        self.anew = true;
        self.lapse();
    }

    /// Detaches the programs, which have steered nothing yet.
    pub(super) fn give_up(&mut self) {
        (self.steering, self.failed) = (None, true);
    }

    /// The cgroup that Envoy shall be in.
    pub(super) fn cgroup(&self) -> Option<PathBuf> {
        self.steering.as_ref().map(|steering| steering.envoys_cgroup().to_owned())
    }

    /// The services to steer of a policy whose listeners have their ports. These listen on IPv6, too, from then on,
    /// whichever addresses they have now: Envoy opens a listener anew whose addresses change, and resets what has
    /// just connected.
    pub(super) fn prepare(&mut self, policy: &mut Policy) -> Vec<Service> {
        let services = services(policy);
        if self.steering.is_none() {
            return services;
        }
        let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        let wanted = services.iter().filter(|s| has_v6 || s.addresses.iter().any(IpAddr::is_ipv6));
        self.on_ipv6.extend(wanted.map(|service| service.name.clone()));
        also_on_ipv6(&mut policy.bootstrap, &self.on_ipv6);
        services
    }

    /// Takes in the services of a policy that will be served: what is not steered any more goes at once.
    pub(super) fn want(&mut self, services: Vec<Service>) {
        self.wanted = services;
        let (begun, anew) = (self.begun.is_some(), self.anew);
        let Some(steering) = self.steering.as_mut().filter(|_| begun || anew) else { return };
        let known: BTreeMap<_, _> = steering.steered().into_iter().map(|s| (s.name.clone(), s)).collect();
        let both = |service: &Service| {
            let known = known.get(&service.name)?;
            let mut both = if begun { known.clone() } else { service.clone() };
            both.addresses = known.addresses.intersection(&service.addresses).copied().collect();
            Some(both)
        };
        let staying: Vec<_> = self.wanted.iter().filter_map(both).collect();
        // What keeps the kernel from it is told once the listeners are live.
        let _ = steering.steer(&staying);
    }

    /// Steers what the policy wants, now that its listeners are live; gives the services if that changed.
    pub(super) fn live(&mut self) -> Result<Option<Vec<Service>>, SteerError> {
        let Some(steering) = &mut self.steering else { return Ok(None) };
        steering.steer(&self.wanted)?;
        let first = self.begun.is_none();
        self.begun.get_or_insert_with(Instant::now);
        let now = steering.steered();
        let before = std::mem::replace(&mut self.told, now.clone());
        Ok((first || now != before).then_some(now))
    }

    /// The state, if it is another one than before.
    pub(super) fn turned(&mut self) -> Option<State> {
        let now = self.state()?;
        (self.state.replace(now) != Some(now)).then_some(now)
    }

    fn state(&self) -> Option<State> {
        if self.wanted.is_empty() {
            return self.state.map(|_| State::Nothing);
        }
        let Some(steering) = &self.steering else {
            return if self.way.is_none() { Some(State::Declined) } else { self.failed.then_some(State::Impossible) };
        };
        let begun = self.begun?;
        if !steering.is_attached() {
            return Some(State::Removed);
        }
        match (steering.is_switched_off(), steering.is_leased()) {
            (true, _) => Some(State::SwitchedOff),
            (false, true) => Some(State::On),
            // A new Envoy has not been asked yet.
            (false, false) => (self.state.is_some() || begun.elapsed() > GRACE).then_some(State::NoAnswer),
        }
    }

    /// Ends the steering; gives the cgroup that Envoy still has for itself.
    pub(super) fn end(self) -> Option<PathBuf> {
        self.steering.map(|steering| steering.envoys_cgroup().to_owned())
    }

    /// Envoy is gone.
    pub(super) fn lapse(&mut self) {
        if let Some(steering) = &mut self.steering {
            steering.lapse();
        }
    }

    /// Whether anything can be steered.
    pub(super) fn is_on(&self) -> bool {
        self.steering.is_some()
    }
}

fn services(policy: &Policy) -> Vec<Service> {
    let of = |wanted: &kubernetes::Steering| {
        let found =
            listeners(&policy.bootstrap).find(|l| l.get("name").and_then(Value::as_str) == Some(&wanted.listener));
        let port = found?.pointer("/address/socket_address/port_value").and_then(Value::as_u64);
        Some(Service {
            name: wanted.listener.clone(),
            addresses: wanted.at.addresses.clone(),
            port: wanted.port,
            listener: u16::try_from(port?).ok()?,
            refuse: wanted.at.on_failure == OnFailure::Refuse,
        })
    };
    policy.steering.iter().filter_map(of).collect()
}

fn listeners(bootstrap: &Value) -> impl Iterator<Item = &Value> {
    bootstrap.pointer("/static_resources/listeners").and_then(Value::as_array).into_iter().flatten()
}

/// A socket of IPv6 alone cannot connect to 127.0.0.1.
fn also_on_ipv6(bootstrap: &mut Value, names: &BTreeSet<String>) {
    let all = bootstrap.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut);
    let chosen = |l: &&mut Value| l.get("name").and_then(Value::as_str).is_some_and(|name| names.contains(name));
    for listener in all.into_iter().flatten().filter(chosen) {
        let port = listener.pointer("/address/socket_address/port_value").cloned();
        let address = json!({"socket_address": {"address": "::1", "port_value": port}});
        if let Some(fields) = listener.as_object_mut() {
            fields.insert("additional_addresses".into(), json!([{"address": address}]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshc_compiler::clause::at::At;

    #[test]
    fn services_get_the_ports_of_their_listeners() {
        let listener = |name: &str, port: u16| json!({"name": name, "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}});
        let bootstrap = json!({"static_resources": {"listeners": [listener("a:80", 15000), listener("b:80", 15001)]}});
        let at = At { addresses: ["fd00::1".parse().unwrap()].into(), on_failure: OnFailure::Refuse };
        let steering = |name: &str| kubernetes::Steering { listener: name.into(), port: 80, at: at.clone() };
        let steering = vec![steering("b:80"), steering("none:80")];
        let mut policy = Policy { bootstrap, steering, ..Policy::default() };
        let found = services(&policy);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].listener, found[0].refuse), ("b:80", 15001, true));
        also_on_ipv6(&mut policy.bootstrap, &[found[0].name.clone()].into());
        assert_eq!(policy.bootstrap["static_resources"]["listeners"][0].get("additional_addresses"), None);
        let added = &policy.bootstrap["static_resources"]["listeners"][1];
        assert_eq!(added["additional_addresses"][0]["address"]["socket_address"]["port_value"], 15001);
        meshc_compiler::schema::encode("envoy.config.listener.v3.Listener", added.clone()).unwrap();
    }
}
