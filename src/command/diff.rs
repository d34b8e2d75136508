//! `meshc diff`

use super::cluster::{self, Compiled};
use super::since;
use crate::cli::Diff;
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::deploy::{self, Difference, Options, Plan, Verb};
use serde_json::{Value, json};
use std::fmt::Write;

/// Shows what apply would change, or what changed since an earlier version.
pub(crate) fn run(args: &Diff, terminal: &Terminal) -> Exit {
    if let Some(from) = &args.from {
        return since::run(from, args, terminal);
    }
    let Compiled { session, record, .. } = match cluster::program(&args.program, &args.cluster, terminal) {
        Ok(compiled) => compiled,
        Err(exit) => return exit,
    };
    let (client, set) = (&session.client, &session.set);
    let plan = match args.revision {
        Some(number) => session
            .run(deploy::revision(client, set, number), terminal)
            .and_then(|(_, then)| session.run(async { deploy::between(record.objects, then.objects, set) }, terminal)),
        None => {
            // Fields that others took are what is shown, not a reason to refuse; nothing is written.
            let options = Options { force: true, allow_empty: true, ..Options::default() };
            session.run(deploy::prepare(client, set, record.objects, options, true), terminal).map(|p| p.plan)
        }
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let shown = cluster::report(args.cluster.output, &text(&plan), &as_json(&plan), terminal);
    if shown == Exit::Done && !plan.is_empty() { Exit::Wrong } else { shown }
}

fn text(plan: &Plan) -> String {
    let mut out = String::new();
    for step in &plan.steps {
        let id = &step.desired.id;
        // Writing into a string does not fail.
        let _ = match &step.verb {
            Verb::Create => writeln!(out, "+ {id}"),
            Verb::Change(found) => writeln!(out, "~ {id}\n{}", lines(found)),
            Verb::Adopt => writeln!(out, "~ {id}\n    becomes ours without a change"),
            Verb::Renew | Verb::Keep => Ok(()),
        };
    }
    for live in &plan.prune {
        let _ = writeln!(out, "- {}", live.id);
    }
    out
}

/// Each field: what is there, then what would be.
pub(super) fn lines(found: &[Difference]) -> String {
    let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
    let line = |d: &Difference| format!("    {}: {} → {}", d.path, value(&d.live), value(&d.ours));
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn as_json(plan: &Plan) -> Value {
    let mut objects = Vec::new();
    for step in &plan.steps {
        let (word, fields) = match &step.verb {
            Verb::Create => ("created", Vec::new()),
            Verb::Change(found) => ("changed", found.clone()),
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
    json!({"objects": objects})
}
