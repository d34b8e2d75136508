//! What is read of Services and EndpointSlices, and the endpoints that come of both.
//!
//! The meaning of each field is that of `core/v1` and `discovery/v1` in the Kubernetes API reference.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The label that says which Service a slice belongs to.
const OWNER: &str = "kubernetes.io/service-name";

/// Name, version and labels.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its version, from which on a watch goes.
    pub resource_version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A Service.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Service {
    /// Name and version.
    pub metadata: Metadata,
    #[serde(default)]
    spec: ServiceSpec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ServiceSpec {
    #[serde(rename = "type")]
    kind: Option<String>,
    external_name: Option<String>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    #[serde(rename = "clusterIPs")]
    cluster_ips: Option<Vec<String>>,
    ports: Option<Vec<ServicePort>>,
}

#[derive(Debug, Clone, Deserialize)]
struct ServicePort {
    name: Option<String>,
    port: u16,
    protocol: Option<String>,
}

/// A part of a Service's endpoints.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Slice {
    /// Name, version and labels.
    pub metadata: Metadata,
    address_type: String,
    endpoints: Option<Vec<Endpoint>>,
    ports: Option<Vec<SlicePort>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Endpoint {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Option<Conditions>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Conditions {
    ready: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
struct SlicePort {
    name: Option<String>,
    port: Option<u16>,
    protocol: Option<String>,
}

/// Why a Service has no endpoints that could be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// There is no such Service.
    Service,
    /// It has other TCP ports.
    Port(Vec<u16>),
    /// It only stands for a DNS name.
    ExternalName(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Service => f.write_str("the cluster has no such Service"),
            Lack::Port(ports) if ports.is_empty() => f.write_str("the Service has no TCP port"),
            Lack::Port(ports) => {
                let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
                write!(f, "the Service has no such TCP port, but {}", ports.join(", "))
            }
            Lack::ExternalName(name) => write!(f, "the Service stands for the DNS name {name} alone"),
        }
    }
}

impl Service {
    /// The addresses that its clients dial; none where it is headless.
    pub fn addresses(&self) -> BTreeSet<IpAddr> {
        let all = self.spec.cluster_ips.iter().flatten().chain(&self.spec.cluster_ip);
        // A headless Service has `None` there.
        all.filter_map(|text| text.parse::<IpAddr>().ok()).map(|address| address.to_canonical()).collect()
    }

    fn is_headless(&self) -> bool {
        self.spec.cluster_ip.as_deref() == Some("None")
    }

    /// The name of a TCP port; an empty one where it has none.
    fn port_name(&self, port: u16) -> Result<&str, Lack> {
        if self.spec.kind.as_deref() == Some("ExternalName") {
            return Err(Lack::ExternalName(self.spec.external_name.clone().unwrap_or_default()));
        }
        let mut tcp = self.spec.ports.iter().flatten().filter(|p| is_tcp(p.protocol.as_deref()));
        let found = tcp.clone().find(|p| p.port == port);
        found
            .map(|p| p.name.as_deref().unwrap_or_default())
            .ok_or_else(|| Lack::Port(tcp.by_ref().map(|p| p.port).collect()))
    }
}

impl Slice {
    /// The Service that it belongs to.
    pub fn owner(&self) -> Option<&str> {
        self.metadata.labels.get(OWNER).map(String::as_str)
    }

    /// The number of the port with this name; `all` where it is about every port.
    fn port(&self, name: &str, all: u16) -> Option<u16> {
        let mut tcp = self.ports.iter().flatten().filter(|p| is_tcp(p.protocol.as_deref()));
        tcp.find(|p| p.name.as_deref().unwrap_or_default() == name).map(|p| p.port.unwrap_or(all))
    }

    /// The addresses that take requests.
    fn ready(&self) -> impl Iterator<Item = IpAddr> {
        // Those of a DNS name are no addresses.
        let known = matches!(self.address_type.as_str(), "IPv4" | "IPv6");
        let ready = self.endpoints.iter().flatten().filter(move |endpoint| known && endpoint.is_ready());
        // Addresses behind the first have no meaning.
        ready.filter_map(|endpoint| endpoint.addresses.first()?.parse().ok())
    }
}

impl Endpoint {
    /// Whether it takes requests: what is not said counts as ready, and what ends does not.
    fn is_ready(&self) -> bool {
        let Some(conditions) = &self.conditions else { return true };
        conditions.ready.unwrap_or(true) && !conditions.terminating.unwrap_or(false)
    }
}

fn is_tcp(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| protocol == "TCP")
}

