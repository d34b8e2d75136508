//! Does this Cilium node steer what policies say? Read from Cilium's own load-balancer maps, which are looked at
//! and never written.

mod layout;
mod maps;

pub use maps::{FOLDERS, Maps, MapsError};

use crate::deploy::Finding;
use layout::Entry;
use meshc_compiler::kubernetes::{Manifest, Object};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A Service that policies steer: its name as `namespace/name`, and the ports, none of which means all.
pub type Steered = BTreeMap<String, Vec<u16>>;

/// An address and port under which Cilium takes connections to a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontend {
    /// The Service as `namespace/name`.
    pub service: String,
    /// Its port.
    pub port: u16,
    /// Where it is reached.
    pub address: IpAddr,
    /// The port there: another one for a node port.
    pub dialled: u16,
    /// What kind of address it is, as Kubernetes calls it.
    pub kind: &'static str,
    /// Whether policies steer this port.
    pub steered: bool,
}

/// What a manifest steers.
pub fn steered(manifest: &Manifest) -> Steered {
    let mut found = Steered::new();
    for object in &manifest.objects {
        if let Object::EnvoyConfig(config) = object
            && let Ok(value) = serde_json::to_value(config)
        {
            let own = text(&value, "/metadata/namespace").unwrap_or("default");
            for service in list(&value, "/spec/services") {
                let namespace = text(service, "/namespace").filter(|n| !n.is_empty()).unwrap_or(own);
                let name = format!("{namespace}/{}", text(service, "/name").unwrap_or_default());
                let ports = list(service, "/ports").filter_map(port);
                found.entry(name).or_default().extend(ports);
            }
        }
    }
    found
}

/// The frontends of the Services that are steered, given as Kubernetes has them; `namespace` is that of those
/// without one. A Service that is steered and not among them has none.
pub fn frontends(steered: &Steered, services: &[Value], namespace: &str) -> BTreeMap<String, Vec<Frontend>> {
    let mut found: BTreeMap<String, Vec<Frontend>> =
        steered.keys().map(|service| (service.clone(), Vec::new())).collect();
    for value in services {
        let own = text(value, "/metadata/namespace").unwrap_or(namespace);
        let service = format!("{own}/{}", text(value, "/metadata/name").unwrap_or_default());
        if let Some(ports) = steered.get(&service) {
            found.entry(service.clone()).or_default().extend(of_service(&service, value, ports));
        }
    }
    found
}

