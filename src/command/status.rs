//! `meshc status`

use super::cluster::{self, Session};
use super::diff;
use crate::cli::OfSet;
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::deploy::{self, Health, State};
use serde_json::{Value, json};
use std::fmt::Write;

/// Says how each object of the applied set stands; exit 1 when one is not as applied.
pub(crate) fn run(args: &OfSet, terminal: &Terminal) -> Exit {
    let session = match Session::of_path(args.path.as_deref(), &args.cluster, terminal) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let health = match session.run(deploy::status(&session.client, &session.set), terminal) {
        Ok(health) => health,
        Err(exit) => return exit,
    };
    let text = text(&session, &health);
    let shown = cluster::report(args.cluster.output, &text, &as_json(&session, &health), terminal);
    let sound = !health.unfinished && health.objects.iter().all(|(_, state)| *state == State::InSync);
    if shown == Exit::Done && !sound { Exit::Wrong } else { shown }
}

fn word(state: &State) -> &'static str {
    match state {
        State::InSync => "in sync",
        State::Drifted(_) => "drifted",
        State::Missing => "missing",
        State::Leaving => "being deleted",
    }
}

fn text(session: &Session, health: &Health) -> String {
    let set = &session.set.name;
    let Some(applied) = &health.applied else {
        return format!("set `{set}` is not in the cluster\n");
    };
    let mut out = format!("set `{set}` at revision {}, {} by {}\n", applied.revision, applied.when, applied.who);
    if health.unfinished {
        out.push_str("a run is under way or was cut off; `meshc apply` again finishes it\n");
    }
    for (id, state) in &health.objects {
        // Writing into a string does not fail.
        let _ = writeln!(out, "{:<8} {id}", word(state));
        if let State::Drifted(found) = state {
            let _ = writeln!(out, "{}", diff::lines(found));
        }
    }
    out.push_str("what the nodes' agents made of it: not seen\n");
    out
}

fn as_json(session: &Session, health: &Health) -> Value {
    let objects = health.objects.iter().map(|(id, state)| {
        let mut object = cluster::object(id, "state", word(state));
        if let (State::Drifted(found), Some(map)) = (state, object.as_object_mut()) {
            map.insert("fields".into(), json!(found));
        }
        object
    });
    json!({
        "set": session.set.name, "namespace": session.set.namespace,
        "revision": health.applied.as_ref().map(|a| a.revision), "unfinished": health.unfinished,
        "objects": objects.collect::<Vec<_>>(), "agents": "not seen",
    })
}
