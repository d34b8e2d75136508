//! One kind of object in one namespace: listed in pages, then watched from there on, for as long as the run lasts.
//!
//! Whatever goes wrong, what was seen stays: a list is told as a whole, and a watch that ends is begun again where
//! it was. Where the server has forgotten that place (410), all is listed anew.

use super::object::{Metadata, Service, Slice};
use super::view::Change;
use crate::deploy::{Client, Error, Pace, Place, chain, connect, encode, random};
use http::Request;
use kube::core::Status;
use kube::core::watch::WatchEvent;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt;

/// How many objects a page has.
const PAGE: usize = 500;
/// How long a page, and the beginning of a watch, may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the server lets a watch last at least; up to twice that, so that not all end at once. A connection
/// that is dead and does not say so is noticed after that.
const WATCH: u64 = 30;
/// How long after its time a watch is taken to be dead.
const GRACE: Duration = Duration::from_secs(10);
/// How long after a list all is listed anew, should an event have been missed.
const RESYNC: Duration = Duration::from_secs(600);
/// The pause before what was not allowed is tried again.
const DENIED: Duration = Duration::from_secs(30);
/// How long a server that does not let us ask whether it is ready may say no before that counts.
const STARTS: Duration = Duration::from_secs(10);
/// What takes less than this failed at once.
const SHORT: Duration = Duration::from_secs(1);
/// How long a connection may take to be made, its credential plugin included.
const CONNECT: Duration = Duration::from_secs(30);

/// The kinds of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    /// `v1` Service
    Services,
    /// `discovery.k8s.io/v1` EndpointSlice
    Slices,
}

impl Resource {
    /// Its name, as rights have it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Resource::Services => "services",
            Resource::Slices => "endpointslices.discovery.k8s.io",
        }
    }

    fn path(self, namespace: &str) -> String {
        match self {
            Resource::Services => format!("/api/v1/namespaces/{namespace}/services"),
            Resource::Slices => format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"),
        }
    }
}

/// What a watch tells, and of which namespace.
#[derive(Debug)]
pub(super) struct Seen {
    /// The namespace.
    pub(super) namespace: String,
    /// The kind of object.
    pub(super) resource: Resource,
    /// What it is.
    pub(super) news: News,
}

/// What a watch tells.
#[derive(Debug)]
pub(super) enum News {
    /// Objects changed.
    Changed(Change),
    /// It goes on, maybe after a trouble.
    Fine,
    /// The API server does not answer as it should.
    Lost(String),
    /// The API server does not allow it.
    Denied(String),
}

/// The kinds of object as types.
pub(super) trait Object: DeserializeOwned + Clone + Send {
    /// Which.
    const RESOURCE: Resource;
    /// Its name and version.
    fn metadata(&self) -> &Metadata;
    /// All of them.
    fn all(list: Vec<Self>) -> Change;
    /// One that is there.
    fn here(self) -> Change;
    /// One that is gone.
    fn gone(self) -> Change;
}

impl Object for Service {
    const RESOURCE: Resource = Resource::Services;
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn all(list: Vec<Self>) -> Change {
        Change::Services(list)
    }
    fn here(self) -> Change {
        Change::Service(self)
    }
    fn gone(self) -> Change {
        Change::NoService(self)
    }
}

impl Object for Slice {
    const RESOURCE: Resource = Resource::Slices;
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn all(list: Vec<Self>) -> Change {
        Change::Slices(list)
    }
    fn here(self) -> Change {
        Change::Slice(self)
    }
    fn gone(self) -> Change {
        Change::NoSlice(self)
    }
}

/// The connection that all watches share; it is made anew where its credentials have expired.
pub(super) struct Connection {
    place: Place,
    client: Mutex<(u64, Client)>,
}

impl Connection {
    /// Makes a connection; nothing is asked yet.
    ///
    /// # Errors
    /// When the kubeconfig or its credential plugin is of no use.
    pub(super) async fn open(place: Place) -> Result<Self, Error> {
        let (client, _) = connect(&place, Instant::now() + CONNECT).await?;
        Ok(Self { place, client: Mutex::new((0, client)) })
    }

