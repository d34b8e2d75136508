//! Agents from 1.15 to 1.17: Envoy's configuration, and the load balancer's map, which says by address whether
//! a service is steered. Those of 1.14 do not show the first.

use super::super::client::Client;
use super::super::object::Kind;
use super::Verdict;
use super::dump::{self, Dump};
use super::expect::{Expected, Steered};
use super::script::{Parts, unbroken};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::Mutex;

/// A service's addresses and ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Frontends {
    addresses: Vec<String>,
    ports: BTreeSet<u16>,
}

/// The frontends of the steered services by `namespace/name`; nothing where they are not known.
pub(super) type Known = BTreeMap<String, Frontends>;

/// Reads the Services of the cluster once, when the first agent needs them.
pub(super) struct Addresses {
    client: Client,
    known: Mutex<Option<Known>>,
}

impl Addresses {
    pub(super) fn new(client: &Client) -> Self {
        Self { client: client.clone(), known: Mutex::default() }
    }

    /// The frontends of what is steered.
    pub(super) async fn of(&self, expected: &[Expected]) -> Known {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref() {
            return known.clone();
        }
        let mut found = Known::new();
        for service in expected.iter().flat_map(|e| &e.steered) {
            let path = format!("{}/{}", Kind::Service.path(Some(&service.namespace)), service.name);
            let value = self.client.get(&path).await.ok().flatten();
            found.extend(value.and_then(|v| frontends(&v)).map(|f| (key(service), f)));
        }
        known.insert(found).clone()
    }
}

fn key(service: &Steered) -> String {
    format!("{}/{}", service.namespace, service.name)
}

fn frontends(service: &Value) -> Option<Frontends> {
    let spec = service.get("spec")?;
    let addresses = spec.get("clusterIPs")?.as_array()?.iter().filter_map(Value::as_str);
    let tcp = |port: &&Value| port.get("protocol").and_then(Value::as_str).is_none_or(|p| p == "TCP");
    let ports = spec.get("ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let number = |port: &Value| port.get("port")?.as_u64().and_then(|p| u16::try_from(p).ok());
    Some(Frontends {
        addresses: addresses.filter(|a| *a != "None" && !a.is_empty()).map(str::to_owned).collect(),
        ports: ports.iter().filter(tcp).filter_map(number).collect(),
    })
}

/// The verdicts of an agent without tables.
pub(super) fn judge(parts: &Parts<'_>, expected: &[Expected], known: &Known) -> Vec<Verdict> {
    let not_seen = |why: &str| vec![Verdict::NotSeen(why.to_owned()); expected.len()];
    let Some(envoy) = parts.get("envoy").and_then(dump::parse) else {
        return not_seen("the agent does not show Envoy's configuration");
    };
    let Some(steered) = parts.get("balancer").and_then(steered) else {
        return not_seen("the agent does not show the load balancer's map");
    };
    let dump = Dump::of(&envoy);
    let verdict = |expected: &Expected| match dump.verdict(expected) {
        Verdict::Accepted => in_effect(expected, &steered, known),
        other => other,
    };
    expected.iter().map(verdict).collect()
}

fn in_effect(expected: &Expected, steered: &BTreeSet<String>, known: &Known) -> Verdict {
    for service in &expected.steered {
        let Some(frontends) = known.get(&key(service)) else {
            return Verdict::NotSeen(format!("Envoy has it, but the Service {} cannot be read", key(service)));
        };
        let ports = if service.ports.is_empty() { &frontends.ports } else { &service.ports };
        for (address, port) in frontends.addresses.iter().flat_map(|a| ports.iter().map(move |p| (a, p))) {
            let frontend =
                if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
            if !steered.contains(&frontend) {
                return Verdict::Waiting(format!(
                    "Envoy has it, but the Service {} port {port} is not steered",
                    key(service)
                ));
            }
        }
    }
    Verdict::Accepted
}

/// The frontends that go to Envoy, as `address:port`. The protocol and the slot follow in some releases.
fn steered(text: &str) -> Option<BTreeSet<String>> {
    let map: BTreeMap<String, Vec<String>> = serde_json::from_str(&unbroken(text)).ok()?;
    let goes = |entries: &Vec<String>| entries.iter().any(|entry| entry.contains("l7-load-balancer"));
    let frontend = |key: String| key.split(['/', ' ']).next().unwrap_or_default().to_owned();
    Some(map.into_iter().filter(|(_, entries)| goes(entries)).map(|(key, _)| frontend(key)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::expect::example;
    use super::super::script::cut;
    use super::*;

    /// As 1.16 prints it, with what Cilium adds to a listener.
    const ENVOY: &str = r#"{"configs": [
      {"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "version_info": "12", "dynamic_listeners": [
        {"name": "shop/web/in", "active_state": {"version_info": "12", "last_updated": "2026-05-05T05:05:05.000Z",
         "listener": {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "shop/web/in",
          "address": {"socket_address": {"address": "127.0.0.1", "port_value": 14000}},
          "listener_filters": [{"name": "cilium.bpf_metadata"}]}}}]},
      {"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": [
        {"version_info": "3", "route_config": {
          "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "shop/web/in"}}]},
      {"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "dynamic_active_clusters": [
        {"cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "shop/web/v1",
         "connect_timeout": "0.250s"}}]}]}"#;
    const MAP: &str = r#"{"10.96.0.7:80/TCP (0)": ["0.0.0.0:0 (4) (0) [ClusterIP, non-routable, l7-load-balancer] (L7LB Proxy Port: 14000)"],
      "10.96.0.8:80": ["0.0.0.0:0 (5) (0) [ClusterIP, non-routable]", "10.0.0.5:80 (5) (1)"]}"#;

    fn verdict(envoy: &str, map: &str, address: &str) -> Verdict {
        let output = format!("{map}\n\nmeshc: balancer 0\n{envoy}\n\nmeshc: envoy 0\n\nmeshc: end 0\n");
        let frontends = Frontends { addresses: vec![address.to_owned()], ports: [80].into() };
        let known = Known::from([("shop/web".to_owned(), frontends)]);
        judge(&cut(&output).unwrap(), &[example("x")], &known).remove(0)
    }

    #[test]
    fn an_agent_of_1_16() {
        assert_eq!(verdict(ENVOY, MAP, "10.96.0.7"), Verdict::Accepted);
        let other = Verdict::Waiting("Envoy has it, but the Service shop/web port 80 is not steered".into());
        assert_eq!(verdict(ENVOY, MAP, "10.96.0.8"), other);
        assert_eq!(verdict(ENVOY, &MAP.replace("/TCP (0)", ""), "10.96.0.7"), Verdict::Accepted, "an older key");
    }

    #[test]
    fn half_an_answer_is_none() {
        let half = |text: &str| text.get(..text.len() / 2).unwrap().to_owned();
        assert!(matches!(verdict(&half(ENVOY), MAP, "10.96.0.7"), Verdict::NotSeen(_)));
        assert!(matches!(verdict(ENVOY, &half(MAP), "10.96.0.7"), Verdict::NotSeen(_)));
    }

    #[test]
    fn a_service_has_its_tcp_frontends() {
        let service = serde_json::json!({"spec": {"clusterIPs": ["10.0.0.1", "fd00::1"], "ports": [
            {"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}});
        let found = frontends(&service).unwrap();
        assert_eq!((found.addresses.len(), found.ports), (2, [80].into()));
    }
}
