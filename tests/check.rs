//! `meshc check` and `meshc explain`: formats, exit codes, mends, and that one run tells everything.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::command::{err, folder, meshc, out};
use serde_json::Value;
use std::fs;
use std::path::Path;

const GOOD: &str = "service b:80\nroute a:80 to b\n";
/// An error with two places, one with a certain mend, and a warning.
const BAD: &str = "service b:80\nroute a:80 {\n  # ä→\n  when path = “/ä→x” { to b }\n  to b\n}\nroute a:80 to b\nroute c:80 to unknown\n";

#[test]
fn exit_codes_and_streams() {
    let folder = folder(&[("good.mesh", GOOD), ("bad.mesh", BAD), ("warn.mesh", "route a:80 to default/b\n")]);
    let cases: [(&[&str], i32); 8] = [
        (&["check", "good.mesh"], 0),
        (&["check", "bad.mesh"], 1),
        (&["check", "bad.mesh", "--format", "short"], 1),
        (&["check", "warn.mesh"], 0),
        (&["check", "warn.mesh", "--deny-warnings"], 1),
        (&["check", "good.mesh", "--deny-warnings"], 0),
        (&["check", "missing.mesh"], 2),
        (&["check", "good.mesh", "--format", "xml"], 2),
    ];
    for (args, code) in cases {
        let done = meshc(folder.path(), args);
        assert_eq!(done.status.code(), Some(code), "{args:?}: {}", err(&done));
        assert!(done.stdout.is_empty(), "{args:?}: people read stderr");
    }
    for format in ["json", "sarif"] {
        let done = meshc(folder.path(), &["check", "bad.mesh", "--format", format]);
        assert_eq!(done.status.code(), Some(1));
        assert!(done.stderr.is_empty() && done.stdout.ends_with(b"}\n"), "{format}: {}", err(&done));
        let done = meshc(folder.path(), &["check", "good.mesh", "--format", format]);
        assert_eq!(done.status.code(), Some(0));
    }
}

#[test]
fn check_says_what_compile_says() {
    let folder = folder(&[("bad.mesh", BAD), ("warn.mesh", "route a:80 to default/b\n")]);
    for name in ["bad.mesh", "warn.mesh"] {
        let compiled = err(&meshc(folder.path(), &["compile", name]));
        let checked = err(&meshc(folder.path(), &["check", name]));
        let (said, summary) = checked.trim_end().rsplit_once("\n\n").expect("there is a summary");
        assert_eq!(said, compiled.trim_end());
        let wanted = if name == "bad.mesh" { "error: 3 errors, 1 warning" } else { "warning: 1 warning" };
        assert!(summary.ends_with(wanted), "{summary}");
    }
    let denied = err(&meshc(folder.path(), &["check", "warn.mesh", "--deny-warnings"]));
    assert!(denied.contains("error: 1 warning, which --deny-warnings does not let pass"), "{denied}");
}

#[test]
fn short_is_a_line_each() {
    let folder = folder(&[("bad.mesh", BAD)]);
    let said = err(&meshc(folder.path(), &["check", "bad.mesh", "--format", "short"]));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert_eq!(lines[0], "bad.mesh:4:15: error[E0121]: `“/ä→x”` stands in typographic quotes");
    assert!(lines[2].starts_with("bad.mesh:7:7: error[E0207]: "), "{}", lines[2]);
    assert!(lines[3].starts_with("bad.mesh:8:15: warning[W0202]: "), "{}", lines[3]);
}

