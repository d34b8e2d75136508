//! Files → a program: which files belong to it, its `meshc.toml`, its catalog.

use crate::config::{self, Config};
use meshc_compiler::Catalog;
use meshc_compiler::testing::TEST_FILE;
use meshc_dsl::diagnostic::{Diagnostic, codes};
use meshc_dsl::{FileId, Sources, Span, layout};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// The file that makes a folder a program.
pub(crate) const CONFIG: &str = "meshc.toml";

/// A file or folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is neither a file nor a folder.
    #[error("{} is neither a file nor a folder", path.display())]
    Special {
        /// Which.
        path: PathBuf,
    },
    /// There is nothing to compile.
    #[error("{} holds no policy (no file ends in `.mesh`)", path.display())]
    Empty {
        /// Where.
        path: PathBuf,
    },
}

/// A program as read from disk.
#[derive(Default)]
pub(crate) struct Input {
    /// Every text: policies, catalog files, the configuration.
    pub(crate) sources: Sources,
    /// How each text is called in messages, by [`FileId`].
    pub(crate) shown: Vec<String>,
    /// The texts that are policies.
    pub(crate) policies: Vec<FileId>,
    /// The files behind `policies`; `None` for stdin.
    pub(crate) files: Vec<Option<PathBuf>>,
    /// The same, to find one that is named twice.
    known: HashSet<PathBuf>,
    /// The texts that are hand-written CiliumEnvoyConfigs.
    pub(crate) raw: Vec<FileId>,
    /// What `meshc.toml` says.
    pub(crate) config: Config,
    /// The folder of `meshc.toml`.
    pub(crate) root: Option<PathBuf>,
    /// What is wrong with the files as such.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Which policy files are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Select {
    /// All but tests.
    Program,
    /// All.
    All,
    /// All, and CiliumEnvoyConfigs that are named.
    Checked,
}

impl Input {
    /// Reads the policies of the paths, or of the nearest program where there are none.
    pub(crate) fn read(paths: &[PathBuf], select: Select) -> Result<Self, Failure> {
        let start = paths.iter().find(|p| p.as_os_str() != "-").cloned().unwrap_or_else(|| PathBuf::from("."));
        Self::read_in(nearest_config(&start), paths, select)
    }

    /// Reads the policies of the paths, or of the program in this folder where there are none.
    pub(crate) fn read_in(root: Option<PathBuf>, paths: &[PathBuf], select: Select) -> Result<Self, Failure> {
        let mut input = Self { root, ..Self::default() };
        if let Some(root) = input.root.clone() {
            input.read_config(&root.join(CONFIG))?;
        }
        let default = [input.root.clone().unwrap_or_else(|| PathBuf::from("."))];
        let paths = if paths.is_empty() { &default } else { paths };
        let base = absolute(&input.root.clone().unwrap_or_else(|| common_folder(paths)));
        for path in paths {
            input.add(path, &base, select)?;
        }
        match paths.first() {
            Some(path) if input.policies.is_empty() && input.raw.is_empty() && input.diagnostics.is_empty() => {
                Err(Failure::Empty { path: path.clone() })
            }
            _ => Ok(input),
        }
    }

    /// The policies that are no files of tests.
    pub(crate) fn without_tests(&self) -> Vec<FileId> {
        let test = |file: &FileId| self.sources.get(*file).is_some_and(|f| f.name.ends_with(TEST_FILE));
        self.policies.iter().filter(|file| !test(file)).copied().collect()
    }

    /// Reads `meshc.toml` alone, the nearest one to a path.
    pub(crate) fn of_config(path: &Path) -> Result<Self, Failure> {
        let mut input = Self { root: nearest_config(path), ..Self::default() };
        if let Some(root) = input.root.clone() {
            input.read_config(&root.join(CONFIG))?;
        }
        Ok(input)
    }

    /// Reads a catalog that is no file.
    pub(crate) fn catalog_text(&mut self, name: &str, text: String, namespace: &str, catalog: &mut Catalog) {
        self.shown.push(name.to_owned());
        let file = self.sources.add(name, text);
        let text = self.sources.get(file).map_or("", |f| f.text.as_str());
        self.diagnostics.append(&mut catalog.read(file, text, namespace));
    }

