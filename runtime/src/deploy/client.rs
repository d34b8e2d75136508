//! Requests to the API server, each under a deadline of its own and all under one.

use super::error::{Error, Refusal};
use http::{Method, Request};
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// How long one request may take, and one that lists.
const ONE: Duration = Duration::from_secs(5);
const LIST: Duration = Duration::from_secs(20);
/// The longest pause between two tries, whatever a server asks for.
const PAUSE: Duration = Duration::from_secs(5);
/// How many requests are under way at once.
const AT_ONCE: usize = 16;
/// How many objects a page has.
const PAGE: usize = 50;
/// How long a server may deny `/readyz` before its other answers count all the same.
const DENIED: Duration = Duration::from_secs(10);
/// What a run keeps of its time for taking its mark away.
const RESERVE: Duration = Duration::from_secs(2);
/// Answers of 500 that the next try would get again.
const PERMANENT: &[&str] = &[
    "failed to create typed patch object",
    "etcdserver: request is too large",
    "trying to send message larger than max",
];

/// A connection to one API server.
#[derive(Clone)]
pub struct Client {
    kube: kube::Client,
    deadline: Instant,
    permits: Arc<Semaphore>,
    writes: Arc<AtomicUsize>,
    settled: Arc<AtomicUsize>,
    /// Whether the run was asked to stop.
    pub(super) stopped: Arc<watch::Sender<bool>>,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content: &'static str,
    pub(super) body: Vec<u8>,
    limit: Duration,
    writes: bool,
}

/// What became of one try.
#[derive(Debug)]
pub(super) enum Try<T = Value> {
    /// An answer.
    Done(T),
    /// An answer that the next try may not get.
    Later { why: String, after: Duration, lost: bool },
    /// A final answer.
    No(Refusal),
}

/// A page of a collection. Its items stay text: of most of them little is needed.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: Position,
    items: Option<Vec<Box<RawValue>>>,
}

/// Where the next page begins.
#[derive(Default, Deserialize)]
struct Position {
    #[serde(default, rename = "continue")]
    next: String,
}

