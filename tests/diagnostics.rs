//! Every diagnostic has a page with a wrong and a right example, a case that shows where it
//! points, and a message in the common style.
//!
//! The page's right example is the code's passing neighbour: nearly the wrong one, mended as the
//! page says, and without the diagnostic.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::page::{Example, Page, all_pages};
use common::{Case, compile_case, folders};
use meshc_dsl::diagnostic::{Code, Diagnostic, Severity, codes};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Codes that no example on a page can show, why, and the test that shows them.
const WITHOUT_EXAMPLE: &[(Code, &str)] = &[
    (codes::FILE_TOO_LARGE, "takes 1 MiB of text: `large_texts_and_objects_are_refused` here"),
    (codes::OBJECT_TOO_LARGE, "takes 1 MiB of rules: `large_texts_and_objects_are_refused` here"),
    (codes::TOO_COMPLEX, "takes a lower limit than ours: `steps_grow_in_proportion_to_the_text` in dsl/tests/steps.rs"),
    (codes::INTERNAL, "is a bug of the compiler: tests/properties.rs looks for one in random programs"),
];

/// Codes that no case can show with underlined text, besides those without an example.
const WITHOUT_PLACE: &[(Code, &str)] = &[
    (codes::NOT_UTF8, "the file cannot be shown"),
    (codes::BAD_SET, "a `--set` stands on the command line, and `[params]` in meshc.toml"),
    (codes::BAD_CONFIG, "cases have no meshc.toml: `mistakes_in_the_configuration_are_underlined` here"),
    (codes::UNKNOWN_TARGET, "cases have no meshc.toml: `mistakes_in_the_configuration_are_underlined` here"),
];

fn excepted(list: &[(Code, &str)], code: &str) -> bool {
    list.iter().any(|(c, _)| c.0 == code)
}

/// The command that an example is for: resources written in full are checked, tests are run.
fn words(example: &Example) -> [&'static str; 2] {
    let tests = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().any(|line| line.starts_with("test \""));
    if example.has("cec.yaml") {
        ["check", "cec.yaml"]
    } else if example.files.iter().any(|(_, bytes)| tests(bytes)) {
        ["test", "."]
    } else {
        ["compile", "."]
    }
}

/// The codes that the command gives for an example, and whether it compiled.
fn outcome(example: &Example) -> (Vec<String>, bool) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (name, bytes) in &example.files {
        fs::write(folder.path().join(name), bytes).expect("it can be written");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshc"));
    command.args(words(example)).args(["--color", "never"]).current_dir(folder.path());
    for (option, value) in &example.options {
        command.args([option, value]);
    }
    if example.has("services.yaml") {
        command.args(["--catalog", "services.yaml"]);
    }
    let output = command.output().expect("meshc runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let code = |line: &str| {
        let (word, rest) = line.split_once('[')?;
        let known = ["error", "warning", "note"].contains(&word);
        rest.split_once("]:").filter(|_| known).map(|(code, _)| code.to_owned())
    };
    (said.lines().filter_map(code).collect(), output.status.success())
}

fn problems_of_examples(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    let (Some(wrong), Some(right)) = (&page.wrong, &page.right) else {
        return vec![format!("{}: a wrong or a right example is missing", page.code)];
    };
    if wrong.files == right.files && wrong.options == right.options {
        problems.push(format!("{}: both examples are the same", page.code));
    }
    let (found, _) = outcome(wrong);
    if !found.contains(&page.code) {
        problems.push(format!("{}: the wrong example gives {found:?}", page.code));
    }
    // A resource written in full that is lost takes the references to it along.
    let alone = !wrong.has("cec.yaml");
    if let Some(other) = found.iter().find(|c| alone && c.starts_with('E') && **c != page.code) {
        problems.push(format!("{}: the wrong example gives {other} too", page.code));
    }
    let (found, compiled) = outcome(right);
    if found.contains(&page.code) || !compiled {
        problems.push(format!("{}: the right example gives {found:?}, compiled: {compiled}", page.code));
    }
    problems
}

