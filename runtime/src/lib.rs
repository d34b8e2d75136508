//! Compiled resources → a cluster, or an Envoy on this machine.

pub mod deploy;
#[cfg(target_os = "linux")]
pub mod node;
mod signals;
