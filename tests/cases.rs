//! The cases: small programs in `tests/cases/`, one folder each, with what must come of them.
//!
//! `policy.mesh` (and any other `.mesh` file) is compiled with `services.yaml` as its catalog.
//! `expect.txt` says, a line each:
//! - `target TARGET`: what to compile for (default: the newest Cilium release);
//! - `set NAME=VALUE`: a parameter;
//! - `! CODE TEXT`: a diagnostic that underlines just this text (`\n` for a line end); every error
//!   and warning must be listed, notes may be;
//! - `@ LINE:COLUMN`: where the diagnostic before begins;
//! - `? WORDS`: words of the message or help of the diagnostic before;
//! - `= POINTER VALUE`: what stands at a JSON pointer into the list of objects;
//! - `- POINTER`: nothing stands there.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that fails panics, and says why")]

mod common;

use common::expect::{Held, every_case};
use common::{Case, compile_case};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// What is wrong with the outcome of one case.
fn problems(folder: &Path) -> Vec<String> {
    let expect = fs::read_to_string(folder.join("expect.txt")).expect("a case has an expect.txt");
    let case = Case::read(folder, &expect);
    let (sources, compiled) = compile_case(&case);
    let objects = compiled.manifest.as_ref().map(|m| serde_json::to_value(&m.objects).expect("objects are JSON"));
    let mut held = Held::new(&compiled.diagnostics, &sources);
    for line in expect.lines().filter(|line| !line.is_empty()) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "=" => {
                let (pointer, wanted) = rest.split_once(' ').expect("a pointer and a value");
                let wanted: Value = serde_json::from_str(wanted).expect("the value is JSON");
                let seen = objects.as_ref().and_then(|o| o.pointer(pointer));
                if seen != Some(&wanted) {
                    held.problem(format!("at {pointer}: wanted {wanted}, seen {}", seen.unwrap_or(&Value::Null)));
                }
            }
            "-" => {
                if let Some(seen) = objects.as_ref().and_then(|o| o.pointer(rest)) {
                    held.problem(format!("at {rest}: wanted nothing, seen {seen}"));
                }
            }
            // What the case is compiled with.
            "target" | "set" => {}
            _ if held.line(line) => {}
            _ => held.problem(format!("not understood: {line}")),
        }
    }
    held.problems()
}

#[test]
fn every_case_comes_out_as_expected() {
    every_case("tests/cases", 50, problems);
}
