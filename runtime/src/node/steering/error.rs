//! Why steering is impossible, and what to do about it.

use super::layout::Shape;
use std::error::Error;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Why connections cannot be steered.
#[derive(Debug, thiserror::Error)]
pub enum SteerError {
    /// The process may not do it.
    #[error("steering needs the capabilities CAP_BPF and CAP_NET_ADMIN; missing: {}", missing.join(", "))]
    Capability {
        /// Those that it lacks.
        missing: Vec<&'static str>,
    },
    /// The kernel is too old.
    #[error("steering needs Linux 5.18, and this is {release}")]
    Kernel {
        /// What it calls itself.
        release: String,
    },
    /// Only cgroup v1.
    #[error("no cgroup v2 hierarchy is mounted")]
    NoCgroup,
    /// The path that was given.
    #[error("{} is not a cgroup of the v2 hierarchy", path.display())]
    NotACgroup {
        /// The path.
        path: PathBuf,
    },
    /// The cgroup may not be written.
    #[error("cannot give Envoy a cgroup of its own, {}: {problem}", path.display())]
    CgroupAccess {
        /// Envoy's cgroup.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// No bpffs.
    #[error("no BPF file system is mounted at /sys/fs/bpf")]
    NoBpffs,
    /// The pin folder may not be written.
    #[error("cannot write {}: {source}", path.display())]
    PinAccess {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder on the pin path that others can write to.
    #[error("{} {problem}, so that what is pinned in it cannot be trusted", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Something else is pinned where a map of ours belongs.
    #[error("{} is {found}, not the {expected} that belongs there", path.display())]
    Foreign {
        /// The pin.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// Another instance.
    #[error("another `meshc up` steers the set `{set}`")]
    Taken {
        /// The set.
        set: String,
    },
    /// Nothing is pinned.
    #[error("nothing is steered: there is no set{}", set.as_ref().map(|s| format!(" `{s}`")).unwrap_or_default())]
    Nothing {
        /// The set that was asked for.
        set: Option<String>,
    },
    /// More than fits.
    #[error("{count} {what} are too many: one set steers at most {most}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        count: usize,
        /// The limit.
        most: usize,
    },
    /// The kernel does not take the programs.
    #[error("the kernel refuses the program `{program}`: {problem}")]
    Verifier {
        /// The program.
        program: String,
        /// The end of what the verifier says.
        problem: String,
    },
    /// The privilege is there, and does not count.
    #[error("the kernel forbids to {what}, although the capabilities are there")]
    Forbidden {
        /// What was tried.
        what: String,
        /// Whether the kernel is locked down.
        locked_down: bool,
    },
    /// Anything else of the system.
    #[error("cannot {what}: {problem}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        problem: String,
    },
}

impl SteerError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Capability { .. } => {
                "run it as root, or give the program both: `setcap cap_bpf,cap_net_admin+ep PATH_OF_MESHC`".into()
            }
            Self::Kernel { .. } => "use a newer kernel".into(),
            Self::NoCgroup => {
                "boot with `systemd.unified_cgroup_hierarchy=1`, or mount it: `mkdir /run/cgroup2 && mount -t cgroup2 none /run/cgroup2`".into()
            }
            Self::NotACgroup { .. } => "`--cgroup` takes a folder below the mount point of a file system of type cgroup2".into(),
            Self::CgroupAccess { .. } => {
                "run it as the cgroup's owner, from within it, or name one that is delegated to you by `--cgroup PATH`".into()
            }
            Self::NoBpffs => "mount it: `mount -t bpf bpf /sys/fs/bpf`".into(),
            Self::PinAccess { .. } => {
                "run it as root, or let the user write to the BPF file system: `mount -o remount,mode=1777 /sys/fs/bpf`".into()
            }
            Self::Folder { path, .. } => format!("see who made it, then remove it: `rm -r {}`", path.display()),
            Self::Foreign { path, .. } => format!("see whose it is, then remove it: `rm {}`", path.display()),
            Self::Taken { .. } => "end that one, or give the program another name in meshc.toml: `name = \"shop\"`".into(),
            Self::Nothing { .. } => "`meshc up` steers the services of a policy that have `at`".into(),
            Self::TooMany { .. } => "make two sets of it, or write fewer addresses behind `at`".into(),
            Self::Verifier { .. } => "please report it, with the kernel's release".into(),
            Self::Forbidden { locked_down: true, .. } => {
                "the kernel is locked down (/sys/kernel/security/lockdown): boot without `lockdown=`, or without Secure Boot".into()
            }
            Self::Forbidden { .. } => {
                "the capabilities must be those of the machine, not of a container's user namespace, and no security module may refuse `bpf()`: see `dmesg`".into()
            }
            Self::System { .. } => "`meshc steer status` tells what is there".into(),
        }
    }

    pub(super) fn system(what: impl Into<String>, problem: &(dyn Error + 'static)) -> Self {
        let what = what.into();
        if matches!(errno(problem), Some(libc::EPERM | libc::EACCES)) {
            let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
            let locked_down = lockdown.contains('[') && !lockdown.contains("[none]");
            return Self::Forbidden { what, locked_down };
        }
        Self::System { what, problem: chain(problem) }
    }
}

impl Shape {
    pub(super) fn words(self) -> String {
        format!("{:?} map with keys of {} and values of {} bytes", self.kind, self.key, self.value)
    }
}

/// The number of the system error at the bottom of an error.
pub(super) fn errno(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(number) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(number);
        }
        next = error.source();
    }
    None
}

/// An error with all its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_error_below_others_is_found() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        let refused = SteerError::system("load", &Outer(io::Error::from_raw_os_error(libc::EPERM)));
        assert!(matches!(refused, SteerError::Forbidden { .. }), "{refused}");
        let full = SteerError::system("load", &Outer(io::Error::from_raw_os_error(libc::E2BIG)));
        assert!(full.to_string().starts_with("cannot load: outer: Argument list too long"), "{full}");
    }
}
