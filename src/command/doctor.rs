//! `meshc doctor`

use super::cluster::{self, Session};
use crate::cli::OfSet;
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
    let entry = |f: &Finding| {
        let state = word(f);
        json!({"subject": f.subject, "state": state, "found": f.found, "remedy": f.remedy})
    };
    let json = json!({"context": session.place, "findings": findings.iter().map(entry).collect::<Vec<_>>()});
    let shown = cluster::report(args.cluster.output, &text(&session, &findings), &json, terminal);
    if shown == Exit::Done && findings.iter().any(|f| f.fatal) { Exit::Refused } else { shown }
}

fn word(finding: &Finding) -> &'static str {
    match (&finding.remedy, finding.fatal) {
        (None, _) => "ok",
        (Some(_), true) => "fails",
        (Some(_), false) => "look",
    }
}

fn text(session: &Session, findings: &[Finding]) -> String {
    let mut out = format!("context {}\n", session.place);
    for finding in findings {
        // Writing into a string does not fail.
        let _ = writeln!(out, "{:<5} {}: {}", word(finding), finding.subject, finding.found);
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(out, "      → {remedy}");
        }
    }
    out
}
