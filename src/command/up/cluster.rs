//! The cluster of a run: which one, and what it says as lines and as JSON.

use crate::cli::Up;
use meshc_runtime::deploy::Place;
use meshc_runtime::node::cluster::Event;
use meshc_runtime::node::steering::SteerError;
use meshc_runtime::node::up;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// How many endpoints a line shows.
const SHOWN: usize = 4;

/// The cluster, where the command line names one. A variable of the environment names none: a run without a cluster
/// stays one on every machine.
pub(super) fn place(args: &Up) -> Option<Place> {
    let named = args.kubeconfig.is_some() || args.context.is_some();
    named.then(|| Place { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() })
}

/// What is told where the cluster's addresses cannot be steered.
pub(super) fn unsteered(error: &SteerError) -> up::Event {
    let help = format!("{}; `--no-steer` does not try", error.help());
    up::Event::Cluster(Event::Unsteered { why: error.to_string(), help })
}

/// An event as lines.
pub(super) fn lines(event: &Event) -> String {
    match event {
        Event::Endpoints { service, addresses } if addresses.is_empty() => {
            format!("cluster  {service}: no endpoints\n")
        }
        Event::Endpoints { service, addresses } => {
            let shown: Vec<_> = addresses.iter().take(SHOWN).map(SocketAddr::to_string).collect();
            let more = match addresses.len() - shown.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("cluster  {service}: {}{more}\n", shown.join(", "))
        }
        Event::Missing { service, source, why, help } => {
            format!("missing  {service} ({source}): {why}\n         {help}\n")
        }
        Event::Lost(why) => format!("cluster  not to be seen: {why}; the last good endpoints stay\n"),
        Event::Back(after) => format!("cluster  to be seen again after {:.1} s\n", after.as_secs_f64()),
        Event::Unsteered { why, help } => {
            format!("direct   connections to the cluster's addresses are not steered: {why}\n         {help}\n")
        }
        Event::Denied { why, help } => format!("denied   {why}\n         {help}\n"),
    }
}

/// An event as JSON.
pub(super) fn object(event: &Event) -> Value {
    match event {
        Event::Endpoints { service, addresses } => {
            json!({"event": "endpoints", "service": service, "addresses": addresses})
        }
        Event::Missing { service, source, why, help } => {
            json!({"event": "missing", "service": service, "source": source, "message": why, "help": help})
        }
        Event::Lost(why) => json!({"event": "cluster", "seen": false, "message": why}),
        Event::Back(after) => json!({"event": "cluster", "seen": true, "seconds": after.as_secs_f64()}),
        Event::Unsteered { why, help } => json!({"event": "unsteered", "message": why, "help": help}),
        Event::Denied { why, help } => json!({"event": "denied", "message": why, "help": help}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_endpoints_are_counted() {
        let addresses = (1..=6).map(|n| SocketAddr::from(([10, 0, 0, n], 80))).collect();
        let event = Event::Endpoints { service: "shop/cart:80".into(), addresses };
        let shown = "cluster  shop/cart:80: 10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80, 10.0.0.4:80 and 2 more\n";
        assert_eq!(lines(&event), shown);
        assert_eq!(object(&event)["addresses"][5], "10.0.0.6:80");
    }
}