    fn read_config(&mut self, path: &Path) -> Result<(), Failure> {
        let Some(file) = self.text(path, CONFIG.to_owned())? else { return Ok(()) };
        let text = self.sources.get(file).map(|f| f.text.clone()).unwrap_or_default();
        let (config, mut diagnostics) = config::parse(file, &text);
        self.config = config;
        self.diagnostics.append(&mut diagnostics);
        Ok(())
    }

    fn add(&mut self, path: &Path, base: &Path, select: Select) -> Result<(), Failure> {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            let read = io::stdin().lock().take(layout::MAX_FILE as u64 + 1).read_to_end(&mut bytes);
            read.map_err(|source| Failure::Read { path: "stdin".into(), source })?;
            return {
                self.policy("<stdin>".into(), "<stdin>".into(), &bytes, None);
                Ok(())
            };
        }
        let kind = fs::metadata(path).map_err(|source| Failure::Read { path: path.into(), source })?;
        if kind.is_file() {
            let bytes = bytes(path)?;
            if select == Select::Checked && is_manifest(path) {
                let file = self.decode(within(path, base), path.display().to_string(), &bytes);
                self.raw.extend(file);
                return Ok(());
            }
            return {
                self.policy(within(path, base), path.display().to_string(), &bytes, Some(path));
                Ok(())
            };
        }
        if !kind.is_dir() {
            return Err(Failure::Special { path: path.into() });
        }
        let mut found = Vec::new();
        walk(path, true, &mut found, &|name| name.ends_with(".mesh"))?;
        for path in found {
            let test = path.file_name().is_some_and(|n| n.to_string_lossy().ends_with(TEST_FILE));
            if select != Select::Program || !test {
                let bytes = bytes(&path)?;
                self.policy(within(&path, base), path.display().to_string(), &bytes, Some(&path));
            }
        }
        Ok(())
    }

    fn policy(&mut self, name: String, shown: String, bytes: &[u8], path: Option<&Path>) {
        if path.is_some_and(|path| !self.known.insert(path.to_owned())) {
            return;
        }
        if let Some(file) = self.decode(name, shown, bytes) {
            self.policies.push(file);
            self.files.push(path.map(Path::to_owned));
        }
    }

    /// Takes a text in, or reports why it is none.
    fn decode(&mut self, name: String, shown: String, bytes: &[u8]) -> Option<FileId> {
        let next = FileId(u32::try_from(self.shown.len()).unwrap_or(u32::MAX));
        self.shown.push(shown);
        match layout::decode(next, bytes) {
            Ok(text) => Some(self.sources.add(name, text)),
            Err(problem) => {
                self.sources.add(name, "");
                self.diagnostics.push(*problem);
                None
            }
        }
    }

    fn text(&mut self, path: &Path, name: String) -> Result<Option<FileId>, Failure> {
        let bytes = bytes(path)?;
        Ok(self.decode(name, path.display().to_string(), &bytes))
    }

    /// Reads the catalog: the files and folders given, or those of `meshc.toml`.
    pub(crate) fn catalog(&mut self, given: &[PathBuf], namespace: &str) -> Result<Catalog, Failure> {
        let mut catalog = Catalog::default();
        let root = self.root.clone().unwrap_or_default();
        let configured: Vec<PathBuf> = self.config.catalog.iter().map(|p| root.join(p)).collect();
        for path in if given.is_empty() { &configured } else { given } {
            catalog.given = true;
            let kind = fs::metadata(path).map_err(|source| Failure::Read { path: path.clone(), source })?;
            let mut files = Vec::new();
            if kind.is_dir() {
                walk(path, false, &mut files, &|name| [".yaml", ".yml", ".json"].iter().any(|e| name.ends_with(e)))?;
            } else {
                files.push(path.clone());
            }
            for file in files {
                self.catalog_file(&file, namespace, &mut catalog)?;
            }
        }
        Ok(catalog)
    }

    fn catalog_file(&mut self, path: &Path, namespace: &str, catalog: &mut Catalog) -> Result<(), Failure> {
        let bytes = fs::read(path).map_err(|source| Failure::Read { path: path.into(), source })?;
        let shown = path.display().to_string();
        self.shown.push(shown.clone());
        match String::from_utf8(bytes) {
            Ok(text) => {
                let file = self.sources.add(shown, text);
                let text = self.sources.get(file).map_or("", |f| f.text.as_str());
                self.diagnostics.append(&mut catalog.read(file, text, namespace));
            }
            Err(_) => {
                let file = self.sources.add(shown, "");
                self.diagnostics.push(
                    Diagnostic::new(codes::NOT_UTF8, Span::new(file, 0, 0), "the catalog is not UTF-8")
                        .help("save the file as UTF-8"),
                );
            }
        }
        Ok(())
    }
}

