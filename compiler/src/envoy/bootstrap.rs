//! `envoy.config.bootstrap.v3`: what a stock Envoy starts with.

use super::{Address, Cluster, Listener, Patchable, unset};
use serde::{Deserialize, Serialize};

/// `bootstrap.v3.Bootstrap`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// The administration interface, where a rule leads to it.
    #[serde(default, skip_serializing_if = "unset")]
    pub admin: Option<Admin>,
    /// Everything else.
    pub static_resources: StaticResources,
}

/// `bootstrap.v3.Admin`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Admin {
    /// Where it listens.
    pub address: Address,
}

/// `bootstrap.v3.Bootstrap.StaticResources`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StaticResources {
    /// The listeners.
    pub listeners: Vec<Patchable<Listener>>,
    /// The clusters.
    pub clusters: Vec<Patchable<Cluster>>,
}
