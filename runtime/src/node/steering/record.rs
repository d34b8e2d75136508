//! What a run meant to be there, kept beside the pins so that it can be held against the kernel: a JSON
//! text in the rows of a map, since a BPF file system has no files.

use super::error::SteerError;
use super::layout::{RECORD, Row};
use super::pins::Pins;
use aya::maps::{HashMap, Map, MapData, MapError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

const MOST_ROWS: u32 = 16_384;
/// Rows are allocated when they are written.
const NO_PREALLOC: u32 = 1;
/// How often a record that is being written is read again.
const TRIES: u32 = 20;

/// A steered service. Its place in the record is the index of its counters, and never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The name of its listener, `namespace/service:port`.
    pub name: String,
    /// The steered addresses; none when it is steered no longer.
    pub addresses: BTreeSet<IpAddr>,
    /// The port that is dialled.
    pub port: u16,
    /// Envoy's port.
    pub listener: u16,
    /// Whether a connection that cannot be steered is refused.
    pub refuse: bool,
}

/// What a run meant to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The path of the cgroup.
    pub(super) cgroup: String,
    /// What the kernel calls it.
    pub(super) cgroup_id: u64,
    /// The path of Envoy's own cgroup.
    pub(super) envoy: String,
    /// The tags of the programs.
    pub(super) programs: BTreeMap<String, String>,
    /// All services of the set so far.
    pub(super) services: Vec<Service>,
}

type Rows = HashMap<MapData, u32, Row>;

impl Record {
    /// Reads the record; `None` where there is none that can be read.
    pub(super) fn read(pins: &Pins) -> Result<Option<Self>, SteerError> {
        if !pins.path(RECORD.name).exists() {
            return Ok(None);
        }
        let rows = open(pins)?;
        for _ in 0..TRIES {
            let head = rows.get(&0, 0).unwrap_or([0; 256]);
            let text = text(&rows, &head);
            if text.is_some() && rows.get(&0, 0).unwrap_or([0; 256]) == head {
                return Ok(text.and_then(|text| serde_json::from_slice(&text).ok()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(None)
    }

    /// Writes the record. Who reads meanwhile sees that it is not whole.
    pub(super) fn write(&self, pins: &Pins) -> Result<(), SteerError> {
        let failed = |e: MapError| SteerError::system("write the record", &e);
        if !pins.path(RECORD.name).exists() {
            let made = Rows::create(MOST_ROWS, NO_PREALLOC).map_err(failed)?;
            made.pin(pins.path(RECORD.name)).map_err(|e| SteerError::system("pin the record", &e))?;
        }
        let text = serde_json::to_vec(self).map_err(|e| SteerError::system("write the record", &e))?;
        let mut rows = open(pins)?;
        let number = number(&rows.get(&0, 0).unwrap_or([0; 256])).wrapping_add(1);
        rows.insert(0, head(0, number), 0).map_err(failed)?;
        for (at, piece) in (1..).zip(text.chunks(256)) {
            let mut row: Row = [0; 256];
            row.iter_mut().zip(piece).for_each(|(place, byte)| *place = *byte);
            rows.insert(at, row, 0).map_err(failed)?;
        }
        rows.insert(0, head(text.len() as u64, number), 0).map_err(failed)
    }
}

fn open(pins: &Pins) -> Result<Rows, SteerError> {
    let failed = |e: MapError| SteerError::system("open the record", &e);
    let map = MapData::from_pin(pins.path(RECORD.name)).and_then(Map::from_map_data).map_err(failed)?;
    map.try_into().map_err(failed)
}

/// The first row: the text's length, 0 while it is written, and the number of the writing.
fn head(length: u64, number: u64) -> Row {
    let mut row = [0; 256];
    let bytes = length.to_le_bytes().into_iter().chain(number.to_le_bytes());
    row.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    row
}

fn length(head: &Row) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *head;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn number(head: &Row) -> u64 {
    let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h, ..] = *head;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The text behind a head; `None` while it is written.
fn text(rows: &Rows, head: &Row) -> Option<Vec<u8>> {
    let length = usize::try_from(length(head)).ok().filter(|length| *length > 0)?;
    let mut text = Vec::new();
    for at in 1..=u32::try_from(length.div_ceil(256)).ok()? {
        text.extend_from_slice(&rows.get(&at, 0).ok()?);
    }
    text.truncate(length);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_keeps_length_and_number() {
        let row = head(70_000, 3);
        assert_eq!((length(&row), number(&row)), (70_000, 3));
    }
}
