//! A resource as JSON → the bytes that Envoy takes over the wire.

use super::Schema;
use prost_reflect::prost::Message as _;
use prost_reflect::prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

/// Encodes a message, of a type such as `envoy.config.cluster.v3.Cluster`. The value goes away on the way, an
/// entry of a list after the other: a table of thousands of routes would take ten times its memory as a whole.
///
/// # Errors
/// When the API has no such type, or the value is not one of that type: what is wrong with it.
pub fn encode(message: &str, value: Value) -> Result<Vec<u8>, String> {
    let schema = Schema::get().ok_or("the descriptors of the Envoy API cannot be read")?;
    let descriptor = schema.message(message).ok_or_else(|| format!("the Envoy API has no type {message}"))?;
    let mut out = Vec::new();
    append(&descriptor, value, &mut out)?;
    Ok(out)
}

/// Appends a message. Parts of one may stand in any order.
fn append(message: &MessageDescriptor, mut value: Value, out: &mut Vec<u8>) -> Result<(), String> {
    // Google's own messages have other forms in JSON.
    if let Value::Object(fields) = &mut value
        && !message.full_name().starts_with("google.protobuf.")
    {
        lists(message, fields, out)?;
    }
    let rest = DynamicMessage::deserialize(message.clone(), value).map_err(|e| e.to_string())?;
    rest.encode(out).map_err(|e| e.to_string())
}

/// Appends the lists of messages of a message, and takes them out of it.
fn lists(message: &MessageDescriptor, fields: &mut Map<String, Value>, out: &mut Vec<u8>) -> Result<(), String> {
    let names = fields.iter().filter(|(_, value)| value.is_array());
    let lists: Vec<_> = names.filter_map(|(name, _)| Some((name.clone(), list_of_messages(message, name)?))).collect();
    for (name, (field, inner)) in lists {
        let Some(Value::Array(entries)) = fields.remove(&name) else { continue };
        let mut bytes = Vec::new();
        for entry in entries {
            bytes.clear();
            append(&inner, entry, &mut bytes)?;
            encode_key(field.number(), WireType::LengthDelimited, out);
            encode_varint(bytes.len() as u64, out);
            out.extend_from_slice(&bytes);
        }
    }
    Ok(())
}

/// The field of a name and the type of its entries, if it is a list of messages.
fn list_of_messages(message: &MessageDescriptor, name: &str) -> Option<(FieldDescriptor, MessageDescriptor)> {
    let field = message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))?;
    match field.kind() {
        Kind::Message(inner) if field.is_list() => Some((field, inner)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_is_encoded() {
        let bytes = encode("envoy.config.core.v3.SocketAddress", json!({"address": "a", "port_value": 80})).unwrap();
        assert_eq!(bytes, [0x12, 1, b'a', 0x18, 80]);
    }

    #[test]
    fn entries_of_lists_are_encoded_alone_and_mean_the_same() {
        let bucket = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "a",
            "descriptors": [{"entries": [{"key": "k", "value": "v"}], "token_bucket": {"fill_interval": "1s"}}],
        });
        let header = json!({"header": {"key": "x", "value": "y"}, "append_action": "ADD_IF_ABSENT"});
        let routes = json!([
            {"match": {"prefix": "/a"}, "route": {"cluster": "a", "timeout": "0s"}, "requestHeadersToAdd": [header]},
            {"match": {"prefix": "/"}, "direct_response": {"status": 404}, "typed_per_filter_config": {"l": bucket}},
        ]);
        let hosts = json!([{"name": "h", "domains": ["*", "b"], "routes": routes}, {"name": "i", "domains": ["c"]}]);
        let value = json!({"name": "r", "virtual_hosts": hosts, "ignore_port_in_host_matching": true});
        let message = "envoy.config.route.v3.RouteConfiguration";
        let descriptor = Schema::get().unwrap().message(message).unwrap();
        let whole = DynamicMessage::deserialize(descriptor.clone(), &value).unwrap();
        let bytes = encode(message, value).unwrap();
        assert_eq!(DynamicMessage::decode(descriptor, bytes.as_slice()).unwrap(), whole);
    }

    #[test]
    fn what_is_not_of_the_type_is_said() {
        let wrong = encode("envoy.config.core.v3.SocketAddress", json!({"adress": "a"})).unwrap_err();
        assert!(wrong.contains("adress"), "{wrong}");
        let wrong = encode("envoy.config.route.v3.VirtualHost", json!({"routes": [{"nam": "a"}]})).unwrap_err();
        assert!(wrong.contains("nam"), "{wrong}");
        assert!(encode("envoy.Nothing", json!({})).unwrap_err().contains("envoy.Nothing"));
    }
}
