//! The lease: connections are steered only while somebody has just seen Envoy answer.

use super::layout::LEASE;
use aya::maps::{Array, MapData};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long connections are steered after Envoy answered.
pub const LENGTH: Duration = Duration::from_millis(500);
/// How often it is asked.
const PERIOD: Duration = Duration::from_millis(100);
/// How long an answer may take: with the period less than the lease.
const PATIENCE: Duration = Duration::from_millis(350);
/// The socket in Envoy's folder on which it is asked.
const SOCKET: &str = "probe.sock";

pub(super) type Settings = Array<MapData, u64>;

/// A thread that asks Envoy and renews the lease, until it is dropped.
#[derive(Debug)]
pub(super) struct Renewal {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Renewal {
    /// Begins. `folder` is Envoy's.
    pub(super) fn start(mut settings: Settings, folder: &Path) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let mut probe = Probe { socket: folder.join(SOCKET), pending: None };
        let mut seen = false;
        let renew = move || loop {
            let answers = probe.answers();
            seen |= answers;
            // Until this Envoy answers for the first time, the lease is that of the one before.
            if seen {
                let until = if answers { now().saturating_add(LENGTH.as_nanos() as u64) } else { 0 };
                // A map that cannot be written lets the lease end, which is what is wanted then.
                let _ = settings.set(LEASE, until, 0);
            }
            if !matches!(stopped.recv_timeout(PERIOD), Err(RecvTimeoutError::Timeout)) {
                let _ = settings.set(LEASE, 0, 0);
                return;
            }
        };
        let thread = thread::Builder::new().name("lease".into()).spawn(renew)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The kernel's monotonic clock, in nanoseconds: what `bpf_ktime_get_ns` reads.
pub(super) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(time.tv_nsec))
}

/// Asks Envoy's workers, by a request that they answer themselves.
struct Probe {
    socket: PathBuf,
    /// A connection whose answer did not come yet: an Envoy that hangs gets no second one.
    pending: Option<UnixStream>,
}

impl Probe {
    fn answers(&mut self) -> bool {
        let Ok(mut stream) = self.pending.take().map_or_else(|| ask(&self.socket), Ok) else { return false };
        let mut head = [0; 12];
        match stream.read_exact(&mut head) {
            Ok(()) => head.ends_with(b" 200"),
            Err(error) => {
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
                    self.pending = Some(stream);
                }
                false
            }
        }
    }
}

fn ask(socket: &Path) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: meshc\r\nconnection: close\r\n\r\n")?;
    Ok(stream)
}

/// The listener of Envoy's bootstrap that answers: open to this user alone, seen by no policy.
pub fn listener() -> Value {
    let of = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.{name}");
    let route = json!({"match": {"prefix": "/"}, "direct_response": {"status": 200}});
    let router = json!({"name": "router", "typed_config": {"@type": of("http.router.v3.Router")}});
    let manager = json!({
        "@type": of("network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "meshc-probe",
        "route_config": {"virtual_hosts": [{"name": "probe", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    });
    json!({
        "name": "meshc-probe",
        "address": {"pipe": {"path": SOCKET, "mode": 0o600}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_listener_is_one() {
        meshc_compiler::schema::encode("envoy.config.listener.v3.Listener", listener()).unwrap();
    }

    #[test]
    fn only_an_answer_of_200_counts() {
        let folder = std::env::temp_dir().join(format!("meshc-probe-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut probe = Probe { socket: folder.join(SOCKET), pending: None };
        assert!(!probe.answers(), "nobody listens");
        let listener = UnixListener::bind(folder.join(SOCKET)).unwrap();
        assert!(!probe.answers(), "nobody answers");
        assert!(probe.pending.is_some());
        let (mut late, _) = listener.accept().unwrap();
        late.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert!(probe.answers(), "the answer to the first question was not waited for");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap();
        });
        assert!(!probe.answers());
        server.join().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
