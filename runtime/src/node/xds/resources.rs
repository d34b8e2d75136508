//! A compiled bootstrap → resources: its clusters, its listeners, and the routes that stand in the
//! listeners, each set on its own, so that a change of one service's routes touches nothing else.

use super::{Kind, Resource, Snapshot};
use meshc_compiler::schema::encode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;

/// A resource that cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[error("cannot encode the {} {name} of {source_text}: {problem}", kind.word())]
pub struct EncodeError {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Where it came from.
    pub source_text: String,
    /// What is wrong.
    pub problem: String,
}

/// Cuts a bootstrap, given as JSON, into resources. What `old` has with the same content is taken
/// over and not encoded again. The JSON goes away piece by piece, since it takes many times the memory of the
/// resources.
///
/// # Errors
/// When a resource is not what the Envoy API calls one.
pub fn resources(mut bootstrap: Value, old: &Snapshot) -> Result<Snapshot, EncodeError> {
    let mut maker = Maker { old, made: Snapshot::new() };
    let mut sources = BTreeMap::new();
    for mut listener in taken(&mut bootstrap, "listeners") {
        let (name, source) = (text(&listener, "/name"), source_of(&listener));
        let mut needs = None;
        for manager in managers(&mut listener) {
            if let Some(routes) = by_name(manager) {
                needs = Some(text(&routes, "/name"));
                maker.add(Kind::Route, routes, &source, Links::default())?;
            }
        }
        let address = address_of(&listener);
        maker.add(Kind::Listener, listener, &source, Links { needs, address, asks: false })?;
        sources.insert(name, source);
    }
    for cluster in taken(&mut bootstrap, "clusters") {
        let name = text(&cluster, "/name");
        let owner = sources
            .iter()
            .rev()
            .find(|(owner, _)| name.strip_prefix(owner.as_str()).is_some_and(|rest| rest.starts_with('/')));
        let source = owner.map_or("the program", |(_, source)| source.as_str()).to_owned();
        let asks = cluster.get("type").and_then(Value::as_str) == Some("EDS");
        if asks {
            // What it asks for is there at once, or it would not be ready.
            maker.add(Kind::Endpoints, assignment(&name, &BTreeSet::new()), &source, Links::default())?;
        }
        maker.add(Kind::Cluster, cluster, &source, Links { asks, ..Links::default() })?;
    }
    Ok(maker.made)
}

/// The endpoints of a cluster as a resource.
///
/// # Errors
/// When they are not what the Envoy API calls so.
pub fn endpoints(cluster: &str, addresses: &BTreeSet<SocketAddr>, source: &str) -> Result<Resource, EncodeError> {
    resource(Kind::Endpoints, assignment(cluster, addresses), source, Links::default(), None)
}

fn assignment(cluster: &str, addresses: &BTreeSet<SocketAddr>) -> Value {
    let endpoint = |address: &SocketAddr| {
        let socket = json!({"address": address.ip().to_string(), "port_value": address.port()});
        json!({"endpoint": {"address": {"socket_address": socket}}})
    };
    let endpoints: Vec<_> = addresses.iter().map(endpoint).collect();
    let localities = if endpoints.is_empty() { json!([]) } else { json!([{"lb_endpoints": endpoints}]) };
    json!({"cluster_name": cluster, "endpoints": localities})
}

/// What a listener or cluster is tied to.
#[derive(Default)]
struct Links {
    needs: Option<String>,
    asks: bool,
    address: Option<String>,
}

/// Encodes a resource, unless the old one of its name has the same content.
fn resource(
    kind: Kind,
    value: Value,
    source: &str,
    links: Links,
    old: Option<&Snapshot>,
) -> Result<Resource, EncodeError> {
    let name = text(&value, if kind == Kind::Endpoints { "/cluster_name" } else { "/name" });
    let version = version(&value);
    let known = old.and_then(|old| old.get(&(kind, name.clone()))).filter(|old| old.version == version);
    let body = match known {
        Some(old) => old.body.clone(),
        None => encode(kind.message(), value).map_err(|problem| EncodeError {
            kind,
            name: name.clone(),
            source_text: source.to_owned(),
            problem,
        })?,
    };
    let Links { needs, asks, address } = links;
    Ok(Resource { kind, name, version, body, source: source.to_owned(), needs, asks, address })
}

struct Maker<'a> {
    old: &'a Snapshot,
    made: Snapshot,
}

impl Maker<'_> {
    fn add(&mut self, kind: Kind, value: Value, source: &str, links: Links) -> Result<(), EncodeError> {
        let resource = resource(kind, value, source, links, Some(self.old))?;
        self.made.insert(resource.key(), Arc::new(resource));
        Ok(())
    }
}

