//! Everything that the examples and cases compile to is decoded with each Cilium release's own
//! protobuf registry, as that release's agent would: an unknown field or type there drops a
//! resource in silence. Fields that the release's API calls deprecated may not be used.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::{Case, compile_case, folders};
use meshc_compiler::Target;
use meshc_compiler::kubernetes::Object;
use meshc_compiler::schema::{self, Schema};
use meshc_compiler::yaml::Node;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, FieldDescriptor, ReflectMessage, Value};
use std::fs;
use std::path::Path;

/// The registry of a release's agent, or for a plain Envoy the newest one.
fn registry(target: Target) -> DescriptorPool {
    let release = if target == Target::Envoy { Target::DEFAULT } else { target };
    let path = format!("{}/tests/conformance/registry/data/{release}.binpb", env!("CARGO_MANIFEST_DIR"));
    DescriptorPool::decode(fs::read(path).expect("the registry is there").as_slice()).expect("the registry is sound")
}

/// Why a resource is not decoded, or what of it is deprecated.
fn problems(pool: &DescriptorPool, name: &str, resource: &serde_json::Value) -> Vec<String> {
    let Some(message) = pool.get_message_by_name(name) else { return vec![format!("{name} is not linked")] };
    let mut resource = resource.clone();
    if let Some(fields) = resource.as_object_mut() {
        fields.remove("@type");
    }
    without_empty_any(&mut resource);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    match DynamicMessage::deserialize_with_options(message, resource, &options) {
        Ok(message) => {
            let mut found = Vec::new();
            deprecated(pool, &message, &mut found);
            found
        }
        Err(error) => vec![format!("{name}: {error}")],
    }
}

/// Takes away `config: {}` of a `FilterConfig`: an empty `Any`, which Go's JSON reader, that the
/// agent uses, and Envoy's take, and this one does not.
fn without_empty_any(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            let filter =
                fields.get("@type").is_some_and(|t| t == "type.googleapis.com/envoy.config.route.v3.FilterConfig");
            if filter && fields.get("config").is_some_and(|c| c.as_object().is_some_and(serde_json::Map::is_empty)) {
                fields.remove("config");
            }
            fields.values_mut().for_each(without_empty_any);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(without_empty_any),
        _ => {}
    }
}

/// Names of the fields set in a message, its parts and its `Any`s, that the API deprecates.
fn deprecated(pool: &DescriptorPool, message: &DynamicMessage, found: &mut Vec<String>) {
    if message.descriptor().full_name() == "google.protobuf.Any" {
        return any(pool, message, found);
    }
    for (field, value) in message.fields() {
        if is_deprecated(&field) {
            found.push(format!("{} is deprecated", field.full_name()));
        }
        match value {
            Value::Message(inner) => deprecated(pool, inner, found),
            Value::List(items) => items.iter().filter_map(Value::as_message).for_each(|m| deprecated(pool, m, found)),
            Value::Map(map) => map.values().filter_map(Value::as_message).for_each(|m| deprecated(pool, m, found)),
            _ => {}
        }
    }
}

fn any(pool: &DescriptorPool, message: &DynamicMessage, found: &mut Vec<String>) {
    let text =
        |name: &str| message.get_field_by_name(name).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    let url = text("type_url");
    if url.is_empty() {
        return;
    }
    let name = url.rsplit('/').next().expect("a split has a part");
    let inner = pool.get_message_by_name(name).expect("it was decoded");
    let bytes = message.get_field_by_name("value").and_then(|v| v.as_bytes().cloned()).unwrap_or_default();
    deprecated(pool, &DynamicMessage::decode(inner, bytes).expect("it was encoded"), found);
}

fn is_deprecated(field: &FieldDescriptor) -> bool {
    field.field_descriptor_proto().options.as_ref().is_some_and(|o| o.deprecated())
}

