//! `meshc diff`

use super::cluster::{self, Compiled, Session};
use super::policies::{self, Changed};
use super::since;
use crate::cli::Diff;
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::deploy::{self, Difference, Options, Plan, Record, Verb};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The colours of what comes, changes and goes; they stand only on a terminal.
pub(super) const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
pub(super) const RED: &str = "\x1b[31m";
pub(super) const PLAIN: &str = "\x1b[0m";

/// Shows what apply would change, the policies' clauses first and then the fields of the objects, or what changed
/// since an earlier version.
pub(crate) fn run(args: &Diff, terminal: &Terminal) -> Exit {
    if let Some(from) = &args.from {
        return since::run(from, args, terminal);
    }
    let Compiled { session, record, .. } = match cluster::program(&args.program, &args.cluster, terminal) {
        Ok(compiled) => compiled,
        Err(exit) => return exit,
    };
    let (client, set) = (&session.client, &session.set);
    let sources = record.sources.clone();
    let (plan, then) = match args.revision {
        Some(number) => match session.run(deploy::revision(client, set, number), terminal) {
            Ok((_, Record { sources, objects })) => {
                let plan = session.run(async { deploy::between(record.objects, objects, set) }, terminal);
                (plan, Some(sources))
            }
            Err(exit) => return exit,
        },
        None => {
            // Fields that others took are what is shown, not a reason to refuse; nothing is written.
            let options = Options { force: true, allow_empty: true, ..Options::default() };
            let prepared = session.run(deploy::prepare(client, set, record.objects, options, true), terminal);
            let then = prepared.as_ref().ok().and_then(|p| applied(&session, p.revision(), terminal));
            (prepared.map(|p| p.plan), then)
        }
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let changed = then.map(|then| policies::changes(&then, &sources)).unwrap_or_default();
    let text = policies::text(&changed) + &text(&plan);
    let shown = cluster::colored(args.cluster.output, &text, &as_json(&changed, &plan), terminal);
    if shown == Exit::Done && !plan.is_empty() { Exit::Wrong } else { shown }
}

/// The policies of the applied revision; nothing before the first.
fn applied(session: &Session, revision: u64, terminal: &Terminal) -> Option<BTreeMap<String, String>> {
    if revision == 0 {
        return Some(BTreeMap::new());
    }
    match session.complete(deploy::revision(&session.client, &session.set, revision)) {
        Ok((_, record)) => Some(record.sources),
        Err(error) => {
            terminal.note(&format!("which clauses changed is not seen: {error}"));
            None
        }
    }
}

fn text(plan: &Plan) -> String {
    let mut out = String::new();
    for step in &plan.steps {
        let id = &step.desired.id;
        // Writing into a string does not fail.
        let _ = match &step.verb {
            Verb::Create => writeln!(out, "{GREEN}+ {id}{PLAIN}"),
            Verb::Change(found) => writeln!(out, "{YELLOW}~ {id}{PLAIN}\n{}", lines(found)),
            Verb::Adopt => writeln!(out, "{YELLOW}~ {id}{PLAIN}\n    becomes ours without a change"),
            Verb::Renew | Verb::Keep => Ok(()),
        };
    }
    for live in &plan.prune {
        let _ = writeln!(out, "{RED}- {}{PLAIN}", live.id);
    }
    out
}

/// Each field: what is there, then what would be.
pub(super) fn lines(found: &[Difference]) -> String {
    let found = deploy::told(found);
    let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
    let line = |d: &Difference| format!("    {}: {} → {}", d.path, value(&d.live), value(&d.ours));
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn as_json(changed: &[Changed], plan: &Plan) -> Value {
    let mut objects = Vec::new();
    for step in &plan.steps {
        let (word, fields) = match &step.verb {
            Verb::Create => ("created", Vec::new()),
            Verb::Change(found) => ("changed", deploy::told(found)),
            Verb::Adopt => ("adopted", Vec::new()),
            Verb::Renew | Verb::Keep => continue,
        };
        let mut object = cluster::object(&step.desired.id, "change", word);
        if let Some(map) = object.as_object_mut() {
            map.insert("fields".into(), json!(fields));
        }
        objects.push(object);
    }
    objects.extend(plan.prune.iter().map(|live| cluster::object(&live.id, "change", "pruned")));
    json!({"policies": changed, "objects": objects})
}