#[test]
fn json_counts_lines_columns_and_bytes() {
    let folder = folder(&[("bad.mesh", BAD)]);
    let document: Value =
        serde_json::from_str(&out(&meshc(folder.path(), &["check", "bad.mesh", "--format", "json"]))).expect("JSON");
    let all = document["diagnostics"].as_array().expect("a list");
    assert_eq!(document.as_object().expect("an object").len(), 1);
    for entry in all {
        for key in ["code", "severity", "message", "help", "spans"] {
            assert!(entry.get(key).is_some(), "{key} is not in {entry}");
        }
        for span in entry["spans"].as_array().expect("a list") {
            let bytes = |at: &str| usize::try_from(span[at]["offset"].as_u64().expect("a number")).expect("small");
            let (start, end) = (bytes("start"), bytes("end"));
            for (place, offset) in [("start", start), ("end", end)] {
                let before = BAD.get(..offset).expect("offsets are at characters");
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
                assert_eq!(span[place]["line"], line);
                assert_eq!(span[place]["column"], column);
            }
            assert!(start < end);
            assert_eq!(span["file"], "bad.mesh");
        }
    }
    let quotes = &all[0];
    assert_eq!(quotes["code"], "E0121");
    assert_eq!(quotes["fix"]["replacement"], "\"/ä→x\"");
    assert_eq!(quotes["fix"]["start"], quotes["spans"][0]["start"]);
    assert_eq!(quotes["fix"]["end"], quotes["spans"][0]["end"]);
    let twice = all.iter().find(|d| d["code"] == "E0207").expect("steered twice");
    assert_eq!(twice["severity"], "error");
    assert!(twice.get("fix").is_none());
    let primary: Vec<&Value> = twice["spans"].as_array().expect("a list").iter().map(|s| &s["primary"]).collect();
    assert_eq!(primary, [&Value::Bool(true), &Value::Bool(false)]);
    assert_eq!(twice["spans"][1]["start"]["line"], 2);
    assert_eq!(all.iter().find(|d| d["code"] == "W0202").expect("a warning")["severity"], "warning");
}

/// What SARIF 2.1.0 asks of the parts that are written; the schema itself is asked by `tests/run sarif`.
fn sound_sarif(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "meshc");
    let rules = driver["rules"].as_array().expect("rules");
    let mut ids: Vec<&str> = rules.iter().map(|r| r["id"].as_str().expect("an id")).collect();
    for rule in rules {
        for text in [&rule["shortDescription"]["text"], &rule["help"]["text"], &rule["help"]["markdown"]] {
            assert!(text.as_str().is_some_and(|t| !t.is_empty()), "{rule}");
        }
        assert!(
            ["error", "warning", "note"].contains(&rule["defaultConfiguration"]["level"].as_str().expect("a level"))
        );
    }
    for result in run["results"].as_array().expect("results") {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("a number")).expect("small");
        assert_eq!(ids[index], result["ruleId"]);
        assert!(result["message"]["text"].as_str().is_some_and(|t| !t.is_empty()));
        let locations = result["locations"].as_array().expect("locations");
        let related = result["relatedLocations"].as_array().cloned().unwrap_or_default();
        for location in locations.iter().chain(&related) {
            let place = &location["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().expect("a uri");
            assert!(uri.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&b)), "{uri}");
            let at = |key: &str| place["region"][key].as_u64().expect("a number");
            assert!(at("startLine") >= 1 && at("startColumn") >= 1);
            assert!((at("startLine"), at("startColumn")) <= (at("endLine"), at("endColumn")));
        }
        for (id, location) in related.iter().enumerate() {
            assert_eq!(location["id"], id + 1);
            assert!(location["message"]["text"].as_str().is_some_and(|t| !t.is_empty()));
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), rules.len(), "each rule stands once");
}