/// A hash of the JSON, not of the bytes: encoded maps have no order.
fn version(value: &Value) -> String {
    let mut hashed = Hashed(DefaultHasher::new());
    // A hasher takes everything.
    let _ = serde_json::to_writer(&mut hashed, value);
    format!("{:016x}", hashed.0.finish())
}

/// Hashes what is written.
struct Hashed(DefaultHasher);

impl io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the routes out of an HTTP connection manager and leaves a reference to them.
fn by_name(manager: &mut Value) -> Option<Value> {
    let fields = manager.as_object_mut()?;
    let routes = fields.remove("route_config")?;
    let name = text(&routes, "/name");
    // Should the routes be lost, the listener must not hold back all the others for Envoy's 15 s.
    let source = json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "2s"});
    fields.insert("rds".into(), json!({"route_config_name": name, "config_source": source}));
    Some(routes)
}

/// The configurations of a listener's filters.
fn managers(listener: &mut Value) -> impl Iterator<Item = &mut Value> {
    let chains = listener.get_mut("filter_chains").and_then(Value::as_array_mut).into_iter().flatten();
    let filters = chains.filter_map(|chain| chain.get_mut("filters")?.as_array_mut()).flatten();
    filters.filter_map(|filter| filter.get_mut("typed_config"))
}

/// The listeners or clusters of a bootstrap.
pub fn list<'a>(bootstrap: &'a Value, kind: &str) -> impl Iterator<Item = &'a Value> {
    let of_kind = bootstrap.get("static_resources").and_then(|all| all.get(kind));
    of_kind.and_then(Value::as_array).into_iter().flatten()
}

/// The listeners or clusters of a bootstrap, which no longer has them.
fn taken(bootstrap: &mut Value, kind: &str) -> Vec<Value> {
    let of_kind = bootstrap.get_mut("static_resources").and_then(|all| all.get_mut(kind));
    of_kind.and_then(Value::as_array_mut).map(mem::take).unwrap_or_default()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn source_of(listener: &Value) -> String {
    text(listener, "/metadata/filter_metadata/meshc.dev/source")
}

fn address_of(listener: &Value) -> Option<String> {
    let address = listener.pointer("/address/socket_address")?;
    let (host, port) = (address.get("address")?.as_str()?, address.get("port_value")?.as_u64()?);
    Some(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bootstrap(weight: u32) -> Value {
        let hcm =
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
        let routes = json!({"name": "default/a:80", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [{"name": "c", "weight": weight}]}}},
        ]}]});
        let filter = json!({"name": "hcm", "typed_config": {"@type": hcm, "stat_prefix": "a", "route_config": routes}});
        json!({"static_resources": {
            "listeners": [{
                "name": "default/a:80",
                "metadata": {"filter_metadata": {"meshc.dev": {"source": "policy.mesh route a"}}},
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": 15000}},
                "filter_chains": [{"filters": [filter]}],
            }],
            "clusters": [{"name": "default/a:80/default/b:80"}, {"name": "envoy-admin"}],
        }})
    }

    #[test]
    fn routes_stand_on_their_own_and_each_resource_has_its_source() {
        let made = resources(bootstrap(1), &Snapshot::new()).unwrap();
        let listener = &made[&(Kind::Listener, "default/a:80".into())];
        assert_eq!(listener.needs.as_deref(), Some("default/a:80"));
        assert_eq!(listener.address.as_deref(), Some("127.0.0.1:15000"));
        let source = |kind, name: &str| made[&(kind, name.to_owned())].source.clone();
        assert_eq!(source(Kind::Route, "default/a:80"), "policy.mesh route a");
        assert_eq!(source(Kind::Cluster, "default/a:80/default/b:80"), "policy.mesh route a");
        assert_eq!(source(Kind::Cluster, "envoy-admin"), "the program");
    }

    #[test]
    fn a_change_of_routes_changes_nothing_else() {
        let before = resources(bootstrap(1), &Snapshot::new()).unwrap();
        let after = resources(bootstrap(2), &before).unwrap();
        let changed: Vec<_> = after.iter().filter(|(key, now)| before[*key].version != now.version).collect();
        assert_eq!(changed.iter().map(|(key, _)| key.0).collect::<Vec<_>>(), [Kind::Route]);
        assert_eq!(resources(bootstrap(1), &after).unwrap(), before);
    }

    #[test]
    fn what_is_no_resource_is_said_with_its_source() {
        let mut wrong = bootstrap(1);
        wrong["static_resources"]["listeners"][0]["adress"] = json!(1);
        let error = resources(wrong, &Snapshot::new()).unwrap_err().to_string();
        assert!(error.contains("adress") && error.contains("policy.mesh route a"), "{error}");
    }
}
