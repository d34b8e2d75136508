//! `meshc delete`

use super::cluster::{self, Session};
use crate::cli::Delete;
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::deploy::{self, Gone};
use serde_json::json;

/// Takes a set out of the cluster.
pub(crate) fn run(args: &Delete, terminal: &Terminal) -> Exit {
    let session = match Session::of_path(args.set.path.as_deref(), &args.set.cluster, terminal) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let (client, set) = (&session.client, &session.set);
    if !args.yes || args.dry_run {
        let gone = match session.run(deploy::delete(client, set, true), terminal) {
            Ok(gone) => gone,
            Err(exit) => return exit,
        };
        if args.dry_run || !gone.existed {
            return show(args, &session, &gone, terminal);
        }
        gone.ids.iter().for_each(|id| terminal.note(&format!("{id} would be deleted")));
        match terminal.ask(&format!("delete the set `{}`?", set.name)) {
            Some(true) => {}
            Some(false) => return terminal.fail("nothing was deleted"),
            None => return terminal.fail("nothing was deleted: it takes `--yes` where nobody can be asked"),
        }
    }
    if let Err(exit) = session.stop_on_signal(terminal) {
        return exit;
    }
    match session.run(deploy::delete(client, set, false), terminal) {
        Ok(gone) => show(args, &session, &gone, terminal),
        Err(exit) => exit,
    }
}

fn show(args: &Delete, session: &Session, gone: &Gone, terminal: &Terminal) -> Exit {
    let set = &session.set.name;
    let word = if args.dry_run { "would go" } else { "deleted" };
    let objects: Vec<_> = gone.ids.iter().map(|id| cluster::object(id, "result", word)).collect();
    let json = json!({"set": set, "namespace": session.set.namespace, "existed": gone.existed, "objects": objects});
    let mut text: String = gone.ids.iter().map(|id| format!("{word:<9} {id}\n")).collect();
    text.push_str(&if gone.existed {
        format!("set `{set}`: {} {word}\n", gone.ids.len())
    } else {
        format!("set `{set}` is not in the cluster\n")
    });
    cluster::report(args.set.cluster.output, &text, &json, terminal)
}
