//! What neither the standard library nor aya can do: the only unsafe code of the project.
//!
//! aya 0.14 keeps the descriptors of links to itself, so that a link that another process pinned can be
//! neither updated nor looked at.
#![expect(unsafe_code, reason = "system calls without a safe wrapper in the standard library or aya")]

use std::ffi::{CStr, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

const OBJ_GET: c_long = 7;
const LINK_UPDATE: c_long = 29;
const SO_NETNS_COOKIE: libc::c_int = 71;

/// `bpf(command, attributes)`; the attributes are what the kernel's `union bpf_attr` begins with.
fn bpf<const N: usize>(command: c_long, attributes: &[u64; N]) -> io::Result<c_long> {
    // SAFETY: the kernel reads as many bytes as are told, and the commands used write none.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), N * 8) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Two descriptors beside each other, as the kernel reads them.
fn pair(first: u32, second: u32) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (first.to_ne_bytes(), second.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

/// Opens what is pinned at a path.
pub(super) fn open_pin(path: &CStr) -> io::Result<OwnedFd> {
    let opened = bpf(OBJ_GET, &[path.as_ptr() as u64, 0])?;
    let fd = RawFd::try_from(opened).map_err(io::Error::other)?;
    // SAFETY: the kernel made it for this call, so that nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Has a link run another program from now on.
pub(super) fn update_link(link: &OwnedFd, program: BorrowedFd<'_>) -> io::Result<()> {
    let number = |fd: RawFd| u32::try_from(fd).map_err(io::Error::other);
    bpf(LINK_UPDATE, &[pair(number(link.as_raw_fd())?, number(program.as_raw_fd())?), 0]).map(drop)
}

/// The number of this process's network namespace that the kernel gives to programs.
pub(super) fn namespace() -> io::Result<u64> {
    let socket = UnixDatagram::unbound()?;
    let (mut cookie, mut size) = (0_u64, 8 as libc::socklen_t);
    let place = (&raw mut cookie).cast();
    // SAFETY: the kernel writes at most `size` bytes to `place`, which has as many.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_NETNS_COOKIE, place, &raw mut size) };
    if result == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}
