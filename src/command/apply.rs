//! `meshc apply`

use super::cluster::{self, Compiled, Session};
use super::{agents, progress};
use crate::cli::{Apply, Shape, Writing};
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::deploy::{self, Meta, Options, Outcome, Plan, Prepared, Record, Report, Verb, View, Word};
use serde_json::json;
use std::fmt::Write;

/// Brings a program to the cluster.
pub(crate) fn run(args: &Apply, terminal: &Terminal) -> Exit {
    let Compiled { session, record, commit } = match cluster::program(&args.program, &args.cluster, terminal) {
        Ok(compiled) => compiled,
        Err(exit) => return exit,
    };
    let meta = Meta { commit, ..Meta::default() };
    write(&session, &record, meta, &args.writing, args.cluster.output, terminal)
}

/// Takes a record to the cluster by the safe path: all is tried, the person is asked, then it is written.
pub(super) fn write(
    session: &Session,
    record: &Record,
    meta: Meta,
    writing: &Writing,
    shape: Shape,
    terminal: &Terminal,
) -> Exit {
    let options = Options { force: writing.force_conflicts, allow_empty: writing.allow_empty, keep: !writing.prune };
    let (client, set) = (&session.client, &session.set);
    let prepare = deploy::prepare(client, set, record.objects.clone(), options, writing.dry_run);
    let prepared = match session.run(prepare, terminal) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    if prepared.is_empty() {
        return end(session, foreseen(&prepared), record, writing, shape, terminal);
    }
    if let Err(exit) = session.run(deploy::obstacles(client, set, &session.cilium, &prepared), terminal) {
        return exit;
    }
    if writing.dry_run {
        return end(session, foreseen(&prepared), record, writing, shape, terminal);
    }
    if let Some(exit) = denied(&prepared.plan, writing, terminal) {
        return exit;
    }
    if let Err(exit) = session.stop_on_signal(terminal) {
        return exit;
    }
    let total = prepared.plan.steps.len();
    let work = deploy::execute(client, set, prepared, options, record, meta);
    match session.run(progress::writing(client, total, work), terminal) {
        Ok(report) => end(session, report, record, writing, shape, terminal),
        Err(exit) => exit,
    }
}

/// Waits for the nodes if that is wanted, and shows what came of all.
fn end(
    session: &Session,
    mut report: Report,
    record: &Record,
    writing: &Writing,
    shape: Shape,
    terminal: &Terminal,
) -> Exit {
    let mut seen = None;
    if writing.wait && report.failure.is_none() {
        let waiting = progress::Waiting::new();
        let work = deploy::wait(&session.client, &session.cilium, &record.objects, |view| waiting.show(view));
        match session.complete(work) {
            Ok(view) => seen = Some(view),
            Err(error) => report.failure = Some(error),
        }
        waiting.end();
    }
    show(session, &report, seen.as_ref(), writing.dry_run, shape, terminal)
}

/// What is deleted is listed and asked for; off a terminal it takes `--yes`.
fn denied(plan: &Plan, writing: &Writing, terminal: &Terminal) -> Option<Exit> {
    if plan.prune.is_empty() || writing.yes {
        return None;
    }
    for live in &plan.prune {
        terminal.note(&format!("{} would be deleted", live.id));
    }
    match terminal.ask("delete these?") {
        Some(true) => None,
        Some(false) => Some(terminal.fail("nothing was written")),
        None => Some(terminal.fail("nothing was written: deleting takes `--yes` where nobody can be asked")),
    }
}

/// What would become of each object.
fn foreseen(prepared: &Prepared) -> Report {
    let word = |verb: &Verb| match verb {
        Verb::Create => Word::Created,
        Verb::Change(_) => Word::Changed,
        Verb::Adopt => Word::Adopted,
        Verb::Renew | Verb::Keep => Word::Unchanged,
    };
    let steps = prepared.plan.steps.iter().map(|s| Outcome { id: s.desired.id.clone(), word: word(&s.verb) });
    let prune = prepared.plan.prune.iter().map(|l| Outcome { id: l.id.clone(), word: Word::Pruned });
    Report { outcomes: steps.chain(prune).collect(), revision: prepared.revision(), failure: None }
}

fn show(session: &Session, report: &Report, seen: Option<&View>, dry: bool, shape: Shape, terminal: &Terminal) -> Exit {
    let object = |outcome: &Outcome| {
        let mut object = cluster::object(&outcome.id, "result", name(&outcome.word));
        if let (Some(view), Some(map)) = (seen, object.as_object_mut()) {
            map.insert("agents".into(), agents::of_object(view, &outcome.id));
        }
        object
    };
    let objects: Vec<_> = report.outcomes.iter().map(object).collect();
    let json = json!({
        "set": session.set.name, "namespace": session.set.namespace, "revision": report.revision, "dryRun": dry,
        "writes": session.client.writes(), "objects": objects, "error": report.failure.as_ref().map(ToString::to_string),
    });
    let mut text = text(session, report, dry);
    if let Some(view) = seen {
        // Writing into a string does not fail.
        let _ = writeln!(text, "accepted by all {} nodes", view.nodes);
    }
    let shown = cluster::report(shape, &text, &json, terminal);
    match &report.failure {
        Some(error) => cluster::failed(error, terminal),
        None => shown,
    }
}

fn text(session: &Session, report: &Report, dry: bool) -> String {
    let mut out = String::new();
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for Outcome { id, word } in &report.outcomes {
        let word = name(word);
        if *word != *name(&Word::Unchanged) {
            // Writing into a string does not fail.
            let _ = writeln!(out, "{word:<9} {id}");
        }
        match counts.iter_mut().find(|(w, _)| *w == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let end = match (dry, session.client.writes()) {
        (true, _) => "; a dry run: nothing was written",
        (false, 0) => "; nothing was written",
        _ => "",
    };
    let set = &session.set.name;
    let _ = writeln!(out, "set `{set}` at revision {}: {}{end}", report.revision, counts.join(", "));
    out
}

fn name(word: &Word) -> &'static str {
    match word {
        Word::Created => "created",
        Word::Changed => "changed",
        Word::Adopted => "adopted",
        Word::Unchanged => "unchanged",
        Word::Pruned => "pruned",
        Word::Failed => "failed",
        Word::NotTried => "not tried",
    }
}
