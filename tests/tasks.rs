//! The task pages of `docs/`, followed literally: their files are written, their commands run, and
//! what they show is really what comes out.
//!
//! In a page,
//! - ```` ```mesh NAME ```` and ```` ```yaml NAME ```` are files, written over an older one of the name;
//! - ```` ```sh ```` are commands, which end with 0, or as ```` ```sh exit=1 ```` says;
//! - ```` ```text ```` and ```` ```yaml ```` are parts of what the commands above put out, stdout and
//!   stderr together. A line `…` stands for any number of lines; the lines between two of them follow
//!   each other in the output, all indented by as much more as the first;
//! - ```` ```console ```` is for a cluster, and is only read.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::document::{Block, blocks, read};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Documents that are no task pages. Some are held to what they say elsewhere: the reference by `documents.rs`,
/// `testing.md` by `repository.rs`, `deploy.md`, which needs a cluster, by `tests/deploy`, `steering.md` by `tests/steer`.
const OTHERS: &[&str] = &[
    "README.md",
    "checks.md",
    "deploy.md",
    "eval.md",
    "language.md",
    "local.md",
    "performance.md",
    "raw.md",
    "steering.md",
    "testing.md",
    "unreachable-rules.md",
];

/// The task pages, by name.
fn pages() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let entries = fs::read_dir(folder).expect("the folder is there").map(|e| e.expect("it can be read").path());
    let names = entries.filter(|p| p.extension().is_some_and(|e| e == "md")).filter_map(|p| {
        let name = p.file_name()?.to_str()?.to_owned();
        (!OTHERS.contains(&name.as_str())).then_some(name)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// What is wrong with a page, first mistake first; nothing if it can be followed.
fn follow(text: &str) -> Result<usize, String> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let tools = tempfile::tempdir().expect("a folder can be made");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_meshc"), tools.path().join("meshc")).expect("it can be linked");
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").expect("there is a PATH"));
    let mut output: Option<String> = None;
    let mut shown = 0;
    for block in blocks(text).0 {
        let line = block.line;
        match (block.language(), block.file()) {
            ("mesh" | "yaml" | "toml", Some(name)) => {
                fs::write(folder.path().join(name), &block.text).map_err(|e| format!("line {line}: {name}: {e}"))?;
            }
            ("sh", None) => output = Some(run(&block, folder.path(), &path)?),
            ("text" | "yaml", None) => {
                let output = output.as_ref().ok_or(format!("line {line}: there is no command above"))?;
                find(&block.text, output).map_err(|piece| {
                    format!("line {line}: behind what is shown before, the output does not have\n{piece}")
                })?;
                shown += 1;
            }
            ("console", None) => {
                if let Some(other) = block.text.lines().find(|l| !l.starts_with("kubectl ")) {
                    return Err(format!("line {line}: `{other}` can be run here, so it stands in a `sh` block"));
                }
            }
            _ => return Err(format!("line {line}: nothing is known of a block of {:?}", block.info)),
        }
    }
    Ok(shown)
}

/// Runs commands; gives all that they put out.
fn run(block: &Block, folder: &Path, path: &str) -> Result<String, String> {
    let wanted: i32 = block.setting("exit").map_or(0, |code| code.parse().expect("an exit code"));
    let script = format!("exec 2>&1\n{}", block.text);
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script]).current_dir(folder).env("PATH", path);
    let done = bash.output().map_err(|error| format!("bash: {error}"))?;
    let output = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.code() == Some(wanted) {
        return Ok(output);
    }
    Err(format!("line {}: ended with {:?}, not {wanted}:\n{output}", block.line, done.status.code()))
}

/// Looks for the pieces of a shown text in an output, one behind the other; gives the first that is not there.
fn find(shown: &str, output: &str) -> Result<(), String> {
    let mut rest: Vec<&str> = output.lines().collect();
    let lines: Vec<&str> = shown.lines().collect();
    for piece in lines.split(|line| line.trim() == "…").filter(|piece| !piece.is_empty()) {
        let found = rest.windows(piece.len()).position(|window| same(piece, window));
        match found {
            Some(at) => rest = rest.split_off(at + piece.len()),
            None => return Err(piece.join("\n")),
        }
    }
    if lines.iter().any(|line| !matches!(line.trim(), "" | "…")) { Ok(()) } else { Err("(nothing is shown)".into()) }
}

