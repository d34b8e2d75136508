//! A policy repository through its whole life, and the page that teaches it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a line of a shell, with `meshc` on its path.
fn shell(folder: &Path, line: &str) -> Output {
    let own = Path::new(env!("CARGO_BIN_EXE_meshc")).parent().expect("it has a folder").to_owned();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&others))).expect("a path");
    Command::new("sh").args(["-c", line]).env("PATH", path).current_dir(folder).output().expect("sh runs")
}

fn said(output: &Output) -> String {
    let both = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    String::from_utf8(both).expect("it is UTF-8")
}

/// Runs a line that must end with a code, and gives what it said.
fn ends(folder: &Path, line: &str, code: i32) -> String {
    let output = shell(folder, line);
    assert_eq!(output.status.code(), Some(code), "`{line}`: {}", said(&output));
    said(&output)
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("it can be read");
    assert!(text.contains(from), "`{from}` is not in {}", path.display());
    fs::write(path, text.replace(from, to)).expect("it can be written");
}

/// All files below a folder with their texts.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("it is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it is inside").to_owned();
                found.insert(name, fs::read_to_string(&path).expect("it is text"));
            }
        }
    }
    found
}

/// What a person, the hook and the pipeline run.
const ALL: &str = "meshc fmt --check && meshc check --deny-warnings && meshc test";

fn made() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    ends(folder.path(), "meshc init policy-repo", 0);
    let repository = folder.path().join("policy-repo");
    (folder, repository)
}

#[test]
fn a_new_repository_is_the_sample_and_passes() {
    let (_folder, repository) = made();
    assert_eq!(files(&repository), files(&root().join("examples/policy-repo")));
    ends(&repository, ALL, 0);
    for file in [".pre-commit-config.yaml", ".github/workflows/policy.yml"] {
        let text = fs::read_to_string(repository.join(file)).expect("it is there");
        for command in ALL.split(" && ") {
            assert!(text.contains(command), "{file} does not run `{command}`");
        }
    }
}

#[test]
fn nothing_is_written_over() {
    let (folder, repository) = made();
    let before = files(&repository);
    assert!(ends(&repository, "meshc init", 2).contains("has meshc.toml, policy.mesh"));
    assert_eq!(files(&repository), before);
    fs::create_dir(folder.path().join("half")).expect("it can be made");
    fs::write(folder.path().join("half/policy.mesh"), "").expect("it can be written");
    assert!(ends(folder.path(), "meshc init half", 2).contains("half has policy.mesh already"));
    assert_eq!(files(&folder.path().join("half")).len(), 1, "nothing else was written");
    fs::create_dir(folder.path().join("With Blanks")).expect("it can be made");
    fs::write(folder.path().join("With Blanks/README"), "mine").expect("it can be written");
    ends(folder.path(), "meshc init 'With Blanks'", 0);
    let config = fs::read_to_string(folder.path().join("With Blanks/meshc.toml")).expect("it is there");
    assert!(config.contains("name = \"with-blanks\""), "{config}");
}

#[test]
fn a_change_is_red_until_the_tests_and_the_snapshots_say_so() {
    let (_folder, repository) = made();
    let (policy, tests) = (repository.join("policy.mesh"), repository.join("policy_test.mesh"));
    replace(&policy, "90% v1, 10% v2", "75% v1, 25% v2");
    let red = ends(&repository, ALL, 1);
    for words in [
        "error[E0703]: `GET /` goes to default/helloworld-v1:5000 75%, default/helloworld-v2:5000 25%",
        "--> policy_test.mesh:2:12",
        "::: policy.mesh:9:3",
        "this rule won",
        "GET / of default/helloworld:5000 (any other request): to default/helloworld-v2:5000 10% → 25%",
        "-               weight: 90",
        "+               weight: 75",
        "3 of 5 requests failed",
        "3 snapshots not as they should be",
    ] {
        assert!(red.contains(words), "`{words}` is not in:\n{red}");
    }
    assert!(red.find("means something else").expect("said") < red.find("weight: 90").expect("said"), "meaning first");
    // Accepting the snapshots does not make a test pass.
    ends(&repository, "meshc test --accept", 1);
    replace(&tests, "90% v1, 10% v2", "75% v1, 25% v2");
    ends(&repository, ALL, 0);
    replace(&policy, "timeout 10s", "timeout 9s");
    replace(&tests, "timeout 10s", "timeout 9s");
    ends(&repository, ALL, 1);
    let green = ends(&repository, "meshc test --accept", 0);
    assert!(green.contains("accepted: policy.txt, cilium-1.20.yaml, envoy.yaml"), "{green}");
    ends(&repository, ALL, 0);
}

