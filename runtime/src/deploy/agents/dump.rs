//! Envoy's configuration as `cilium-dbg envoy admin config` prints it: the `config_dump` of its admin
//! interface.

use super::Verdict;
use super::expect::Expected;
use super::script::unbroken;
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads the text, before which there may be warnings; nothing unless it is whole.
pub(super) fn parse(text: &str) -> Option<Value> {
    let (_, text) = text.split_at_checked(text.find('{')?)?;
    serde_json::Deserializer::from_str(&unbroken(text)).into_iter().next()?.ok()
}

/// What Envoy has, by name.
#[derive(Debug, Default)]
pub(super) struct Dump<'d> {
    listeners: BTreeMap<&'d str, &'d Value>,
    /// Why the last update of a listener was refused.
    refused: BTreeMap<&'d str, &'d str>,
    clusters: BTreeMap<&'d str, &'d Value>,
    routes: BTreeMap<&'d str, &'d Value>,
}

impl<'d> Dump<'d> {
    /// What is active in a configuration.
    pub(super) fn of(value: &'d Value) -> Self {
        let mut dump = Dump::default();
        let configs = value.get("configs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let all = |key: &'static str| {
            configs.iter().filter_map(move |c| c.get(key)?.as_array()).flatten().collect::<Vec<&'d Value>>()
        };
        for entry in all("dynamic_listeners") {
            // A listener that never was has its name only in what was refused.
            let name = entry.get("name").or_else(|| entry.pointer("/error_state/failed_configuration/name"));
            let Some(name) = name.and_then(Value::as_str) else { continue };
            dump.listeners.extend(entry.pointer("/active_state/listener").map(|listener| (name, listener)));
            dump.refused.extend(entry.pointer("/error_state/details").and_then(Value::as_str).map(|d| (name, d)));
        }
        let named = |entries: Vec<&'d Value>, key: &str| {
            let named = |entry: &'d Value| {
                let value = entry.get(key)?;
                Some((value.get("name")?.as_str()?, value))
            };
            entries.into_iter().filter_map(named).collect()
        };
        dump.clusters = named(all("dynamic_active_clusters"), "cluster");
        dump.routes = named(all("dynamic_route_configs"), "route_config");
        dump
    }

    fn each<'a>(&'a self) -> [(&'static str, &'static str, &'a BTreeMap<&'d str, &'d Value>); 3] {
        [
            ("Listener", "listener", &self.listeners),
            ("RouteConfiguration", "routes", &self.routes),
            ("Cluster", "cluster", &self.clusters),
        ]
    }

    /// What Envoy does not have of an object, by name.
    pub(super) fn missing(&self, expected: &Expected) -> Option<String> {
        let mut missing = self.each().into_iter().flat_map(|(kind, word, there)| {
            let gone = expected.of_type(kind).filter(|(name, _)| !there.contains_key(name));
            gone.map(move |(name, _)| format!("Envoy does not have the {word} `{name}`")).collect::<Vec<_>>()
        });
        missing.next()
    }

    /// The verdict of an agent that has nothing but Envoy's configuration: all resources must be there, with
    /// all that we set in them.
    pub(super) fn verdict(&self, expected: &Expected) -> Verdict {
        let refused = expected.of_type("Listener").find_map(|(name, _)| self.refused.get(name));
        if let Some(text) = refused {
            return Verdict::Refused((*text).to_owned());
        }
        if let Some(missing) = self.missing(expected) {
            return Verdict::Waiting(missing);
        }
        for (kind, word, there) in self.each() {
            let older = expected.of_type(kind).find(|(name, ours)| !there.get(name).is_some_and(|t| has(t, ours)));
            if let Some((name, _)) = older {
                return Verdict::Waiting(format!("Envoy has another version of the {word} `{name}`"));
            }
        }
        Verdict::Accepted
    }
}

