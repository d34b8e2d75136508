//! Compiled resources → a Kubernetes cluster: whole, or not at all.
//!
//! `plan` decides on pure data; `client` is the only file that speaks HTTP; `set` is the record in the
//! cluster that says what belongs together and who works on it.

mod access;
mod agents;
mod apply;
mod client;
mod cluster;
mod compare;
mod delete;
mod doctor;
mod error;
mod history;
mod json;
mod object;
mod order;
mod parallel;
mod plan;
mod restore;
mod set;
mod status;
mod steering;
mod stop;
mod write;

pub use access::{Place, connect};
pub use agents::{Verdict, View, look, told, wait};
pub use apply::{Options, Outcome, Prepared, Report, Word, execute, prepare};
pub use client::Client;
#[cfg(target_os = "linux")]
pub(crate) use client::{Pace, chain, encode, random};
pub use cluster::services;
pub use compare::Difference;
pub use delete::{Gone, delete};
pub use doctor::{Finding, Release, examine, obstacles, release};
pub use error::{Conflict, Error};
pub use history::{Meta, Record, list as revisions, read as revision};
pub use json::Json;
pub use object::{Desired, Id, Kind, desired};
pub use plan::{Plan, Step, Verb, between};
pub use set::Set;
pub use status::{Health, State, status};
pub use stop::stop_on_signal;
