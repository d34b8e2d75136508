//! The load: `GET /` over a few kept connections, and who answered.

use super::backend::{head, value};
use super::{Destination, Report, Seen};
use crate::node::shares::Site;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// How many connections are open at once.
const CONNECTIONS: u64 = 4;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest body that is read.
const MOST_BODY: u64 = 1 << 20;

/// Sends so many requests over each listener that Envoy has.
pub async fn run(sites: Vec<Site>, live: BTreeSet<String>, requests: u64) -> Report {
    let mut report = Report::default();
    for site in sites.into_iter().filter(|site| live.contains(&site.name)) {
        match site.port.filter(|_| site.http) {
            Some(port) => {
                let answers = answers(&site.name, port, requests).await;
                report.listeners.push(seen(site.name, requests, answers, site.wanted));
            }
            None => report.skipped.push(site.name),
        }
    }
    report
}

/// One answer: its status, who gave it, and after how long.
struct Answer {
    status: u16,
    backend: Option<String>,
    took: Duration,
}

async fn answers(name: &str, port: u16, requests: u64) -> Vec<Answer> {
    wait_for(port).await;
    let host: Arc<str> = name.rsplit('/').next().unwrap_or(name).into();
    let left = Arc::new(AtomicU64::new(requests));
    let mut workers = Vec::new();
    for _ in 0..CONNECTIONS.min(requests) {
        workers.push(tokio::spawn(worker(Arc::clone(&host), port, Arc::clone(&left))));
    }
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap_or_default());
    }
    all
}

/// Envoy says that it has a listener a moment before the listener accepts.
async fn wait_for(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn worker(host: Arc<str>, port: u16, left: Arc<AtomicU64>) -> Vec<Answer> {
    let mut stream = None;
    let mut answers = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
        let start = Instant::now();
        let one = tokio::time::timeout(PATIENCE, request(&mut stream, &host, port)).await;
        let (status, backend) = match one {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => {
                stream = None;
                (0, None)
            }
        };
        answers.push(Answer { status, backend, took: start.elapsed() });
    }
    answers
}

/// Sends one request over the kept connection, or a new one.
async fn request(kept: &mut Option<BufReader<TcpStream>>, host: &str, port: u16) -> io::Result<(u16, Option<String>)> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?),
    };
    stream.get_mut().set_nodelay(true)?;
    stream.get_mut().write_all(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await?;
    let head = head(&mut stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let status =
        head.first().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let find = |name| head.iter().find_map(|line| value(line, name));
    let length: Option<u64> = find("content-length").and_then(|length| length.parse().ok());
    let backend = find("x-backend").map(str::to_owned);
    // A body of unknown length ends with its connection, which is not used again.
    if let Some(length) = length.filter(|length| *length <= MOST_BODY) {
        tokio::io::copy(&mut (&mut stream).take(length), &mut tokio::io::sink()).await?;
        if find("connection") != Some("close") {
            *kept = Some(stream);
        }
    }
    Ok((status, backend))
}

fn seen(name: String, requests: u64, answers: Vec<Answer>, wanted: Option<BTreeMap<String, f64>>) -> Seen {
    let mut statuses = BTreeMap::new();
    let mut answered: BTreeMap<String, u64> = BTreeMap::new();
    for answer in &answers {
        *statuses.entry(answer.status).or_insert(0) += 1;
        if let Some(backend) = &answer.backend {
            *answered.entry(backend.clone()).or_insert(0) += 1;
        }
    }
    let known = wanted.is_some();
    let mut wanted = wanted.unwrap_or_default();
    for backend in answered.keys() {
        wanted.entry(backend.clone()).or_insert(0.0);
    }
    let destinations = wanted.into_iter().map(|(name, share)| {
        let answered = answered.get(&name).copied().unwrap_or(0);
        Destination { name, wanted: known.then_some(share), answered }
    });
    let mut times: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
    let (p50, p99) = (at(50).copied().unwrap_or_default(), at(99).copied().unwrap_or_default());
    Seen { name, requests, statuses, destinations: destinations.collect(), p50, p99 }
}
