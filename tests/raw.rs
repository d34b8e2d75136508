//! Hand-written CiliumEnvoyConfigs, in `tests/raw/`, one folder each: `cec.yaml` with what must be
//! found in it, and `mended.yaml`, in which nothing is found.
//!
//! `services.yaml` is the catalog. `expect.txt` says, a line each:
//! - `target TARGET`: what to check for (default: the newest Cilium release);
//! - `! CODE TEXT`: a diagnostic that underlines just this text; every error and warning must be
//!   listed, notes may be;
//! - `@ LINE:COLUMN`: where the diagnostic before begins;
//! - `? WORDS`: words of the message or help of the diagnostic before.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::expect::{Held, every_case, shown};
use common::folders;
use meshc_compiler::check::check_raw;
use meshc_compiler::regex::LIMIT;
use meshc_compiler::{Catalog, Target};
use meshc_dsl::{Diagnostic, FileId, Severity, Sources, Span};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Checks one text.
fn check(text: &str, target: Target, services: Option<&str>) -> (Sources, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let file = sources.add("cec.yaml", text);
    let mut catalog = Catalog::default();
    if let Some(services) = services {
        let of_catalog = sources.add("services.yaml", services);
        let problems = catalog.read(of_catalog, services, "default");
        assert!(problems.is_empty(), "the catalog of a case is sound: {problems:?}");
    }
    let found = check_raw(file, text, target, &catalog, LIMIT);
    (sources, found)
}

fn loud(found: &[Diagnostic]) -> Vec<&Diagnostic> {
    found.iter().filter(|d| d.severity() != Severity::Note).collect()
}

/// What is wrong with the outcome of one case.
fn problems(folder: &Path) -> Vec<String> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let expect = read("expect.txt").expect("a case has an expect.txt");
    let target = expect.lines().find_map(|l| l.strip_prefix("target ")).map(|t| Target::parse(t).expect("a target"));
    let (target, services) = (target.unwrap_or(Target::DEFAULT), read("services.yaml"));
    let (sources, found) = check(&read("cec.yaml").expect("a case has a cec.yaml"), target, services.as_deref());
    let mut held = Held::new(&found, &sources);
    for line in expect.lines() {
        if !held.line(line) && !line.starts_with("target ") {
            held.problem(format!("not understood: {line}"));
        }
    }
    let mut problems = held.problems();
    let mended = read("mended.yaml").expect("a case has a mended.yaml");
    let (sources, found) = check(&mended, target, services.as_deref());
    problems.extend(loud(&found).into_iter().map(|d| format!("when mended: {}", shown(d, &sources))));
    problems
}

#[test]
fn every_case_comes_out_as_expected() {
    every_case("tests/raw", 40, problems);
}

/// Every code of hand-written objects has a case.
#[test]
fn every_code_has_a_case() {
    let expects =
        folders("tests/raw").into_iter().map(|f| fs::read_to_string(f.join("expect.txt")).expect("it is there"));
    let expected: BTreeSet<String> = expects
        .flat_map(|t| t.lines().filter_map(|l| l.strip_prefix("! ")?.get(..5).map(str::to_owned)).collect::<Vec<_>>())
        .collect();
    let own = |code: &&str| code.get(1..3) == Some("08") && code.get(3..) >= Some("10");
    let codes = meshc_dsl::diagnostic::codes::ALL.iter().map(|c| c.0).filter(own);
    let missing: Vec<&str> = codes.filter(|code| !expected.contains(*code)).collect();
    assert!(missing.is_empty(), "codes without a case: {missing:?}");
}

/// Every snapshot of a Cilium target, with its target.
fn snapshots() -> Vec<(PathBuf, Target, String)> {
    let mut found = Vec::new();
    for folder in folders("snapshots") {
        let mut files: Vec<PathBuf> =
            fs::read_dir(&folder).expect("it is there").map(|e| e.expect("it is there").path()).collect();
        files.sort();
        for path in files {
            let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
            let Some(target) = name.strip_suffix(".yaml").and_then(Target::parse).filter(|t| t.is_cilium()) else {
                continue;
            };
            let text = fs::read_to_string(&path).expect("it can be read");
            found.push((path, target, text));
        }
    }
    assert!(found.len() > 70, "the snapshots are gone: {}", found.len());
    found
}

