//! How the commands about a cluster show what the nodes' agents made of a set.

use meshc_runtime::deploy::{Id, Verdict, View};
use serde_json::{Value, json};
use std::fmt::Write;

/// The lines for one object: how many nodes accepted it, then each other one.
pub(super) fn lines(view: &View, id: &Id) -> String {
    let mut out = String::new();
    let (accepted, nodes) = view.count(id);
    if nodes == 0 || !view.objects.contains_key(id) {
        return out;
    }
    // Writing into a string does not fail.
    let _ = writeln!(out, "    accepted by {accepted} of {nodes} nodes");
    for (node, verdict) in view.of(id) {
        let _ = match verdict {
            Verdict::Accepted | Verdict::Elsewhere => Ok(()),
            Verdict::Refused(text) => writeln!(out, "    refused by {node}: {text}"),
            Verdict::Waiting(text) => writeln!(out, "    not there yet on {node}: {text}"),
            Verdict::NotSeen(why) => writeln!(out, "    not seen on {node}: {why}"),
        };
    }
    out
}

/// The line about all agents, where none could be asked.
pub(super) fn unseen(view: &View) -> String {
    let line = |why: &String| format!("what the nodes' agents made of it: not seen: {why}\n");
    view.unseen.as_ref().map(line).unwrap_or_default()
}

/// All agents in JSON: whether they are seen, and how many there are.
pub(super) fn summary(view: &View) -> Value {
    json!({"seen": view.unseen.is_none(), "why": view.unseen, "nodes": view.nodes})
}

/// One object's agents in JSON.
pub(super) fn of_object(view: &View, id: &Id) -> Value {
    if !view.objects.contains_key(id) {
        return Value::Null;
    }
    let (accepted, nodes) = view.count(id);
    let others = view.of(id).filter_map(|(node, verdict)| {
        let (word, text) = match verdict {
            Verdict::Accepted | Verdict::Elsewhere => return None,
            Verdict::Refused(text) => ("refused", text),
            Verdict::Waiting(text) => ("waiting", text),
            Verdict::NotSeen(why) => ("not seen", why),
        };
        Some(json!({"node": node, "state": word, "text": text}))
    });
    json!({"accepted": accepted, "nodes": nodes, "others": others.collect::<Vec<_>>()})
}
