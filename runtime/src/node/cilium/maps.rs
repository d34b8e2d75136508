//! Cilium's pinned maps.

use super::layout::{Entry, KEY4, KEY6, PROTOCOLS, Scope, VALUE, entry, key4, key6};
use aya::Pod;
use aya::maps::{HashMap, Map, MapData, MapError};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where Cilium pins its maps: the first of these that is there.
pub const FOLDERS: [&str; 2] = ["/sys/fs/bpf/tc/globals", "/run/cilium/bpffs/tc/globals"];
const V4: &str = "cilium_lb4_services_v2";
const V6: &str = "cilium_lb6_services_v2";

/// Maps that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    /// There are none.
    #[error("{} has no load-balancer maps of Cilium: is this a node of Cilium, with its bpffs mounted?", folder.display())]
    None {
        /// Where they were looked for.
        folder: PathBuf,
    },
    /// This user may not.
    #[error("cannot open {}: it takes root, or CAP_BPF and access to the folder", map.display())]
    Denied {
        /// The map.
        map: PathBuf,
    },
    /// Another kind of map.
    #[error("{} is not laid out as Cilium's releases from 1.12 to 1.20 do: {why}", map.display())]
    Layout {
        /// The map.
        map: PathBuf,
        /// What differs.
        why: String,
    },
    /// Anything else.
    #[error("cannot read {}: {why}", map.display())]
    Read {
        /// The map.
        map: PathBuf,
        /// Why.
        why: String,
    },
}

/// The maps of both families, as far as they are there.
#[derive(Debug)]
pub struct Maps {
    folder: PathBuf,
    v4: Option<HashMap<MapData, [u8; KEY4], [u8; VALUE]>>,
    v6: Option<HashMap<MapData, [u8; KEY6], [u8; VALUE]>>,
}

impl Maps {
    /// Opens those in a folder. Nothing is ever written to them.
    ///
    /// # Errors
    /// When there are none, or one of them cannot be opened or is another kind of map.
    pub fn open(folder: &Path) -> Result<Self, MapsError> {
        let maps = Self { folder: folder.to_owned(), v4: open(&folder.join(V4))?, v6: open(&folder.join(V6))? };
        if maps.v4.is_none() && maps.v6.is_none() {
            return Err(MapsError::None { folder: maps.folder });
        }
        Ok(maps)
    }

    /// The entry of a frontend: that of the scope outside the cluster, unless only the one inside is steered
    /// otherwise. `None` where there is none, or no map of its family.
    pub(super) fn get(&self, address: IpAddr, port: u16) -> Result<Option<Entry>, MapsError> {
        let Some(outside) = self.of_scope(address, port, Scope::External)? else { return Ok(None) };
        if outside.two_scopes
            && let Some(inside) = self.of_scope(address, port, Scope::Internal)?
            && (inside.l7, inside.proxy_port) != (outside.l7, outside.proxy_port)
        {
            return Ok(Some(inside));
        }
        Ok(Some(outside))
    }

    fn of_scope(&self, address: IpAddr, port: u16, scope: Scope) -> Result<Option<Entry>, MapsError> {
        for protocol in PROTOCOLS {
            let (name, found) = match address {
                IpAddr::V4(address) => (V4, look(self.v4.as_ref(), &key4(address, port, protocol, scope))),
                IpAddr::V6(address) => (V6, look(self.v6.as_ref(), &key6(address, port, protocol, scope))),
            };
            let found =
                found.map_err(|error| MapsError::Read { map: self.folder.join(name), why: error.to_string() })?;
            if let Some(value) = found {
                return Ok(Some(entry(value)));
            }
        }
        Ok(None)
    }
}

fn look<K: Pod>(map: Option<&HashMap<MapData, K, [u8; VALUE]>>, key: &K) -> Result<Option<[u8; VALUE]>, MapError> {
    match map.map(|map| map.get(key, 0)) {
        None | Some(Err(MapError::KeyNotFound)) => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(error)) => Err(error),
    }
}

/// Opens a pinned map, if it is there.
fn open<K: Pod>(path: &Path) -> Result<Option<HashMap<MapData, K, [u8; VALUE]>>, MapsError> {
    let map = path.to_owned();
    let data = match MapData::from_pin(path) {
        Ok(data) => data,
        Err(MapError::SyscallError(error)) => {
            return match error.io_error.kind() {
                ErrorKind::NotFound => Ok(None),
                ErrorKind::PermissionDenied => Err(MapsError::Denied { map }),
                _ => Err(MapsError::Read { map, why: error.io_error.to_string() }),
            };
        }
        Err(error) => return Err(MapsError::Read { map, why: error.to_string() }),
    };
    let wrong = |error: MapError| MapsError::Layout { map: map.clone(), why: error.to_string() };
    HashMap::try_from(Map::from_map_data(data).map_err(wrong)?).map(Some).map_err(wrong)
}
