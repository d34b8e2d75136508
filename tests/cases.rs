//! The cases: small programs in `tests/cases/`, one folder each, with what must come of them.
//!
//! `policy.mesh` (and any other `.mesh` file) is compiled with `services.yaml` as its catalog.
//! `expect.txt` says, a line each:
//! - `target TARGET`: what to compile for (default: the newest Cilium release);
//! - `set NAME=VALUE`: a parameter;
//! - `! CODE TEXT`: a diagnostic that underlines just this text (`\n` for a line end); every error
//!   and warning must be listed, notes may be;
//! - `? WORDS`: words of the message or help of the diagnostic before;
//! - `= POINTER VALUE`: what stands at a JSON pointer into the list of objects;
//! - `- POINTER`: nothing stands there.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::{Case, compile_case, folders};
use meshc_dsl::{Diagnostic, Severity, Sources};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn underlined(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let text = diagnostic.place().map_or("", |place| sources.text(place));
    text.replace('\n', "\\n").replace('\r', "\\r")
}

/// What is wrong with the outcome of one case.
fn problems(folder: &Path) -> Vec<String> {
    let expect = fs::read_to_string(folder.join("expect.txt")).expect("a case has an expect.txt");
    let case = Case::read(folder, &expect);
    let (sources, compiled) = compile_case(&case);
    let mut left: Vec<&Diagnostic> = compiled.diagnostics.iter().collect();
    let mut found: Option<&Diagnostic> = None;
    let mut problems = Vec::new();
    let objects = compiled.manifest.as_ref().map(|m| serde_json::to_value(&m.objects).expect("objects are JSON"));
    for line in expect.lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "!" => {
                let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let at = left.iter().position(|d| d.code.0 == code && underlined(d, &sources) == text);
                found = at.map(|at| left.remove(at));
                if found.is_none() {
                    problems.push(format!("missing: {code} at `{text}`"));
                }
            }
            "?" => {
                let said =
                    found.map(|d| format!("{}\n{}", d.message, d.help.as_deref().unwrap_or(""))).unwrap_or_default();
                if !said.contains(rest) {
                    problems.push(format!("`{rest}` is not in: {said}"));
                }
            }
            "=" => {
                let (pointer, wanted) = rest.split_once(' ').expect("a pointer and a value");
                let wanted: Value = serde_json::from_str(wanted).expect("the value is JSON");
                let seen = objects.as_ref().and_then(|o| o.pointer(pointer));
                if seen != Some(&wanted) {
                    problems.push(format!("at {pointer}: wanted {wanted}, seen {}", seen.unwrap_or(&Value::Null)));
                }
            }
            "-" => {
                if let Some(seen) = objects.as_ref().and_then(|o| o.pointer(rest)) {
                    problems.push(format!("at {rest}: wanted nothing, seen {seen}"));
                }
            }
            _ => {}
        }
    }
    let unexpected = left.into_iter().filter(|d| d.severity() != Severity::Note);
    problems.extend(
        unexpected.map(|d| format!("unexpected: {} at `{}`: {}", d.code.0, underlined(d, &sources), d.message)),
    );
    problems
}

#[test]
fn every_case_comes_out_as_expected() {
    let folders = folders("tests/cases");
    assert!(folders.len() > 50, "the cases are gone: {}", folders.len());
    let mut failed = 0;
    for folder in &folders {
        let problems = problems(folder);
        if !problems.is_empty() {
            failed += 1;
            eprintln!("{}:\n  {}", folder.display(), problems.join("\n  "));
        }
    }
    assert_eq!(failed, 0, "{failed} of {} cases failed", folders.len());
}
