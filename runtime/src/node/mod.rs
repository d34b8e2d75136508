//! Policies on this machine: an Envoy of our own, and what it is given. Linux only.

pub mod cilium;
pub mod cluster;
pub mod demo;
pub mod envoy;
pub mod folder;
pub mod keeper;
mod limits;
mod pause;
pub mod places;
mod ports;
pub mod shares;
pub mod stats;
pub mod steered;
pub mod steering;
pub mod traffic;
pub mod up;
pub mod xds;