impl Call {
    fn new(method: Method, path: String, content: &'static str, body: Vec<u8>) -> Self {
        Self { method, path, content, body, limit: ONE, writes: false }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into(), "application/json", Vec::new())
    }

    /// A request with a JSON body that changes nothing: a review.
    pub(super) fn ask(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::POST, path.into(), "application/json", body.to_string().into_bytes())
    }

    /// A request that changes the cluster.
    pub(super) fn write(method: Method, path: impl Into<String>, body: &Value) -> Self {
        let content = if method == Method::PATCH { "application/apply-patch+yaml" } else { "application/json" };
        Self { writes: true, ..Self::new(method, path.into(), content, body.to_string().into_bytes()) }
    }

    /// A server-side apply that changes nothing.
    pub(super) fn dry_run(mut self) -> Self {
        self.path.push_str("&dryRun=All");
        self.writes = false;
        self
    }

    fn what(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

impl Client {
    pub(super) fn new(kube: kube::Client, deadline: Instant) -> Self {
        Self {
            kube,
            deadline,
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            writes: Arc::default(),
            settled: Arc::default(),
            stopped: Arc::default(),
        }
    }

    /// How many requests that change the cluster were sent.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    /// How many objects are done with: what a person sees of a long run.
    pub fn settled(&self) -> usize {
        self.settled.load(Ordering::Relaxed)
    }

    /// An object is done with.
    pub(super) fn settle(&self) {
        self.settled.fetch_add(1, Ordering::Relaxed);
    }

    /// The library's client, for what is not a request with an answer: streams.
    pub(crate) fn kube(&self) -> kube::Client {
        self.kube.clone()
    }

    /// Until when all must be done.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The same connection with less time: what is left is for clearing up.
    pub(super) fn earlier(&self) -> Self {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let reserve = RESERVE.min(left / 4);
        Self { deadline: self.deadline.checked_sub(reserve).unwrap_or(self.deadline), ..self.clone() }
    }

    /// Asks until there is a final answer. Only for what may be sent twice.
    pub(super) async fn call(&self, call: &Call) -> Result<Value, Error> {
        self.call_as::<Map<String, Value>>(call).await.map(Value::Object)
    }

    async fn call_as<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let mut pace = Pace::default();
        loop {
            match self.once_as(call).await? {
                Try::Done(value) => return Ok(value),
                Try::No(status) => return Err(Error::Refused { what: call.what(), status: Box::new(status) }),
                Try::Later { why, after, lost } => self.wait(call, &mut pace, &why, after, lost).await?,
            }
        }
    }

    /// Waits before the next try; after a lost connection until the server is ready.
    pub(super) async fn wait(
        &self,
        call: &Call,
        pace: &mut Pace,
        why: &str,
        after: Duration,
        lost: bool,
    ) -> Result<(), Error> {
        let pause = after.max(pace.next());
        if Instant::now() + pause >= self.deadline {
            return Err(Error::Unreachable { what: call.what(), last: why.to_owned() });
        }
        self.pause(pause).await?;
        if lost { self.ready(call, why).await } else { Ok(()) }
    }

    /// An answer that a server gives while it starts is not final.
    async fn ready(&self, call: &Call, why: &str) -> Result<(), Error> {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let probe = Call::get("/readyz");
        loop {
            match self.exchange(&probe).await {
                Ok((200, ..)) => return Ok(()),
                Ok((401 | 403 | 404, ..)) if start.elapsed() > DENIED => return Ok(()),
                _ => {}
            }
            let pause = pace.next();
            if Instant::now() + pause >= self.deadline {
                return Err(Error::Unreachable { what: call.what(), last: why.to_owned() });
            }
            self.pause(pause).await?;
        }
    }

    /// Asks once.
    pub(super) async fn once(&self, call: &Call) -> Result<Try, Error> {
        Ok(match self.once_as::<Map<String, Value>>(call).await? {
            Try::Done(object) => Try::Done(Value::Object(object)),
            Try::Later { why, after, lost } => Try::Later { why, after, lost },
            Try::No(status) => Try::No(status),
        })
    }

    async fn once_as<T: DeserializeOwned>(&self, call: &Call) -> Result<Try<T>, Error> {
        let first = self.attempt(call).await?;
        match &first {
            Try::No(status) if matches!(status.code, 401 | 403 | 404) => {
                if matches!(self.exchange(&Call::get("/readyz")).await, Ok((200, ..))) && status.code == 404 {
                    return Ok(first);
                }
                self.ready(call, &status.to_string()).await?;
                self.attempt(call).await
            }
            _ => Ok(first),
        }
    }

    async fn attempt<T: DeserializeOwned>(&self, call: &Call) -> Result<Try<T>, Error> {
        let _permit = self.permits.acquire().await;
        if Instant::now() >= self.deadline {
            return Err(Error::Unreachable { what: call.what(), last: "the time is over".into() });
        }
        if call.writes {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(match self.exchange(call).await {
            Ok((code, after, body)) => judge(code, after, &body),
            Err(why) => Try::Later { why, after: Duration::ZERO, lost: true },
        })
    }

    /// One request: status code, what Retry-After asks for, body.
    async fn exchange(&self, call: &Call) -> Result<(u16, Duration, Vec<u8>), String> {
        let limit = call.limit.min(self.deadline.saturating_duration_since(Instant::now()));
        let mark = if call.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{mark}timeout={}s", call.path, limit.as_secs().max(1));
        let request = Request::builder()
            .method(call.method.clone())
            .uri(path)
            .header("accept", "application/json")
            .header("content-type", call.content)
            .body(Body::from(call.body.clone()))
            .map_err(|e| e.to_string())?;
        let exchange = async {
            let response = self.kube.send(request).await.map_err(|e| chain(&e))?;
            let code = response.status().as_u16();
            let after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
            let body = response.into_body().collect_bytes().await.map_err(|e| chain(&e))?;
            Ok((code, Duration::from_secs(after.unwrap_or(0)).min(PAUSE), body.to_vec()))
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(done) => done,
            Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
        }
    }

    /// All objects of a collection, in pages; `keep` says what is needed of each.
    pub(super) async fn list<T>(
        &self,
        path: &str,
        selector: Option<&str>,
        mut keep: impl FnMut(Value) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        self.list_texts(path, selector, |text| keep(serde_json::from_str(text).ok()?)).await
    }

    /// The same, where little is needed of most: `keep` takes it out of the JSON of each.
    pub(super) async fn list_texts<T>(
        &self,
        path: &str,
        selector: Option<&str>,
        mut keep: impl FnMut(&str) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let mut kept = Vec::new();
        let mut next = String::new();
        let selector = selector.map(|s| format!("&labelSelector={}", encode(s))).unwrap_or_default();
        loop {
            let from = if next.is_empty() { String::new() } else { format!("&continue={}", encode(&next)) };
            let mut call = Call::get(format!("{path}?limit={PAGE}{selector}{from}"));
            call.limit = LIST;
            let page: Page = match self.call_as(&call).await {
                // The pages are too old: the list is begun anew.
                Err(error) if error.is(410) && !next.is_empty() => {
                    kept.clear();
                    next.clear();
                    continue;
                }
                page => page?,
            };
            let Some(items) = page.items else {
                return Err(Error::Record(format!("{path}: the answer is not a list")));
            };
            kept.extend(items.iter().filter_map(|item| keep(item.get())));
            next = page.metadata.next;
            if next.is_empty() {
                return Ok(kept);
            }
        }
    }

    /// An object, or nothing.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Value>, Error> {
        match self.call(&Call::get(path)).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is(404) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Pauses that grow, each a little different from everybody else's.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    tries: u32,
}

impl Pace {
    pub(crate) fn next(&mut self) -> Duration {
        let longest = Duration::from_millis(100).saturating_mul(1 << self.tries.min(6)).min(PAUSE);
        self.tries += 1;
        let part = u32::try_from(random() % 512).unwrap_or(0) + 512;
        longest.saturating_mul(part) / 1024
    }
}

/// A number that nobody else draws.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

fn judge<T: DeserializeOwned>(code: u16, after: Duration, body: &[u8]) -> Try<T> {
    if (200..300).contains(&code) {
        return match serde_json::from_slice(body) {
            Ok(value) => Try::Done(value),
            // A proxy's page, or an answer that was cut off.
            Err(_) => Try::Later { why: format!("an answer {code} that is not JSON"), after, lost: true },
        };
    }
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let status = refusal(code, value.as_ref(), body);
    let again = match code {
        408 | 429 | 502 | 503 | 504 => true,
        500 => !PERMANENT.iter().any(|text| status.message.contains(text)),
        _ => false,
    };
    if again { Try::Later { why: status.to_string(), after, lost: code != 429 } } else { Try::No(status) }
}

fn refusal(code: u16, value: Option<&Value>, body: &[u8]) -> Refusal {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(value) = value.filter(|v| v.get("kind").and_then(Value::as_str) == Some("Status")) else {
        let line = String::from_utf8_lossy(body).lines().next().unwrap_or_default().chars().take(200).collect();
        return Refusal { code, message: line, ..Refusal::default() };
    };
    let causes = value.pointer("/details/causes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let causes = causes.iter().map(|c| (text(c, "reason"), text(c, "field"), text(c, "message"))).collect();
    Refusal { code, reason: text(value, "reason"), message: text(value, "message"), causes }
}

/// An error with what is behind it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

/// A value of a query.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(code: u16, body: &str) -> bool {
        matches!(judge::<Map<String, Value>>(code, Duration::ZERO, body.as_bytes()), Try::Later { .. })
    }

    #[test]
    fn what_is_tried_again() {
        assert!([408, 429, 502, 503, 504].into_iter().all(|code| again(code, "")));
        assert!(again(500, r#"{"kind":"Status","message":"etcdserver: leader changed"}"#));
        assert!(!again(500, r#"{"kind":"Status","message":"failed to create typed patch object (x): y"}"#));
        assert!(!again(500, r#"{"kind":"Status","message":"etcdserver: request is too large"}"#));
        assert!(again(200, "<html>"), "a page of a proxy is no answer");
        assert!(again(200, r#"{"kind":"Li"#), "a cut answer is no answer");
        assert!(!again(200, r#"{"kind":"List"}"#));
        assert!([400, 401, 403, 404, 409, 413, 422].into_iter().all(|code| !again(code, "")));
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut pace = Pace::default();
        let pauses: Vec<Duration> = (0..40).map(|_| pace.next()).collect();
        assert!(pauses.iter().all(|p| *p <= PAUSE && *p >= Duration::from_millis(50)));
        assert!(pauses[20] > pauses[0]);
    }
}
