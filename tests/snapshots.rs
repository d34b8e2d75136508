//! What each example compiles to, for five targets, is in `snapshots/`: the objects, or, where the
//! target refuses the example, the refusal. A snapshot of nothing is a failure too.
//!
//! `MESHC_ACCEPT=1 cargo test --test snapshots` writes them anew; read the difference before it is
//! committed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::folders;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGETS: [&str; 5] = ["cilium-1.14", "cilium-1.16", "cilium-1.18", "cilium-1.20", "envoy"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the command prints for an example: stdout where it compiles, else stderr.
fn compile(example: &str, target: &str) -> (bool, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_meshc"))
        .args(["compile", &format!("examples/{example}"), "--target", target])
        .current_dir(root())
        .output()
        .expect("meshc runs");
    let text = |bytes| String::from_utf8(bytes).expect("meshc prints UTF-8");
    match done.status.code() {
        Some(0) => (true, text(done.stdout)),
        Some(1) => (false, text(done.stderr)),
        code => panic!("{example} for {target} ended with {code:?}: {}", text(done.stderr)),
    }
}

/// Every snapshot that there should be, by its path.
fn wanted() -> BTreeMap<PathBuf, String> {
    let mut wanted = BTreeMap::new();
    for folder in folders("examples") {
        let example = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
        for target in TARGETS {
            let (compiled, text) = compile(&example, target);
            let ending = if compiled { "yaml" } else { "refused.txt" };
            wanted.insert(root().join(format!("snapshots/{example}/{target}.{ending}")), text);
        }
    }
    wanted
}

fn present() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in folders("snapshots") {
        found.extend(fs::read_dir(folder).expect("it is there").map(|e| e.expect("it can be read").path()));
    }
    found
}

#[test]
fn examples_compile_to_their_snapshots() {
    let wanted = wanted();
    if std::env::var_os("MESHC_ACCEPT").is_some() {
        for path in present() {
            fs::remove_file(path).expect("it can be removed");
        }
        for (path, text) in &wanted {
            fs::create_dir_all(path.parent().expect("it has a folder")).expect("it can be made");
            fs::write(path, text).expect("it can be written");
        }
    }
    let orphans: Vec<_> = present().into_iter().filter(|path| !wanted.contains_key(path)).collect();
    assert!(orphans.is_empty(), "snapshots of nothing: {orphans:?}");
    for (path, text) in &wanted {
        let known = fs::read_to_string(path).unwrap_or_default();
        assert!(known == *text, "{} has changed:\n{text}", path.display());
    }
}

/// What a target cannot do: example, first target that can, targets that refuse it.
const REFUSALS: [(&str, &str, &[&str]); 4] = [
    ("10-access-log", "cilium-1.15", &["cilium-1.14"]),
    ("13-limits-by-client", "cilium-1.18", &["cilium-1.14", "cilium-1.16"]),
    ("17-cors", "cilium-1.20", &["cilium-1.14", "cilium-1.16", "cilium-1.18"]),
    ("18-conditions", "cilium-1.15", &["cilium-1.14"]),
];

#[test]
fn refusals_name_the_first_target_that_can() {
    let mut refused = 0;
    for (example, first, targets) in REFUSALS {
        assert!(compile(example, first).0, "{example} compiles for {first}");
        for target in targets {
            let (compiled, text) = compile(example, target);
            assert!(!compiled && text.contains(&format!("from {first} ")), "{example} for {target}: {text}");
            refused += 1;
        }
    }
    let snapshots = present().iter().filter(|p| p.to_string_lossy().ends_with("refused.txt")).count();
    assert_eq!(snapshots, refused, "nothing else is refused");
}
