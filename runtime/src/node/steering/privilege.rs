//! What is looked at before anything is tried: capabilities, the kernel's release, what is mounted.

use super::error::SteerError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The oldest kernel that lets programs say which error `connect` gives.
const OLDEST: (u32, u32) = (5, 18);
const NET_ADMIN: u32 = 12;
const SYS_ADMIN: u32 = 21;
const BPF: u32 = 39;

/// What the kernel says of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    /// Its effective user.
    pub(super) user: u32,
    capabilities: u64,
}

impl Process {
    pub(super) fn read() -> io::Result<Self> {
        // Not the owner of /proc/self, which is root's for a program with file capabilities.
        Ok(Self::parse(&fs::read_to_string("/proc/self/status")?))
    }

    fn parse(status: &str) -> Self {
        let field = |name: &str, at: usize| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().nth(at))
        };
        Self {
            user: field("Uid:", 1).and_then(|id| id.parse().ok()).unwrap_or(u32::MAX),
            capabilities: field("CapEff:", 0).and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0),
        }
    }

    /// Fails where a capability is missing.
    pub(super) fn may_steer(&self) -> Result<(), SteerError> {
        let has = |number: u32| self.capabilities & (1 << number) != 0;
        let wanted = [("CAP_BPF", BPF), ("CAP_NET_ADMIN", NET_ADMIN)];
        // CAP_SYS_ADMIN stands for both in what concerns BPF.
        let missing: Vec<_> =
            wanted.into_iter().filter(|(_, number)| !has(*number) && !has(SYS_ADMIN)).map(|(name, _)| name).collect();
        if missing.is_empty() { Ok(()) } else { Err(SteerError::Capability { missing }) }
    }
}

/// Fails on a kernel that is too old.
pub(super) fn kernel() -> Result<(), SteerError> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if is_young(&release) { Ok(()) } else { Err(SteerError::Kernel { release: release.trim().to_owned() }) }
}

fn is_young(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        // What calls itself something else is let through: the kernel itself says no.
        _ => true,
    }
}

/// The places where a file system of this type is mounted whole.
pub(super) fn mounts(kind: &str) -> Vec<PathBuf> {
    of_kind(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(), kind)
}

fn of_kind(mountinfo: &str, kind: &str) -> Vec<PathBuf> {
    let place = |line: &str| {
        let (before, behind) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        let here = behind.split(' ').next() == Some(kind) && root == "/";
        here.then(|| PathBuf::from(place.replace("\\040", " ")))
    };
    mountinfo.lines().filter_map(place).collect()
}

/// Fails where nothing can be pinned.
pub(super) fn bpffs(root: &Path) -> Result<(), SteerError> {
    if mounts("bpf").iter().any(|place| place == root) { Ok(()) } else { Err(SteerError::NoBpffs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_capability_is_named() {
        let process = |caps: u64| Process::parse(&format!("Name:\tx\nUid:\t0\t1000\t0\t0\nCapEff:\t{caps:016x}\n"));
        assert_eq!(process(0).user, 1000);
        assert!(process(1 << BPF | 1 << NET_ADMIN).may_steer().is_ok());
        assert!(process(1 << SYS_ADMIN).may_steer().is_ok());
        let said = process(1 << BPF).may_steer().unwrap_err().to_string();
        assert!(said.ends_with("missing: CAP_NET_ADMIN"), "{said}");
        let said = process(0).may_steer().unwrap_err().to_string();
        assert!(said.ends_with("missing: CAP_BPF, CAP_NET_ADMIN"), "{said}");
    }

    #[test]
    fn releases_are_compared_as_numbers() {
        assert!(is_young("6.1.0-18-amd64"));
        assert!(is_young("5.18.0"));
        assert!(!is_young("5.9.1"));
        assert!(!is_young("4.19.0"));
    }

    #[test]
    fn mounts_are_found_by_their_type() {
        let text = "30 1 0:26 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw\n\
                    31 1 0:27 /part /mnt rw - cgroup2 cgroup2 rw\n32 1 0:28 / /sys/fs/bpf rw - bpf bpf rw\n";
        assert_eq!(of_kind(text, "cgroup2"), [PathBuf::from("/sys/fs/cgroup/unified")]);
        assert_eq!(of_kind(text, "bpf"), [PathBuf::from("/sys/fs/bpf")]);
    }
}