/// Whether a file holds Kubernetes objects, by its name.
fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json")
}

/// The contents of a file, cut off behind the limit so that an endless one is refused too.
fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |source| Failure::Read { path: path.into(), source };
    let known = fs::metadata(path).map_err(failed)?;
    if !known.is_file() {
        return Err(Failure::Special { path: path.into() });
    }
    // One byte more than it has, so that its end is seen by the first read.
    let mut bytes = Vec::with_capacity(usize::try_from(known.len()).map_or(0, |size| size.min(layout::MAX_FILE)) + 1);
    File::open(path).and_then(|f| f.take(layout::MAX_FILE as u64 + 1).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

/// The folder of the nearest `meshc.toml`, upwards.
pub(crate) fn nearest_config(start: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(start).ok()?;
    let folder = absolute.ancestors().find(|folder| folder.join(CONFIG).is_file())?;
    // A path as the user knows it is shorter than an absolute one.
    let up = absolute.ancestors().position(|a| a == folder)?;
    let shown = start.ancestors().nth(up).filter(|a| !a.as_os_str().is_empty());
    match shown {
        Some(shown) if std::path::absolute(shown).is_ok_and(|a| a == *folder) => Some(shown.to_owned()),
        _ if std::env::current_dir().is_ok_and(|here| here == folder) => Some(PathBuf::from(".")),
        _ => Some(folder.to_owned()),
    }
}

/// The folder that all the paths are in: names within a program do not depend on their order.
fn common_folder(paths: &[PathBuf]) -> PathBuf {
    let folder = |path: &PathBuf| {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        if absolute.is_dir() { Some(absolute) } else { absolute.parent().map(Path::to_owned) }
    };
    let mut folders = paths.iter().filter(|p| p.as_os_str() != "-").filter_map(folder);
    let first = folders.next().unwrap_or_default();
    folders.fold(first, |common, folder| {
        let shared = common.ancestors().find(|a| folder.starts_with(a)).map(Path::to_owned);
        shared.unwrap_or_default()
    })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The path of a file within the program, whose folder is an absolute path, with `/` on every system.
fn within(path: &Path, base: &Path) -> String {
    let path = absolute(path);
    let inside = path.strip_prefix(base).ok().or(path.file_name().map(Path::new)).unwrap_or(&path);
    let parts = inside.components().filter(|c| matches!(c, Component::Normal(_)));
    parts.map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// All wanted files under a folder in the order of their names, without hidden folders, snapshots,
/// other programs, and links to folders.
fn walk(folder: &Path, programs: bool, found: &mut Vec<PathBuf>, wanted: &dyn Fn(&str) -> bool) -> Result<(), Failure> {
    let failed = |source| Failure::Read { path: folder.into(), source };
    let mut entries: Vec<_> = fs::read_dir(folder).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            let foreign = programs && (name == "snapshots" || path.join(CONFIG).is_file());
            if !name.starts_with('.') && !foreign {
                walk(&path, programs, found, wanted)?;
            }
        } else if wanted(&name) && (kind.is_file() || path.is_file()) {
            found.push(if folder == Path::new(".") { PathBuf::from(entry.file_name()) } else { path });
        }
    }
    Ok(())
}
