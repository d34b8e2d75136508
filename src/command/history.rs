//! `meshc history`

use super::cluster::{self, Session};
use crate::cli::OfSet;
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::deploy::{self, Meta};
use serde_json::json;

/// Lists the revisions of a set, the newest first.
pub(crate) fn run(args: &OfSet, terminal: &Terminal) -> Exit {
    let session = match Session::of_path(args.path.as_deref(), &args.cluster, terminal) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let (now, revisions) = match session.run(deploy::revisions(&session.client, &session.set), terminal) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let mut text: String = revisions.iter().rev().map(|meta| line(meta, now)).collect();
    if revisions.is_empty() {
        text = format!("set `{}` has no revisions in the cluster\n", session.set.name);
    }
    let entry = |m: &Meta| {
        json!({"revision": m.revision, "applied": m.revision == now, "when": m.when, "who": m.who,
               "commit": m.commit, "of": m.of})
    };
    let json = json!({"set": session.set.name, "revisions": revisions.iter().map(entry).collect::<Vec<_>>()});
    cluster::report(args.cluster.output, &text, &json, terminal)
}

fn line(meta: &Meta, now: u64) -> String {
    let mark = if meta.revision == now { '*' } else { ' ' };
    let commit = meta.commit.as_ref().map(|c| format!("  {c}")).unwrap_or_default();
    let of = meta.of.map(|of| format!("  (revision {of} again)")).unwrap_or_default();
    format!("{mark} {:<4} {}  {}{commit}{of}\n", meta.revision, meta.when, meta.who)
}
