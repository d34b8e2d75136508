//! The tables of agents from 1.18 on: which version of a configuration the agent has, what came of it, and
//! where services are steered.
//!
//! They are printed as JSON objects one after the other. The fields of the agent's own types are as Go writes
//! them; those of a status changed between releases, so their names are compared without regard to case.

use super::dump::Dump;
use super::expect::{Expected, Steered};
use super::script::{Parts, unbroken};
use super::{Verdict, dump};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A row of `ciliumenvoyconfigs`: an object as the agent parsed it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    name: Name,
    labels: Option<BTreeMap<String, String>>,
    selects_local_node: bool,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    listeners: Option<Vec<Listener>>,
    #[serde(default)]
    resources: Value,
}

/// A listener's name and its port on the node.
#[derive(Debug, Deserialize)]
struct Listener {
    k: String,
    v: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Name {
    namespace: String,
    name: String,
}

/// A row of `envoy-resources`: what the agent hands to Envoy, and what came of that.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    name: Origin,
    status: Map<String, Value>,
    #[serde(default)]
    resources: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Origin {
    origin: String,
    namespace: String,
    name: String,
}

/// A row of `services`, of which a cluster may have thousands: where it is steered. Up to 1.19 a service has
/// one redirect, later a list of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    name: Value,
    #[serde(default)]
    proxy_redirect: Value,
    #[serde(default)]
    proxy_redirects: Value,
}

/// Where a service goes: each proxy port, and the ports that it is for (all when empty).
type Redirects = Vec<(u16, BTreeSet<u16>)>;

/// The tables of one agent.
struct Tables<'t> {
    configs: BTreeMap<Name, Config>,
    resources: BTreeMap<Name, Resource>,
    /// The redirects of each service.
    redirects: Option<BTreeMap<String, Redirects>>,
    envoy: Option<Dump<'t>>,
}

/// The verdicts of an agent with tables.
pub(super) fn judge(parts: &Parts<'_>, expected: &[Expected]) -> Vec<Verdict> {
    let envoy = parts.get("envoy").and_then(dump::parse);
    let envoy = envoy.as_ref().map(Dump::of);
    match Tables::read(parts, envoy) {
        Some(tables) => expected.iter().map(|e| tables.verdict(e)).collect(),
        None => vec![Verdict::NotSeen("the agent's tables are not whole".into()); expected.len()],
    }
}

impl<'t> Tables<'t> {
    /// Nothing unless every object of the tables is whole.
    fn read(parts: &Parts<'_>, envoy: Option<Dump<'t>>) -> Option<Self> {
        let configs: Vec<Config> = rows(parts.get("configs")?)?;
        let resources: Vec<Resource> = rows(parts.get("resources")?)?;
        let services: Option<Vec<Service>> = parts.get("services").and_then(rows);
        let of_config = |r: &Resource| Name { namespace: r.name.namespace.clone(), name: r.name.name.clone() };
        Some(Self {
            configs: configs.into_iter().map(|c| (c.name.clone(), c)).collect(),
            resources: resources.into_iter().filter(|r| r.name.origin == "cec").map(|r| (of_config(&r), r)).collect(),
            redirects: services.map(|services| services.iter().filter_map(redirects).collect()),
            envoy,
        })
    }

    fn verdict(&self, expected: &Expected) -> Verdict {
        let waiting = |why: &str| Verdict::Waiting(why.to_owned());
        let Some(content) = &expected.content else {
            return Verdict::NotSeen("an earlier meshc wrote the object; `meshc apply` marks it".into());
        };
        let name =
            Name { namespace: expected.id.namespace.clone().unwrap_or_default(), name: expected.id.name.clone() };
        let Some(config) = self.configs.get(&name) else {
            return waiting("the agent does not have it; if that stays, its log says why");
        };
        if config.labels.as_ref().and_then(|l| l.get(super::super::object::CONTENT)) != Some(content) {
            return waiting("the agent has another version of it; if that stays, its log says why");
        }
        if !config.selects_local_node {
            return Verdict::Elsewhere;
        }
        if let Some(lacking) = lacking(&config.spec, expected) {
            return Verdict::Waiting(lacking);
        }
        // The agent makes the one table of the other, a little later.
        let Some(resource) = self.resources.get(&name).filter(|r| r.resources == config.resources) else {
            return waiting("the agent has not handed it to Envoy");
        };
        let text = |key: &str| {
            let field = resource.status.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
            field.and_then(|(_, value)| value.as_str()).unwrap_or_default()
        };
        match text("kind").to_ascii_lowercase().as_str() {
            "done" => self.in_effect(expected, config),
            "error" if is_slow(text("error")) => Verdict::Waiting(text("error").to_owned()),
            "error" => Verdict::Refused(text("error").to_owned()),
            _ => waiting("Envoy has not answered"),
        }
    }