/// Whether a message has all that we set. Envoy leaves defaults out and writes fields in snake case; the agent
/// adds filters and fields.
pub(super) fn has(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => ours.iter().all(|(key, value)| {
            let there =
                theirs.get(key).or_else(|| theirs.iter().find(|(k, _)| folded(k) == folded(key)).map(|(_, v)| v));
            there.map_or_else(|| may_be_left_out(value), |there| has(there, value))
        }),
        (Value::Array(theirs), Value::Array(ours)) => {
            let mut rest = theirs.iter();
            ours.iter().all(|value| rest.any(|there| has(there, value)))
        }
        (Value::String(a), Value::String(b)) => a == b || seconds(a).is_some_and(|s| seconds(b) == Some(s)),
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        // 64-bit numbers are texts in one of the two, and the numbers of enums have names in Envoy's.
        (Value::Number(n), Value::String(t)) => n.to_string() == *t,
        (Value::String(t), Value::Number(n)) => n.to_string() == *t || t.starts_with(|c: char| c.is_ascii_alphabetic()),
        (a, b) => a == b,
    }
}

fn folded(key: &str) -> String {
    key.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

/// A default: of an enum, the name of its first value, which looks like any other.
fn may_be_left_out(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(text) => text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.values().all(may_be_left_out),
        Value::Bool(true) => false,
    }
}

/// The seconds of a duration, which has more than one form: `0.25s` and `0.250s`.
fn seconds(text: &str) -> Option<f64> {
    text.strip_suffix('s')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::expect::example;
    use super::*;
    use serde_json::json;

    fn config() -> Value {
        json!({"configs": [
            {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"},
            {"dynamic_listeners": [{"name": "shop/web/in", "active_state": {"listener": {
                "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "shop/web/in",
                "listener_filters": [{"name": "cilium.bpf_metadata"}]}}}]},
            {"dynamic_route_configs": [{"route_config": {
                "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "shop/web/in"}}]},
            {"dynamic_active_clusters": [{"cluster": {
                "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "shop/web/v1",
                "connect_timeout": "0.250s"}}]},
        ]})
    }

    fn verdict(config: &Value) -> Verdict {
        Dump::of(config).verdict(&example("x"))
    }

    #[test]
    fn all_that_is_ours_is_there() {
        assert_eq!(verdict(&config()), Verdict::Accepted);
    }

    #[test]
    fn a_refused_listener_has_its_text() {
        let mut config = config();
        config["configs"][1]["dynamic_listeners"][0]["error_state"] = json!({"details": "no such filter"});
        assert_eq!(verdict(&config), Verdict::Refused("no such filter".into()));
        // A new one has no entry of its own.
        config["configs"][1]["dynamic_listeners"][0] = json!({"error_state": {
            "failed_configuration": {"name": "shop/web/in"}, "details": "no"}});
        assert_eq!(verdict(&config), Verdict::Refused("no".into()));
    }

    #[test]
    fn what_is_missing_or_older_is_waited_for() {
        let mut older = config();
        older["configs"][3]["dynamic_active_clusters"][0]["cluster"]["connect_timeout"] = json!("1s");
        assert_eq!(verdict(&older), Verdict::Waiting("Envoy has another version of the cluster `shop/web/v1`".into()));
        let mut missing = config();
        missing["configs"][2]["dynamic_route_configs"] = json!([]);
        assert_eq!(verdict(&missing), Verdict::Waiting("Envoy does not have the routes `shop/web/in`".into()));
    }

    #[test]
    fn what_envoy_and_the_agent_change_does_not_count() {
        let theirs = json!({"a_b": "0.100s", "list": [{"name": "theirs"}, {"name": "ours", "more": 1}], "n": "7"});
        assert!(has(&theirs, &json!({"aB": "0.1s", "list": [{"name": "ours"}], "n": 7, "off": false})));
        assert!(has(&theirs, &json!({"lbPolicy": "ROUND_ROBIN", "empty": {}})));
        assert!(has(&json!({"code": "TooManyRequests"}), &json!({"code": 429})), "a number of an enum");
        assert!(!has(&json!({"n": "8"}), &json!({"n": 7})));
        assert!(!has(&theirs, &json!({"aB": "0.2s"})));
        assert!(!has(&theirs, &json!({"list": [{"name": "ours", "more": 2}]})));
        assert!(!has(&theirs, &json!({"list": [{"name": "ours"}, {"name": "theirs"}]})), "their order counts");
        assert!(!has(&theirs, &json!({"on": true})));
    }

    #[test]
    fn half_a_configuration_is_none() {
        let text = config().to_string();
        assert!(parse(&text).is_some());
        assert!(parse(&format!("warning: slow\n{text}\n\n")).is_some());
        assert!(parse(text.get(..text.len() - 1).unwrap()).is_none());
    }
}