#[test]
fn sarif_has_rules_places_and_mends() {
    let folder = folder(&[("a b/bad ä.mesh", BAD), ("good.mesh", "service g:80\nroute h:80 to g\n")]);
    let log: Value =
        serde_json::from_str(&out(&meshc(folder.path(), &["check", ".", "--format", "sarif"]))).expect("JSON");
    sound_sarif(&log);
    let results = log["runs"][0]["results"].as_array().expect("results");
    let ids: Vec<&str> = results.iter().map(|r| r["ruleId"].as_str().expect("an id")).collect();
    assert_eq!(ids.iter().filter(|id| id.starts_with('E')).count(), 3, "{ids:?}");
    let quotes = results.iter().find(|r| r["ruleId"] == "E0121").expect("it is there");
    let place = &quotes["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b/bad%20%C3%A4.mesh");
    assert_eq!(place["region"]["startLine"], 4);
    assert_eq!((&place["region"]["startColumn"], &place["region"]["endColumn"]), (&Value::from(15), &Value::from(21)));
    let change = &quotes["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["replacements"][0]["insertedContent"]["text"], "\"/ä→x\"");
    assert_eq!(change["replacements"][0]["deletedRegion"], place["region"]);
    let twice = results.iter().find(|r| r["ruleId"] == "E0207").expect("it is there");
    assert_eq!(twice["relatedLocations"][0]["physicalLocation"]["region"]["startLine"], 2);
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
    let rule = rules.iter().find(|r| r["id"] == "E0121").expect("it is there");
    assert!(rule["help"]["text"].as_str().is_some_and(|t| t.contains("## Right")));
    // A diagnostic without a place, and none at all, are sound too.
    let log = out(&meshc(folder.path(), &["check", "good.mesh", "--format", "sarif", "--set", "x=1"]));
    let log: Value = serde_json::from_str(&log).expect("JSON");
    sound_sarif(&log);
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "E0603");
}

#[test]
fn fifty_are_shown_and_the_rest_counted() {
    let many: String = (0..60).map(|n| format!("route a{n}:80 timeout 5\n")).collect();
    let folder = folder(&[("p.mesh", &many)]);
    let said = err(&meshc(folder.path(), &["check"]));
    assert_eq!(said.matches("error[E0302]").count(), 50);
    assert!(said.contains("note: 10 more are not shown: 10 errors") && said.contains("error: 60 errors"), "{said}");
    let short = err(&meshc(folder.path(), &["check", "--format", "short"]));
    assert_eq!(short.lines().count(), 60);
    let json: Value = serde_json::from_str(&out(&meshc(folder.path(), &["check", "--format", "json"]))).expect("JSON");
    assert_eq!(json["diagnostics"].as_array().map(Vec::len), Some(60));
}

#[test]
fn one_run_tells_every_mistake_of_every_file_once() {
    let folder = folder(&[
        ("c.mesh", "route c:80 use missing\nroute d:80 { use missing; timeout 5 }\n"),
        (
            "a.mesh",
            "rout x:80\nroute a:80 {\n  90% v1, 20% v2\n  tiemout 5s\n  when path == \"/x\" { timeout $none }\n}\n",
        ),
        ("b.mesh", "route b:80 {\n  timeout 5\n  retry 3 on 5xz\n  ratelimit 5\n"),
    ]);
    let said = err(&meshc(folder.path(), &["check", "c.mesh", "a.mesh", "b.mesh", "--format", "short"]));
    let errors: Vec<&str> =
        said.lines().filter(|l| l.contains(": error")).map(|l| l.split(": ").next().unwrap_or("")).collect();
    let of = |name: &str| errors.iter().filter(|e| e.starts_with(name)).copied().collect::<Vec<_>>();
    assert_eq!(of("c"), ["c.mesh:1:16", "c.mesh:2:18", "c.mesh:2:35"]);
    assert_eq!(of("a"), ["a.mesh:1:1", "a.mesh:3:3", "a.mesh:4:3", "a.mesh:5:13", "a.mesh:5:31"]);
    assert_eq!(of("b"), ["b.mesh:1:12", "b.mesh:2:11", "b.mesh:3:14", "b.mesh:4:13"]);
    assert_eq!(errors.len(), 12, "{said}");
    let mut files: Vec<&str> = errors.iter().map(|e| e.split(':').next().unwrap_or("")).collect();
    files.dedup();
    assert_eq!(files.len(), 3, "each file's errors stand together");
}

