//! The run: discovery service, Envoy under its keeper, policies that change, and the end of it all.

use super::cluster::{self, Cluster, Outcome};
use super::demo::{self, Report};
use super::envoy::{ADMIN, EnvoyError, SOCKET, bootstrap, failed};
use super::folder::Folder;
use super::keeper::{Keeper, LOG, Link};
use super::pause::Pause;
use super::places::{PlaceError, Places};
use super::shares::{Site, sites};
use super::stats::{self, Stats};
use super::steered::{Policy, State, Steered};
use super::steering::{Service, SteerError, leave};
use super::traffic::{Meter, Traffic};
use super::xds::journal::Journal;
use super::xds::resources::{EncodeError, resources};
use super::xds::server::{News, Shared, serve};
use super::xds::store::Refusal;
use super::{limits, ports};
use crate::deploy::{self, Place};
use crate::signals::Signals;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixListener;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

/// How long a run may take to its end. Only one that cannot show what it has to, since nobody reads that, takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the policies are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What is run.
pub struct Setup {
    /// Which policies, as a name that is fit for a file: one run at a time has them.
    pub set: String,
    /// The path of Envoy.
    pub envoy: PathBuf,
    /// What keeps it.
    pub keeper: Keeper,
    /// The port of the first steered service that is looked at for a free one.
    pub first_port: u16,
    /// Backends and load of our own.
    pub demo: Option<Demo>,
    /// The steering of connections.
    pub steered: Steered,
    /// How often it is told what goes on.
    pub pulse: Duration,
    /// The cluster that says where Services are, if one does.
    pub cluster: Option<Place>,
}

/// What a demonstration does.
#[derive(Debug, Clone, Copy)]
pub struct Demo {
    /// How many requests each listener gets.
    pub requests: u64,
    /// Whether all stays up afterwards.
    pub stay: bool,
}

/// What happens, to be shown.
#[derive(Debug)]
pub enum Event {
    /// Envoy was started.
    Started {
        /// Rather, one was taken over that an earlier run left.
        taken_over: bool,
    },
    /// Envoy refused a resource.
    Refused(Refusal),
    /// Envoy has everything that it does not refuse.
    Live {
        /// The listeners with their addresses.
        listeners: Vec<(String, String)>,
        /// How long ago the policy was read.
        took: Duration,
        /// How much of that Envoy took.
        envoy: Duration,
    },
    /// The compiled policy cannot be served; the one before stays.
    Unfit(UpError),
    /// Envoy ended by itself.
    Ended {
        /// The end of its log.
        log: String,
        /// When it is started again.
        again: Duration,
    },
    /// What a demonstration saw.
    Demo(Report),
    /// The connections to these services are steered from now on, and to no others.
    Steered(Vec<Service>),
    /// What is steered stays as it was before.
    NotSteered(SteerError),
    /// What becomes of connections to steered addresses from now on.
    Steering(State),
    /// What went on since the last time.
    Traffic(Traffic),
    /// What the cluster says.
    Cluster(cluster::Event),
}

