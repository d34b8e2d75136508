//! A cluster that a run asks where the Services of its policies are: their endpoints go to Envoy, their addresses
//! to the steering. Only the namespaces that the policies speak of are looked at, and nothing is written.
//!
//! `watch` keeps up with the API server, `view` knows what is there, `object` what that means. What was seen last
//! stays as it is while the server is not to be seen.

pub mod object;
pub mod view;
mod watch;

use super::folder::Folder;
use super::steered::Policy;
use super::up::until;
use super::xds::resources::{EncodeError, endpoints};
use super::xds::{Kind, Resource, Snapshot};
use crate::deploy::{Error, Place};
use meshc_compiler::kubernetes::{Backend, Front, InCluster, Steering};
use meshc_compiler::name::ServiceName;
use object::{Service, Slice};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use view::Namespace;
use watch::{Connection, News, Seen, Watch};

/// What was seen last, in the run's folder: a next run serves it until it has seen the cluster itself.
const LAST: &str = "cluster.json";
/// How long a changed policy waits for the Services that it speaks of.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much may be told before it is taken in.
const BACKLOG: usize = 256;

/// What happens, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The endpoints of a Service's port are these now.
    Endpoints {
        /// The Service with its port.
        service: String,
        /// Its endpoints.
        addresses: BTreeSet<SocketAddr>,
    },
    /// A Service of the policy is not to be had.
    Missing {
        /// The Service, with its port where that matters.
        service: String,
        /// The file and declaration that speak of it.
        source: String,
        /// Why not.
        why: String,
        /// What to do.
        help: String,
    },
    /// The API server is not to be seen; the last good endpoints stay.
    Lost(String),
    /// It is to be seen again.
    Back(Duration),
    /// The addresses of Services cannot be steered.
    Unsteered {
        /// Why not.
        why: String,
        /// What to do.
        help: String,
    },
    /// A right is missing.
    Denied {
        /// What the API server says.
        why: String,
        /// What to grant.
        help: String,
    },
}

/// What has come of something that was told.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What to show.
    pub events: Vec<Event>,
    /// Endpoints that changed.
    pub endpoints: Vec<Arc<Resource>>,
    /// Endpoints that cannot be encoded; those of before stay.
    pub unfit: Option<EncodeError>,
    /// Whether a steered Service has other addresses now.
    pub moved: bool,
    /// A policy that has waited long enough.
    pub policy: Option<Policy>,
}

/// The namespaces that something may concern, each with the names of its Services, or nothing for all of them.
type Touched = BTreeMap<String, Option<BTreeSet<String>>>;

/// What was seen last, by the Service's name, with its port where there are endpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Last {
    endpoints: BTreeMap<String, BTreeSet<SocketAddr>>,
    addresses: BTreeMap<String, BTreeSet<IpAddr>>,
}

/// The cluster of a run.
pub struct Cluster {
    connection: Arc<Connection>,
    wanted: InCluster,
    namespaces: BTreeMap<String, Watched>,
    last: Last,
    /// What the run's folder has of it.
    kept: Last,
    /// What is to be told.
    pending: Vec<Event>,
    /// A policy that speaks of namespaces that are not known yet, and how long it waits.
    held: Option<(Policy, Instant)>,
    /// The Services that were told to be missing, and why.
    missing: BTreeMap<String, String>,
    /// The watches that see nothing, and since when.
    lost: BTreeSet<(String, watch::Resource)>,
    since: Option<Instant>,
    denied: BTreeSet<(String, watch::Resource)>,
    out: mpsc::Sender<Seen>,
    news: mpsc::Receiver<Seen>,
}

/// A namespace with its watches, which end with it.
struct Watched {
    view: Namespace,
    _watches: JoinSet<()>,
}

/// Waits for what a cluster says, if there is one.
pub async fn changed(cluster: &mut Option<Cluster>) -> Outcome {
    match cluster {
        Some(cluster) => cluster.changed().await,
        None => std::future::pending().await,
    }
}

impl Cluster {
    /// Of a kubeconfig. The API server is not asked yet.
    ///
    /// # Errors
    /// When the kubeconfig or its credential plugin is of no use.
    pub async fn open(place: Place) -> Result<Self, Error> {
        let connection = Arc::new(Connection::open(place).await?);
        let (out, news) = mpsc::channel(BACKLOG);
        Ok(Self {
            connection,
            wanted: InCluster::default(),
            namespaces: BTreeMap::new(),
            last: Last::default(),
            kept: Last::default(),
            pending: Vec::new(),
            held: None,
            missing: BTreeMap::new(),
            lost: BTreeSet::new(),
            since: None,
            denied: BTreeSet::new(),
            out,
            news,
        })
    }

