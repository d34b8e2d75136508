//! A resource as JSON → the bytes that Envoy takes over the wire.

use super::Schema;
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message as _;
use serde_json::Value;

/// Encodes a message, of a type such as `envoy.config.cluster.v3.Cluster`.
///
/// # Errors
/// When the API has no such type, or the value is not one of that type: what is wrong with it.
pub fn encode(message: &str, value: &Value) -> Result<Vec<u8>, String> {
    let schema = Schema::get().ok_or("the descriptors of the Envoy API cannot be read")?;
    let descriptor = schema.message(message).ok_or_else(|| format!("the Envoy API has no type {message}"))?;
    DynamicMessage::deserialize(descriptor, value).map(|m| m.encode_to_vec()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_is_encoded() {
        let bytes = encode("envoy.config.core.v3.SocketAddress", &json!({"address": "a", "port_value": 80})).unwrap();
        assert_eq!(bytes, [0x12, 1, b'a', 0x18, 80]);
    }

    #[test]
    fn what_is_not_of_the_type_is_said() {
        let wrong = encode("envoy.config.core.v3.SocketAddress", &json!({"adress": "a"})).unwrap_err();
        assert!(wrong.contains("adress"), "{wrong}");
        assert!(encode("envoy.Nothing", &json!({})).unwrap_err().contains("envoy.Nothing"));
    }
}
