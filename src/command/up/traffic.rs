//! What goes on, as lines and as JSON.

use meshc_runtime::node::demo::Destination;
use meshc_runtime::node::traffic::{Flow, Traffic};
use serde_json::{Value, json};
use std::fmt::Write as _;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// A line a listener, and one for each of its destinations.
pub(super) fn lines(traffic: &Traffic) -> Vec<String> {
    let width = traffic.flows.iter().map(|flow| flow.name.chars().count()).max().unwrap_or(0);
    traffic.flows.iter().flat_map(|flow| of_flow(flow, traffic, width)).collect()
}

fn of_flow(flow: &Flow, traffic: &Traffic, width: usize) -> Vec<String> {
    let mut line = format!("{:width$}  {:>7.1}/s", flow.name, per_second(flow, traffic));
    // Writing into a string does not fail.
    for (class, count) in CLASSES.iter().zip(flow.classes).filter(|(_, count)| *count > 0) {
        let _ = write!(line, "  {count} × {class}");
    }
    if let Some((p50, p99)) = flow.times {
        let _ = write!(line, "  p50 {p50:.1} ms  p99 {p99:.1} ms");
    }
    if flow.limited > 0 {
        let _ = write!(line, "  rate limits refused {}", flow.limited);
    }
    if flow.broken > 0 {
        let _ = write!(line, "  circuit breakers refused {}", flow.broken);
    }
    let all: u64 = flow.destinations.iter().map(|destination| destination.answered).sum();
    let width = flow.destinations.iter().map(|d| d.name.chars().count()).max().unwrap_or(0);
    let of_destination = |destination: &Destination| {
        let wanted = destination.wanted.map_or("?".to_owned(), |share| format!("{share:.1} %"));
        let seen = if all == 0 { "–".to_owned() } else { format!("{:.1} %", share(destination, all)) };
        format!("  {:width$}  wanted {wanted:>7}  seen {seen:>7}", destination.name)
    };
    std::iter::once(line).chain(flow.destinations.iter().map(of_destination)).collect()
}

fn share(destination: &Destination, all: u64) -> f64 {
    100.0 * destination.answered as f64 / all as f64
}

fn per_second(flow: &Flow, traffic: &Traffic) -> f64 {
    let seconds = traffic.period.as_secs_f64();
    if seconds > 0.0 { flow.requests as f64 / seconds } else { 0.0 }
}

/// The event.
pub(super) fn object(traffic: &Traffic) -> Value {
    let destination = |d: &Destination| json!({"name": d.name, "wanted": d.wanted, "answered": d.answered});
    let flow = |flow: &Flow| {
        let statuses: serde_json::Map<String, Value> =
            CLASSES.iter().zip(flow.classes).map(|(class, count)| ((*class).to_owned(), count.into())).collect();
        json!({
            "name": flow.name, "requests": flow.requests, "statuses": statuses,
            "p50": flow.times.map(|(p50, _)| p50), "p99": flow.times.map(|(_, p99)| p99), "broken": flow.broken, "limited": flow.limited,
            "destinations": flow.destinations.iter().map(destination).collect::<Vec<_>>(),
        })
    };
    json!({
        "event": "traffic", "seconds": (traffic.period.as_secs_f64() * 1000.0).round() / 1000.0,
        "limited": traffic.limited, "listeners": traffic.flows.iter().map(flow).collect::<Vec<_>>(),
    })
}
