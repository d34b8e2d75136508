//! An earlier version of policies: a folder, or a revision of the git repository that they are in. The
//! files of a revision are written into a folder that is removed at the end, and read as any others.

use crate::input::{CONFIG, Failure, Input, Select, nearest_config};
use meshc_compiler::Catalog;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// An earlier version.
pub(crate) enum Earlier {
    /// What is in a folder, or in a file.
    Folder(PathBuf),
    /// What a revision has.
    Revision(Box<Revision>),
}

/// A revision of a git repository.
pub(crate) struct Revision {
    /// As the user calls it.
    name: String,
    /// The top folder of the repository.
    top: PathBuf,
    /// Holds the files in `tree`, and git's index of all of them.
    folder: TempDir,
}

impl Earlier {
    /// Finds what the user names: a folder that exists, else a revision of the repository of `near`.
    ///
    /// # Errors
    /// When it is neither, in words for the user.
    pub(crate) fn find(from: &str, near: &Path) -> Result<Self, String> {
        let path = PathBuf::from(from);
        if path.exists() {
            return Ok(Self::Folder(path));
        }
        let near = if near.is_dir() { near } else { near.parent().filter(|p| p.is_dir()).unwrap_or(Path::new(".")) };
        let top = git(near, None, &["rev-parse", "--show-toplevel"], b"").map_err(|why| {
            format!("there is no folder `{from}`, and no git repository around {}: {why}", near.display())
        })?;
        let commit = git(near, None, &["rev-parse", "--verify", "--quiet", &format!("{from}^{{commit}}")], b"")
            .map_err(|_| format!("`{from}` is neither a folder nor a revision of the git repository"))?;
        let top = canonical(&PathBuf::from(line(&top)))?;
        let folder = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
        let revision = Revision { name: from.to_owned(), top, folder };
        revision.git(&["read-tree", &line(&commit)], b"")?;
        revision.write(&[":(top,glob)**/*.mesh", &format!(":(top,glob)**/{CONFIG}")])?;
        Ok(Self::Revision(Box::new(revision)))
    }

    /// Reads the policies of this version that are at these paths now, or those of the program in `root`.
    pub(crate) fn read(&self, paths: &[PathBuf], root: Option<&Path>) -> Result<Input, String> {
        let revision = match self {
            Self::Folder(folder) => {
                let paths = std::slice::from_ref(folder);
                return or_empty(Input::read(paths, Select::Program)).map_err(|failure| failure.to_string());
            }
            Self::Revision(revision) => revision,
        };
        if paths.iter().any(|path| path.as_os_str() == "-") {
            return Err("stdin has no earlier version; write the policy into a file".to_owned());
        }
        let here = [root.unwrap_or(Path::new(".")).to_owned()];
        let paths = if paths.is_empty() { &here[..] } else { paths };
        let then = paths.iter().map(|path| revision.then(path)).collect::<Result<Vec<_>, _>>()?;
        let config =
            then.first().and_then(|path| nearest_config(path)).filter(|root| root.starts_with(revision.tree()));
        // What was not there yet is new as a whole.
        let there: Vec<PathBuf> = then.into_iter().filter(|path| path.exists()).collect();
        if there.is_empty() {
            return Ok(Input::default());
        }
        let read = or_empty(Input::read_in(config, &there, Select::Program));
        let mut input = read.map_err(|failure| revision.renamed(&failure.to_string()))?;
        revision.rename(&mut input);
        Ok(input)
    }

    /// Reads the catalog of this version: the files given, or those of its `meshc.toml`.
    pub(crate) fn catalog(&self, input: &mut Input, given: &[PathBuf], namespace: &str) -> Result<Catalog, String> {
        let Self::Revision(revision) = self else {
            return input.catalog(given, namespace).map_err(|failure| failure.to_string());
        };
        if let Some(root) = input.root.clone().filter(|_| given.is_empty()) {
            let files: Vec<String> =
                input.config.catalog.iter().filter_map(|p| revision.within(&root.join(p))).collect();
            if !files.is_empty() {
                revision.write(&files)?;
            }
        }
        let catalog = input.catalog(given, namespace).map_err(|failure| revision.renamed(&failure.to_string()))?;
        revision.rename(input);
        Ok(catalog)
    }
}

/// A program without policies is one that does nothing.
fn or_empty(read: Result<Input, Failure>) -> Result<Input, Failure> {
    match read {
        Err(Failure::Empty { .. }) => Ok(Input::default()),
        read => read,
    }
}

impl Revision {
    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    /// Runs git on the index of this revision.
    fn git(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        git(&self.top, Some(&self.folder.path().join("index")), arguments, input)
    }

    /// Writes the files that git's patterns name.
    fn write<P: AsRef<str>>(&self, patterns: &[P]) -> Result<(), String> {
        let list = ["ls-files", "-z", "--"].into_iter().chain(patterns.iter().map(AsRef::as_ref));
        let names = self.git(&list.collect::<Vec<_>>(), b"")?;
        let prefix = format!("--prefix={}/", self.tree().display());
        self.git(&["checkout-index", "--quiet", "--force", &prefix, "-z", "--stdin"], &names).map(drop)
    }

    /// Where a path of now is in this revision's folder.
    fn then(&self, path: &Path) -> Result<PathBuf, String> {
        let absolute = canonical(path)?;
        let inside = absolute.strip_prefix(&self.top);
        inside
            .map(|inside| self.tree().join(inside))
            .map_err(|_| format!("{} is outside of the git repository at {}", path.display(), self.top.display()))
    }

    /// A path of this revision's folder as git's pattern; `None` outside of it.
    fn within(&self, path: &Path) -> Option<String> {
        let mut plain = PathBuf::new();
        for part in path.components() {
            match part {
                Component::ParentDir => _ = plain.pop(),
                Component::CurDir => {}
                part => plain.push(part),
            }
        }
        let inside = plain.strip_prefix(self.tree()).ok()?;
        Some(format!(":(top,literal){}", inside.display()))
    }

    /// Calls the files as git does: `HEAD~1:policies/shop.mesh`.
    fn rename(&self, input: &mut Input) {
        for shown in &mut input.shown {
            *shown = self.renamed(shown);
        }
    }

    fn renamed(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.tree().display()), &format!("{}:", self.name))
    }
}

fn canonical(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// The only line that git put out.
fn line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim_end_matches(['\n', '\r']).to_owned()
}

/// Runs git in a folder, with an index of its own where one is given; what it says of a failure is the error.
fn git(folder: &Path, index: Option<&Path>, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot run git: {error}");
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments.iter().map(OsStr::new)).env("LC_ALL", "C");
    if let Some(index) = index {
        command.env("GIT_INDEX_FILE", OsString::from(index));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A git that ended already says why.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
