//! What is served, as people see it: each listener, and the shares that it gives to its destinations.

use super::xds::resources::list;
use serde_json::Value;
use std::collections::BTreeMap;

/// A listener of a bootstrap.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Site {
    /// Its name, such as `default/cart:80` or `listen/edge`.
    pub name: String,
    /// Its port.
    pub port: Option<u16>,
    /// Whether it takes HTTP.
    pub http: bool,
    /// The percentage of each destination for `GET /` without any header of its own, or of all connections where
    /// it takes no HTTP; `None` where that cannot be told without being Envoy.
    pub wanted: Option<BTreeMap<String, f64>>,
}

/// The listeners of a bootstrap, in its order.
pub fn sites(bootstrap: &Value) -> Vec<Site> {
    list(bootstrap, "listeners").map(site).collect()
}

fn site(listener: &Value) -> Site {
    let port = listener.pointer("/address/socket_address/port_value").and_then(Value::as_u64);
    let filter = listener.pointer("/filter_chains/0/filters/0/typed_config");
    let routes = filter.and_then(|filter| filter.get("route_config"));
    Site {
        name: listener.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        port: port.and_then(|port| port.try_into().ok()),
        http: routes.is_some(),
        wanted: routes.map_or_else(|| filter.map(of_route), shares),
    }
}

/// The share of each destination in percent; `None` where it cannot be told.
fn shares(routes: &Value) -> Option<BTreeMap<String, f64>> {
    let [host] = routes.get("virtual_hosts")?.as_array()?.as_slice() else { return None };
    for route in host.get("routes")?.as_array()? {
        match takes(route.get("match")?) {
            Some(true) => return Some(route.get("route").map(of_route).unwrap_or_default()),
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

/// The shares of an action of a route, or of a TCP proxy.
fn of_route(action: &Value) -> BTreeMap<String, f64> {
    let mut shares = BTreeMap::new();
    let weighted = action.pointer("/weighted_clusters/clusters").and_then(Value::as_array);
    let weight = |cluster: &Value| cluster.get("weight").and_then(Value::as_f64).unwrap_or(0.0);
    let total: f64 = weighted.iter().flat_map(|all| all.iter()).map(weight).sum();
    for cluster in weighted.into_iter().flatten() {
        if let Some(name) = cluster.get("name").and_then(Value::as_str) {
            *shares.entry(destination(name)).or_insert(0.0) += 100.0 * weight(cluster) / total;
        }
    }
    if let Some(name) = action.get("cluster").and_then(Value::as_str) {
        shares.insert(destination(name), 100.0);
    }
    shares
}

/// `helloworld-v1`, of the cluster `default/helloworld:5000/default/helloworld-v1:5000`.
pub(super) fn destination(cluster: &str) -> String {
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
    fn a_listener_without_http_has_the_shares_of_its_connections() {
        let clusters = json!({"clusters": [{"name": "a:1/x:1", "weight": 3}, {"name": "a:1/y:1", "weight": 1}]});
        let proxy = json!({"@type": "TcpProxy", "stat_prefix": "a", "weighted_clusters": clusters});
        let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": 15000}});
        let chains = json!([{"filters": [{"name": "tcp", "typed_config": proxy}]}]);
        let listener = json!({"name": "a:1", "address": address, "filter_chains": chains});
        let wanted = Some(BTreeMap::from([("x".to_owned(), 75.0), ("y".to_owned(), 25.0)]));
        let made = sites(&json!({"static_resources": {"listeners": [listener]}}));
        assert_eq!(made, [Site { name: "a:1".into(), port: Some(15000), http: false, wanted }]);
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
