//! Pinned links: what the kernel says of one, and how it gets another program.

use super::sys;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What the kernel says of a link to a cgroup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The program's number.
    pub(super) program: u32,
    /// The program's tag: a hash of its instructions.
    pub(super) tag: String,
    /// The cgroup; 0 when it is gone.
    pub(super) cgroup: u64,
}

fn open(pin: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(pin.as_os_str().as_bytes()).map_err(io::Error::other)?;
    sys::open_pin(&path)
}

/// What the kernel says of a pinned link, for which no privilege beyond opening it is needed.
///
/// # Errors
/// When nothing is pinned there, or something that is no link to a cgroup.
pub(super) fn facts(pin: &Path) -> io::Result<Facts> {
    let link = open(pin)?;
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", link.as_raw_fd()))?;
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no link to a cgroup"))
}

fn parse(text: &str) -> Option<Facts> {
    let field = |name: &str| text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()));
    if field("link_type")? != "cgroup" {
        return None;
    }
    Some(Facts {
        program: field("prog_id")?.parse().ok()?,
        tag: field("prog_tag")?.to_owned(),
        cgroup: field("cgroup_id")?.parse().ok()?,
    })
}

/// Has a pinned link run a program from now on; connections see the old one or the new one.
///
/// # Errors
/// `ENOLINK` when its cgroup is gone.
pub(super) fn update(pin: &Path, program: BorrowedFd<'_>) -> io::Result<()> {
    sys::update_link(&open(pin)?, program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let text = "pos:\t0\nflags:\t02000000\nmnt_id:\t15\nino:\t1057\nlink_type:\tcgroup\nlink_id:\t3\n\
                    prog_tag:\tb2e85324b9995d10\nprog_id:\t102\ncgroup_id:\t7\nattach_type:\t10\n";
        let facts = parse(text).unwrap();
        assert_eq!((facts.program, facts.tag.as_str(), facts.cgroup), (102, "b2e85324b9995d10", 7));
        assert_eq!(parse(&text.replace("cgroup\n", "xdp\n")), None);
        assert_eq!(parse("pos:\t0\n"), None);
    }
}
