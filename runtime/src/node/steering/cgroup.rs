//! The cgroup whose processes are steered, and the one that Envoy has for itself.

use super::error::SteerError;
use super::privilege::mounts;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the name of an Envoy's cgroup begins with; the set's name follows.
const PREFIX: &str = "meshc-";

/// A cgroup of the v2 hierarchy.
#[derive(Debug)]
pub(super) struct Cgroup {
    pub(super) path: PathBuf,
    pub(super) folder: File,
    /// What the kernel calls it.
    pub(super) id: u64,
}

impl Cgroup {
    /// Opens the one that was asked for, or the machine's root.
    pub(super) fn open(asked: Option<&Path>) -> Result<Self, SteerError> {
        let path = match asked {
            Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            None => mounts("cgroup2").into_iter().next().ok_or(SteerError::NoCgroup)?,
        };
        // Folders of cgroup v1 have no such file.
        if !path.join("cgroup.controllers").is_file() {
            return Err(if mounts("cgroup2").is_empty() {
                SteerError::NoCgroup
            } else {
                SteerError::NotACgroup { path }
            });
        }
        let opened = File::open(&path).and_then(|folder| Ok((folder.metadata()?.ino(), folder)));
        let (id, folder) =
            opened.map_err(|e| SteerError::CgroupAccess { path: path.clone(), problem: e.to_string() })?;
        Ok(Self { path, folder, id })
    }

    /// Where the Envoy of a set has its cgroup.
    pub(super) fn of_envoy(&self, set: &str) -> PathBuf {
        self.path.join(format!("{PREFIX}{set}"))
    }

    /// Makes the cgroup for Envoy, unless it is there, and tries whether a process can move into it.
    /// `mover` is the command that moves itself into the cgroup that is its last word.
    pub(super) fn for_envoy(&self, set: &str, mover: &[OsString]) -> Result<Self, SteerError> {
        let path = self.of_envoy(set);
        let failed = |problem: String| SteerError::CgroupAccess { path: path.clone(), problem };
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error.to_string())),
            _ => {}
        }
        let own = Self::open(Some(&path))?;
        let Some((program, words)) = mover.split_first() else { return Ok(own) };
        let tried = Command::new(program).args(words).arg(&path).stdin(Stdio::null()).output();
        match tried {
            Ok(done) if done.status.success() => Ok(own),
            Ok(done) => {
                let problem = failed(String::from_utf8_lossy(&done.stderr).trim().to_owned());
                let _ = fs::remove_dir(&path);
                Err(problem)
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// Moves this process into a cgroup.
///
/// # Errors
/// When the cgroup is not there, or may not be written.
pub fn enter(cgroup: &Path) -> io::Result<()> {
    fs::write(cgroup.join("cgroup.procs"), "0")
}

/// The set whose Envoy has this cgroup.
pub(super) fn set_of(cgroup: &Path) -> Option<&str> {
    cgroup.file_name()?.to_str()?.strip_prefix(PREFIX)
}

/// Removes Envoy's cgroup, unless a process is still in it.
pub fn leave(cgroup: &Path) {
    // Whoever is in there removes it later.
    let _ = fs::remove_dir(cgroup);
}