    /// Takes over what a dead run has seen last: its Envoy is not to lose it.
    pub fn recall(&mut self, folder: &Path) {
        let text = fs::read_to_string(folder.join(LAST)).unwrap_or_default();
        self.last = serde_json::from_str(&text).unwrap_or_default();
    }

    /// Keeps what was seen last for a next run.
    pub(super) fn keep(&mut self, folder: &Folder) {
        if self.kept == self.last {
            return;
        }
        self.kept = self.last.clone();
        // Without it, a run that takes Envoy over has no endpoints for a moment.
        if let Ok(text) = serde_json::to_string(&self.last) {
            folder.keep(LAST, &text);
        }
    }

    /// Takes in what a policy wants: its clusters ask for the endpoints of their Services, and the addresses of its
    /// steered Services are steered too.
    pub fn prepare(&mut self, policy: &mut Policy) {
        self.wanted = std::mem::take(&mut policy.in_cluster);
        let names: BTreeSet<&str> = self.wanted.backends.iter().map(|b| b.cluster.as_str()).collect();
        let clusters = policy.bootstrap.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
        for cluster in clusters.into_iter().flatten() {
            if cluster.get("name").and_then(Value::as_str).is_some_and(|name| names.contains(name)) {
                ask(cluster);
            }
        }
        self.forget();
        self.watch();
        // Of namespaces that were watched already, all is known.
        let known = self.namespaces.keys().map(|name| (name.clone(), None)).collect();
        let mut outcome = Outcome::default();
        self.look(&known, &mut outcome);
        self.pending.append(&mut outcome.events);
        policy.steering = self.wanted.fronts.iter().filter_map(|front| self.steering(front)).collect();
    }

    fn steering(&self, front: &Front) -> Option<Steering> {
        let mut steering = front.steering.clone();
        steering.at.addresses.extend(self.last.addresses.get(&front.service.to_string()).into_iter().flatten());
        (!steering.at.addresses.is_empty()).then_some(steering)
    }

    /// Forgets what was seen of Services that nobody speaks of any more.
    fn forget(&mut self) {
        let services: BTreeSet<String> = services(&self.wanted).map(ToString::to_string).collect();
        let ports: BTreeSet<String> = self.wanted.backends.iter().map(port_of).collect();
        self.last.addresses.retain(|name, _| services.contains(name));
        self.last.endpoints.retain(|port, _| ports.contains(port));
        self.missing.retain(|name, _| services.contains(name) || ports.contains(name));
    }

    /// Gives a changed policy back once all that it speaks of is known, or after a while: else requests would go
    /// to Services that have no endpoints yet.
    pub fn hold(&mut self, policy: Policy) -> Option<Policy> {
        self.held = None;
        if self.knows(&policy) {
            return Some(policy);
        }
        self.held = Some((policy, Instant::now() + PATIENCE));
        self.watch();
        None
    }

    /// Whether all namespaces of a policy are known, or cannot be.
    fn knows(&self, policy: &Policy) -> bool {
        let known = |name: &ServiceName| self.view(&name.namespace).is_some();
        !self.lost.is_empty() || !self.denied.is_empty() || services(&policy.in_cluster).all(known)
    }

    /// Watches the namespaces that are spoken of, and no others.
    fn watch(&mut self) {
        let held = self.held.iter().flat_map(|(policy, _)| services(&policy.in_cluster));
        let wanted: BTreeSet<String> = services(&self.wanted).chain(held).map(|s| s.namespace.clone()).collect();
        self.namespaces.retain(|name, _| wanted.contains(name));
        self.lost.retain(|(name, _)| wanted.contains(name));
        self.denied.retain(|(name, _)| wanted.contains(name));
        for name in wanted {
            let begin = || {
                let mut watches = JoinSet::new();
                let of = || Watch::new(Arc::clone(&self.connection), name.clone(), self.out.clone());
                watches.spawn(of().run::<Service>());
                watches.spawn(of().run::<Slice>());
                Watched { view: Namespace::default(), _watches: watches }
            };
            self.namespaces.entry(name.clone()).or_insert_with(begin);
        }
    }

