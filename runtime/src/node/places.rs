//! Where things are on this machine: a free port for each steered service, which stays its own over
//! reloads, and in a demonstration a backend for each service that has no endpoints.

use super::demo::backend::Backend;
use super::ports::{Held, Turn, hold, is_free};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// How the names of services without endpoints end.
const IN_CLUSTER: &str = ".svc.cluster.local";

/// A place that cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// All ports are taken.
    #[error("no port from {first} on is free for {listener}; `--first-port` takes a lower one")]
    NoPort {
        /// The first one that was asked for.
        first: u16,
        /// What would have listened there.
        listener: String,
    },
    /// A backend of a demonstration does not listen.
    #[error("cannot start a backend of the demonstration: {0}")]
    Backend(#[from] io::Error),
}

/// The places given so far.
#[derive(Debug)]
pub struct Places {
    first_port: u16,
    /// Where the next one is looked for: those before were given, or others had them.
    next: Option<u16>,
    /// By the listener's name.
    ports: BTreeMap<String, u16>,
    /// The same ports: thousands of services look each for one that is not among them.
    given: BTreeSet<u16>,
    /// Those that are served, held.
    held: BTreeMap<u16, Held>,
    /// By the service's host name; `None` outside a demonstration.
    backends: Option<BTreeMap<String, Backend>>,
}

impl Places {
    /// The places of a run; `ports` are those that a run before it gave, by the listener's name.
    pub fn new(first_port: u16, ports: BTreeMap<String, u16>, demo: bool) -> Self {
        let given = ports.values().copied().collect();
        Self {
            first_port,
            next: Some(first_port),
            ports,
            given,
            held: BTreeMap::new(),
            backends: demo.then(BTreeMap::new),
        }
    }

    /// The ports given so far, by the listener's name.
    pub fn ports(&self) -> &BTreeMap<String, u16> {
        &self.ports
    }

    /// Gives the listeners and clusters of a bootstrap their places.
    ///
    /// # Errors
    /// When there is no port left, or a backend cannot listen.
    pub fn settle(&mut self, bootstrap: &mut Value) -> Result<(), PlaceError> {
        let turn = Turn::take();
        for listener in list(bootstrap, "listeners") {
            self.listener(listener)?;
        }
        drop(turn);
        for cluster in list(bootstrap, "clusters") {
            self.cluster(cluster)?;
        }
        Ok(())
    }

    fn listener(&mut self, listener: &mut Value) -> Result<(), PlaceError> {
        let name = listener.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        // What `listen` asks for is given as it is.
        if name.starts_with("listen/") {
            // Where another Envoy listens, this one shall say so, and not share the port with it.
            if let Some(fields) = listener.as_object_mut() {
                fields.entry("enable_reuse_port").or_insert(false.into());
            }
            return Ok(());
        }
        let port = match self.ports.get(&name) {
            Some(port) => Some(*port),
            // What was taken once may be free again.
            None => self.next.and_then(|next| self.free_from(next)).or_else(|| self.free_from(self.first_port)),
        };
        let Some(port) = port else {
            return Err(PlaceError::NoPort { first: self.first_port, listener: name });
        };
        if let Some(place) = listener.pointer_mut("/address/socket_address/port_value") {
            *place = port.into();
            // A patch may have made it Envoy's alone.
            if listener.get("enable_reuse_port").and_then(Value::as_bool) != Some(false) {
                self.held.entry(port).or_insert_with(|| hold(port));
            }
            if self.ports.insert(name, port).is_none() {
                self.given.insert(port);
                self.next = port.checked_add(1);
            }
        }
        Ok(())
    }

    fn free_from(&self, first: u16) -> Option<u16> {
        (first..=u16::MAX).find(|port| !self.given.contains(port) && is_free(*port))
    }

    fn cluster(&mut self, cluster: &mut Value) -> Result<(), PlaceError> {
        let Some(backends) = &mut self.backends else { return Ok(()) };
        let endpoints = "/load_assignment/endpoints";
        let host =
            cluster.pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/address");
        let Some(host) = host.and_then(Value::as_str).filter(|host| host.ends_with(IN_CLUSTER)) else {
            return Ok(());
        };
        let host = host.to_owned();
        let address = match backends.get(&host) {
            Some(backend) => backend.address,
            None => {
                let backend = Backend::start(host.split('.').next().unwrap_or_default())?;
                backends.entry(host).or_insert(backend).address
            }
        };
        if let Some(place) = cluster.pointer_mut(endpoints) {
            let address = json!({"address": address.ip().to_string(), "port_value": address.port()});
            *place = json!([{"lb_endpoints": [{"endpoint": {"address": {"socket_address": address}}}]}]);
        }
        if let Some(fields) = cluster.as_object_mut() {
            fields.insert("type".into(), "STATIC".into());
            fields.remove("dns_lookup_family");
        }
        Ok(())
    }
}

fn list<'a>(bootstrap: &'a mut Value, kind: &str) -> impl Iterator<Item = &'a mut Value> {
    let of_kind = bootstrap.get_mut("static_resources").and_then(|all| all.get_mut(kind));
    of_kind.and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn bootstrap(names: &[&str]) -> Value {
        let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": 1}});
        let listeners: Vec<_> = names.iter().map(|name| json!({"name": name, "address": address})).collect();
        json!({"static_resources": {"listeners": listeners}})
    }

    fn port(bootstrap: &Value, at: usize) -> u64 {
        bootstrap["static_resources"]["listeners"][at]["address"]["socket_address"]["port_value"].as_u64().unwrap()
    }

    #[test]
    fn a_service_keeps_its_port_when_others_come_and_gets_a_free_one() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let first = taken.local_addr().unwrap().port();
        let mut places = Places::new(first, BTreeMap::new(), false);
        let mut one = bootstrap(&["default/b:80", "listen/edge"]);
        places.settle(&mut one).unwrap();
        let b = port(&one, 0);
        assert!(b > u64::from(first));
        assert_eq!(port(&one, 1), 1);
        let mut two = bootstrap(&["default/a:80", "default/b:80"]);
        places.settle(&mut two).unwrap();
        assert_eq!(port(&two, 1), b);
        assert_ne!(port(&two, 0), b);
        // Thousands of them take a moment.
        let names: Vec<String> = (0..4000).map(|number| format!("default/s{number}:80")).collect();
        let mut many = bootstrap(&names.iter().map(String::as_str).collect::<Vec<_>>());
        Places::new(20_000, BTreeMap::new(), false).settle(&mut many).unwrap();
        let ports: BTreeSet<u64> = (0..4000).map(|at| port(&many, at)).collect();
        assert_eq!(ports.len(), 4000);
        // A port that is taken over IPv6 alone.
        if let Ok(taken) = TcpListener::bind("[::1]:0") {
            let port_v6 = taken.local_addr().unwrap().port();
            let mut places = Places::new(port_v6, BTreeMap::new(), false);
            let mut one = bootstrap(&["default/a:80"]);
            places.settle(&mut one).unwrap();
            assert!(port(&one, 0) > u64::from(port_v6));
        }
        let mut next = Places::new(first, places.ports().clone(), false);
        let mut same = bootstrap(&["default/b:80"]);
        next.settle(&mut same).unwrap();
        assert_eq!(port(&same, 0), b);
    }

    #[test]
    fn ports_that_run_out_are_told() {
        let mut places = Places::new(u16::MAX, BTreeMap::new(), false);
        let error = places.settle(&mut bootstrap(&["default/a:80", "default/b:80"])).unwrap_err().to_string();
        assert!(error.contains("no port from 65535 on is free") && error.contains("--first-port"), "{error}");
    }
}
