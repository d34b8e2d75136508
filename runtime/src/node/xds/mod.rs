//! What Envoy is given, and how: delta ADS over a Unix socket.
//!
//! `resources` cuts a compiled bootstrap into resources, `store` knows which of them Envoy should
//! have now, `session` decides what the next response on one stream is, and `server` moves bytes. `journal` keeps what Envoy
//! has for the next run.

pub mod journal;
pub mod resources;
pub mod server;
pub mod session;
pub mod store;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kinds of resource that are served, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A cluster.
    Cluster,
    /// The endpoints of a cluster that has none of its own.
    Endpoints,
    /// The routes of one listener.
    Route,
    /// A listener.
    Listener,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Cluster, Kind::Endpoints, Kind::Route, Kind::Listener];

    /// Whether Envoy asks for each by its name, and refuses a whole response for one bad resource.
    pub fn by_name(self) -> bool {
        matches!(self, Kind::Route | Kind::Endpoints)
    }

    /// Whether it stays in Envoy until nothing leads there any more.
    pub(super) fn lingers(self) -> bool {
        matches!(self, Kind::Cluster | Kind::Endpoints)
    }

    /// The full name of its message.
    pub fn message(self) -> &'static str {
        match self {
            Kind::Cluster => "envoy.config.cluster.v3.Cluster",
            Kind::Endpoints => "envoy.config.endpoint.v3.ClusterLoadAssignment",
            Kind::Route => "envoy.config.route.v3.RouteConfiguration",
            Kind::Listener => "envoy.config.listener.v3.Listener",
        }
    }

    /// How messages call it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Cluster => "cluster",
            Kind::Endpoints => "endpoints",
            Kind::Route => "routes",
            Kind::Listener => "listener",
        }
    }

    /// The type URL of its message.
    pub fn url(self) -> String {
        format!("type.googleapis.com/{}", self.message())
    }

    /// The kind of a type URL, if it is served.
    pub fn of_url(url: &str) -> Option<Kind> {
        let message = url.rsplit('/').next()?;
        Kind::ALL.into_iter().find(|kind| kind.message() == message)
    }
}

/// Which resource.
pub type Key = (Kind, String);

/// A resource as it goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// A hash of its content: the same content is never sent twice, even over another stream.
    pub version: String,
    /// The encoded message.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// The file and declaration that it came from.
    pub source: String,
    /// The routes that a listener asks for.
    pub needs: Option<String>,
    /// Whether a cluster asks for endpoints of its name.
    pub asks: bool,
    /// Where a listener listens.
    pub address: Option<String>,
}

impl Resource {
    /// Which resource it is.
    pub fn key(&self) -> Key {
        (self.kind, self.name.clone())
    }
}

/// A set of resources.
pub type Snapshot = BTreeMap<Key, Arc<Resource>>;
