//! Objects as text.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The JSON of an object. As a tree it takes some twenty times the memory, and a set may have hundreds: so
/// it is a tree only while somebody looks into it.
#[derive(Debug, Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// The text, compact where it was made here.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// The value to look into.
    pub fn tree(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_default()
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        let text = serde_json::value::to_raw_value(&value).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self(text.into())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_goes_in_comes_out() {
        let value = json!({"a": [1, 2.5, "x\n"], "b": null});
        let json = Json::from(value.clone());
        assert_eq!(json.tree(), value);
        let text = serde_json::to_string(&json).unwrap();
        assert_eq!(text, r#"{"a":[1,2.5,"x\n"],"b":null}"#, "it is written as JSON, not as a text of JSON");
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), json);
    }
}
