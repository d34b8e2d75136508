//! `meshc status`

use super::agents;
use super::cluster::{self, Session};
use super::diff;
use crate::cli::OfSet;
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::deploy::{self, Health, State, Verdict, View};
use serde_json::{Value, json};
use std::fmt::Write;

/// Says how each object of the applied set stands, and what the nodes' agents made of it; exit 1 when one is
/// not as applied, or a node has not accepted it.
pub(crate) fn run(args: &OfSet, terminal: &Terminal) -> Exit {
    let session = match Session::of_path(args.path.as_deref(), &args.cluster, terminal) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let health = match session.run(deploy::status(&session.client, &session.set), terminal) {
        Ok(health) => health,
        Err(exit) => return exit,
    };
    // What the agents have of an object that somebody changed says nothing of ours.
    let as_applied = health.objects.iter().filter(|(_, state)| *state == State::InSync);
    let desired: Vec<_> = as_applied.map(|(desired, _)| desired.clone()).collect();
    let view = session.complete(deploy::look(&session.client, &session.cilium, &desired));
    let text = text(&session, &health, &view);
    let shown = cluster::report(args.cluster.output, &text, &as_json(&session, &health, &view), terminal);
    let open = view.all().any(|(.., verdict)| matches!(verdict, Verdict::Refused(_) | Verdict::Waiting(_)));
    let sound = !health.unfinished && !open && health.objects.iter().all(|(_, state)| *state == State::InSync);
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

fn text(session: &Session, health: &Health, view: &View) -> String {
    let set = &session.set.name;
    let Some(applied) = &health.applied else {
        return format!("set `{set}` is not in the cluster\n");
    };
    let mut out = format!("set `{set}` at revision {}, {} by {}\n", applied.revision, applied.when, applied.who);
    if health.unfinished {
        out.push_str("a run is under way or was cut off; `meshc apply` again finishes it\n");
    }
    for (desired, state) in &health.objects {
        let id = &desired.id;
        // Writing into a string does not fail.
        let _ = writeln!(out, "{:<8} {id}", word(state));
        out.push_str(&agents::lines(view, id));
        if let State::Drifted(found) = state {
            let _ = writeln!(out, "{}", diff::lines(found));
        }
    }
    out.push_str(&agents::unseen(view));
    out
}

fn as_json(session: &Session, health: &Health, view: &View) -> Value {
    let objects = health.objects.iter().map(|(desired, state)| {
        let mut object = cluster::object(&desired.id, "state", word(state));
        if let Some(map) = object.as_object_mut() {
            map.insert("agents".into(), agents::of_object(view, &desired.id));
            if let State::Drifted(found) = state {
                map.insert("fields".into(), json!(found));
            }
        }
        object
    });
    json!({
        "set": session.set.name, "namespace": session.set.namespace,
        "revision": health.applied.as_ref().map(|a| a.revision), "unfinished": health.unfinished,
        "objects": objects.collect::<Vec<_>>(), "agents": agents::summary(view),
    })
}
