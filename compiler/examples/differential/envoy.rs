//! A real Envoy with the listeners of many policies.

use serde_json::{Value, json};
use std::error::Error;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The listeners and clusters of policies, made to say which route and cluster a request took.
#[derive(Default)]
pub(crate) struct Config {
    listeners: Vec<Value>,
    clusters: Vec<Value>,
    names: Vec<String>,
    pub(crate) ports: Vec<u16>,
    /// Held so that nobody else takes the ports before Envoy does.
    held: Vec<TcpListener>,
}

impl Config {
    /// Takes in what one policy compiled to, which has one listener. Gives its port.
    pub(crate) fn add(&mut self, bootstrap: &str, server: u16) -> Result<u16> {
        let mut bootstrap: Value = serde_json::from_str(bootstrap)?;
        let resources = bootstrap.get_mut("static_resources").ok_or("no resources")?;
        for cluster in resources.get("clusters").and_then(Value::as_array).into_iter().flatten() {
            let name = cluster.get("name").and_then(Value::as_str).ok_or("no name")?.to_owned();
            if !self.names.contains(&name) {
                self.clusters.push(of_server(&name, cluster, server));
                self.names.push(name);
            }
        }
        let mut listener = resources.pointer("/listeners/0").cloned().ok_or("no listener")?;
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = held.local_addr()?.port();
        let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
        let manager = listener.pointer_mut("/filter_chains/0/filters/0/typed_config").ok_or("no manager")?;
        set(manager, "access_log", json!([]))?;
        let headers = json!([
            {"header": {"key": "x-route", "value": "%ROUTE_NAME%"}},
            {"header": {"key": "x-cluster", "value": "%UPSTREAM_CLUSTER%"}},
        ]);
        set(manager.get_mut("route_config").ok_or("no routes")?, "response_headers_to_add", headers)?;
        set(&mut listener, "name", json!(format!("listener-{}", self.ports.len())))?;
        set(&mut listener, "address", address)?;
        self.listeners.push(listener);
        self.ports.push(port);
        self.held.push(held);
        Ok(port)
    }

    /// Starts an Envoy with all of it, in a folder.
    pub(crate) fn start(mut self, envoy: &Path, folder: &Path) -> Result<Proxy> {
        let config = json!({"static_resources": {"listeners": self.listeners, "clusters": self.clusters}});
        let path = folder.join("envoy.json");
        std::fs::write(&path, config.to_string())?;
        let log = folder.join("log");
        self.held.clear();
        let process = Command::new(envoy)
            .args(["--concurrency", "1", "--disable-hot-restart", "-l", "error", "-c"])
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()?;
        let mut proxy = Proxy { process, log };
        for port in &self.ports {
            proxy.wait(*port)?;
        }
        Ok(proxy)
    }
}

/// The cluster, made to lead to the server.
fn of_server(name: &str, cluster: &Value, port: u16) -> Value {
    let place = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/address";
    let host = cluster.pointer(place).and_then(Value::as_str).unwrap_or_default();
    // What Envoy knows as the name of an endpoint that DNS finds; those of a cluster have none.
    let dns = cluster.get("type").is_some_and(|t| t == "STRICT_DNS") && !host.ends_with(".svc.cluster.local");
    let hostname = if dns { host } else { "" };
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address, "hostname": hostname}}]}]},
    })
}

/// A running Envoy; it ends when this is dropped.
pub(crate) struct Proxy {
    process: Child,
    log: PathBuf,
}

impl Proxy {
    fn wait(&mut self, port: u16) -> Result<()> {
        // Envoy is up in half a second; the deadline is a hundred times that.
        for _ in 0..2500 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(());
            }
            if self.process.try_wait()?.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("Envoy does not run: {}", std::fs::read_to_string(&self.log)?).into())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sets a field of an object.
fn set(object: &mut Value, name: &str, value: Value) -> Result<()> {
    object.as_object_mut().ok_or("no object")?.insert(name.to_owned(), value);
    Ok(())
}