/// Why a run cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// Envoy or its folder.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// The first policy cannot be served.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A port or a backend.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The steering.
    #[error(transparent)]
    Steer(#[from] SteerError),
    /// The cluster's credentials.
    #[error(transparent)]
    Cluster(#[from] deploy::Error),
    /// Something of the machine.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

fn io_failed(what: &'static str) -> impl FnOnce(io::Error) -> UpError {
    move |source| UpError::Io { what, source }
}

/// Serves a compiled policy until a signal ends the run. `changed` is asked again and again for
/// policies that changed; `show` gets every event.
///
/// # Errors
/// When the machine does not let it start.
pub fn up(
    setup: Setup,
    first: Policy,
    mut changed: impl FnMut() -> Option<Policy>,
    mut show: impl FnMut(Event),
) -> Result<(), UpError> {
    ports::more_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(io_failed("start threads"))?;
    let outcome = runtime.block_on(async { Run::start(setup, first).await?.run(&mut changed, &mut show).await });
    // The streams have no end of their own.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

struct Run {
    setup: Setup,
    shared: Arc<Shared>,
    news: UnboundedReceiver<News>,
    places: Places,
    cluster: Option<Cluster>,
    /// The policy that is served, where addresses in the cluster may be steered.
    policy: Option<Policy>,
    /// The listeners that are served, and what goes on there.
    sites: Vec<Site>,
    meter: Meter,
    /// When the policy was read that Envoy is to get.
    read: Instant,
    pause: Pause,
    /// What Envoy has, for the next run.
    journal: Journal,
    started: Instant,
    /// Envoy by its keeper, or else when it is started again.
    envoy: Option<Link>,
    again: Option<Instant>,
    /// The load of a demonstration, and whether the run goes on behind it.
    load: Option<JoinHandle<Report>>,
    stays: bool,
    /// Goes away last.
    folder: Folder,
}

impl Run {
    async fn start(mut setup: Setup, first: Policy) -> Result<Self, UpError> {
        let folder = Folder::open(&setup.set)?;
        setup.steered.watch(&folder.path)?;
        let envoy = left_behind(&folder.path, &bootstrap(&setup.envoy), setup.steered.cgroup()).await?;
        if envoy.is_none() {
            setup.steered.anew();
        }
        let (shared, news) = Shared::new();
        if envoy.is_some() {
            shared.recall(Journal::recall(&folder.path));
        }
        let ports = if envoy.is_some() { ports::before(&folder.path) } else { BTreeMap::new() };
        let places = Places::new(setup.first_port, ports, setup.demo.is_some());
        let mut cluster = match setup.cluster.take() {
            Some(place) => Some(Cluster::open(place).await?),
            None => None,
        };
        if let Some(cluster) = cluster.as_mut().filter(|_| envoy.is_some()) {
            cluster.recall(&folder.path);
        }
        let now = Instant::now();
        let mut run = Self {
            setup,
            shared,
            news,
            places,
            cluster,
            policy: None,
            sites: Vec::new(),
            meter: Meter::default(),
            read: now,
            pause: Pause::default(),
            journal: Journal::new(&folder.path),
            started: now,
            envoy,
            again: None,
            load: None,
            stays: true,
            folder,
        };
        run.take(first)?;
        // Not before there is something to serve: an Envoy that is taken over would have nothing for a moment.
        tokio::spawn(serve(listen(&run.folder.path.join(SOCKET))?, Arc::clone(&run.shared)));
        Ok(run)
    }

    /// Takes in a compiled policy.
    fn take(&mut self, mut policy: Policy) -> Result<(), UpError> {
        let kept = (self.cluster.is_some() && self.setup.steered.is_on()).then(|| policy.clone());
        self.places.settle(&mut policy.bootstrap)?;
        if let Some(cluster) = &mut self.cluster {
            cluster.prepare(&mut policy);
        }
        let services = self.setup.steered.prepare(&mut policy);
        limits::name(&mut policy.bootstrap);
        let sites = sites(&policy.bootstrap);
        let mut snapshot = resources(policy.bootstrap, &self.shared.wanted())?;
        if let Some(cluster) = &self.cluster {
            cluster.fill(&mut snapshot)?;
        }
        self.policy = kept;
        self.setup.steered.want(services);
        self.sites = sites;
        self.shared.want(snapshot);
        // Without it, a run that takes Envoy over gives other ports.
        self.folder.keep(ports::FILE, &json!(self.places.ports()).to_string());
        Ok(())
    }

    async fn run(
        mut self,
        changed: &mut impl FnMut() -> Option<Policy>,
        show: &mut impl FnMut(Event),
    ) -> Result<(), UpError> {
        let mut clock = Clock::start(stats::watch(self.folder.path.join(ADMIN), self.setup.pulse))?;
        if self.envoy.is_some() {
            show(Event::Started { taken_over: true });
        } else {
            self.spawn(show)?;
            self.meter = Meter::of_new_envoy(self.started);
        }
        let outcome = loop {
            match self.step(&mut clock, changed, show).await {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // First, so that no connection is steered to an Envoy that ends.
        let cgroup = std::mem::take(&mut self.setup.steered).end();
        if let Some(envoy) = self.envoy {
            envoy.end(&self.folder.path).await;
        }
        cgroup.inspect(|cgroup| leave(cgroup));
        outcome
    }

    /// Waits for whatever happens next.
    async fn step(
        &mut self,
        clock: &mut Clock,
        changed: &mut impl FnMut() -> Option<Policy>,
        show: &mut impl FnMut(Event),
    ) -> Result<ControlFlow<()>, UpError> {
        tokio::select! {
            () = clock.signals.any() => return Ok(ControlFlow::Break(())),
            news = self.news.recv() => if let Some(news) = news { self.told(news, show) },
            _ = clock.look.tick() => self.look(changed, show).await?,
            outcome = cluster::changed(&mut self.cluster) => self.saw(outcome, show)?,
            () = gone(&mut self.envoy) => self.ended(show),
            () = until(self.again) => self.spawn(show)?,
            Some(stats) = clock.stats.recv() => {
                self.meter.look(Instant::now(), stats, &self.sites).into_iter().for_each(|t| show(Event::Traffic(t)));
            }
            report = finished(&mut self.load) => {
                self.load = None;
                show(Event::Demo(report));
                if !self.stays {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn spawn(&mut self, show: &mut impl FnMut(Event)) -> Result<(), UpError> {
        let Setup { keeper, envoy, steered, .. } = &self.setup;
        let link = keeper.start(envoy, &self.folder.path, steered.cgroup().as_deref());
        let link = link.map_err(io_failed("start Envoy"))?;
        (self.envoy, self.again) = (Some(link), None);
        self.started = Instant::now();
        show(Event::Started { taken_over: false });
        Ok(())
    }

    fn ended(&mut self, show: &mut impl FnMut(Event)) {
        self.setup.steered.lapse();
        let again = self.pause.after(self.started.elapsed());
        let log = std::fs::read_to_string(self.folder.path.join(LOG)).unwrap_or_default();
        let last = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
        show(Event::Ended { log: last, again });
        (self.envoy, self.again) = (None, Some(Instant::now() + again));
    }

    async fn look(
        &mut self,
        changed: &mut impl FnMut() -> Option<Policy>,
        show: &mut impl FnMut(Event),
    ) -> Result<(), UpError> {
        self.setup.steered.turned().into_iter().for_each(|state| show(Event::Steering(state)));
        let read = Instant::now();
        let Some(policy) = changed() else { return Ok(()) };
        self.read = read;
        if let Err(error) = self.steer(&policy).await {
            show(Event::NotSteered(error));
        }
        let policy = match &mut self.cluster {
            Some(cluster) => cluster.hold(policy),
            None => Some(policy),
        };
        policy.map_or(Ok(()), |policy| self.swap(policy, show))
    }

    /// Takes in a policy in the place of the one before.
    fn swap(&mut self, policy: Policy, show: &mut impl FnMut(Event)) -> Result<(), UpError> {
        match self.take(policy) {
            Err(error @ (UpError::Encode(_) | UpError::Place(_))) => show(Event::Unfit(error)),
            other => other?,
        }
        Ok(())
    }

    /// Takes in what the cluster says.
    fn saw(&mut self, outcome: Outcome, show: &mut impl FnMut(Event)) -> Result<(), UpError> {
        outcome.unfit.into_iter().for_each(|error| show(Event::Unfit(error.into())));
        if !outcome.endpoints.is_empty() {
            self.shared.move_endpoints(outcome.endpoints);
        }
        outcome.events.into_iter().for_each(|event| show(Event::Cluster(event)));
        self.cluster.iter_mut().for_each(|cluster| cluster.keep(&self.folder));
        if let Some(policy) = outcome.policy {
            return self.swap(policy, show);
        }
        // A copy: should it not fit, the one that is served stays.
        let Some(policy) = self.policy.as_ref().filter(|_| outcome.moved).cloned() else { return Ok(()) };
        self.read = Instant::now();
        self.swap(policy, show)
    }

    /// Attaches the steering, if a policy is the first that wants it, and gives Envoy its cgroup.
    async fn steer(&mut self, policy: &Policy) -> Result<(), SteerError> {
        let steered = &mut self.setup.steered;
        if !steered.begin(policy)? {
            return Ok(());
        }
        steered.anew();
        if let (Some(envoy), Some(path)) = (&mut self.envoy, steered.cgroup())
            && let Err(error) = envoy.enter(&path).await
        {
            steered.give_up();
            return Err(SteerError::CgroupAccess { path, problem: error.to_string() });
        }
        steered.watch(&self.folder.path)
    }

    fn told(&mut self, news: News, show: &mut impl FnMut(Event)) {
        match news {
            News::Connected => {}
            News::Refused(refusal) => show(Event::Refused(refusal)),
            News::Live { listeners, since, .. } => {
                self.meter.begin();
                self.journal.keep(&self.shared.effective());
                if let Some(demo) = self.setup.demo.take() {
                    self.stays = demo.stay;
                    let live = listeners.iter().map(|(name, _)| name.clone()).collect();
                    self.load = Some(tokio::spawn(demo::load::run(self.sites.clone(), live, demo.requests)));
                }
                show(Event::Live { listeners, took: self.read.elapsed(), envoy: since });
                match self.setup.steered.live() {
                    Ok(None) => {}
                    Ok(Some(services)) => show(Event::Steered(services)),
                    Err(error) => show(Event::NotSteered(error)),
                }
            }
        }
    }
}

/// The Envoy that a run which was killed left in a folder. One that was started otherwise, by another release of
/// this program or from another path, does not fit and is ended; then the folder is made ready for a new one.
async fn left_behind(folder: &Path, bootstrap: &Value, cgroup: Option<PathBuf>) -> Result<Option<Link>, UpError> {
    let file = folder.join("envoy.json");
    let fits = bootstrap.to_string();
    if let Some(mut link) = Link::find(folder).await {
        let same = fs::read_to_string(&file).is_ok_and(|text| text == fits);
        let comes = match cgroup.filter(|_| same) {
            Some(cgroup) => link.enter(&cgroup).await.is_ok(),
            None => same,
        };
        if comes {
            return Ok(Some(link));
        }
        link.end(folder).await;
    }
    fs::write(&file, fits).map_err(failed(format!("write {}", file.display())))?;
    Ok(None)
}

/// Listens on a Unix socket in the place of one that a killed run left.
fn listen(path: &Path) -> Result<UnixListener, UpError> {
    let _ = fs::remove_file(path);
    UnixListener::bind(path).map_err(io_failed("listen on a Unix socket"))
}

/// What a run waits for besides its news.
struct Clock {
    signals: Signals,
    look: Interval,
    stats: Receiver<Stats>,
}

impl Clock {
    fn start(stats: Receiver<Stats>) -> Result<Self, UpError> {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let signals = Signals::listen().map_err(io_failed("listen for signals"))?;
        tokio::spawn(insist());
        Ok(Self { signals, look, stats })
    }
}

/// Ends a process that does not end by itself once it is told to: its Envoy fares as that of a killed run.
async fn insist() {
    if let Ok(mut signals) = Signals::listen() {
        signals.any().await;
        tokio::time::sleep(PATIENCE).await;
        std::process::exit(1);
    }
}

/// Waits until Envoy is gone, if it is there.
async fn gone(envoy: &mut Option<Link>) {
    match envoy {
        Some(envoy) => envoy.gone().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for the report of a load, if there is one.
async fn finished(load: &mut Option<JoinHandle<Report>>) -> Report {
    match load {
        Some(load) => load.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}
