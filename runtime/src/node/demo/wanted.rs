//! The shares that a listener's routes give to `GET /` without any header of its own, where that
//! can be told without being Envoy.

use serde_json::Value;
use std::collections::BTreeMap;

/// The routes that stand in a listener; `None` where it takes no HTTP.
pub(super) fn routes(listener: &Value) -> Option<&Value> {
    listener.pointer("/filter_chains/0/filters/0/typed_config/route_config")
}

/// The share of each destination in percent; `None` where it cannot be told.
pub(super) fn shares(routes: &Value) -> Option<BTreeMap<String, f64>> {
    let [host] = routes.get("virtual_hosts")?.as_array()?.as_slice() else { return None };
    for route in host.get("routes")?.as_array()? {
        match takes(route.get("match")?) {
            Some(true) => return Some(of_route(route)),
            Some(false) => {}
            None => return None,
        }
    }
    Some(BTreeMap::new())
}

/// Whether a match takes the request; `None` where that is not plain to see.
fn takes(condition: &Value) -> Option<bool> {
    let fields = condition.as_object()?;
    let path = match (fields.get("prefix").or(fields.get("path")).and_then(Value::as_str), fields.len()) {
        (Some("/"), 1) => return Some(true),
        (Some(path), _) => path == "/",
        (None, _) => return fields.contains_key("path_separated_prefix").then_some(false),
    };
    let mut headers = fields.get("headers").and_then(Value::as_array).into_iter().flatten();
    let missing = headers.any(|header| {
        let name = header.get("name").and_then(Value::as_str).unwrap_or(":");
        let plain =
            ["invert_match", "treat_missing_header_as_empty", "present_match"].iter().all(|f| header.get(f).is_none());
        plain && !name.starts_with(':') && !SENT.contains(&name)
    });
    (!path || missing).then_some(false)
}

/// Headers that every request has by the time that routes are looked at.
const SENT: &[&str] = &["host", "x-forwarded-proto", "x-request-id", "x-forwarded-for"];

fn of_route(route: &Value) -> BTreeMap<String, f64> {
    let mut shares = BTreeMap::new();
    let weighted = route.pointer("/route/weighted_clusters/clusters").and_then(Value::as_array);
    let weight = |cluster: &Value| cluster.get("weight").and_then(Value::as_f64).unwrap_or(0.0);
    let total: f64 = weighted.iter().flat_map(|all| all.iter()).map(weight).sum();
    for cluster in weighted.into_iter().flatten() {
        if let Some(name) = cluster.get("name").and_then(Value::as_str) {
            *shares.entry(destination(name)).or_insert(0.0) += 100.0 * weight(cluster) / total;
        }
    }
    if let Some(name) = route.pointer("/route/cluster").and_then(Value::as_str) {
        shares.insert(destination(name), 100.0);
    }
    shares
}

/// `helloworld-v1`, of the cluster `default/helloworld:5000/default/helloworld-v1:5000`.
fn destination(cluster: &str) -> String {
    let last = cluster.rsplit('/').next().unwrap_or(cluster);
    last.split(':').next().unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table(routes: Value) -> Value {
        json!({"virtual_hosts": [{"routes": routes}]})
    }

    #[test]
    fn shares_are_those_of_the_first_rule_that_takes_the_request() {
        let split = json!({"weighted_clusters": {"clusters": [
            {"name": "default/a:80/default/b:80", "weight": 90}, {"name": "default/a:80/default/c:80", "weight": 10},
        ]}});
        let other = json!({"cluster": "default/a:80/default/d:80"});
        let routes = table(json!([
            {"match": {"prefix": "/", "headers": [{"name": "version", "string_match": {"exact": "x"}}]}, "route": other},
            {"match": {"path": "/x"}, "route": other},
            {"match": {"prefix": "/"}, "route": split},
        ]));
        let shares = shares(&routes).unwrap();
        assert_eq!(shares, BTreeMap::from([("b".to_owned(), 90.0), ("c".to_owned(), 10.0)]));
    }

    #[test]
    fn what_is_not_plain_is_not_said() {
        let without = json!({"name": "x", "present_match": true, "invert_match": true});
        let routes = table(json!([
            {"match": {"prefix": "/", "headers": [without]}, "route": {"cluster": "a"}},
            {"match": {"prefix": "/"}, "route": {"cluster": "b"}},
        ]));
        assert_eq!(shares(&routes), None);
        assert_eq!(shares(&table(json!([{"match": {"safe_regex": {"regex": "/"}}}]))), None);
    }
}