/// The frontends of one Service. Cilium keeps a node port under the address of all zeros besides those of the node.
fn of_service(service: &str, value: &Value, steered: &[u16]) -> Vec<Frontend> {
    let ips = list(value, "/spec/clusterIPs").chain(value.pointer("/spec/clusterIP"));
    let cluster: Vec<IpAddr> = ips.filter_map(address).collect();
    let external = list(value, "/spec/externalIPs").filter_map(address);
    let ingress = list(value, "/status/loadBalancer/ingress").filter_map(|one| address(one.get("ip")?));
    let of = |kind| move |address| (kind, address);
    let mut places: Vec<(&'static str, IpAddr)> = cluster.iter().copied().map(of("ClusterIP")).collect();
    places.extend(external.map(of("ExternalIP")).chain(ingress.map(of("LoadBalancer"))));
    let any = |v6| if v6 { IpAddr::from(Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
    let mut found: Vec<Frontend> = Vec::new();
    for one in list(value, "/spec/ports").filter(|port| text(port, "/protocol").is_none_or(|p| p == "TCP")) {
        let Some(number) = one.get("port").and_then(port) else { continue };
        let steered = steered.is_empty() || steered.contains(&number);
        let frontend = |kind, address, dialled| Frontend {
            service: service.to_owned(),
            port: number,
            address,
            dialled,
            kind,
            steered,
        };
        let node_port = one.get("nodePort").and_then(port);
        let on_node = node_port.into_iter().flat_map(|p| cluster.iter().map(move |a| (any(a.is_ipv6()), p)));
        let plain = places.iter().map(|&(kind, address)| frontend(kind, address, number));
        for next in plain.chain(on_node.map(|(address, port)| frontend("NodePort", address, port))) {
            if !found.contains(&next) {
                found.push(next);
            }
        }
    }
    found
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn port(value: &Value) -> Option<u16> {
    value.as_u64()?.try_into().ok()
}

/// An address; a headless Service has the word None instead.
fn address(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

/// Looks each frontend up, and says whether it is as it should be.
///
/// # Errors
/// When a map cannot be read.
pub fn examine(maps: &Maps, frontends: &BTreeMap<String, Vec<Frontend>>) -> Result<Vec<Finding>, MapsError> {
    let mut findings = Vec::new();
    for (service, frontends) in frontends {
        if frontends.is_empty() {
            findings.push(Finding {
                subject: service.clone(),
                found: "no address of it is known".to_owned(),
                remedy: Some("give a catalog that has it: `kubectl get services -A -o yaml`".to_owned()),
                fatal: true,
            });
        }
        for frontend in frontends {
            findings.push(judge(frontend, maps.get(frontend.address, frontend.dialled)?.as_ref()));
        }
    }
    Ok(findings)
}

fn judge(frontend: &Frontend, entry: Option<&Entry>) -> Finding {
    let Frontend { service, port, address, dialled, kind, steered } = frontend;
    let place = std::net::SocketAddr::from((*address, *dialled));
    let (found, remedy) = match (steered, entry) {
        (true, Some(Entry { l7: true, proxy_port: 1.., .. })) | (false, None | Some(Entry { l7: false, .. })) => {
            (told(entry), None)
        }
        (true, None) => {
            let remedy = "Cilium does not take its connections: look whether this is a node of that cluster, and \
                          whether `kubeProxyReplacement=true`";
            (told(entry), Some(remedy))
        }
        (true, Some(Entry { l7: false, .. })) => {
            let remedy = "the agent has not taken the CiliumEnvoyConfig: `meshc status` says whether it is in the \
                          cluster, and the agent's log why not (`Skipping CiliumEnvoyConfig`)";
            (told(entry), Some(remedy))
        }
        (true, Some(_)) => (told(entry), Some("the agent has no listener for it: see its log")),
        (false, Some(_)) => {
            let remedy = "no policy here steers this port: look for another CiliumEnvoyConfig of this Service";
            (told(entry), Some(remedy))
        }
    };
    let subject = format!("{service}:{port} at {place} ({kind})");
    Finding { subject, found, fatal: remedy.is_some(), remedy: remedy.map(str::to_owned) }
}

fn told(entry: Option<&Entry>) -> String {
    match entry {
        None => "no such frontend".to_owned(),
        Some(Entry { l7: false, .. }) => "not steered".to_owned(),
        Some(Entry { proxy_port: 0, .. }) => "steered to no port".to_owned(),
        Some(Entry { proxy_port, .. }) => format!("steered to the proxy's port {proxy_port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service() -> Value {
        json!({
            "metadata": {"name": "cart", "namespace": "shop"},
            "spec": {
                "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10", "fd00::10"], "externalIPs": ["192.0.2.1"],
                "ports": [{"port": 80, "nodePort": 30080}, {"port": 81}, {"port": 53, "protocol": "UDP"}],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"hostname": "a.example"}]}},
        })
    }

    #[test]
    fn a_service_has_frontends_of_each_kind() {
        let steered = Steered::from([("shop/cart".to_owned(), vec![80]), ("shop/none".to_owned(), Vec::new())]);
        let found = frontends(&steered, &[service()], "default");
        let said: Vec<_> = found["shop/cart"]
            .iter()
            .map(|f| format!("{} {} {} {}", f.kind, f.address, f.dialled, f.steered))
            .collect();
        let expected = [
            "ClusterIP 10.96.0.10 80 true",
            "ClusterIP fd00::10 80 true",
            "ExternalIP 192.0.2.1 80 true",
            "LoadBalancer 192.0.2.2 80 true",
            "NodePort 0.0.0.0 30080 true",
            "NodePort :: 30080 true",
            "ClusterIP 10.96.0.10 81 false",
            "ClusterIP fd00::10 81 false",
            "ExternalIP 192.0.2.1 81 false",
            "LoadBalancer 192.0.2.2 81 false",
        ];
        assert_eq!(said, expected);
        assert!(found["shop/none"].is_empty());
    }

    #[test]
    fn each_frontend_is_judged() {
        let entry = |l7, proxy_port| Entry { l7, proxy_port, two_scopes: false };
        let cases = [
            (true, Some(entry(true, 10000)), "steered to the proxy's port 10000", true),
            (true, Some(entry(true, 0)), "steered to no port", false),
            (true, Some(entry(false, 0)), "not steered", false),
            (true, None, "no such frontend", false),
            (false, Some(entry(false, 0)), "not steered", true),
            (false, None, "no such frontend", true),
            (false, Some(entry(true, 10000)), "steered to the proxy's port 10000", false),
        ];
        for (steered, entry, found, good) in cases {
            let address = "fd00::10".parse().unwrap();
            let service = "shop/cart".to_owned();
            let frontend = Frontend { service, port: 80, address, dialled: 80, kind: "ClusterIP", steered };
            let finding = judge(&frontend, entry.as_ref());
            assert_eq!(finding.subject, "shop/cart:80 at [fd00::10]:80 (ClusterIP)");
            assert_eq!((finding.found.as_str(), finding.remedy.is_none()), (found, good));
        }
    }
}