#[test]
fn fix_mends_what_is_certain_and_leaves_the_rest() {
    let slips = "// a comment\nroute a 80 {\n  when path == “/x” && header x-a != \"1\" || method = GET { to b, timeout 5s }\n  timeout: 5s\n  retry=3\n  tiemout 5s\n  90 % b, 10 % c;\n};\nservice b:80\n";
    let mended = "# a comment\nroute a:80 {\n  when path = \"/x\" and not header x-a = \"1\" or method GET { to b; timeout 5s }\n  timeout 5s\n  retry 3\n  tiemout 5s\n  90% b, 10% c;\n}\nservice b:80\n";
    let folder = folder(&[("p.mesh", slips), ("q.mesh", "route q:80 timeout 5\n")]);
    let done = meshc(folder.path(), &["check", "--fix"]);
    let said = err(&done);
    assert_eq!(fs::read_to_string(folder.path().join("p.mesh")).expect("it is there"), mended, "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("q.mesh")).expect("it is there"), "route q:80 timeout 5\n");
    assert_eq!(done.status.code(), Some(1), "what is not certain is left");
    assert!(said.contains("note: p.mesh:3:13: wrote `=` for `==`"), "{said}");
    assert!(said.contains("did you mean `timeout`?") && !said.contains("E0112") && !said.contains("E0121"), "{said}");
    let names = fs::read_dir(folder.path()).expect("it is there").count();
    assert_eq!(names, 2, "no temporary file is left");
    let again = meshc(folder.path(), &["check", "--fix"]);
    assert!(!err(&again).contains("note: p.mesh"), "nothing is left to mend: {}", err(&again));
}

#[test]
fn fix_says_that_it_leaves_hand_written_files() {
    let raw = "apiVersion: cilium.io/v1\nkind: CiliumEnvoyConfig\nmetadata: {name: a}\nspec: {resources: []}\n";
    let folder = folder(&[("p.mesh", "service a:80\nroute a:80 { timeout 5s, retry 3 on reset }\n"), ("c.yaml", raw)]);
    let done = meshc(folder.path(), &["check", "p.mesh", "c.yaml", "--fix"]);
    let said = err(&done);
    assert!(said.contains("c.yaml: left as it is") && said.contains("wrote `;` for `,`"), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("c.yaml")).expect("it is there"), raw);
}

#[test]
fn fix_needs_files_and_keeps_links() {
    let folder = folder(&[("p.mesh", "route a:80 {\n  timeout: 5s\n}\n")]);
    assert_eq!(meshc(folder.path(), &["check", "-", "--fix"]).status.code(), Some(2));
    #[cfg(unix)]
    {
        let link = folder.path().join("link.mesh");
        std::os::unix::fs::symlink("p.mesh", &link).expect("a link can be made");
        assert_eq!(meshc(folder.path(), &["check", "link.mesh", "--fix"]).status.code(), Some(0));
        assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());
        assert!(fs::read_to_string(folder.path().join("p.mesh")).expect("it is there").contains("timeout 5s"));
    }
}

#[test]
fn explain_prints_a_page_or_the_list() {
    let here = Path::new(".");
    let page = meshc(here, &["explain", "e0120"]);
    assert_eq!(page.status.code(), Some(0));
    assert!(out(&page).starts_with("E0120: YAML where policy should stand\n") && !out(&page).contains("```"));
    assert!(!out(&page).contains('\u{1b}'), "no colours off a terminal");
    assert!(out(&meshc(here, &["explain", "E0120", "--color", "always"])).starts_with("\u{1b}[1m"));
    let list = meshc(here, &["explain"]);
    assert!(out(&list).contains("E0121  text in quotes of another kind\n"));
    let unknown = meshc(here, &["explain", "E012O"]);
    assert_eq!((unknown.status.code(), unknown.stdout.is_empty()), (Some(2), true));
    assert!(err(&unknown).contains("did you mean `E012"), "{}", err(&unknown));
    assert_eq!(meshc(here, &["explain", "nonsense"]).status.code(), Some(2));
}
