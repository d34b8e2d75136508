//! What differs between an object as it shall be and as it is, at the paths that we set.

use super::json::Json;
use serde::Serialize;
use serde_json::Value;

/// A place where the two differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Its path, as the API server writes it: `.spec.resources[0].name`.
    pub path: String,
    /// What we want there.
    pub ours: Option<Value>,
    /// What is there.
    pub live: Option<Value>,
}

/// Fields that have one owner as a whole: what somebody adds inside is a difference too.
const WHOLE: &[&str] = &[".spec.resources", ".spec.services", ".spec.backendServices", ".spec.selector"];

/// All differences, in the order of our fields. Numbers are compared by value.
pub(super) fn differences(ours: &Json, live: &Json) -> Vec<Difference> {
    between(&ours.tree(), &live.tree())
}

/// Whether what an API server made of our object differs from what is there, at the paths that we set.
pub(super) fn changes(ours: &Json, made: &Value, live: &Json) -> bool {
    !between(&at_our_paths(&ours.tree(), made), &live.tree()).is_empty()
}

/// Whether the specs of two objects differ in anything.
pub(super) fn specs_differ(one: &Json, other: &Json) -> bool {
    let (one, other) = (one.tree(), other.tree());
    match (one.get("spec"), other.get("spec")) {
        (Some(one), Some(other)) => !between(one, other).is_empty() || !between(other, one).is_empty(),
        (one, other) => one != other,
    }
}

fn between(ours: &Value, live: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", Some(ours), Some(live), false, &mut found);
    found
}

/// What an API server made of an object, at the paths that we set: what it adds beside them is left out.
fn at_our_paths(ours: &Value, made: &Value) -> Value {
    fn at(path: &str, ours: &Value, made: &Value) -> Value {
        match (ours, made) {
            (Value::Object(a), Value::Object(b)) if !WHOLE.contains(&path) => {
                let inner = |(key, ours): (&String, &Value)| {
                    Some((key.clone(), at(&format!("{path}.{key}"), ours, b.get(key)?)))
                };
                Value::Object(a.iter().filter_map(inner).collect())
            }
            _ => made.clone(),
        }
    }
    at("", ours, made)
}

fn walk(path: &str, ours: Option<&Value>, live: Option<&Value>, whole: bool, found: &mut Vec<Difference>) {
    let whole = whole || WHOLE.contains(&path);
    match (ours, live) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for (key, value) in a {
                walk(&format!("{path}.{key}"), Some(value), b.get(key), whole, found);
            }
            for (key, value) in b.iter().filter(|(key, _)| whole && !a.contains_key(*key)) {
                walk(&format!("{path}.{key}"), None, Some(value), whole, found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            let beyond = if whole { b.len() } else { 0 };
            for index in 0..a.len().max(beyond) {
                let ours = a.get(index);
                let live = if whole { b.get(index) } else { partner(ours, index, b) };
                walk(&format!("{path}[{index}]"), ours, live, whole, found);
            }
        }
        (Some(a), Some(b)) if same(a, b) => {}
        (a, b) => found.push(Difference { path: path.to_owned(), ours: a.cloned(), live: b.cloned() }),
    }
}

/// The element of a shared list that stands for ours: lists of ports are merged by number and protocol.
fn partner<'a>(ours: Option<&Value>, index: usize, live: &'a [Value]) -> Option<&'a Value> {
    match ours.and_then(|o| o.get("port")) {
        Some(_) => {
            live.iter().find(|l| ["port", "protocol"].iter().all(|key| l.get(key) == ours.and_then(|o| o.get(key))))
        }
        None => live.get(index),
    }
}

/// An API server writes 1.0 as 1.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (x.as_i128(), y.as_i128()) {
            (Some(x), Some(y)) => x == y,
            _ => x.as_f64() == y.as_f64(),
        },
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(ours: Value, live: Value) -> Vec<String> {
        differences(&ours.into(), &live.into()).into_iter().map(|d| d.path).collect()
    }

    #[test]
    fn only_our_fields_count() {
        let ours = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"ports": [{"port": 80}]}});
        let live = json!({"metadata": {"labels": {"a": "1", "b": "2"}, "uid": "x"},
                          "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 81}, {"port": 80, "nodePort": 30000}]}});
        assert_eq!(paths(ours.clone(), live), Vec::<String>::new());
        let drifted = json!({"metadata": {"labels": {"a": "2"}}, "spec": {"ports": []}});
        assert_eq!(paths(ours, drifted), [".metadata.labels.a", ".spec.ports[0]"]);
    }

    #[test]
    fn whole_fields_have_no_guests() {
        let ours = json!({"spec": {"resources": [{"name": "a"}]}});
        let live = json!({"spec": {"resources": [{"name": "a", "more": {"x": 1}}, {"name": "b"}]}});
        assert_eq!(paths(ours, live), [".spec.resources[0].more", ".spec.resources[1]"]);
        assert_eq!(
            paths(json!({"spec": {"selector": {"a": "1"}}}), json!({"spec": {"selector": {"a": "1", "b": "1"}}})),
            [".spec.selector.b"]
        );
    }

    #[test]
    fn what_was_made_is_seen_at_our_paths_only() {
        let ours = json!({"metadata": {"labels": {"a": "1", "b": "1"}}, "spec": {"selector": {"x": "1"}}});
        let made = json!({"metadata": {"labels": {"a": "2", "c": "1"}, "uid": "u"}, "spec": {"selector": {"y": "1"}}});
        let seen = json!({"metadata": {"labels": {"a": "2"}}, "spec": {"selector": {"y": "1"}}});
        assert_eq!(at_our_paths(&ours, &made), seen);
    }

    #[test]
    fn numbers_are_compared_by_value() {
        assert_eq!(
            paths(json!({"a": 1.0, "b": 2, "c": null}), json!({"a": 1, "b": 2.0, "c": null})),
            Vec::<String>::new()
        );
        assert_eq!(paths(json!({"a": 9007199254740993_i64}), json!({"a": 9007199254740992_i64})), [".a"]);
        assert_eq!(paths(json!({"a": "1"}), json!({"a": 1})), [".a"]);
    }
}