/// The endpoints of a Service's port.
///
/// # Errors
/// When it cannot have any.
pub fn endpoints<'a>(
    service: &Service,
    slices: impl IntoIterator<Item = &'a Slice>,
    port: u16,
) -> Result<BTreeSet<SocketAddr>, Lack> {
    // A headless Service need not have ports: its clients dial the port that they like.
    let any = service.is_headless() && service.spec.ports.as_ref().is_none_or(Vec::is_empty);
    let name = if any { "" } else { service.port_name(port)? };
    let of_slice = |slice: &'a Slice| {
        let number = if any { Some(port) } else { slice.port(name, port) };
        number.into_iter().flat_map(|number| slice.ready().map(move |address| SocketAddr::new(address, number)))
    };
    Ok(slices.into_iter().flat_map(of_slice).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn service(spec: Value) -> Service {
        serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": spec})).unwrap()
    }

    fn slice(kind: &str, ports: Value, endpoints: Value) -> Slice {
        let metadata = json!({"name": "a-1", "labels": {"kubernetes.io/service-name": "a"}});
        let slice = json!({"metadata": metadata, "addressType": kind, "ports": ports, "endpoints": endpoints});
        serde_json::from_value(slice).unwrap()
    }

    fn found(service: &Service, slices: &[Slice], port: u16) -> Vec<String> {
        endpoints(service, slices, port).unwrap().iter().map(SocketAddr::to_string).collect()
    }

    fn named() -> Service {
        let ports = json!([
            {"name": "http", "port": 80, "targetPort": "web"}, {"name": "admin", "port": 81},
            {"name": "dns", "port": 53, "protocol": "UDP"},
        ]);
        service(json!({"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"], "ports": ports}))
    }

    #[test]
    fn ports_go_by_name_over_slices_of_both_families() {
        let ports = |number: u16| json!([{"name": "admin", "port": 1}, {"name": "http", "port": number}]);
        let slices = [
            slice("IPv4", ports(8080), json!([{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}])),
            // Pods of one Service may have other numbers for the same name.
            slice("IPv4", ports(9090), json!([{"addresses": ["10.0.0.3"]}, {"addresses": ["10.0.0.1"]}])),
            slice("IPv6", ports(8080), json!([{"addresses": ["fd00::2"]}])),
            slice("FQDN", ports(8080), json!([{"addresses": ["example.com"]}])),
            slice("IPv4", Value::Null, Value::Null),
        ];
        let wanted = ["10.0.0.1:8080", "10.0.0.1:9090", "10.0.0.2:8080", "10.0.0.3:9090", "[fd00::2]:8080"];
        assert_eq!(found(&named(), &slices, 80), wanted);
        let addresses: Vec<_> = named().addresses().iter().map(IpAddr::to_string).collect();
        assert_eq!(addresses, ["10.96.0.1", "fd00::1"]);
    }

    #[test]
    fn only_what_takes_requests_counts() {
        let of = |address: &str, conditions: Value| json!({"addresses": [address], "conditions": conditions});
        let all = json!([
            of("10.0.0.1", json!({"ready": true, "serving": true, "terminating": false})),
            of("10.0.0.2", json!({"ready": false, "serving": true, "terminating": true})),
            of("10.0.0.3", json!({})),
            of("10.0.0.4", json!({"ready": false})),
            of("10.0.0.5", json!({"ready": true, "terminating": true})),
            of("10.0.0.6", json!({"ready": null})),
            {"addresses": ["10.0.0.7", "10.0.0.8"]},
            {"addresses": []},
        ]);
        let slices = [slice("IPv4", json!([{"name": "http", "port": 1}]), all)];
        assert_eq!(found(&named(), &slices, 80), ["10.0.0.1:1", "10.0.0.3:1", "10.0.0.6:1", "10.0.0.7:1"]);
    }

    #[test]
    fn ports_without_a_name_or_a_number_have_a_meaning() {
        let one = service(json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]}));
        let endpoints = json!([{"addresses": ["10.0.0.1"]}]);
        // A slice made by hand for a Service without a selector.
        let unnamed = slice("IPv4", json!([{"name": "", "port": 8080, "protocol": "TCP"}]), endpoints.clone());
        assert_eq!(found(&one, &[unnamed], 80), ["10.0.0.1:8080"]);
        let every = slice("IPv4", json!([{"port": null}]), endpoints.clone());
        assert_eq!(found(&one, &[every], 80), ["10.0.0.1:80"]);
        let headless = service(json!({"clusterIP": "None"}));
        assert_eq!(found(&headless, &[slice("IPv4", Value::Null, endpoints)], 7000), ["10.0.0.1:7000"]);
        assert!(headless.addresses().is_empty());
    }

    #[test]
    fn what_a_service_lacks_is_said() {
        let said = |service: &Service, port| endpoints(service, [], port).unwrap_err().to_string();
        assert_eq!(said(&named(), 53), "the Service has no such TCP port, but 80, 81");
        let external = service(json!({"type": "ExternalName", "externalName": "example.com"}));
        assert_eq!(said(&external, 80), "the Service stands for the DNS name example.com alone");
    }
}
