//! The bytes of Cilium's load-balancer maps: `lb4_key`, `lb6_key` and `lb4_service` of its `bpf/lib/lb.h`, the same
//! from 1.12 to 1.20. Only slot 0, the frontend itself, is read: in the slots of backends the flags are set too,
//! and a backend's number stands in the place of the proxy's port.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The size of a key of the IPv4 map.
pub(super) const KEY4: usize = 12;
/// The size of a key of the IPv6 map.
pub(super) const KEY6: usize = 24;
/// The size of a value of both.
pub(super) const VALUE: usize = 12;

/// `LB_PROTO` of TCP; agents up to 1.16 write 0 for all.
pub(super) const PROTOCOLS: [u8; 2] = [6, 0];
/// `SVC_FLAG_L7_LOADBALANCER` in the second byte of flags.
const L7: u8 = 0x04;
/// `SVC_FLAG_TWO_SCOPES`: the scope inside the cluster has an entry of its own.
const TWO_SCOPES: u8 = 0x20;

/// The scope of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    External = 0,
    Internal = 1,
}

/// A frontend's entry, as far as it says what is steered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Whether its connections go to the proxy.
    pub(super) l7: bool,
    /// The proxy's port, where they do.
    pub(super) proxy_port: u16,
    /// Whether the scope inside the cluster has an entry of its own.
    pub(super) two_scopes: bool,
}

/// address 4 | port 2, both as on the wire | slot 2 | protocol 1 | scope 1 | padding 2
pub(super) fn key4(address: Ipv4Addr, port: u16, protocol: u8, scope: Scope) -> [u8; KEY4] {
    let ([a, b, c, d], [high, low]) = (address.octets(), port.to_be_bytes());
    [a, b, c, d, high, low, 0, 0, protocol, scope as u8, 0, 0]
}

/// address 16 | the rest as above
pub(super) fn key6(address: Ipv6Addr, port: u16, protocol: u8, scope: Scope) -> [u8; KEY6] {
    let mut key = [0; KEY6];
    let rest = key4(Ipv4Addr::UNSPECIFIED, port, protocol, scope);
    let bytes = address.octets().into_iter().chain(rest.into_iter().skip(4));
    key.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    key
}

/// The proxy's port as on the wire, or a backend's number, 4 | count 2 | reverse NAT 2 | flags 2 | quarantined 2
pub(super) fn entry(value: [u8; VALUE]) -> Entry {
    let [high, low, _, _, _, _, _, _, _, flags, _, _] = value;
    let l7 = flags & L7 != 0;
    let proxy_port = if l7 { u16::from_be_bytes([high, low]) } else { 0 };
    Entry { l7, proxy_port, two_scopes: flags & TWO_SCOPES != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_cilium() {
        let key = key4(Ipv4Addr::new(10, 96, 50, 104), 80, 6, Scope::External);
        assert_eq!(key, [0x0a, 0x60, 0x32, 0x68, 0x00, 0x50, 0, 0, 6, 0, 0, 0]);
        let key = key6("fd00::10".parse().unwrap(), 0x1f90, 0, Scope::Internal);
        let address = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];
        assert_eq!(key[..16], address);
        assert_eq!(key[16..], [0x1f, 0x90, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn an_entry_is_read() {
        let steered = entry([0x27, 0x10, 0, 0, 1, 0, 0, 4, 0, 4, 0, 0]);
        assert_eq!(steered, Entry { l7: true, proxy_port: 10000, two_scopes: false });
        // Without the flag it is an algorithm and a timeout.
        let plain = entry([0x10, 0x27, 0, 1, 1, 0, 0, 4, 0x10, 0x20, 0, 0]);
        assert_eq!(plain, Entry { l7: false, proxy_port: 0, two_scopes: true });
    }
}