    /// Puts the endpoints that are known into what is served.
    ///
    /// # Errors
    /// When they cannot be encoded.
    pub fn fill(&self, snapshot: &mut Snapshot) -> Result<(), EncodeError> {
        for backend in &self.wanted.backends {
            let key = (Kind::Endpoints, backend.cluster.clone());
            // A patch may have given it endpoints of its own.
            if let Some(place) = snapshot.get_mut(&key) {
                *place = self.resource(backend)?;
            }
        }
        Ok(())
    }

    fn resource(&self, backend: &Backend) -> Result<Arc<Resource>, EncodeError> {
        let known = self.last.endpoints.get(&port_of(backend)).cloned().unwrap_or_default();
        endpoints(&backend.cluster, &known, &backend.source).map(Arc::new)
    }

    /// Waits for something that is told, and takes in what has come by then.
    async fn changed(&mut self) -> Outcome {
        if !self.pending.is_empty() {
            return Outcome { events: std::mem::take(&mut self.pending), ..Outcome::default() };
        }
        // There is always a sender: the one for further watches.
        let due = self.held.as_ref().map(|(_, end)| *end);
        let mut seen = tokio::select! {
            Some(seen) = self.news.recv() => seen,
            () = until(due) => {
                let policy = self.held.take().map(|(policy, _)| policy);
                return Outcome { policy, ..Outcome::default() };
            }
        };
        let (mut outcome, mut touched) = (Outcome::default(), Touched::new());
        loop {
            self.take(seen, &mut outcome, &mut touched);
            match self.news.try_recv() {
                Ok(next) => seen = next,
                Err(_) => break,
            }
        }
        let changed = self.look(&touched, &mut outcome);
        let resources = self.wanted.backends.iter().filter(|b| changed.contains(&port_of(b))).map(|b| self.resource(b));
        match resources.collect() {
            Ok(resources) => outcome.endpoints = resources,
            Err(error) => outcome.unfit = Some(error),
        }
        if self.held.as_ref().is_some_and(|(policy, _)| self.knows(policy)) {
            outcome.policy = self.held.take().map(|(policy, _)| policy);
        }
        outcome
    }

    /// Takes in what a watch tells.
    fn take(&mut self, seen: Seen, outcome: &mut Outcome, touched: &mut Touched) {
        let Some(watched) = self.namespaces.get_mut(&seen.namespace) else { return };
        let which = (seen.namespace.clone(), seen.resource);
        match seen.news {
            News::Changed(change) => {
                let names = watched.view.apply(change);
                let all = touched.entry(seen.namespace).or_insert_with(|| Some(BTreeSet::new()));
                match (all.as_mut(), names) {
                    (Some(all), Some(names)) => all.extend(names),
                    _ => *all = None,
                }
                self.fine(&which, outcome);
            }
            News::Fine => self.fine(&which, outcome),
            News::Lost(why) => {
                self.lost.insert(which);
                if self.since.is_none() {
                    self.since = Some(Instant::now());
                    outcome.events.push(Event::Lost(why));
                }
            }
            News::Denied(why) => {
                self.seen(&which, outcome);
                if self.denied.insert(which) {
                    outcome.events.push(Event::Denied { why, help: grant(&seen.namespace) });
                }
            }
        }
    }

    fn fine(&mut self, which: &(String, watch::Resource), outcome: &mut Outcome) {
        self.denied.remove(which);
        self.seen(which, outcome);
    }

    fn seen(&mut self, which: &(String, watch::Resource), outcome: &mut Outcome) {
        if self.lost.remove(which) && self.lost.is_empty() {
            outcome.events.extend(self.since.take().map(|since| Event::Back(since.elapsed())));
        }
    }

    /// Looks again at the Services that were touched; gives the ports whose endpoints changed.
    fn look(&mut self, touched: &Touched, outcome: &mut Outcome) -> BTreeSet<String> {
        let is_touched = |service: &ServiceName| {
            let names = touched.get(&service.namespace);
            names.is_some_and(|names| names.as_ref().is_none_or(|all| all.contains(&service.name)))
        };
        let wanted = std::mem::take(&mut self.wanted);
        for front in wanted.fronts.iter().filter(|front| is_touched(&front.service)) {
            outcome.moved |= self.front(front, outcome);
        }
        let mut changed = BTreeSet::new();
        for backend in wanted.backends.iter().filter(|backend| is_touched(&backend.service)) {
            let port = port_of(backend);
            if self.backend(backend, &port, outcome) {
                changed.insert(port);
            }
        }
        self.wanted = wanted;
        changed
    }

