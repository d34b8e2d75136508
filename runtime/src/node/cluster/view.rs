//! What is known of the namespaces that are watched.

use super::object::{Lack, Service, Slice, endpoints};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// A thing that one watch sees.
#[derive(Debug)]
pub enum Change {
    /// All Services of the namespace.
    Services(Vec<Service>),
    /// All slices of the namespace.
    Slices(Vec<Slice>),
    /// A Service is there, or is another now.
    Service(Service),
    /// A slice is there, or is another now.
    Slice(Slice),
    /// A Service is gone.
    NoService(Service),
    /// A slice is gone.
    NoSlice(Slice),
}

/// One namespace; nothing is said of it before both lists have come.
#[derive(Debug, Default)]
pub struct Namespace {
    services: Option<BTreeMap<String, Service>>,
    /// By the name of their Service, then by their own.
    slices: Option<BTreeMap<String, BTreeMap<String, Slice>>>,
    /// The Service of each slice.
    owners: BTreeMap<String, String>,
}

impl Namespace {
    /// Whether all of it has been seen.
    pub fn is_known(&self) -> bool {
        self.services.is_some() && self.slices.is_some()
    }

    /// Takes in a change; gives the names of the Services that it may concern, or nothing for all of them.
    pub fn apply(&mut self, change: Change) -> Option<BTreeSet<String>> {
        match change {
            Change::Services(list) => {
                self.services = Some(list.into_iter().map(|s| (s.metadata.name.clone(), s)).collect());
                None
            }
            Change::Slices(list) => {
                self.slices = Some(BTreeMap::new());
                self.owners.clear();
                list.into_iter().for_each(|slice| drop(self.put(slice)));
                None
            }
            Change::Service(service) => {
                let name = service.metadata.name.clone();
                self.services.get_or_insert_default().insert(name.clone(), service);
                Some(BTreeSet::from([name]))
            }
            Change::NoService(service) => {
                self.services.get_or_insert_default().remove(&service.metadata.name);
                Some(BTreeSet::from([service.metadata.name]))
            }
            Change::Slice(slice) => Some(self.put(slice)),
            Change::NoSlice(slice) => Some(self.take(&slice.metadata.name).into_iter().collect()),
        }
    }

    fn put(&mut self, slice: Slice) -> BTreeSet<String> {
        let name = slice.metadata.name.clone();
        // Its label may have been changed.
        let before = self.take(&name);
        let owner = slice.owner().map(str::to_owned);
        if let Some(owner) = &owner {
            self.owners.insert(name.clone(), owner.clone());
            self.slices.get_or_insert_default().entry(owner.clone()).or_default().insert(name, slice);
        }
        before.into_iter().chain(owner).collect()
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let owner = self.owners.remove(name)?;
        if let Some(own) = self.slices.as_mut().and_then(|all| all.get_mut(&owner)) {
            own.remove(name);
        }
        Some(owner)
    }

    /// The endpoints of a Service's port.
    pub fn endpoints(&self, service: &str, port: u16) -> Result<BTreeSet<SocketAddr>, Lack> {
        let found = self.services.as_ref().and_then(|all| all.get(service)).ok_or(Lack::Service)?;
        let slices = self.slices.as_ref().and_then(|all| all.get(service));
        endpoints(found, slices.into_iter().flat_map(BTreeMap::values), port)
    }

    /// The addresses of a Service that clients dial.
    pub fn addresses(&self, service: &str) -> Result<BTreeSet<IpAddr>, Lack> {
        self.services.as_ref().and_then(|all| all.get(service)).map(Service::addresses).ok_or(Lack::Service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(name: &str) -> Service {
        let spec = json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]});
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
    }

    fn slice(name: &str, owner: &str, address: &str) -> Slice {
        let metadata = json!({"name": name, "labels": {"kubernetes.io/service-name": owner}});
        let (ports, endpoints) = (json!([{"port": 8080}]), json!([{"addresses": [address]}]));
        let slice = json!({"metadata": metadata, "addressType": "IPv4", "ports": ports, "endpoints": endpoints});
        serde_json::from_value(slice).unwrap()
    }

    fn of(namespace: &Namespace, service: &str) -> Vec<String> {
        let found = namespace.endpoints(service, 80).unwrap();
        found.iter().map(|address| address.ip().to_string()).collect()
    }

    #[test]
    fn slices_come_move_and_go() {
        let mut namespace = Namespace::default();
        namespace.apply(Change::Services(vec![service("a"), service("b")]));
        assert!(!namespace.is_known());
        namespace.apply(Change::Slices(vec![slice("a-1", "a", "10.0.0.1"), slice("a-2", "a", "10.0.0.2")]));
        assert!(namespace.is_known());
        assert_eq!(of(&namespace, "a"), ["10.0.0.1", "10.0.0.2"]);

        let names = |all: &[&str]| Some(all.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(namespace.apply(Change::Slice(slice("a-2", "b", "10.0.0.3"))), names(&["a", "b"]));
        assert_eq!((of(&namespace, "a"), of(&namespace, "b")), (vec!["10.0.0.1".into()], vec!["10.0.0.3".into()]));
        assert_eq!(namespace.apply(Change::NoSlice(slice("a-1", "a", "10.0.0.1"))), names(&["a"]));
        assert!(of(&namespace, "a").is_empty());

        assert_eq!(namespace.apply(Change::NoService(service("b"))), names(&["b"]));
        assert_eq!(namespace.endpoints("b", 80), Err(Lack::Service));
        namespace.apply(Change::Service(service("b")));
        assert_eq!(of(&namespace, "b"), ["10.0.0.3"]);
        // What a new list does not have is gone.
        assert_eq!(namespace.apply(Change::Slices(Vec::new())), None);
        assert!(of(&namespace, "b").is_empty());
    }
}