/// Whether the lines are the same but for one indentation of all of them.
fn same(piece: &[&str], window: &[&str]) -> bool {
    let Some(indent) = window[0].strip_suffix(piece[0]).filter(|indent| indent.trim().is_empty()) else { return false };
    piece.iter().zip(window).all(|(line, real)| {
        real.strip_prefix(indent).is_some_and(|real| real == *line) || (real.is_empty() && line.is_empty())
    })
}

#[test]
fn task_pages_can_be_followed() {
    let pages = pages();
    assert!(pages.len() >= 10, "the task pages are gone: {pages:?}");
    let mut problems = Vec::new();
    for page in &pages {
        match follow(&read(page)) {
            Ok(shown) if shown > 0 => {}
            Ok(_) => problems.push(format!("docs/{page} shows no output")),
            Err(problem) => problems.push(format!("docs/{page}: {problem}")),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

#[test]
fn the_index_has_every_page() {
    let index = read("README.md");
    for page in pages().iter().map(String::as_str).chain(OTHERS.iter().copied().filter(|p| *p != "README.md")) {
        assert!(index.contains(&format!("]({page})")), "docs/README.md does not link {page}");
    }
}

/// The places that a document links to, but for other sites.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
    ends.filter(|link| !link.contains("://"))
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = pages().into_iter().chain(OTHERS.iter().map(|p| (*p).to_owned())).map(|page| format!("docs/{page}"));
    let mut seen = 0;
    for document in docs.chain(["README.md".to_owned(), "ARCHITECTURE.md".to_owned()]) {
        let path = root.join(&document);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
        let folder = path.parent().expect("a document stands in a folder");
        for link in links(&text) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = folder.join(file);
            assert!(target.exists(), "{document} links `{link}`, which is not there");
            let text = fs::read_to_string(&target).unwrap_or_default().to_lowercase();
            let there = heading.is_empty()
                || text.lines().any(|l| l.trim_start_matches('#').trim() == heading.replace('-', " "));
            assert!(there, "{document} links `{link}`, which has no such heading");
            seen += 1;
        }
    }
    assert!(seen > 20, "the links are gone: {seen}");
}

#[test]
fn every_room_is_in_the_plan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plan = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the plan is there");
    let mut missing = Vec::new();
    for room in ["dsl/src", "compiler/src", "compiler/src/resolve", "compiler/src/lower", "compiler/src/check", "src"] {
        for entry in fs::read_dir(root.join(room)).expect("the room is there") {
            let path = entry.expect("it can be read").path();
            let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
            let shown = if path.is_dir() { format!("{name}/") } else { name };
            if !matches!(shown.as_str(), "mod.rs" | "lib.rs") && !plan.contains(&format!("{shown}`")) {
                missing.push(format!("{room}/{shown}"));
            }
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name {missing:?}");
}

#[test]
fn a_page_that_cannot_be_followed_is_found() {
    let file = "```mesh a.mesh\nroute a:80 timeout 3s\n```\n```sh\nmeshc compile a.mesh\n```\n";
    let with = |more: &str| follow(&format!("{file}{more}"));
    assert_eq!(with("```yaml\ntimeout: 3s\nidle_timeout: 0s\n```\n"), Ok(1));
    assert_eq!(with("```yaml\nkind: CiliumEnvoyConfig\n…\n  timeout: 3s\n```\n"), Ok(1));
    for (wrong, why) in [
        ("```yaml\ntimeout: 4s\n```\n", "another value"),
        ("```yaml\n timeout: 3s\nidle_timeout: 0s\n```\n", "another indentation"),
        ("```yaml\ntimeout: 3s\n…\nkind: CiliumEnvoyConfig\n```\n", "another order"),
        ("```yaml\nout: 3s\n```\n", "a part of a line"),
        ("```yaml\n…\n```\n", "nothing"),
        ("```sh\nmeshc compile b.mesh\n```\n", "a command that fails"),
        ("```sh exit=1\nmeshc compile a.mesh\n```\n", "a command that does not fail"),
        ("```sh\nmeshc compile a.mesh\n", "a fence that is never closed"),
        ("```python\n1\n```\n", "a block of another kind"),
        ("```console\nmeshc compile a.mesh\n```\n", "a command that is not run"),
    ] {
        let result = std::panic::catch_unwind(|| with(wrong));
        assert!(!matches!(result, Ok(Ok(_))), "{why} is not found");
    }
    assert!(follow("```text\na\n```\n").is_err(), "an output of nothing is found");
}