    /// Envoy took the listeners. The agent waits neither for clusters nor for routes, and another object may
    /// have taken a service away.
    fn in_effect(&self, expected: &Expected, config: &Config) -> Verdict {
        if let Some(missing) = self.envoy.as_ref().and_then(|envoy| envoy.missing(expected)) {
            return Verdict::Waiting(missing);
        }
        let Some(redirects) = &self.redirects else {
            return Verdict::NotSeen("Envoy has it, but the agent's table of services is not whole".into());
        };
        let ports: BTreeSet<u16> = config.listeners.iter().flatten().map(|l| l.v).collect();
        let names: BTreeSet<&str> = config.listeners.iter().flatten().map(|l| l.k.as_str()).collect();
        for service in &expected.steered {
            let key = format!("{}/{}", service.namespace, service.name);
            let found = redirects.get(&key).map(Vec::as_slice).unwrap_or_default();
            if !is_steered(service, found, &ports) {
                let to = names.iter().next().copied().unwrap_or("a listener");
                return Verdict::Waiting(format!("Envoy has it, but {} is not steered to `{to}`", shown(service)));
            }
        }
        Verdict::Accepted
    }
}

/// What the agent does not have although it has the object: it leaves out what it cannot read.
fn lacking(spec: &Value, expected: &Expected) -> Option<String> {
    let theirs = spec.get("resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for ours in &expected.resources {
        let same = |key: &str, there: &Value| there.get(key) == ours.get(key);
        if !theirs.iter().any(|there| same("@type", there) && same("name", there) && dump::has(there, ours)) {
            let text = |key: &str| ours.get(key).and_then(Value::as_str).unwrap_or_default();
            let kind = text("@type").rsplit('.').next().unwrap_or_default();
            return Some(format!(
                "the agent left out the {kind} `{}`, or has another one; its log says why",
                text("name")
            ));
        }
    }
    let has_rest = dump::has(spec, &expected.rest);
    (!has_rest).then(|| "the agent has other services for it".to_owned())
}

fn shown(service: &Steered) -> String {
    let ports: Vec<String> = service.ports.iter().map(u16::to_string).collect();
    match ports.as_slice() {
        [] => format!("the Service {}/{}", service.namespace, service.name),
        ports => format!("the Service {}/{} port {}", service.namespace, service.name, ports.join(", ")),
    }
}

/// Whether all ports of a service go to one of the proxy ports. Redirects without ports are for all.
fn is_steered(service: &Steered, redirects: &[(u16, BTreeSet<u16>)], proxy: &BTreeSet<u16>) -> bool {
    let ours = || redirects.iter().filter(|(port, _)| proxy.contains(port));
    match service.ports.is_empty() {
        true => ours().any(|(_, ports)| ports.is_empty()),
        false => service.ports.iter().all(|port| ours().any(|(_, ports)| ports.is_empty() || ports.contains(port))),
    }
}

/// An answer that did not come in time is no refusal: the agent asks again.
fn is_slow(error: &str) -> bool {
    ["context deadline exceeded", "context canceled", "timed out"].iter().any(|text| error.contains(text))
}

fn rows<T: DeserializeOwned>(text: &str) -> Option<Vec<T>> {
    let text = unbroken(text);
    serde_json::Deserializer::from_str(&text).into_iter::<T>().collect::<Result<_, _>>().ok()
}

fn redirects(service: &Service) -> Option<(String, Redirects)> {
    let name = match &service.name {
        Value::String(name) => name.clone(),
        name => {
            let part = |one: &str, other: &str| name.get(one).or_else(|| name.get(other))?.as_str();
            format!("{}/{}", part("namespace", "Namespace")?, part("name", "Name")?)
        }
    };
    let list = service.proxy_redirects.as_array().map(Vec::as_slice).unwrap_or_default();
    Some((name, list.iter().chain([&service.proxy_redirect]).filter_map(redirect).collect()))
}

fn redirect(value: &Value) -> Option<(u16, BTreeSet<u16>)> {
    let number = |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok());
    let ports = value.get("Ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Some((number(value.get("ProxyPort")?)?, ports.iter().filter_map(number).collect()))
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
