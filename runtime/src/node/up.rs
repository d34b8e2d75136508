//! The run: discovery service, Envoy under its keeper, policies that change, and the end of it all.

use super::demo::{self, Report};
use super::envoy::{self, EnvoyError, Folder, Keeper, SOCKET};
use super::places::Places;
use super::steered::{Policy, Steered};
use super::steering::{Service, SteerError};
use super::xds::resources::{EncodeError, resources};
use super::xds::server::{News, Shared, serve};
use super::xds::store::Refusal;
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::process::{Child, ChildStdin};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

/// How often the policies are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The pause before Envoy is started again, which doubles up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a keeper may take to end Envoy.
const ENDING: Duration = Duration::from_secs(3);

/// What is run.
pub struct Setup {
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
    Started,
    /// Envoy refused a resource.
    Refused(Refusal),
    /// Envoy has everything that it does not refuse.
    Live {
        /// The listeners with their addresses.
        listeners: Vec<(String, String)>,
        /// How long ago the policy was read.
        took: Duration,
    },
    /// The compiled policy cannot be served; the one before stays.
    Unfit(EncodeError),
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
    /// A policy wants steering, which begins with the run.
    SteeredLater,
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
    /// The steering.
    #[error(transparent)]
    Steer(#[from] SteerError),
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
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(io_failed("start threads"))?;
    let outcome = runtime.block_on(async { Run::start(setup, first)?.run(&mut changed, &mut show).await });
    // The streams have no end of their own.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

struct Run {
    setup: Setup,
    folder: Folder,
    shared: Arc<Shared>,
    news: UnboundedReceiver<News>,
    places: Places,
    /// The bootstrap as it is served.
    served: Value,
    /// When the policy was read that Envoy is to get.
    read: Instant,
    pause: Duration,
    started: Instant,
    /// The pipe to the keeper. Not left in the child, where waiting for it would close it.
    pipe: Option<ChildStdin>,
    /// The load of a demonstration, and whether the run goes on behind it.
    load: Option<JoinHandle<Report>>,
    stays: bool,
}

impl Run {
    fn start(mut setup: Setup, first: Policy) -> Result<Self, UpError> {
        let folder = Folder::make()?;
        let mut bootstrap = envoy::bootstrap();
        setup.steered.watch(&folder.path, &mut bootstrap)?;
        folder.write(&bootstrap)?;
        let socket = UnixListener::bind(folder.path.join(SOCKET)).map_err(io_failed("listen on a Unix socket"))?;
        let (shared, news) = Shared::new();
        tokio::spawn(serve(socket, Arc::clone(&shared)));
        let places = Places::new(setup.first_port, setup.demo.is_some());
        let now = Instant::now();
        let mut run = Self {
            setup,
            folder,
            shared,
            news,
            places,
            served: Value::Null,
            read: now,
            pause: SHORTEST_PAUSE,
            started: now,
            pipe: None,
            load: None,
            stays: true,
        };
        run.take(first)?;
        Ok(run)
    }

    /// Takes in a compiled policy.
    fn take(&mut self, mut policy: Policy) -> Result<(), UpError> {
        self.places.settle(&mut policy.bootstrap).map_err(io_failed("start a backend of the demonstration"))?;
        let services = self.setup.steered.prepare(&mut policy);
        let snapshot = resources(&policy.bootstrap, &self.shared.wanted())?;
        self.setup.steered.want(services);
        self.served = policy.bootstrap;
        self.shared.want(snapshot);
        Ok(())
    }

    async fn run(
        mut self,
        changed: &mut impl FnMut() -> Option<Policy>,
        show: &mut impl FnMut(Event),
    ) -> Result<(), UpError> {
        let of = |kind| signal(kind).map_err(io_failed("listen for signals"));
        let mut signals = (of(SignalKind::interrupt())?, of(SignalKind::terminate())?, of(SignalKind::hangup())?);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut child, mut again) = (Some(self.spawn(show)?), None);
        loop {
            tokio::select! {
                _ = signals.0.recv() => break,
                _ = signals.1.recv() => break,
                _ = signals.2.recv() => break,
                news = self.news.recv() => if let Some(news) = news { self.told(news, show) },
                _ = look.tick() => self.look(changed, show)?,
                () = gone(&mut child) => {
                    self.ended(show);
                    child = None;
                    again = Some(Instant::now() + self.pause);
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
                () = until(again) => {
                    again = None;
                    child = Some(self.spawn(show)?);
                }
                report = finished(&mut self.load) => {
                    self.load = None;
                    show(Event::Demo(report));
                    if !self.stays { break }
                }
            }
        }
        // First, so that no connection is steered to an Envoy that ends.
        self.setup.steered = Steered::default();
        if let Some(mut pipe) = self.pipe.take() {
            // The keeper ends Envoy without it too, only later.
            let _ = pipe.write_all(b"\n").await;
        }
        if let Some(child) = child {
            end(child).await;
        }
        Ok(())
    }

    fn spawn(&mut self, show: &mut impl FnMut(Event)) -> Result<Child, UpError> {
        let mut command = self.setup.keeper.command(&self.setup.envoy, &self.folder.path);
        let mut child = command.spawn().map_err(io_failed("start Envoy"))?;
        self.pipe = child.stdin.take();
        self.started = Instant::now();
        show(Event::Started);
        Ok(child)
    }

    fn ended(&mut self, show: &mut impl FnMut(Event)) {
        self.setup.steered.lapse();
        if self.started.elapsed() > LONGEST_PAUSE * 2 {
            self.pause = SHORTEST_PAUSE;
        }
        let log = std::fs::read_to_string(self.folder.path.join("envoy.log")).unwrap_or_default();
        let last = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
        show(Event::Ended { log: last, again: self.pause });
    }

    fn look(
        &mut self,
        changed: &mut impl FnMut() -> Option<Policy>,
        show: &mut impl FnMut(Event),
    ) -> Result<(), UpError> {
        let read = Instant::now();
        let Some(policy) = changed() else { return Ok(()) };
        self.read = read;
        if self.setup.steered.lacks(&policy) {
            show(Event::SteeredLater);
        }
        match self.take(policy) {
            Err(UpError::Encode(error)) => show(Event::Unfit(error)),
            other => other?,
        }
        Ok(())
    }

    fn told(&mut self, news: News, show: &mut impl FnMut(Event)) {
        match news {
            News::Connected => {}
            News::Refused(refusal) => show(Event::Refused(refusal)),
            News::Live { listeners, .. } => {
                if let Some(demo) = self.setup.demo.take() {
                    self.stays = demo.stay;
                    let live = listeners.iter().map(|(name, _)| name.clone()).collect();
                    self.load = Some(tokio::spawn(demo::load::run(self.served.clone(), live, demo.requests)));
                }
                show(Event::Live { listeners, took: self.read.elapsed() });
                match self.setup.steered.live() {
                    Ok(None) => {}
                    Ok(Some(services)) => show(Event::Steered(services)),
                    Err(error) => show(Event::NotSteered(error)),
                }
            }
        }
    }
}

/// Waits until Envoy is gone, if it is there.
async fn gone(child: &mut Option<Child>) {
    match child {
        // A child that cannot be waited for is as good as gone.
        Some(child) => drop(child.wait().await),
        None => std::future::pending().await,
    }
}

async fn until(time: Option<Instant>) {
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

/// Waits until a keeper whose pipe is closed has ended Envoy.
async fn end(mut child: Child) {
    if tokio::time::timeout(ENDING, child.wait()).await.is_err() {
        // Only a keeper that is stopped takes so long.
        let _ = child.start_kill();
    }
}
