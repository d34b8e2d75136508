//! The folder of pins: whose it is, who works in it, and how it goes away.
//!
//! `/sys/fs/bpf/meshc/<set>/v<schema>/`. The folder of the set is locked by the instance that steers.

use super::error::SteerError;
use super::layout::{MAPS, SCHEMA, Shape};
use super::privilege::{Process, bpffs};
use aya::maps::MapInfo;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Where BPF objects are pinned.
const ROOT: &str = "/sys/fs/bpf";
/// Our folder in it.
const OURS: &str = "meshc";
/// How often a lock is asked for, since whoever looks at a set holds it for a moment.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(50);

/// The pins of one set, checked.
#[derive(Debug)]
pub(super) struct Pins {
    set: PathBuf,
    folder: PathBuf,
}

/// The right to change them, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl Pins {
    /// The pins of a set that is there.
    pub(super) fn open(set: &str) -> Result<Self, SteerError> {
        bpffs(Path::new(ROOT))?;
        let pins = Self::at(set);
        let user = user()?;
        for folder in [Path::new(ROOT).join(OURS), pins.set.clone(), pins.folder.clone()] {
            if !folder.exists() {
                return Err(SteerError::Nothing { set: Some(set.to_owned()) });
            }
            check_folder(&folder, user)?;
        }
        Ok(pins)
    }

    fn at(set: &str) -> Self {
        let set = Path::new(ROOT).join(OURS).join(set);
        Self { folder: set.join(format!("v{SCHEMA}")), set }
    }

    /// Makes the folders where they are missing, and locks them.
    pub(super) fn claim(name: &str) -> Result<(Self, Lock), SteerError> {
        bpffs(Path::new(ROOT))?;
        let (pins, user) = (Self::at(name), user()?);
        for _ in 0..TRIES {
            for folder in [&Path::new(ROOT).join(OURS), &pins.set] {
                make_folder(folder)?;
                check_folder(folder, user)?;
            }
            if let Some(lock) = pins.lock()? {
                make_folder(&pins.folder)?;
                check_folder(&pins.folder, user)?;
                return Ok((pins, lock));
            }
            thread::sleep(PAUSE);
        }
        Err(SteerError::Taken { set: name.to_owned() })
    }

    /// Locks the set, if nobody else has.
    pub(super) fn lock(&self) -> Result<Option<Lock>, SteerError> {
        let failed = |source| SteerError::PinAccess { path: self.set.clone(), source };
        let file = File::open(&self.set).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // The one who had it before may have removed the folder.
        let same = fs::metadata(&self.set).and_then(|now| Ok(now.ino() == file.metadata()?.ino()));
        Ok(same.unwrap_or(false).then(|| Lock(file)))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The pin of the link of a program.
    pub(super) fn link(&self, program: &str) -> PathBuf {
        self.folder.join(format!("link_{program}"))
    }

    /// Whether nothing is pinned.
    pub(super) fn is_empty(&self) -> bool {
        fs::read_dir(&self.folder).map_or(true, |mut entries| entries.next().is_none())
    }

    /// Fails where something else is pinned in the place of a map.
    pub(super) fn check_maps(&self) -> Result<(), SteerError> {
        MAPS.iter().filter(|shape| self.path(shape.name).exists()).try_for_each(|shape| self.check_map(*shape))
    }

    pub(super) fn check_map(&self, shape: Shape) -> Result<(), SteerError> {
        let path = self.path(shape.name);
        let expected = shape.words();
        let info = match MapInfo::from_pin(&path) {
            Ok(info) => info,
            Err(error) => match super::error::errno(&error) {
                Some(libc::EPERM | libc::EACCES) => {
                    return Err(SteerError::system(format!("open {}", path.display()), &error));
                }
                _ => return Err(SteerError::Foreign { path, found: "no map".into(), expected }),
            },
        };
        let kind = info.map_type().ok();
        if kind == Some(shape.kind) && info.key_size() == shape.key && info.value_size() == shape.value {
            return Ok(());
        }
        let kind = kind.map_or("unknown".to_owned(), |kind| format!("{kind:?}"));
        let found = format!("a {kind} map with keys of {} and values of {} bytes", info.key_size(), info.value_size());
        Err(SteerError::Foreign { path, found, expected })
    }

    /// Removes what older schemas left.
    pub(super) fn remove_others(&self) {
        let others = entries(&self.set).into_iter().filter(|path| *path != self.folder);
        others.for_each(|folder| remove_folder(&folder));
    }

    /// Removes everything, which detaches the programs.
    pub(super) fn remove(&self) {
        self.remove_others();
        remove_folder(&self.folder);
        let _ = fs::remove_dir(&self.set);
        // Another set may be there.
        let _ = fs::remove_dir(Path::new(ROOT).join(OURS));
    }
}

/// The names of the sets that are there.
pub(super) fn sets() -> Result<Vec<String>, SteerError> {
    bpffs(Path::new(ROOT))?;
    let ours = Path::new(ROOT).join(OURS);
    if !ours.exists() {
        return Ok(Vec::new());
    }
    check_folder(&ours, user()?)?;
    let mut names: Vec<_> =
        entries(&ours).iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

fn user() -> Result<u32, SteerError> {
    Process::read().map(|process| process.user).map_err(|e| SteerError::system("read /proc/self/status", &e))
}

fn make_folder(path: &Path) -> Result<(), SteerError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(SteerError::PinAccess { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Roots of BPF file systems may be writable for all, so each folder must be ours alone.
fn check_folder(path: &Path, user: u32) -> Result<(), SteerError> {
    let facts = fs::symlink_metadata(path).map_err(|source| SteerError::PinAccess { path: path.to_owned(), source })?;
    let mode = facts.mode() & 0o7777;
    let problem = if !facts.is_dir() {
        "is no folder".to_owned()
    } else if facts.uid() != user {
        format!("belongs to user {}", facts.uid())
    } else if mode != 0o700 {
        format!("has mode {mode:04o} instead of 0700")
    } else {
        return Ok(());
    };
    Err(SteerError::Folder { path: path.to_owned(), problem })
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn remove_folder(folder: &Path) {
    // The links first, so that no program runs without its maps.
    let (links, others): (Vec<_>, Vec<_>) = entries(folder).into_iter().partition(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("link_meshc_connect"))
    });
    for path in links.into_iter().chain(others) {
        let _ = fs::remove_file(path);
    }
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let base = std::env::temp_dir().join(format!("meshc-pins-{}", std::process::id()));
        make_folder(&base).unwrap();
        let user = user().unwrap();
        check_folder(&base, user).unwrap();
        let said = check_folder(&base, user + 1).unwrap_err().to_string();
        assert!(said.contains("belongs to user"), "{said}");
        fs::set_permissions(&base, fs::Permissions::from_mode(0o1777)).unwrap();
        let said = check_folder(&base, user).unwrap_err().to_string();
        assert!(said.contains("mode 1777"), "{said}");
        let link = base.join("link");
        std::os::unix::fs::symlink(&base, &link).unwrap();
        assert!(check_folder(&link, user).unwrap_err().to_string().contains("is no folder"));
        fs::remove_file(&link).unwrap();
        fs::remove_dir(&base).unwrap();
    }
}