#[test]
fn snapshots_of_nothing_are_errors() {
    let (_folder, repository) = made();
    let snapshots = repository.join("snapshots");
    replace(&repository.join("meshc.toml"), ", \"envoy\"", "");
    let red = ends(&repository, "meshc test", 1);
    assert!(red.contains("snapshots/envoy.yaml: is a snapshot of nothing"), "{red}");
    assert!(ends(&repository, "meshc test --accept", 0).contains("accepted: envoy.yaml"));
    assert!(!snapshots.join("envoy.yaml").exists());
    fs::write(snapshots.join("notes.md"), "mine").expect("it can be written");
    for command in ["meshc test", "meshc test --accept"] {
        assert!(ends(&repository, command, 1).contains("snapshots/notes.md: is no snapshot"));
    }
    assert!(snapshots.join("notes.md").exists(), "what is not ours stays");
    fs::remove_file(snapshots.join("notes.md")).expect("it can be removed");
    fs::remove_file(snapshots.join("policy.txt")).expect("it can be removed");
    assert!(ends(&repository, "meshc test", 1).contains("snapshots/policy.txt: is missing"));
    ends(&repository, "meshc test --accept", 0);
    ends(&repository, "meshc test", 0);
}

#[test]
fn line_ends_do_not_count() {
    let (_folder, repository) = made();
    for (name, text) in files(&repository) {
        fs::write(repository.join(name), text.replace('\n', "\r\n")).expect("it can be written");
    }
    ends(&repository, "meshc test", 0);
}

#[test]
fn a_refusal_is_a_snapshot_too() {
    let (_folder, repository) = made();
    replace(&repository.join("meshc.toml"), "\"envoy\"", "\"cilium-1.14\"");
    replace(&repository.join("policy.mesh"), "  timeout 10s\n", "  timeout 10s\n  accesslog stdout json\n");
    ends(&repository, "meshc test --accept", 0);
    let refused = fs::read_to_string(repository.join("snapshots/cilium-1.14.refused.txt")).expect("it is there");
    assert!(refused.starts_with("policy.mesh: error["), "{refused}");
    assert!(refused.contains("at: accesslog stdout json\n") && refused.contains("cilium-1.15"), "{refused}");
    assert!(!refused.contains(&*repository.to_string_lossy()), "no path from outside: {refused}");
    // Where it is called from changes nothing.
    ends(repository.parent().expect("it has one"), "meshc test policy-repo", 0);
    // A comment moves lines, and no snapshot.
    let policy = repository.join("policy.mesh");
    let text = fs::read_to_string(&policy).expect("it can be read");
    fs::write(&policy, format!("# One.\n# Two.\n{text}")).expect("it can be written");
    ends(&repository, "meshc test", 0);
}

#[test]
fn a_repository_without_snapshots_is_told_how_to_begin() {
    let (_folder, repository) = made();
    fs::remove_dir_all(repository.join("snapshots")).expect("it can be removed");
    assert!(ends(&repository, "meshc test", 0).contains("`meshc test --accept` writes them"));
    assert!(!ends(&repository, "meshc test --no-snapshots", 0).contains("--accept"));
    for command in ["meshc test policy.mesh --accept", "meshc test --accept --target envoy"] {
        assert!(ends(&repository, command, 2).contains("whole program"));
    }
    ends(&repository, "meshc test --accept --no-snapshots", 2);
}

#[test]
fn tests_run_on_every_target() {
    let (_folder, repository) = made();
    let test = "test \"addresses\" {\n  GET / => client-address hide\n  GET / => timeout 9s\n}\n";
    fs::write(repository.join("policy_test.mesh"), test).expect("it can be written");
    replace(&repository.join("meshc.toml"), "\"envoy\"", "\"cilium-1.14\", \"cilium-1.15\"");
    let red = ends(&repository, "meshc test --no-snapshots", 1);
    // What fails on one target names it, what fails on all is told once, and a request counts once.
    assert_eq!(red.matches("error[E0703]").count(), 2, "{red}");
    assert_eq!(red.matches("on the target `cilium-1.14`").count(), 1, "{red}");
    assert_eq!(red.matches("on the target").count(), 1, "{red}");
    assert!(red.contains("2 of 2 requests failed"), "{red}");
    let one = ends(&repository, "meshc test --no-snapshots --target cilium-1.20", 1);
    assert!(!one.contains("on the target") && one.contains("1 of 2 requests failed"), "{one}");
    let junit = ends(&repository, "meshc test --no-snapshots --format junit", 1);
    assert!(junit.contains("failures=\"2\"") && junit.contains("cilium-1.14"), "{junit}");
}

/// The lines of the page's sessions: what is typed, and what must be said.
fn sessions(page: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match (line.strip_prefix("$ "), found.last_mut()) {
                (Some(typed), _) => found.push((typed.to_owned(), String::new())),
                (None, Some((_, wanted))) => wanted.push_str(&format!("{line}\n")),
                (None, None) => panic!("`{line}` is said before anything is typed"),
            },
        }
    }
    found
}

#[test]
fn the_page_on_testing_says_what_happens() {
    let page = fs::read_to_string(root().join("docs/testing.md")).expect("it is there");
    let sessions = sessions(&page);
    assert!(sessions.len() >= 10, "the sessions are gone: {}", sessions.len());
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut at = folder.path().to_owned();
    for (typed, wanted) in sessions {
        if let Some(inner) = typed.strip_prefix("cd ") {
            at.push(inner);
            continue;
        }
        assert_eq!(said(&shell(&at, &typed)), wanted, "`{typed}`");
    }
}
