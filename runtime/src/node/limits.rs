//! Rate limits by their listener: the compiler gives the counters of all the same name, and here one Envoy has them all.

use serde_json::Value;

/// The name that the compiler gives.
const SHARED: &str = "ratelimit";
/// The end of the type of what limits.
const LIMIT: &str = ".LocalRateLimit";

/// Gives the counters of each listener's rate limits the listener's name.
pub(super) fn name(bootstrap: &mut Value) {
    let listeners = bootstrap.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut);
    for listener in listeners.into_iter().flatten() {
        if let Some(name) = listener.get("name").and_then(Value::as_str).map(str::to_owned) {
            walk(listener, &name);
        }
    }
}

/// The counter of what the limits of a listener refused.
pub(super) fn counter(listener: &str) -> String {
    format!("{listener}.http_local_rate_limit.rate_limited")
}

fn walk(value: &mut Value, name: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, name)),
        Value::Object(fields) => {
            let limits = fields.get("@type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with(LIMIT));
            if let Some(prefix) = fields.get_mut("stat_prefix").filter(|prefix| limits && *prefix == SHARED) {
                *prefix = name.into();
            }
            fields.values_mut().for_each(|field| walk(field, name));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_named_after_their_listener_and_nothing_else_is() {
        let limit = |prefix: &str| json!({"@type": "type.googleapis.com/x.v3.LocalRateLimit", "stat_prefix": prefix});
        let listener = |limits: Value| json!({"name": "d/a:80", "stat_prefix": "ratelimit", "filters": [limits]});
        let all = |limits: Value| json!({"static_resources": {"listeners": [listener(limits)]}});
        let mut bootstrap = all(json!([limit("ratelimit"), {"inner": limit("ratelimit")}, limit("own")]));
        name(&mut bootstrap);
        assert_eq!(bootstrap, all(json!([limit("d/a:80"), {"inner": limit("d/a:80")}, limit("own")])));
    }
}
