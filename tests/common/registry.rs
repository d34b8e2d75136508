//! The protobuf registries of Cilium's releases, and resources held against them.

use meshc_compiler::Target;
use meshc_compiler::kubernetes::Object;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, FieldDescriptor, ReflectMessage, Value};
use std::fs;

/// The registry of a release's agent, or for a plain Envoy the newest one.
pub fn of(target: Target) -> DescriptorPool {
    let release = if target == Target::Envoy { Target::DEFAULT } else { target };
    let path = format!("{}/tests/conformance/registry/data/{release}.binpb", env!("CARGO_MANIFEST_DIR"));
    DescriptorPool::decode(fs::read(path).expect("the registry is there").as_slice()).expect("the registry is sound")
}

/// Why a resource is not decoded, or what of it is deprecated.
pub fn problems(pool: &DescriptorPool, name: &str, resource: &serde_json::Value) -> Vec<String> {
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
pub fn resources(object: &Object) -> Vec<(String, serde_json::Value)> {
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
