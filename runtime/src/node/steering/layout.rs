//! The layouts of `runtime/bpf/steer.bpf.c`, and what is pinned. A change of one is a new [`SCHEMA`].

use aya::maps::MapType;
use std::net::{IpAddr, Ipv6Addr};

/// The number in the pin folder's name.
pub(super) const SCHEMA: u32 = 1;
/// The most addresses with a port that one set steers.
pub(super) const MOST_RULES: usize = 16_384;
/// The most services of one set, over all its reloads.
pub(super) const MOST_SERVICES: usize = 4_096;

/// Address (16 bytes, IPv4 as `::ffff:a.b.c.d`), port in network order, two zeros.
pub(super) type Key = [u8; 20];
/// Listener port in network order, flags, index of the service.
pub(super) type Rule = [u8; 8];
/// How often each [`OUTCOMES`] came.
pub(super) type Counts = [u64; OUTCOMES.len()];
/// A row of the record.
pub(super) type Row = [u8; 256];

/// What may become of a connection that a rule is for, in the order of the counters.
pub(super) const OUTCOMES: [&str; 8] = [
    "steered",
    "direct-no-listener",
    "direct-no-lease",
    "refused",
    "direct-other-namespace",
    "direct-of-envoy",
    "direct-switched-off",
    "direct-bound-to-device",
];

/// The settings, by their index.
pub(super) const NAMESPACE: u32 = 0;
pub(super) const ENVOY: u32 = 1;
pub(super) const LEASE: u32 = 2;
pub(super) const OFF: u32 = 3;

const REFUSE: u16 = 1;

/// A map that is pinned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) kind: MapType,
    pub(super) key: u32,
    pub(super) value: u32,
}

const fn shape(name: &'static str, kind: MapType, key: u32, value: u32) -> Shape {
    Shape { name, kind, key, value }
}

pub(super) const RULES: Shape = shape("rules", MapType::ArrayOfMaps, 4, 4);
pub(super) const CURRENT: Shape = shape("current", MapType::Hash, 20, 8);
pub(super) const SETTINGS: Shape = shape("settings", MapType::Array, 4, 8);
pub(super) const COUNTERS: Shape = shape("counters", MapType::PerCpuArray, 4, 64);
pub(super) const DIALLED: Shape = shape("dialled", MapType::SkStorage, 4, 20);
pub(super) const RECORD: Shape = shape("record", MapType::Hash, 4, 256);
/// All of them.
pub(super) const MAPS: [Shape; 6] = [RULES, CURRENT, SETTINGS, COUNTERS, DIALLED, RECORD];
/// Those that the programs use.
pub(super) const LOADED: [Shape; 4] = [RULES, SETTINGS, COUNTERS, DIALLED];

/// The programs, in the order in which they are attached: what shows the dialled address comes before
/// what changes it.
pub(super) const PROGRAMS: [&str; 4] = ["meshc_peer4", "meshc_peer6", "meshc_connect4", "meshc_connect6"];

pub(super) fn key(address: IpAddr, port: u16) -> Key {
    let address = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let mut key = [0; 20];
    let bytes = address.octets().into_iter().chain(port.to_be_bytes());
    key.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    key
}

pub(super) fn read_key(key: &Key) -> (IpAddr, u16) {
    let [address @ .., high, low, _, _] = key;
    (IpAddr::V6(Ipv6Addr::from(*address)).to_canonical(), u16::from_be_bytes([*high, *low]))
}

pub(super) fn rule(listener: u16, refuse: bool, service: u32) -> Rule {
    let ([a, b], [c, d]) = (listener.to_be_bytes(), if refuse { REFUSE } else { 0 }.to_ne_bytes());
    let [e, f, g, h] = service.to_ne_bytes();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_rules_are_as_the_programs_read_them() {
        let bytes = key("10.96.0.10".parse().unwrap(), 80);
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 96, 0, 10, 0, 80, 0, 0]);
        assert_eq!(read_key(&bytes), ("10.96.0.10".parse().unwrap(), 80));
        let bytes = key("fd00::10".parse().unwrap(), 443);
        assert_eq!(read_key(&bytes), ("fd00::10".parse().unwrap(), 443));
        assert_eq!(rule(0x3a98, true, 0x0102)[..2], [0x3a, 0x98]);
        assert_eq!(rule(1, true, 0)[2..4], 1_u16.to_ne_bytes());
        assert_eq!(rule(1, false, 7)[4..], 7_u32.to_ne_bytes());
    }
}
