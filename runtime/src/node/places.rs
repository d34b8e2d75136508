//! Where things are on this machine: a free port for each steered service, which stays its own over
//! reloads, and in a demonstration a backend for each service that has no endpoints.

use super::demo::backend::Backend;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

/// How the names of services without endpoints end.
const IN_CLUSTER: &str = ".svc.cluster.local";

/// The places given so far.
#[derive(Debug)]
pub struct Places {
    first_port: u16,
    /// By the listener's name.
    ports: BTreeMap<String, u16>,
    /// By the service's host name; `None` outside a demonstration.
    backends: Option<BTreeMap<String, Backend>>,
}

impl Places {
    /// The places of a run; `ports` are those that a run before it gave, by the listener's name.
    pub fn new(first_port: u16, ports: BTreeMap<String, u16>, demo: bool) -> Self {
        Self { first_port, ports, backends: demo.then(BTreeMap::new) }
    }

    /// The ports given so far, by the listener's name.
    pub fn ports(&self) -> &BTreeMap<String, u16> {
        &self.ports
    }

    /// Gives the listeners and clusters of a bootstrap their places.
    ///
    /// # Errors
    /// When a backend cannot listen.
    pub fn settle(&mut self, bootstrap: &mut Value) -> io::Result<()> {
        for listener in list(bootstrap, "listeners") {
            self.listener(listener);
        }
        for cluster in list(bootstrap, "clusters") {
            self.cluster(cluster)?;
        }
        Ok(())
    }

    fn listener(&mut self, listener: &mut Value) {
        let name = listener.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        // What `listen` asks for is given as it is.
        if name.starts_with("listen/") {
            return;
        }
        let port = match self.ports.get(&name) {
            Some(port) => Some(*port),
            None => (self.first_port..=u16::MAX).find(|port| !self.ports.values().any(|p| p == port) && is_free(*port)),
        };
        if let (Some(port), Some(place)) = (port, listener.pointer_mut("/address/socket_address/port_value")) {
            *place = port.into();
            self.ports.insert(name, port);
        }
    }

    fn cluster(&mut self, cluster: &mut Value) -> io::Result<()> {
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

/// Whether nobody listens on a port, over either family: a steered service is on both.
fn is_free(port: u16) -> bool {
    let taken = |at: IpAddr| TcpListener::bind((at, port)).is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
    // Where there is no IPv6, nobody has its ports.
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && !taken(Ipv6Addr::LOCALHOST.into())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
