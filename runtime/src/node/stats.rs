//! Envoy's counters, asked of its administration interface.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// What is asked for: only what `traffic.rs` reads, and of that only what ever counted.
const REQUEST: &str = "GET /stats?format=json&usedonly&filter=(downstream_rq_total%7Cdownstream_rq_.xx%7C\
    downstream_rq_time%7Cdownstream_cx_total%7Cupstream_rq_total%7Cupstream_cx_total%7Coverflow%7C\
    rate_limited)%24 HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer: some 100 kB for a hundred services.
const MOST: u64 = 64 << 20;

/// Counters and times at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
    /// The median and the 99th percentile of the last interval, in milliseconds, by the name of the histogram.
    pub times: BTreeMap<String, (f64, f64)>,
}

/// Asks again and again, until the receiver is gone. Where Envoy does not answer, nothing comes.
pub fn watch(socket: PathBuf, every: Duration) -> mpsc::Receiver<Stats> {
    let (tell, told) = mpsc::channel(1);
    tokio::spawn(async move {
        while !tell.is_closed() {
            tokio::time::sleep(every).await;
            if let Ok(Ok(stats)) = tokio::time::timeout(PATIENCE, ask(&socket)).await
                && tell.send(stats).await.is_err()
            {
                return;
            }
        }
    });
    told
}

async fn ask(socket: &Path) -> io::Result<Stats> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(REQUEST.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer).await?;
    let body = body(&answer).ok_or(io::ErrorKind::InvalidData)?;
    Ok(read(&serde_json::from_slice(&body)?))
}

/// The body of a response, whose connection is closed behind it.
fn body(answer: &[u8]) -> Option<Vec<u8>> {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = answer.split_at_checked(at + 4)?;
    let chunked = String::from_utf8_lossy(head).to_ascii_lowercase().contains("transfer-encoding: chunked");
    if chunked { whole(rest) } else { Some(rest.to_vec()) }
}

/// Puts chunks together.
fn whole(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n")?;
        let (size, rest) = chunks.split_at_checked(end)?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let (chunk, rest) = rest.get(2..)?.split_at_checked(size)?;
        body.extend_from_slice(chunk);
        chunks = rest.get(2..)?;
    }
}

fn read(answer: &Value) -> Stats {
    let mut stats = Stats::default();
    for entry in answer.get("stats").and_then(Value::as_array).into_iter().flatten() {
        if let (Some(name), Some(value)) = (text(entry), entry.get("value").and_then(Value::as_u64)) {
            stats.counters.insert(name, value);
        }
        let Some(histograms) = entry.get("histograms") else { continue };
        let quantiles = list(histograms, "supported_quantiles");
        let at = |wanted: f64| quantiles.iter().position(|q| q.as_f64() == Some(wanted));
        let (Some(p50), Some(p99)) = (at(50.0), at(99.0)) else { continue };
        for histogram in list(histograms, "computed_quantiles") {
            let values = list(histogram, "values");
            let time = |at: usize| values.get(at)?.get("interval")?.as_f64();
            if let (Some(name), Some(p50), Some(p99)) = (text(histogram), time(p50), time(p99)) {
                stats.times.insert(name, (p50, p99));
            }
        }
    }
    stats
}

fn text(value: &Value) -> Option<String> {
    value.get("name").and_then(Value::as_str).map(str::to_owned)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_in_chunks_is_put_together() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n5\r\n\": 1}\r\n0\r\n\r\n";
        assert_eq!(body(answer).unwrap(), b"{\"a\": 1}");
        assert_eq!(body(b"HTTP/1.1 200 OK\r\n\r\n{}").unwrap(), b"{}");
        for broken in ["HTTP/1.1 200 OK\r\n", "a\r\ntransfer-encoding: chunked\r\n\r\nff\r\nx", "x: chunked"] {
            assert_eq!(body(broken.as_bytes()), None);
        }
    }

    #[test]
    fn counters_and_times_are_read() {
        let value = |interval| json!({"interval": interval, "cumulative": 9});
        let histograms = json!({
            "supported_quantiles": [0, 50, 99],
            "computed_quantiles": [
                {"name": "http.a.downstream_rq_time", "values": [value(json!(0)), value(json!(1.5)), value(json!(4))]},
                {"name": "http.b.downstream_rq_time", "values": [value(json!(null)), value(json!(null)), value(json!(null))]},
            ],
        });
        let stats = read(&json!({"stats": [{"name": "c", "value": 3}, {"histograms": histograms}]}));
        assert_eq!(stats.counters, BTreeMap::from([("c".to_owned(), 3)]));
        assert_eq!(stats.times, BTreeMap::from([("http.a.downstream_rq_time".to_owned(), (1.5, 4.0))]));
    }
}