    async fn client(&self) -> (u64, kube::Client) {
        let held = self.client.lock().await;
        (held.0, held.1.kube())
    }

    /// Gets credentials anew, unless another watch has done that meanwhile.
    async fn renew(&self, known: u64) -> Result<(), Error> {
        let mut held = self.client.lock().await;
        if held.0 == known {
            *held = (known + 1, connect(&self.place, Instant::now() + CONNECT).await?.0);
        }
        Ok(())
    }
}

/// Why a list or a watch ended.
enum Trouble {
    /// The place to go on from is forgotten.
    Gone,
    /// The credentials do not count any more.
    Expired(String),
    /// Not allowed.
    Denied(String),
    /// All else.
    Lost(String),
    /// Nobody listens any more.
    Over,
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        let said = format!("the API server answers {}: {}", status.code, status.message);
        match status.code {
            410 => Trouble::Gone,
            401 => Trouble::Expired(said),
            403 => Trouble::Denied(status.message),
            _ => Trouble::Lost(said),
        }
    }
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Trouble::from(*status),
            other => Trouble::Lost(chain(&other)),
        }
    }
}

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: Position,
    items: Option<Vec<T>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Position {
    resource_version: String,
    #[serde(rename = "continue")]
    next: String,
}

/// How a watch stands.
struct State {
    pace: Pace,
    /// The version to go on from; without one, all is listed.
    place: Option<String>,
    listed: Instant,
    /// Since when it is not allowed.
    denied: Option<Instant>,
    /// Whether the credentials had expired at the last try.
    expired: bool,
}

impl State {
    /// The pause after what ended as it should.
    fn after(&mut self, begun: Instant) -> Duration {
        if self.listed.elapsed() > RESYNC {
            self.place = None;
        }
        // A server that ends every watch at once is not to be asked all the time.
        let at_once = begun.elapsed() < SHORT && begun > self.listed;
        if at_once { self.pace.next() } else { Duration::ZERO }
    }
}

/// A watch over one kind of object in one namespace.
pub(super) struct Watch {
    connection: Arc<Connection>,
    namespace: String,
    out: mpsc::Sender<Seen>,
}

impl Watch {
    /// Of a namespace; what it sees goes to `out`.
    pub(super) fn new(connection: Arc<Connection>, namespace: String, out: mpsc::Sender<Seen>) -> Self {
        Self { connection, namespace, out }
    }

    /// Lists and watches until nobody listens.
    pub(super) async fn run<T: Object>(self) {
        let mut state =
            State { pace: Pace::default(), place: None, listed: Instant::now(), denied: None, expired: false };
        loop {
            let (known, client) = self.connection.client().await;
            let (begun, before) = (Instant::now(), state.place.clone());
            let outcome = match &mut state.place {
                Some(place) => self.watch::<T>(&client, place).await,
                None => self.list::<T>(&client).await.map(|version| {
                    (state.place, state.listed) = (Some(version), Instant::now());
                }),
            };
            // What saw something, or went on for a while, did not fail at once.
            if before.as_ref().is_some_and(|before| state.place.as_ref() != Some(before)) || begun.elapsed() > SHORT {
                state.pace = Pace::default();
            }
            let pause = match outcome {
                Ok(()) => {
                    (state.denied, state.expired) = (None, false);
                    state.after(begun)
                }
                Err(Trouble::Over) => return,
                Err(trouble) => self.trouble::<T>(trouble, &mut state, known, &client).await,
            };
            sleep(pause).await;
        }
    }

