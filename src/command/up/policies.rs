//! The policies of a run: read, compiled, and read again when their files change.

use super::show;
use crate::cli::{Events, Program, Up};
use crate::command::compile::options;
use crate::exit::Exit;
use crate::input::{Input, Select};
use crate::output::Terminal;
use meshc_compiler::kubernetes::Object;
use meshc_compiler::{Manifest, compile};
use meshc_dsl::diagnostic::{any_error, sort};
use meshc_runtime::node::steered::Policy;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What is looked at of a file, to see whether it changed.
type Stamps = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The policies of a run.
pub(super) struct Policies<'a> {
    args: &'a Up,
    program: Program,
    terminal: &'a Terminal,
    output: Events,
    /// What was looked at before the last reading.
    read: Stamps,
    /// What was there at the last look.
    seen: Stamps,
    /// The files and folders that the policies are in.
    named: Vec<PathBuf>,
    /// The files and folders that are looked at.
    watched: Vec<PathBuf>,
    /// The program's name.
    name: String,
}

impl<'a> Policies<'a> {
    pub(super) fn new(args: &'a Up, terminal: &'a Terminal, output: Events) -> Self {
        let root = || crate::input::nearest_config(Path::new(".")).unwrap_or_else(|| PathBuf::from("."));
        let named = if args.paths.is_empty() { vec![root()] } else { args.paths.clone() };
        let watched = named.clone();
        let program = Program {
            paths: args.paths.clone(),
            target: Some("envoy".to_owned()),
            catalog: args.catalog.clone(),
            set: args.set.clone(),
            max_regex_program: None,
        };
        let (read, seen) = (Stamps::new(), Stamps::new());
        let name = "default".to_owned();
        let mut policies = Self { args, program, terminal, output, read, seen, named, watched, name };
        policies.watched.extend(args.catalog.iter().cloned());
        policies
    }

    /// A name for these policies: the same for the same paths, wherever the command is started.
    pub(super) fn set(&self) -> String {
        let absolute = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let mut hasher = DefaultHasher::new();
        self.named.iter().map(absolute).collect::<BTreeSet<_>>().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Reads and compiles; what is wrong is shown, and the exit code says of what kind it is.
    pub(super) fn read(&mut self) -> Result<Policy, Exit> {
        let stamps = stamps(&self.watched);
        let outcome = self.compile();
        self.seen.clone_from(&stamps);
        self.read = stamps;
        outcome
    }

    /// The name in meshc.toml, if it was read and has one.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The compiled policy, if the files changed and compile. A file that is still being written
    /// is left alone: what is looked at must be the same twice. `before` is done where something may be shown.
    pub(super) fn changed(&mut self, before: impl FnOnce()) -> Option<Policy> {
        let now = stamps(&self.watched);
        let settled = now == self.seen;
        let changed = now != self.read;
        self.seen = now;
        if !settled || !changed {
            return None;
        }
        before();
        self.read().ok()
    }

    fn compile(&mut self) -> Result<Policy, Exit> {
        let mut input = Input::read(&self.args.paths, Select::Program).map_err(|e| self.terminal.failed(&e))?;
        self.watch(&input);
        if let Some(name) = &input.config.name {
            self.name.clone_from(name);
        }
        let options = options(&self.program, &input).map_err(|message| self.terminal.fail(&message))?;
        let catalog = input.catalog(&self.args.catalog, &options.namespace).map_err(|e| self.terminal.failed(&e))?;
        let compiled = compile(&input.sources, &input.policies, &catalog, &options);
        let mut diagnostics = std::mem::take(&mut input.diagnostics);
        let readable = !any_error(&diagnostics);
        diagnostics.extend(compiled.diagnostics);
        sort(&mut diagnostics);
        match self.output {
            Events::Lines => self.terminal.diagnostics(&diagnostics, &input.sources, &input.shown),
            Events::Json => show::diagnostics(self.terminal, &diagnostics, &input.sources, &input.shown),
        }
        let manifest = compiled.manifest.filter(|_| readable).ok_or(Exit::Wrong)?;
        let bootstrap = bootstrap(&manifest).map_err(|e| self.terminal.fail(&format!("cannot write JSON: {e}")))?;
        Ok(Policy { bootstrap, steering: manifest.steering, in_cluster: manifest.in_cluster })
    }

    /// Looks at the configuration and the catalog that it names, too.
    fn watch(&mut self, input: &Input) {
        let Some(root) = &input.root else { return };
        let named = input.config.catalog.iter().map(|path| root.join(path));
        for path in named.chain([root.join(crate::input::CONFIG)]) {
            if !self.watched.contains(&path) {
                self.watched.push(path);
            }
        }
    }
}

/// The bootstrap of a manifest; one without resources where the policies steer nothing.
fn bootstrap(manifest: &Manifest) -> Result<Value, serde_json::Error> {
    let found = manifest.objects.iter().find_map(|object| match object {
        Object::Bootstrap(bootstrap) => Some(bootstrap),
        _ => None,
    });
    found.map_or_else(|| Ok(json!({})), serde_json::to_value)
}

/// What is there now of the files and folders, with all that a folder holds.
fn stamps(paths: &[PathBuf]) -> Stamps {
    let mut stamps = Stamps::new();
    paths.iter().for_each(|path| stamp(path, &mut stamps));
    stamps
}

fn stamp(path: &Path, stamps: &mut Stamps) {
    let Ok(facts) = fs::metadata(path) else { return };
    // Readers of a folder change its time of access, not this one.
    stamps.insert(path.to_owned(), (facts.modified().ok(), facts.len()));
    if !facts.is_dir() {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let ours = [".mesh", ".toml", ".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
        if !name.starts_with('.') && (folder || ours) {
            stamp(&entry.path(), stamps);
        }
    }
}
