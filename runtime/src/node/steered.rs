//! Steering as a run needs it: which services are steered to which of Envoy's listeners, at which moment.
//!
//! A rule for a listener comes when that is live, and goes before it does.

use super::steering::{Service, SteerError, Steering, listener};
use meshc_compiler::clause::at::OnFailure;
use meshc_compiler::kubernetes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
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
}

/// How long Envoy may take to its first answer before that is told.
const GRACE: Duration = Duration::from_secs(1);

/// The steering of a run; without one nothing is steered.
#[derive(Default)]
pub struct Steered {
    steering: Option<Steering>,
    /// Whether the user wants none.
    declined: bool,
    wanted: Vec<Service>,
    /// What was told to be steered.
    told: Vec<Service>,
    /// When a listener of this run was live first: the rules of before are a dead run's.
    begun: Option<Instant>,
    /// The state that was told last.
    state: Option<State>,
}

impl Steered {
    /// Of steering that is attached, if it is.
    pub fn new(steering: Option<Steering>) -> Self {
        Self { steering, ..Self::default() }
    }

    /// No steering, whatever policies say.
    pub fn declined() -> Self {
        Self { declined: true, ..Self::default() }
    }

    /// Adds the listener on which Envoy is asked whether it answers to the bootstrap in its folder, and
    /// begins to ask.
    pub(super) fn watch(&mut self, folder: &Path, bootstrap: &mut Value) -> Result<(), SteerError> {
        let Some(steering) = &mut self.steering else { return Ok(()) };
        if let Some(fields) = bootstrap.pointer_mut("/static_resources").and_then(Value::as_object_mut) {
            fields.insert("listeners".into(), json!([listener()]));
        }
        steering.watch(folder)
    }

    /// The services to steer of a policy whose listeners have their ports; those that are dialled over IPv6
    /// get a listener for it.
    pub(super) fn prepare(&self, policy: &mut Policy) -> Vec<Service> {
        let services = services(policy);
        if self.steering.is_none() {
            return services;
        }
        for service in services.iter().filter(|s| s.addresses.iter().any(IpAddr::is_ipv6)) {
            also_on_ipv6(&mut policy.bootstrap, service);
        }
        services
    }

    /// Takes in the services of a policy that will be served: what is not steered any more goes at once.
    pub(super) fn want(&mut self, services: Vec<Service>) {
        self.wanted = services;
        let Some(steering) = self.steering.as_mut().filter(|_| self.begun.is_some()) else { return };
        let known: BTreeMap<_, _> = steering.steered().into_iter().map(|s| (s.name.clone(), s)).collect();
        let both = |service: &Service| {
            let mut known = known.get(&service.name)?.clone();
            known.addresses.retain(|address| service.addresses.contains(address));
            Some(known)
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
        let Some(steering) = &self.steering else {
            return (self.declined && !self.wanted.is_empty()).then_some(State::Declined);
        };
        let begun = self.begun?;
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

    /// Whether a policy wants steering that this run does not have.
    pub(super) fn lacks(&self, policy: &Policy) -> bool {
        self.steering.is_none() && !self.declined && !policy.steering.is_empty()
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
fn also_on_ipv6(bootstrap: &mut Value, service: &Service) {
    let all = bootstrap.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut);
    let own = |l: &&mut Value| l.get("name").and_then(Value::as_str) == Some(&service.name);
    if let Some(fields) = all.into_iter().flatten().find(own).and_then(Value::as_object_mut) {
        let address = json!({"socket_address": {"address": "::1", "port_value": service.listener}});
        fields.insert("additional_addresses".into(), json!([{"address": address}]));
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
        also_on_ipv6(&mut policy.bootstrap, &found[0]);
        let added = &policy.bootstrap["static_resources"]["listeners"][1];
        assert_eq!(added["additional_addresses"][0]["address"]["socket_address"]["port_value"], 15001);
        meshc_compiler::schema::encode("envoy.config.listener.v3.Listener", added.clone()).unwrap();
    }
}
