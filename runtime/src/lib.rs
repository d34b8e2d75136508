//! Compiled resources → a cluster, or an Envoy on this machine.

#[cfg(target_os = "linux")]
pub mod node;