    /// Does what a trouble asks for; gives the pause before the next try.
    async fn trouble<T: Object>(
        &self,
        trouble: Trouble,
        state: &mut State,
        known: u64,
        client: &kube::Client,
    ) -> Duration {
        match trouble {
            Trouble::Over => {}
            Trouble::Gone => state.place = None,
            Trouble::Lost(why) => drop(self.tell::<T>(News::Lost(why)).await),
            Trouble::Expired(why) => {
                let renewed = self.connection.renew(known).await.map_err(|error| error.to_string());
                // Most credentials last for minutes, which is nothing to speak of.
                if std::mem::replace(&mut state.expired, true) || renewed.is_err() {
                    self.tell::<T>(News::Lost(renewed.err().unwrap_or(why))).await;
                }
            }
            Trouble::Denied(why) => {
                // What a server says while it starts does not count.
                let since = *state.denied.get_or_insert_with(Instant::now);
                if self.is_ready(client).await || since.elapsed() > STARTS {
                    self.tell::<T>(News::Denied(why)).await;
                    state.place = None;
                    return DENIED.saturating_sub(state.pace.next());
                }
            }
        }
        state.pace.next()
    }

    /// Whether the server says that it is ready.
    async fn is_ready(&self, client: &kube::Client) -> bool {
        let Ok(request) = Request::get("/readyz").body(Vec::new()) else { return false };
        matches!(timeout(PATIENCE, client.request_text(request)).await, Ok(Ok(_)))
    }

    /// Tells something; false where nobody listens.
    async fn tell<T: Object>(&self, news: News) -> bool {
        let seen = Seen { namespace: self.namespace.clone(), resource: T::RESOURCE, news };
        self.out.send(seen).await.is_ok()
    }

    /// Lists all, page by page; gives the version from which on to watch.
    async fn list<T: Object>(&self, client: &kube::Client) -> Result<String, Trouble> {
        let (mut all, mut next) = (Vec::new(), String::new());
        let path = T::RESOURCE.path(&self.namespace);
        loop {
            let from = if next.is_empty() { String::new() } else { format!("&continue={}", encode(&next)) };
            let request = get(format!("{path}?limit={PAGE}&timeout={}s{from}", PATIENCE.as_secs()))?;
            let page = timeout(PATIENCE, client.request::<Page<T>>(request)).await.map_err(|_| late())??;
            let Some(items) = page.items else {
                return Err(Trouble::Lost(format!("{path}: the answer is not a list")));
            };
            all.extend(items);
            next = page.metadata.next;
            if next.is_empty() {
                if !self.tell::<T>(News::Changed(T::all(all))).await {
                    return Err(Trouble::Over);
                }
                return Ok(page.metadata.resource_version);
            }
        }
    }

    /// Watches from a version on, which goes on with what comes. That it ends in time is no trouble.
    async fn watch<T: Object>(&self, client: &kube::Client, version: &mut String) -> Result<(), Trouble> {
        let seconds = WATCH + random() % WATCH;
        let end = Instant::now() + Duration::from_secs(seconds) + GRACE;
        let path = T::RESOURCE.path(&self.namespace);
        let query = format!("watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}");
        let request = get(format!("{path}?{query}&resourceVersion={}", encode(version)))?;
        let events = timeout(PATIENCE, client.request_events::<T>(request)).await.map_err(|_| late())??;
        if !self.tell::<T>(News::Fine).await {
            return Err(Trouble::Over);
        }
        let mut events = pin!(events);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let event = timeout(left, events.next()).await;
            let Some(event) = event.map_err(|_| Trouble::Lost("a watch does not end in its time".into()))? else {
                return Ok(());
            };
            let change = match event? {
                WatchEvent::Added(one) | WatchEvent::Modified(one) => {
                    version.clone_from(&one.metadata().resource_version);
                    one.here()
                }
                WatchEvent::Deleted(one) => {
                    version.clone_from(&one.metadata().resource_version);
                    one.gone()
                }
                WatchEvent::Bookmark(mark) => {
                    version.clone_from(&mark.metadata.resource_version);
                    continue;
                }
                WatchEvent::Error(status) => return Err(Trouble::from(*status)),
            };
            if !self.tell::<T>(News::Changed(change)).await {
                return Err(Trouble::Over);
            }
        }
    }
}

fn get(path: String) -> Result<Request<Vec<u8>>, Trouble> {
    let request = Request::get(path).header("accept", "application/json").body(Vec::new());
    request.map_err(|error| Trouble::Lost(error.to_string()))
}

fn late() -> Trouble {
    Trouble::Lost(format!("no answer within {} s", PATIENCE.as_secs()))
}
