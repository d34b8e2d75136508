//! The discovery service: one task a stream, which moves requests into its session and responses out.

use super::session::Session;
use super::store::{Refusal, Store};
use super::{Kind, Resource, Snapshot};
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// What the streams tell.
#[derive(Debug)]
pub enum News {
    /// Envoy opened a stream.
    Connected,
    /// Envoy refused a resource.
    Refused(Refusal),
    /// Envoy has what it should have, or all of it that it does not refuse.
    Live {
        /// How many times the policy had been taken in.
        generation: u64,
        /// How long ago the policy was taken in.
        since: Duration,
        /// The listeners with their addresses.
        listeners: Vec<(String, String)>,
    },
}

/// What Envoy should have, and who is told about it.
#[derive(Debug)]
pub struct Shared {
    store: Mutex<Store>,
    /// How many times the policy was taken in, and when last.
    changed: watch::Sender<(u64, Instant)>,
    news: mpsc::UnboundedSender<News>,
}

impl Shared {
    /// An empty store, with the receiver of its news.
    pub fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<News>) {
        let (news, receiver) = mpsc::unbounded_channel();
        let (changed, _) = watch::channel((0, Instant::now()));
        (Arc::new(Self { store: Mutex::default(), changed, news }), receiver)
    }

    /// Takes in what a policy says now; gives the number of this time.
    pub fn want(&self, wanted: Snapshot) -> u64 {
        let generation = {
            let mut store = self.lock();
            store.want(wanted);
            store.generation()
        };
        self.changed.send_replace((generation, Instant::now()));
        generation
    }

    /// Takes in endpoints that changed, while the policy is the same.
    pub fn move_endpoints(&self, endpoints: impl IntoIterator<Item = Arc<Resource>>) {
        self.lock().move_endpoints(endpoints);
        self.changed.send_modify(|_| {});
    }

    /// What the policy says.
    pub fn wanted(&self) -> Snapshot {
        self.lock().wanted().clone()
    }

    /// What Envoy should have now.
    pub fn effective(&self) -> Snapshot {
        self.lock().effective().clone()
    }

    /// Takes in what a dead run wrote down of what Envoy has.
    pub fn recall(&self, before: Snapshot) {
        self.lock().recall(before);
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // A session that panicked leaves a store that is whole: each change is one call.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, news: News) {
        // Nobody listens once the command ends.
        let _ = self.news.send(news);
    }
}

/// Serves on a socket until the task is dropped.
///
/// # Errors
/// When the transport fails.
pub async fn serve(socket: UnixListener, shared: Arc<Shared>) -> Result<(), tonic::transport::Error> {
    let service = AggregatedDiscoveryServiceServer::new(Ads { shared });
    tonic::transport::Server::builder().add_service(service).serve_with_incoming(UnixListenerStream::new(socket)).await
}

struct Ads {
    shared: Arc<Shared>,
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = ReceiverStream<Result<DiscoveryResponse, Status>>;
    type DeltaAggregatedResourcesStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        _: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("only delta ADS is served"))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (responses, out) = mpsc::channel(64);
        let stream = Stream { shared: Arc::clone(&self.shared), session: Session::default(), responses, told: None };
        tokio::spawn(stream.run(request.into_inner()));
        Ok(Response::new(ReceiverStream::new(out)))
    }
}

struct Stream {
    shared: Arc<Shared>,
    session: Session,
    responses: mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
    /// The time of the policy that was told to be live.
    told: Option<u64>,
}

impl Stream {
    /// Lives as long as Envoy's side of the stream.
    async fn run(mut self, mut requests: Streaming<DeltaDiscoveryRequest>) {
        self.shared.tell(News::Connected);
        let mut changed = self.shared.changed.subscribe();
        loop {
            let deadline = self.session.deadline(Instant::now());
            tokio::select! {
                request = requests.message() => match request {
                    Ok(Some(request)) => {
                        self.request(request);
                        if !self.drain(&mut requests).await {
                            return;
                        }
                    }
                    Ok(None) | Err(_) => return,
                },
                outcome = changed.changed() => if outcome.is_err() { return },
                () = until(deadline) => {}
            }
            if self.advance().await.is_err() {
                return;
            }
        }
    }

    /// Takes in what else has come already, so that a thousand answers are not a thousand steps. False where the
    /// stream has ended.
    async fn drain(&mut self, requests: &mut Streaming<DeltaDiscoveryRequest>) -> bool {
        loop {
            tokio::select! {
                biased;
                request = requests.message() => match request {
                    Ok(Some(request)) => self.request(request),
                    Ok(None) | Err(_) => return false,
                },
                () = std::future::ready(()) => return true,
            }
        }
    }

    fn request(&mut self, request: DeltaDiscoveryRequest) {
        let refusals = self.session.request(request, &mut self.shared.lock());
        for refusal in refusals {
            self.shared.tell(News::Refused(refusal));
        }
    }

    /// Sends what is due, and tells when all is done.
    async fn advance(&mut self) -> Result<(), mpsc::error::SendError<Result<DeltaDiscoveryResponse, Status>>> {
        let due = self.session.step(&self.shared.lock(), Instant::now());
        for response in due {
            self.responses.send(Ok(response)).await?;
        }
        let live = {
            let mut store = self.shared.lock();
            let generation = store.generation();
            (self.told != Some(generation) && self.session.settled(&store)).then(|| {
                store.settled();
                let since = self.shared.changed.borrow().1.elapsed();
                News::Live { generation, since, listeners: listeners(store.effective()) }
            })
        };
        if let Some(news) = live {
            if let News::Live { generation, .. } = &news {
                self.told = Some(*generation);
            }
            self.shared.tell(news);
        }
        Ok(())
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn listeners(snapshot: &Snapshot) -> Vec<(String, String)> {
    let listeners = snapshot.values().filter(|r| r.kind == Kind::Listener);
    listeners.map(|r| (r.name.clone(), r.address.clone().unwrap_or_default())).collect()
}
