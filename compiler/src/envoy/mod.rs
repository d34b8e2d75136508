//! A small typed model of the Envoy API: just the messages and fields that the compiler emits,
//! under the API's own names. The same model reads them back.
//!
//! Optional fields are left out when unset; where the language promises a value, the field is
//! plain and always written.

mod accesslog;
mod bootstrap;
mod cluster;
mod common;
mod http;
mod listener;
mod patchable;
mod ratelimit;
mod route;
mod tcp;

pub use accesslog::*;
pub use bootstrap::*;
pub use cluster::*;
pub use common::*;
pub use http::*;
pub use listener::*;
pub use patchable::*;
pub use ratelimit::*;
pub use route::*;
pub use tcp::*;

use serde::{Deserialize, Serialize};

/// A resource of a CiliumEnvoyConfig.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "@type")]
pub enum Resource {
    /// `envoy.config.listener.v3.Listener`
    #[serde(rename = "type.googleapis.com/envoy.config.listener.v3.Listener")]
    Listener(Listener),
    /// `envoy.config.route.v3.RouteConfiguration`
    #[serde(rename = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration")]
    RouteConfiguration(RouteConfiguration),
    /// `envoy.config.cluster.v3.Cluster`
    #[serde(rename = "type.googleapis.com/envoy.config.cluster.v3.Cluster")]
    Cluster(Cluster),
}

impl Resource {
    /// Its fully qualified name.
    pub fn name(&self) -> &str {
        match self {
            Resource::Listener(r) => &r.name,
            Resource::RouteConfiguration(r) => &r.name,
            Resource::Cluster(r) => &r.name,
        }
    }
}