#[test]
fn every_code_has_a_page_whose_examples_do_what_it_says() {
    let pages = all_pages();
    let mut problems: Vec<String> = Vec::new();
    for code in codes::ALL {
        if !pages.iter().any(|p| p.code == code.0) {
            problems.push(format!("{} has no page", code.0));
        }
    }
    for page in &pages {
        if !codes::ALL.iter().any(|c| c.0 == page.code) {
            problems.push(format!("{} is no code", page.code));
        }
        problems.extend(page.problems.iter().map(|p| format!("{}: {p}", page.code)));
        if !excepted(WITHOUT_EXAMPLE, &page.code) {
            problems.extend(problems_of_examples(page));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn codes_and_titles_are_distinct() {
    let codes: BTreeSet<&str> = codes::ALL.iter().map(|c| c.0).collect();
    assert_eq!(codes.len(), codes::ALL.len(), "a number stands for two things");
    assert!(codes.len() >= 80, "{} codes", codes.len());
    let pages = all_pages();
    let titles: BTreeSet<&str> = pages.iter().map(|p| p.title.as_str()).collect();
    assert_eq!(titles.len(), pages.len(), "two pages have one title");
}

#[test]
fn the_index_lists_every_page() {
    let title = "# Diagnostics\n\nAn `E` is an error: nothing is compiled. A `W` is a warning, an `N` a note. \
                 A number is never used for another meaning.\n\n";
    let lines = all_pages().into_iter().map(|p| format!("- [{}]({}.md): {}\n", p.code, p.code, p.title));
    let wanted = format!("{title}{}", lines.collect::<String>());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics/README.md");
    if std::env::var_os("MESHC_ACCEPT").is_some() {
        fs::write(&path, &wanted).expect("it can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "the index is not that of the pages; accept it with MESHC_ACCEPT=1");
}

#[test]
fn every_code_has_a_case_that_shows_its_place() {
    let mut shown: BTreeMap<String, bool> = BTreeMap::new();
    for folder in folders("tests/cases").into_iter().chain(folders("tests/raw")) {
        let expect = fs::read_to_string(folder.join("expect.txt")).expect("a case has an expect.txt");
        for line in expect.lines().filter_map(|l| l.strip_prefix("! ")) {
            let (code, text) = line.split_once(' ').unwrap_or((line, ""));
            *shown.entry(code.to_owned()).or_default() |= !text.is_empty();
        }
    }
    let lacks = |code: &&Code| {
        let excepted = excepted(WITHOUT_EXAMPLE, code.0) || excepted(WITHOUT_PLACE, code.0);
        !excepted && shown.get(code.0) != Some(&true)
    };
    let missing: Vec<&str> = codes::ALL.iter().filter(lacks).map(|c| c.0).collect();
    assert!(missing.is_empty(), "no case underlines {missing:?}");
    let stale = WITHOUT_EXAMPLE.iter().chain(WITHOUT_PLACE).find(|(c, _)| shown.get(c.0) == Some(&true));
    assert!(stale.is_none(), "the exception is not needed: {stale:?}");
}

/// Names that begin with a capital wherever they stand.
const PROPER: &[&str] = &["HTTP", "RE2", "Envoy", "Cilium", "Kubernetes", "TLS", "TCP"];

fn well_begun(text: &str) -> bool {
    let user = text.starts_with('`') && text.matches('`').count() >= 2;
    user || PROPER.iter().any(|p| text.starts_with(p)) || text.starts_with(|c: char| !c.is_uppercase())
}

/// How a diagnostic departs from the common style.
fn style(diagnostic: &Diagnostic) -> Option<String> {
    let Diagnostic { code, message, help, .. } = diagnostic;
    let plain = |text: &str| !text.is_empty() && !text.ends_with('.') && !text.contains(['\n', '\r']);
    let good = |text: &str| plain(text) && well_begun(text);
    let silent = help.is_none() && diagnostic.severity() != Severity::Note;
    let bad = !good(message) || silent || help.as_deref().is_some_and(|h| !good(h));
    let odd = message.matches('`').count() % 2 == 1;
    (bad || odd).then(|| format!("{}: {message:?}, {help:?}", code.0))
}

#[test]
fn every_message_is_in_the_common_style() {
    let mut problems = Vec::new();
    let mut seen = 0;
    for folder in folders("tests/cases").into_iter().chain(folders("tests/raw")) {
        let expect = fs::read_to_string(folder.join("expect.txt")).expect("a case has an expect.txt");
        let (_, compiled) = compile_case(&Case::read(&folder, &expect));
        seen += compiled.diagnostics.len();
        let name = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
        problems.extend(compiled.diagnostics.iter().filter_map(style).map(|p| format!("{name}: {p}")));
    }
    assert!(seen > 200, "the cases are gone: {seen} diagnostics");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn large_texts_and_objects_are_refused() {
    let policy = |text: String| Example { files: vec![("policy.mesh".into(), text.into_bytes())], options: Vec::new() };
    let large = format!("route a:80 timeout 1s\n{}", "#".repeat(1024 * 1024));
    assert_eq!(outcome(&policy(large)), (vec!["E0103".to_owned()], false));
    let fits = format!("route a:80 timeout 1s\n{}", "#".repeat(1024 * 1024 - 22));
    assert!(outcome(&policy(fits)).1, "a text of 1 MiB is compiled");
    let rules = |count: usize| {
        let body = "x".repeat(4000);
        let rule = |n: usize| format!("  when path = \"/{n}\" {{ respond 503 \"{body}\" }}\n");
        policy(format!("route a:80 {{\n{}}}\n", (0..count).map(rule).collect::<String>()))
    };
    let (found, compiled) = outcome(&rules(258));
    assert!(found.contains(&"E0503".to_owned()) && !compiled, "{found:?}");
    let (found, compiled) = outcome(&rules(200));
    assert!(!found.contains(&"E0503".to_owned()) && compiled, "{found:?}");
}

#[test]
fn mistakes_in_the_configuration_are_underlined() {
    for (config, code, line, under) in [
        ("namespce = \"shop\"\n", "E0601", 1, "^^^^^^^^"),
        ("name = \"x\"\ntargets = [\"cilium-1.2\"]\n", "E0502", 2, "^^^^^^^^^^^^"),
    ] {
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::write(folder.path().join("meshc.toml"), config).expect("it can be written");
        fs::write(folder.path().join("policy.mesh"), "route a:80 timeout 1s\n").expect("it can be written");
        let output = Command::new(env!("CARGO_BIN_EXE_meshc")).arg("compile").current_dir(folder.path()).output();
        let said = String::from_utf8(output.expect("meshc runs").stderr).expect("it is UTF-8");
        let place = format!("meshc.toml:{line}:");
        let underlined = said.lines().any(|l| l.split_once('|').is_some_and(|(_, text)| text.trim() == under));
        assert!(said.contains(&format!("error[{code}]")) && said.contains(&place) && underlined, "{said}");
    }
}
