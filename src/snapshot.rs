//! Snapshots: what a program means and compiles to, as files beside its `meshc.toml`.
//!
//! `snapshots/policy.txt` is its meaning; `TARGET.yaml` is what it compiles to for each target of
//! `meshc.toml`, or `TARGET.refused.txt` why it does not. Line ends do not count.

use crate::difference;
use crate::input::{Failure, Input};
use crate::output;
use meshc_compiler::{Catalog, Compiled, Options, Target, compare, compile, emit, ir, meaning};
use meshc_dsl::{Diagnostic, FileId, Severity, Sources};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder beside `meshc.toml`.
pub(crate) const FOLDER: &str = "snapshots";
/// The file of the meaning.
const MEANING: &str = "policy.txt";
/// How many lines of a difference are shown.
const MOST: usize = 60;

/// A file that there should be.
#[derive(Debug)]
struct Snapshot {
    name: String,
    text: String,
}

/// What is wrong with a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Its name in the folder.
    pub(crate) name: String,
    /// What is wrong.
    pub(crate) message: String,
    /// How it differs, a line each.
    pub(crate) lines: Vec<String>,
}

/// What came of comparing.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The names of all files that there should be.
    pub(crate) names: Vec<String>,
    /// What is wrong, the meaning first.
    pub(crate) findings: Vec<Finding>,
    /// The names of files that were written or removed.
    pub(crate) accepted: Vec<String>,
}

/// Whose snapshots they are.
pub(crate) struct Subject<'a> {
    pub(crate) input: &'a Input,
    /// The policy files without those of tests.
    pub(crate) policies: &'a [FileId],
    pub(crate) catalog: &'a Catalog,
    /// The options of `meshc.toml`, with its first target.
    pub(crate) options: &'a Options,
    pub(crate) blocks: &'a [meaning::Block],
    pub(crate) program: &'a ir::Program,
}

/// Whether a program has snapshots.
pub(crate) fn exist(root: &Path) -> bool {
    root.join(FOLDER).is_dir()
}

/// Compares the snapshots of a program, or, where they are accepted, writes them.
pub(crate) fn run(subject: &Subject<'_>, root: &Path, accept: bool) -> Result<Outcome, String> {
    let folder = root.join(FOLDER);
    let wanted = wanted(subject)?;
    let mut outcome = Outcome { names: wanted.iter().map(|s| s.name.clone()).collect(), ..Outcome::default() };
    if accept {
        fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    for snapshot in &wanted {
        let path = folder.join(&snapshot.name);
        let known = known(&path)?;
        let same = known.as_deref().is_some_and(|known| known.replace("\r\n", "\n") == snapshot.text);
        if same {
            continue;
        }
        if accept {
            let written = output::write_whole(&path, std::slice::from_ref(&snapshot.text));
            written.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            outcome.accepted.push(snapshot.name.clone());
        } else {
            outcome.findings.push(finding(snapshot, known.as_deref(), subject));
        }
    }
    for name in present(&folder)?.into_iter().filter(|name| wanted.iter().all(|s| s.name != *name)) {
        orphan(name, &folder, accept, &mut outcome)?;
    }
    Ok(outcome)
}

/// Every snapshot that there should be, the meaning first.
fn wanted(subject: &Subject<'_>) -> Result<Vec<Snapshot>, String> {
    let mut wanted = vec![Snapshot { name: MEANING.to_owned(), text: meaning::print(subject.blocks) }];
    let configured = &subject.input.config.targets;
    let targets: &[Target] = if configured.is_empty() { &[Target::DEFAULT] } else { configured };
    for target in targets {
        let options = Options { target: *target, ..subject.options.clone() };
        let Compiled { manifest, diagnostics } =
            compile(&subject.input.sources, subject.policies, subject.catalog, &options);
        wanted.push(match manifest {
            Some(manifest) => Snapshot {
                name: format!("{target}.yaml"),
                text: emit::yaml(&manifest).map_err(|error| error.to_string())?.concat(),
            },
            None => {
                Snapshot { name: format!("{target}.refused.txt"), text: refused(&diagnostics, &subject.input.sources) }
            }
        });
    }
    Ok(wanted)
}

/// Why a target refuses a program: no lines, and no paths from outside, so that it is the same for
/// everyone.
fn refused(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let errors = diagnostics.iter().filter(|d| d.severity() == Severity::Error);
    let one = |d: &Diagnostic| {
        let place = d.place();
        let file = place.and_then(|p| sources.get(p.file)).map_or("", |f| f.name.as_str());
        let text = place.map_or("", |p| sources.text(p)).split_whitespace().collect::<Vec<_>>().join(" ");
        let help = d.help.as_ref().map(|help| format!("  help: {help}\n")).unwrap_or_default();
        format!("{file}: error[{}]: {}\n  at: {text}\n{help}", d.code.0, d.message)
    };
    errors.map(one).collect()
}

fn known(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Failure::Read { path: path.to_owned(), source }.to_string()),
    }
}

/// The names of all files in the folder, without hidden ones; none where there is no folder.
fn present(folder: &Path) -> Result<Vec<String>, String> {
    let failed = |source| Failure::Read { path: PathBuf::from(folder), source }.to_string();
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn orphan(name: String, folder: &Path, accept: bool, outcome: &mut Outcome) -> Result<(), String> {
    let path = folder.join(&name);
    let target = name.strip_suffix(".refused.txt").or_else(|| name.strip_suffix(".yaml"));
    let ours = path.is_file() && target.is_some_and(|target| Target::parse(target).is_some());
    if accept && ours {
        fs::remove_file(&path).map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
        outcome.accepted.push(name);
        return Ok(());
    }
    let message = if ours {
        "is a snapshot of nothing: `meshc.toml` does not name this target, or it compiles and is refused differently now"
    } else {
        "is no snapshot; move it out of the folder"
    };
    outcome.findings.push(Finding { name, message: message.to_owned(), lines: Vec::new() });
    Ok(())
}

fn finding(snapshot: &Snapshot, known: Option<&str>, subject: &Subject<'_>) -> Finding {
    let name = snapshot.name.clone();
    let Some(known) = known else {
        return Finding { name, message: "is missing".to_owned(), lines: Vec::new() };
    };
    if name == MEANING {
        // A pattern that is too large is told where the tests run.
        let examples = compare::examples(subject.program).unwrap_or_default();
        let changes = meaning::changes(&meaning::read(known), subject.blocks, &examples);
        if !changes.is_empty() {
            return Finding { name, message: "the policy means something else now".to_owned(), lines: changes };
        }
    }
    let mut lines = difference::shown(known, &snapshot.text);
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("  … and {more} lines more"));
    }
    Finding { name, message: "has changed".to_owned(), lines }
}