/// The resources of an object, each with its message.
fn resources(object: &Object) -> Vec<(String, serde_json::Value)> {
    let value = serde_json::to_value(object).expect("objects are JSON");
    let list = |pointer: &str| value.pointer(pointer).and_then(|v| v.as_array()).cloned().unwrap_or_default();
    match object {
        Object::Service(_) => Vec::new(),
        Object::EnvoyConfig(_) => list("/spec/resources").into_iter().map(|r| (message_of(&r), r)).collect(),
        Object::Bootstrap(_) => {
            let named = |name: &'static str, pointer| list(pointer).into_iter().map(move |r| (name.to_owned(), r));
            let listeners = named("envoy.config.listener.v3.Listener", "/static_resources/listeners");
            listeners.chain(named("envoy.config.cluster.v3.Cluster", "/static_resources/clusters")).collect()
        }
    }
}

fn message_of(resource: &serde_json::Value) -> String {
    let url = resource.get("@type").and_then(|t| t.as_str()).expect("a resource has its type");
    url.rsplit('/').next().expect("a split has a part").to_owned()
}

fn check(target: Target) -> usize {
    let pool = registry(target);
    let mut checked = 0;
    for folder in folders("examples").iter().chain(&folders("tests/cases")) {
        let (_, compiled) = compile_case(&settings(folder).on(target));
        for object in compiled.manifest.iter().flat_map(|m| &m.objects) {
            for (name, resource) in resources(object) {
                let problems = problems(&pool, &name, &resource);
                assert!(problems.is_empty(), "{} on {target}: {problems:?}", folder.display());
                checked += 1;
            }
        }
    }
    checked
}

fn settings(folder: &Path) -> Case {
    Case::read(folder, &fs::read_to_string(folder.join("expect.txt")).unwrap_or_default())
}

#[test]
fn every_release_decodes_what_it_is_given() {
    for target in Target::all() {
        let checked = check(target);
        assert!(checked > 100, "{target}: only {checked} resources");
    }
}

#[test]
fn the_check_can_fail() {
    let old = registry(Target::Cilium { minor: 14, patch: 0 });
    let cluster = serde_json::json!({"name": "a", "no_such_field": 1});
    assert_eq!(problems(&old, "envoy.config.cluster.v3.Cluster", &cluster).len(), 1);
    let filter = serde_json::json!({"name": "a", "filter_chains": [{"filters": [{"name": "x", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "http_filters": [{"name": "f", "disabled": true}]}}]}]});
    assert_eq!(problems(&old, "envoy.config.listener.v3.Listener", &filter).len(), 1);
    let new = registry(Target::DEFAULT);
    assert!(problems(&new, "envoy.config.listener.v3.Listener", &filter).is_empty());
    let matcher = serde_json::json!({"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
        {"match": {"prefix": "/", "headers": [{"name": "x", "exact_match": "y"}]}, "route": {"cluster": "c"}}]}]});
    let found = problems(&new, "envoy.config.route.v3.RouteConfiguration", &matcher);
    assert_eq!(found, ["envoy.config.route.v3.HeaderMatcher.exact_match is deprecated"]);
}

/// The newest API's descriptors and field rules, by the compiler's own reading of them, inside
/// `Any` too; and for older targets the fields and types that their agents know.
#[test]
fn everything_keeps_the_field_rules() {
    let schema = Schema::get().expect("the descriptors are sound");
    for target in Target::all() {
        for folder in folders("examples").iter().chain(&folders("tests/cases")) {
            let (_, compiled) = compile_case(&settings(folder).on(target));
            for object in compiled.manifest.iter().flat_map(|m| &m.objects) {
                for (name, mut resource) in resources(object) {
                    if let Some(fields) = resource.as_object_mut() {
                        fields.remove("@type");
                    }
                    let message = schema.message(&name).expect("the message is there");
                    let problems = schema::check(&Node::of(&resource), &message, schema, target);
                    assert!(problems.is_empty(), "{} on {target}: {problems:?}", folder.display());
                }
            }
        }
    }
}