/// What the compiler writes passes, but for the fixed addresses of which it warns itself.
#[test]
fn what_the_compiler_writes_passes() {
    for (path, target, text) in snapshots() {
        let (sources, found) = check(&text, target, None);
        let of_addresses = path.components().any(|part| part.as_os_str() == "06-static-weights");
        let (fixed, rest): (Vec<&Diagnostic>, Vec<_>) = loud(&found).into_iter().partition(|d| d.code.0 == "W0203");
        let rest: Vec<String> = rest.into_iter().map(|d| shown(d, &sources)).collect();
        assert!(rest.is_empty(), "{}: {rest:#?}", path.display());
        assert_eq!(fixed.len(), if of_addresses { 2 } else { 0 }, "{}", path.display());
    }
}

/// The fences of a page: what is behind the three backticks, and the text.
fn fences(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some((kind.to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

#[test]
fn pages_show_what_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics");
    let mut pages = 0;
    for entry in fs::read_dir(folder).expect("the pages are there") {
        let path = entry.expect("it is there").path();
        let code = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        let page = fs::read_to_string(&path).expect("it can be read");
        let Some((before, after)) = page.split_once("\n## Right\n") else { continue };
        let of_cec = |part: &str| fences(part).into_iter().find(|(kind, _)| kind.starts_with("yaml cec"));
        let (Some((kind, wrong)), Some((_, right))) = (of_cec(before), of_cec(after)) else { continue };
        let target = kind.split("target=").nth(1).map_or(Target::DEFAULT, |t| Target::parse(t).expect("a target"));
        let catalog = fences(before).into_iter().find(|(kind, _)| kind == "yaml catalog").map(|(_, text)| text);
        let (_, found) = check(&wrong, target, catalog.as_deref());
        assert!(found.iter().any(|d| d.code.0 == code), "{code}: what is wrong does not give it: {found:#?}");
        let (_, found) = check(&right, target, catalog.as_deref());
        let bad: Vec<_> = found.iter().filter(|d| d.code.0 == code || d.severity() == Severity::Error).collect();
        assert!(bad.is_empty(), "{code}: what is right gives {bad:#?}");
        pages += 1;
    }
    assert!(pages > 30, "the pages are gone: {pages}");
}

/// `meshc check` with arguments, in a folder: its exit code and stdout.
fn command(folder: &Path, args: &[&str]) -> (Option<i32>, serde_json::Value) {
    let done = Command::new(env!("CARGO_BIN_EXE_meshc"))
        .args(["check", "--format", "json"])
        .args(args)
        .current_dir(folder)
        .output()
        .expect("meshc runs");
    (done.status.code(), serde_json::from_slice(&done.stdout).unwrap_or_default())
}

#[test]
fn the_command_checks_the_files_that_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/raw/spec-port-too-large");
    for (from, to) in [("cec.yaml", "wrong.yaml"), ("mended.yaml", "right.yml")] {
        fs::copy(case.join(from), folder.path().join(to)).expect("it can be copied");
    }
    fs::write(folder.path().join("a.mesh"), "route echo:80 { timeout 5s }\n").expect("it can be written");
    let (code, found) = command(folder.path(), &["wrong.yaml", "right.yml", "a.mesh"]);
    assert_eq!(code, Some(1));
    let errors: Vec<_> =
        found["diagnostics"].as_array().expect("a list").iter().filter(|d| d["severity"] == "error").collect();
    assert_eq!(errors.len(), 1, "{found:#}");
    assert_eq!(errors[0]["code"], "E0811");
    let span = &errors[0]["spans"][0];
    assert_eq!((&span["file"], &span["start"]["line"]), (&"wrong.yaml".into(), &14.into()));
    // A folder's own files are policies, and a target is heeded.
    assert_eq!(command(folder.path(), &["."]).0, Some(0));
    assert_eq!(command(folder.path(), &["right.yml"]).0, Some(0));
    // Clusters may take larger patterns.
    fs::copy(case.with_file_name("regex-too-large").join("cec.yaml"), folder.path().join("regex.yaml"))
        .expect("it can be copied");
    assert_eq!(command(folder.path(), &["regex.yaml"]).0, Some(1));
    assert_eq!(command(folder.path(), &["regex.yaml", "--max-regex-program", "256"]).0, Some(0));
    let (code, found) = command(folder.path(), &["right.yml", "--target", "cilium-1.15"]);
    assert_eq!(code, Some(1), "{found:#}");
    assert!(found["diagnostics"].as_array().expect("a list").iter().any(|d| d["code"] == "E0501"));
}

#[test]
fn odd_files_are_reported_and_nothing_more() {
    let deep = "[".repeat(100_000);
    let aliases = "a: &a [x]\nb: &b [*a,*a]\n".to_owned();
    let unclosed = "kind: CiliumEnvoyConfig\nspec: {resources: [";
    for text in [
        "",
        "\n---\n",
        "null",
        "- 1\n- 2",
        "7",
        "kind: 3",
        "\u{feff}kind: [a]",
        &deep,
        &aliases,
        unclosed,
        "ä: \"\\x\"",
        "kind: CiliumEnvoyConfig\nmetadata:\n  name: shop\n \u{feff}namespace: a\n",
    ] {
        let (sources, found) = check(text, Target::DEFAULT, None);
        assert!(!found.is_empty(), "{text:.40}");
        let of_text = |p: Span| text.get(p.start as usize..p.end as usize).is_some();
        assert!(found.iter().filter_map(Diagnostic::place).all(of_text), "{found:?} of {:?}", sources.get(FileId(0)));
    }
}

/// One change of a text: a piece of it goes, comes twice, or gives way to something else.
fn changed(text: &str, at: usize, length: usize, change: usize) -> String {
    const PIECES: [&str; 12] = ["", "null", "[]", "{}", "70000", "\"", "- ", "\n", ": ", "ä", "&a *a", "1e400"];
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = floor(at % (text.len() + 1));
    let end = floor(start + length).max(start);
    let piece = PIECES.get(change).copied().or(text.get(start..end)).unwrap_or("");
    format!("{}{piece}{}", text.get(..start).unwrap_or(""), text.get(end..).unwrap_or(""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any text gives diagnostics with places in it, and the same each time.
    #[test]
    fn nothing_panics(pick in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<usize>(), 0..40_usize, 0..14_usize), 1..6)) {
        let snapshots = snapshots();
        let (_, target, text) = &snapshots[pick.index(snapshots.len())];
        let text = changes.iter().fold(text.clone(), |text, (at, length, change)| changed(&text, *at, *length, *change));
        let (sources, found) = check(&text, *target, None);
        for place in found.iter().flat_map(|d| d.labels.iter().map(|l| l.span)) {
            prop_assert!(place.start <= place.end && place.start as usize <= text.len(), "{place:?}");
            prop_assert_eq!(sources.get(place.file).map(|f| f.text.len()), Some(text.len()));
        }
        prop_assert_eq!(check(&text, *target, None).1, found);
    }

    /// A whole line that goes, or a value that becomes another, is mostly still YAML.
    #[test]
    fn lines_may_go_and_values_change(pick in any::<prop::sample::Index>(), line in any::<prop::sample::Index>(), value in prop::option::of("[a-z0-9/:._\\[\\]{}-]{0,8}")) {
        let snapshots = snapshots();
        let (_, target, text) = &snapshots[pick.index(snapshots.len())];
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let at = line.index(lines.len());
        match (&value, lines[at].split_once(": ").map(|(key, _)| key.to_owned())) {
            (Some(value), Some(key)) => lines[at] = format!("{key}: {value}"),
            _ => drop(lines.remove(at)),
        }
        check(&lines.join("\n"), *target, None);
    }
}
