//! `meshc doctor`

use super::cluster::{self, Session};
use crate::cli::{OfSet, Shape};
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::deploy::{self, Finding};
use serde_json::json;
use std::fmt::Write;

/// Says whether a cluster can take policies; exit 3 where it cannot.
pub(crate) fn run(args: &OfSet, terminal: &Terminal) -> Exit {
    let session = match Session::of_path(args.path.as_deref(), &args.cluster, terminal) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let findings = match session
        .run(deploy::examine(&session.client, &session.set, &session.cilium, &session.targets), terminal)
    {
        Ok(findings) => findings,
        Err(exit) => return exit,
    };
    show(("context", &session.place), &findings, args.cluster.output, terminal)
}

/// Shows what was found at a place, which has a word and a name; exit 3 where something cannot go on so.
pub(super) fn show(place: (&str, &str), findings: &[Finding], shape: Shape, terminal: &Terminal) -> Exit {
    let entry = |f: &Finding| {
        let state = word(f);
        json!({"subject": f.subject, "state": state, "found": f.found, "remedy": f.remedy})
    };
    let entries: Vec<_> = findings.iter().map(entry).collect();
    let json = json!({(place.0): place.1, "findings": entries});
    let shown = cluster::report(shape, &text(place, findings), &json, terminal);
    let bad = findings.iter().any(|f| f.fatal);
    if shown == Exit::Done && bad { Exit::Refused } else { shown }
}

fn word(finding: &Finding) -> &'static str {
    match (&finding.remedy, finding.fatal) {
        (None, _) => "ok",
        (Some(_), true) => "fails",
        (Some(_), false) => "look",
    }
}

fn text((word_of_place, place): (&str, &str), findings: &[Finding]) -> String {
    let mut out = format!("{word_of_place} {place}\n");
    for finding in findings {
        // Writing into a string does not fail.
        let _ = writeln!(out, "{:<5} {}: {}", word(finding), finding.subject, finding.found);
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(out, "      → {remedy}");
        }
    }
    out
}
