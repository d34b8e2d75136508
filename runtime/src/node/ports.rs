//! Ports of loopback: which one is free, and how it stays ours.
//!
//! Envoy lets others listen on the same port (`SO_REUSEPORT`), so that two Envoys which begin at once would share one,
//! and each answer half of the other's connections. Hence a port is held from the moment that it is given, by sockets
//! which do not listen.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self as unix, UnixListener};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

/// The name by which only one process of a network namespace looks for ports at a time.
const TURN: &str = "meshc-ports";
/// How long another one may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The ports of listeners in Envoy's folder.
pub(super) const FILE: &str = "ports.json";

/// The ports that the run before gave.
pub(super) fn before(folder: &Path) -> BTreeMap<String, u16> {
    let text = fs::read_to_string(folder.join(FILE)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// A port that is ours until this is dropped.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "the port is held while they are open")] Vec<TcpSocket>);

/// The turn to look for ports, until it is dropped. Who waits for too long goes on without it.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "others wait while it is open")] Option<UnixListener>);

impl Turn {
    pub(super) fn take() -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match unix::SocketAddr::from_abstract_name(TURN).and_then(|name| UnixListener::bind_addr(&name)) {
                Ok(turn) => return Self(Some(turn)),
                Err(error) if error.kind() != ErrorKind::AddrInUse || Instant::now() > deadline => return Self(None),
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

/// Whether nobody listens on a port or holds it, over either family: a steered service is on both.
pub(super) fn is_free(port: u16) -> bool {
    let taken = |at: IpAddr| TcpListener::bind((at, port)).is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
    // Where there is no IPv6, nobody has its ports.
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && !taken(Ipv6Addr::LOCALHOST.into())
}

/// Holds a port, also one on which an Envoy of ours listens already. Where that fails, as without IPv6 or when files
/// run out, it is held as far as that goes.
pub(super) fn hold(port: u16) -> Held {
    let v4 = TcpSocket::new_v4().and_then(|socket| bind(socket, (Ipv4Addr::LOCALHOST, port).into()));
    let v6 = TcpSocket::new_v6().and_then(|socket| bind(socket, (Ipv6Addr::LOCALHOST, port).into()));
    Held([v4, v6].into_iter().flatten().collect())
}

/// Lets this process open as many files as it may: each port is held by two.
pub(super) fn more_files() {
    let limit = getrlimit(Resource::Nofile);
    // With fewer, fewer ports are held.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn bind(socket: TcpSocket, at: SocketAddr) -> io::Result<TcpSocket> {
    socket.set_reuseport(true)?;
    socket.bind(at)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_held_is_not_free_and_can_be_listened_on() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let held = hold(port);
        assert!(!is_free(port));
        // As Envoy does.
        drop(hold(port));
        assert!(!is_free(port));
        drop(held);
        assert!(is_free(port));
    }

    #[test]
    fn turns_come_one_after_another() {
        let first = Turn::take();
        let (begun, waiting) = (Instant::now(), thread::spawn(Turn::take));
        thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished() || begun.elapsed() > PATIENCE);
        drop(first);
        waiting.join().unwrap();
    }
}
