//! The folder of a set of policies, which one run has at a time, and in which the next run finds the
//! Envoy that a killed one left.

use super::envoy::{EnvoyError, failed};
use super::keeper;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The file that a run holds locked, with its process.
const LOCK: &str = "lock";
/// How long a run that ends may still have the folder.
const PATIENCE: Duration = Duration::from_secs(1);

/// A folder of our own, open to its user alone. It goes away with this value, unless a keeper works in it.
#[derive(Debug)]
pub struct Folder {
    /// Where.
    pub path: PathBuf,
    /// Locked until this process ends.
    _lock: File,
}

impl Folder {
    /// Takes the folder of a set, whose name is fit for a file name, and makes it where it is missing.
    ///
    /// # Errors
    /// When another run has it, it is not ours alone, or the machine's temporary folder cannot be written.
    pub fn open(set: &str) -> Result<Self, EnvoyError> {
        let path = std::env::temp_dir().join(format!("meshc-up-{}-{set}", rustix::process::getuid().as_raw()));
        let deadline = Instant::now() + PATIENCE;
        loop {
            make(&path)?;
            if let Some(mut lock) = lock(&path).map_err(failed(format!("lock {}", path.display())))? {
                // Who waits for the lock reads it; nothing else does.
                let _ = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
                return Ok(Self { path, _lock: lock });
            }
            if Instant::now() > deadline {
                let process = fs::read_to_string(path.join(LOCK)).ok().and_then(|text| text.parse().ok());
                return Err(EnvoyError::Busy { process });
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Folder {
    /// Writes a file for the next run, whole or not at all: one of before stays where the disk is full.
    pub(super) fn keep(&self, name: &str, text: &str) {
        let new = self.path.join(format!("{name}.new"));
        if fs::write(&new, text).and_then(|()| fs::rename(&new, self.path.join(name))).is_err() {
            let _ = fs::remove_file(&new);
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !keeper::is_at(&self.path) {
            // What is left of it takes little, and the next run of the set uses it.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes the folder, or sees that it is ours alone.
fn make(path: &Path) -> Result<(), EnvoyError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(failed(format!("make {}", path.display()))(error));
        }
        _ => {}
    }
    match fs::symlink_metadata(path) {
        Ok(facts)
            if facts.is_dir() && facts.uid() == rustix::process::getuid().as_raw() && facts.mode() & 0o77 == 0 =>
        {
            Ok(())
        }
        // The one before took it away just now.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => Err(EnvoyError::Foreign { path: path.to_owned() }),
    }
}

/// Locks a folder, if nobody has it and it is still there.
pub(super) fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = match OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path.join(LOCK)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let id = |facts: fs::Metadata| (facts.dev(), facts.ino());
    let locked = id(file.metadata()?);
    // The file may have gone away with its folder before it was locked.
    Ok(fs::metadata(path.join(LOCK)).is_ok_and(|now| id(now) == locked).then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn set(name: &str) -> String {
        format!("test-{name}-{}", std::process::id())
    }

    #[test]
    fn a_folder_is_its_users_alone_and_goes_away() {
        let folder = Folder::open(&set("alone")).unwrap();
        let path = folder.path.clone();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_run_is_told_who_has_the_folder() {
        let first = Folder::open(&set("second")).unwrap();
        let said = Folder::open(&set("second")).unwrap_err().to_string();
        assert!(said.ends_with(&format!("process {}", std::process::id())), "{said}");
        drop(first);
        Folder::open(&set("second")).unwrap();
    }

    #[test]
    fn what_is_open_to_others_is_not_used() {
        let path = Folder::open(&set("foreign")).unwrap().path.clone();
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Folder::open(&set("foreign")), Err(EnvoyError::Foreign { .. })));
        fs::remove_dir(&path).unwrap();
    }
}