    /// Looks at a steered Service; says whether its addresses changed.
    fn front(&mut self, front: &Front, outcome: &mut Outcome) -> bool {
        let name = front.service.to_string();
        let Some(view) = self.view(&front.service.namespace) else { return false };
        let found = view.addresses(&front.service.name);
        let lack = found.as_ref().err().map(ToString::to_string);
        self.tell_missing(&name, lack, &front.source, false, outcome);
        let now = found.unwrap_or_default();
        let before = self.last.addresses.insert(name, now.clone()).unwrap_or_default();
        now != before
    }

    /// Looks at the Service of a cluster; says whether its endpoints changed.
    fn backend(&mut self, backend: &Backend, port: &str, outcome: &mut Outcome) -> bool {
        let Some(view) = self.view(&backend.service.namespace) else { return false };
        let found = view.endpoints(&backend.service.name, backend.port);
        let lack = found.as_ref().err();
        // Of a Service that is not there its ports say nothing.
        let gone = lack == Some(&object::Lack::Service);
        let name = if gone { backend.service.to_string() } else { port.to_owned() };
        let said = lack.map(ToString::to_string);
        if !gone {
            self.missing.remove(&backend.service.to_string());
        }
        self.tell_missing(&name, said, &backend.source, backend.written, outcome);
        let now = found.unwrap_or_default();
        let before = self.last.endpoints.insert(port.to_owned(), now.clone());
        let changed = before.as_ref() != Some(&now);
        if changed {
            outcome.events.push(Event::Endpoints { service: port.to_owned(), addresses: now });
        }
        changed
    }

    fn view(&self, namespace: &str) -> Option<&Namespace> {
        self.namespaces.get(namespace).map(|watched| &watched.view).filter(|view| view.is_known())
    }

    /// Tells once what a Service lacks.
    fn tell_missing(&mut self, name: &str, why: Option<String>, source: &str, written: bool, outcome: &mut Outcome) {
        let Some(why) = why else {
            self.missing.remove(name);
            return;
        };
        if self.missing.insert(name.to_owned(), why.clone()).as_ref() == Some(&why) {
            return;
        }
        let help = if written {
            "a Service that this policy writes for a version: `meshc apply` makes it, and so does what `meshc compile` prints"
        } else {
            "until it is there, requests to it are answered with 503"
        };
        let (service, source, help) = (name.to_owned(), source.to_owned(), help.to_owned());
        outcome.events.push(Event::Missing { service, source, why, help });
    }
}

/// The Services that are spoken of.
fn services(wanted: &InCluster) -> impl Iterator<Item = &ServiceName> {
    let fronts = wanted.fronts.iter().map(|front| &front.service);
    fronts.chain(wanted.backends.iter().map(|backend| &backend.service))
}

/// The Service of a cluster with its port.
fn port_of(backend: &Backend) -> String {
    format!("{}:{}", backend.service, backend.port)
}

/// Has a cluster ask for its endpoints, where it would ask DNS.
fn ask(cluster: &mut Value) {
    if cluster.get("type").and_then(Value::as_str) != Some("STRICT_DNS") {
        return;
    }
    let Some(fields) = cluster.as_object_mut() else { return };
    fields.remove("load_assignment");
    fields.remove("dns_lookup_family");
    fields.insert("type".into(), "EDS".into());
    // Should they be lost, the cluster must not hold back all the others for Envoy's 15 s.
    let source = json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "2s"});
    fields.insert("eds_cluster_config".into(), json!({"eds_config": source}));
    // What the cluster takes away is gone, whatever a health check says.
    fields.insert("ignore_health_on_host_removal".into(), true.into());
}

/// What gives the right that is missing.
fn grant(namespace: &str) -> String {
    let resources = [watch::Resource::Services, watch::Resource::Slices].map(watch::Resource::word).join(",");
    format!(
        "grant it: `kubectl -n {namespace} create role meshc-up --verb=list,watch --resource={resources}` and \
         `kubectl -n {namespace} create rolebinding meshc-up --role=meshc-up --user=NAME`; it is tried again every 30 s"
    )
}
