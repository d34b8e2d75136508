//! One file for each concept of the language: its IR type, how a clause of the tree becomes that,
//! its checks, and what it becomes in Envoy.

pub mod accesslog;
pub mod at;
pub mod balance;
pub mod circuit_breaker;
pub mod client_address;
pub mod cors;
pub mod headers;
pub mod health_check;
pub mod key;
pub(crate) mod log_commands;
pub mod mirror;
pub mod outlier;
pub mod patch;
pub mod protocol;
pub mod ratelimit;
pub mod redirect;
pub mod respond;
pub mod retry;
pub mod rewrite;
pub mod split;
pub mod sticky;
pub mod timeout;
pub mod upstream;
