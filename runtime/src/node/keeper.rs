//! Who keeps Envoy: a second process of the same program, between the command and Envoy.
//!
//! The keeper talks with the command over a Unix socket in Envoy's folder. Told to end, it ends Envoy; told a cgroup,
//! it moves Envoy into that.
//! Where the command is gone without a word, the keeper waits for a next one to connect, and ends Envoy
//! only after a while. Envoy itself never outlives its keeper: the kernel kills it then. The keeper has a
//! process group of its own, so that Ctrl-C on a terminal reaches the command alone.

use super::folder;
use super::steering::abandon;
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net as blocking;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The keeper's socket in Envoy's folder.
const SOCKET: &str = "keeper.sock";
/// The log of Envoy and its keeper in Envoy's folder.
pub(super) const LOG: &str = "envoy.log";
/// How often the keeper looks whether Envoy is there.
const LOOK: Duration = Duration::from_millis(50);
/// How long a keeper may take to move Envoy.
const MOVING: Duration = Duration::from_secs(1);
/// How long a keeper may take to end Envoy.
const ENDING: Duration = Duration::from_secs(3);

/// How a keeper is started.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// The program.
    pub program: PathBuf,
    /// Its first words, in front of the folder, Envoy's path, and how long it stays alone, in milliseconds.
    pub words: Vec<OsString>,
    /// How long Envoy stays when the command is killed.
    pub linger: Duration,
}

impl Keeper {
    /// Starts a keeper, and with it Envoy in a folder, and in a cgroup if it shall have one of its own.
    pub(super) fn start(&self, envoy: &Path, folder: &Path, cgroup: Option<&Path>) -> io::Result<Link> {
        let (ours, theirs) = blocking::UnixStream::pair()?;
        // What it says comes into Envoy's log, and holds nobody's stderr open once the command is gone.
        let log = fs::File::create(folder.join(LOG))?;
        let mut command = Command::new(&self.program);
        command.args(&self.words);
        if let Some(cgroup) = cgroup {
            command.arg("--cgroup").arg(cgroup);
        }
        command.arg(folder).arg(envoy).arg(self.linger.as_millis().to_string());
        command.process_group(0).stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(log);
        let child = command.spawn()?;
        ours.set_nonblocking(true)?;
        Ok(Link { stream: UnixStream::from_std(ours)?, process: Pid::from_child(&child), child: Some(child) })
    }
}

/// The command's connection to a keeper.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    process: Pid,
    /// The keeper, if this process started it.
    child: Option<Child>,
}

impl Link {
    /// The keeper that another run left in a folder.
    pub(super) async fn find(folder: &Path) -> Option<Self> {
        let stream = UnixStream::connect(folder.join(SOCKET)).await.ok()?;
        let process = Pid::from_raw(stream.peer_cred().ok()?.pid()?)?;
        Some(Self { stream, process, child: None })
    }

