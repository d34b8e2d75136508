//! A demonstration: backends that say who they are, and a load that counts who answered.

pub mod backend;
pub mod load;

use std::collections::BTreeMap;
use std::time::Duration;

/// What the load saw.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Each listener that got requests.
    pub listeners: Vec<Seen>,
    /// Listeners that got none, since they take no HTTP.
    pub skipped: Vec<String>,
}

/// What came back over one listener.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The listener's name.
    pub name: String,
    /// How many requests were sent.
    pub requests: u64,
    /// Requests by status; 0 where there was no answer.
    pub statuses: BTreeMap<u16, u64>,
    /// Each destination, in the order of names.
    pub destinations: Vec<Destination>,
    /// The median time to an answer.
    pub p50: Duration,
    /// The time within which 99 of 100 answers came.
    pub p99: Duration,
}

/// A destination of a listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// The percentage that the policy gives it, where the rule for the load's requests is known.
    pub wanted: Option<f64>,
    /// How many requests it answered.
    pub answered: u64,
}