    /// Has the keeper move Envoy into a cgroup that is Envoy's alone, and waits for that.
    ///
    /// # Errors
    /// When Envoy does not come there.
    pub(super) async fn enter(&mut self, cgroup: &Path) -> io::Result<()> {
        let mut word = b"cgroup ".to_vec();
        word.extend_from_slice(cgroup.as_os_str().as_bytes());
        word.push(b'\n');
        self.stream.write_all(&word).await?;
        let deadline = Instant::now() + MOVING;
        while fs::read_to_string(cgroup.join("cgroup.procs"))?.trim().is_empty() {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Waits until the keeper is gone, and with it Envoy.
    pub(super) async fn gone(&mut self) {
        let mut said = [0; 16];
        // It says nothing: whatever comes is the end, an error too.
        while self.stream.read(&mut said).await.is_ok_and(|length| length > 0) {}
        if let Some(child) = &mut self.child {
            // It has closed its end, so that this takes no time.
            let _ = child.wait();
        }
    }

    /// Has the keeper of a folder end Envoy, and waits for that.
    pub(super) async fn end(mut self, folder: &Path) {
        // One that is gone needs no word.
        let _ = self.stream.write_all(b"end\n").await;
        if tokio::time::timeout(ENDING, self.gone()).await.is_err() {
            // Only a keeper that is stopped takes so long. The kernel kills its Envoy too.
            let _ = kill_process(self.process, Signal::KILL);
            let _ = tokio::time::timeout(ENDING, self.gone()).await;
        }
        // A process that ends has its sockets open for another moment.
        let _ = fs::remove_file(folder.join(SOCKET));
    }
}

/// Whether a keeper works in a folder.
pub(super) fn is_at(folder: &Path) -> bool {
    blocking::UnixStream::connect(folder.join(SOCKET)).is_ok()
}

/// What a keeper hears.
enum Heard {
    Opened,
    Closed,
    End,
    Cgroup(PathBuf),
}

/// The keeper's work: runs Envoy in a folder, by a command that becomes Envoy, until Envoy ends, or until it
/// is told to end it, or nobody was connected for so long. Then no run is there that removes the cgroup which Envoy
/// had for itself.
///
/// # Errors
/// When Envoy cannot be started or waited for.
pub fn keep(folder: &Path, envoy: &mut Command, linger: Duration, cgroup: Option<&Path>) -> io::Result<()> {
    let socket = folder.join(SOCKET);
    // That of a keeper which was killed.
    let _ = fs::remove_file(&socket);
    let listener = blocking::UnixListener::bind(&socket)?;
    let mut envoy = start(folder, envoy)?;
    let (tell, heard) = mpsc::channel();
    listen(listener, tell);
    let (mut commands, mut alone) = (1_usize, Instant::now());
    let mut cgroup = cgroup.map(Path::to_owned);
    loop {
        match heard.recv_timeout(LOOK) {
            Ok(Heard::Opened) => commands += 1,
            Ok(Heard::Closed) => (commands, alone) = (commands.saturating_sub(1), Instant::now()),
            Ok(Heard::End) => {
                end(&mut envoy)?;
                cgroup.inspect(|cgroup| abandon(cgroup));
                return Ok(());
            }
            Ok(Heard::Cgroup(path)) => {
                if let Err(error) = fs::write(path.join("cgroup.procs"), envoy.id().to_string()) {
                    // The command sees that Envoy does not come there; its log says why.
                    let _ = writeln!(io::stderr(), "cannot move Envoy into {}: {error}", path.display());
                }
                cgroup = Some(path);
            }
            Err(_) => {}
        }
        let ended = envoy.try_wait()?.is_some();
        if commands == 0 && !folder.exists() {
            // No next run finds this Envoy.
            end(&mut envoy)?;
            cgroup.inspect(|cgroup| abandon(cgroup));
            return Ok(());
        }
        if commands == 0 && (ended || alone.elapsed() >= linger) {
            // Who has the folder is about to connect, and takes it away.
            let Some(_lock) = folder::lock(folder)? else { continue };
            end(&mut envoy)?;
            cgroup.inspect(|cgroup| abandon(cgroup));
            return fs::remove_dir_all(folder);
        }
        if ended {
            return Ok(());
        }
    }
}

fn start(folder: &Path, envoy: &mut Command) -> io::Result<Child> {
    envoy.args(["-c", "envoy.json", "--use-dynamic-base-id", "--disable-hot-restart", "-l", "warning"]);
    envoy.current_dir(folder).stdin(Stdio::null()).process_group(0).spawn()
}

fn end(envoy: &mut Child) -> io::Result<()> {
    envoy.kill().and_then(|()| envoy.wait()).map(drop)
}

/// Listens to the command that started this keeper, on stdin, and to those that come after it.
fn listen(listener: blocking::UnixListener, tell: Sender<Heard>) {
    let first = tell.clone();
    thread::spawn(move || hear(io::stdin().lock(), &first));
    thread::spawn(move || {
        for command in listener.incoming().flatten() {
            let tell = tell.clone();
            if tell.send(Heard::Opened).is_err() {
                return;
            }
            thread::spawn(move || hear(command, &tell));
        }
    });
}

fn hear(command: impl Read, tell: &Sender<Heard>) {
    for line in BufReader::new(command).split(b'\n').map_while(Result::ok) {
        let _ = tell.send(match line.strip_prefix(b"cgroup ") {
            Some(path) => Heard::Cgroup(OsStr::from_bytes(path).into()),
            None => Heard::End,
        });
    }
    // The keeper no longer listens once it ends.
    let _ = tell.send(Heard::Closed);
}

/// Becomes Envoy, such that the kernel kills it when its keeper, the process `parent`, is gone. Comes back only
/// with the reason why it cannot.
pub fn become_envoy(parent: u32, envoy: &Path, arguments: &[OsString]) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // It may have gone before the kernel was told.
    let now = getppid().map(|id| id.as_raw_nonzero().get());
    if now.and_then(|id| u32::try_from(id).ok()) != Some(parent) {
        return io::Error::other("the keeper is gone");
    }
    Command::new(envoy).args(arguments).exec()
}
