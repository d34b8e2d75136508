//! Which side of a split a sticky client has.

use super::request::{INLINE, View};
use crate::clause::key::Key;
use crate::clause::split;
use crate::clause::sticky::{Sticky, set_cookie, token};
use crate::ir::{Forward, Upstream};

/// The side's place in the split, where the request determines it.
pub(super) fn kept(forward: &Forward, upstreams: &[Upstream], view: &View<'_>) -> Option<usize> {
    match forward.sticky.as_ref()? {
        Sticky::IssuedCookie(name) => {
            let held = view.cookie(name)?;
            forward.split.iter().position(|share| {
                let upstream = upstreams.get(share.upstream);
                share.portion.0 > 0 && upstream.is_some_and(|u| token(&u.endpoint) == held)
            })
        }
        Sticky::Hash(key) => drawn(forward, hash(key, view)?),
    }
}

/// The cookie that a destination's side hands out.
pub(super) fn issued(forward: &Forward, upstream: &Upstream) -> Option<String> {
    match forward.sticky.as_ref()? {
        Sticky::IssuedCookie(name) => Some(set_cookie(name, &token(&upstream.endpoint))),
        Sticky::Hash(_) => None,
    }
}

/// What Envoy hashes of a request; `None` where the key is missing.
fn hash(key: &Key, view: &View<'_>) -> Option<u64> {
    match key {
        Key::Header(name) if name == "host" || INLINE.contains(&name.as_str()) => {
            view.header(name).map(|value| xxh64(0, value.as_bytes()))
        }
        Key::Header(name) => {
            let mut values: Vec<&str> = view.values(name).collect();
            values.sort_unstable();
            let hash = values.iter().fold(0, |hash, value| xxh64(hash, value.as_bytes()));
            (!values.is_empty()).then_some(hash)
        }
        Key::Cookie(name) => {
            view.cookie(name).filter(|value| !value.is_empty()).map(|value| xxh64(0, value.as_bytes()))
        }
        Key::SourceIp => view.request.source_ip.map(|ip| xxh64(0, ip.to_string().as_bytes())),
        Key::IssuedCookie(_) | Key::Path => None,
    }
}

/// The side that a hash falls on, as Envoy draws it.
fn drawn(forward: &Forward, hash: u64) -> Option<usize> {
    let unit = u64::from(split::unit(&forward.split));
    let weight = |portion: u32| u64::from(portion) / unit;
    let total: u64 = forward.split.iter().map(|share| weight(share.portion.0)).sum();
    let at = hash.checked_rem(total)?;
    let mut sum = 0;
    forward.split.iter().position(|share| {
        sum += weight(share.portion.0);
        at < sum
    })
}

const PRIME_1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME_2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME_3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME_4: u64 = 0x85eb_ca77_c2b2_ae63;
const PRIME_5: u64 = 0x27d4_eb2f_1656_67c5;

/// XXH64, which is what Envoy hashes with.
fn xxh64(seed: u64, bytes: &[u8]) -> u64 {
    let (stripes, rest) = bytes.as_chunks::<32>();
    let mut hash = if stripes.is_empty() { seed.wrapping_add(PRIME_5) } else { of_stripes(seed, stripes) };
    hash = hash.wrapping_add(bytes.len() as u64);
    let (words, rest) = rest.as_chunks::<8>();
    for word in words {
        hash = (hash ^ round(0, u64::from_le_bytes(*word))).rotate_left(27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
    }
    let (halves, rest) = rest.as_chunks::<4>();
    for half in halves {
        hash ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(PRIME_1);
        hash = hash.rotate_left(23).wrapping_mul(PRIME_2).wrapping_add(PRIME_3);
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte).wrapping_mul(PRIME_5)).rotate_left(11).wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 32)
}

fn round(sum: u64, word: u64) -> u64 {
    sum.wrapping_add(word.wrapping_mul(PRIME_2)).rotate_left(31).wrapping_mul(PRIME_1)
}

fn of_stripes(seed: u64, stripes: &[[u8; 32]]) -> u64 {
    let starts = [PRIME_1.wrapping_add(PRIME_2), PRIME_2, 0, 0_u64.wrapping_sub(PRIME_1)];
    let mut sums = starts.map(|start| seed.wrapping_add(start));
    for stripe in stripes {
        let (words, _) = stripe.as_chunks::<8>();
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum = round(*sum, u64::from_le_bytes(*word));
        }
    }
    let turned = sums.iter().zip([1, 7, 12, 18]).map(|(sum, by)| sum.rotate_left(by));
    let joined = turned.fold(0_u64, u64::wrapping_add);
    sums.iter().fold(joined, |hash, sum| (hash ^ round(0, *sum)).wrapping_mul(PRIME_1).wrapping_add(PRIME_4))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that the hash's own specification and its implementations agree on.
    #[test]
    fn known_hashes() {
        assert_eq!(xxh64(0, b""), 0xef46_db37_51d8_e999);
        assert_eq!(xxh64(0, b"a"), 0xd24e_c4f1_a98c_6e5b);
        assert_eq!(xxh64(0, b"abc"), 0x44bc_2cf5_ad77_0999);
        assert_eq!(xxh64(0, b"Nobody inspects the spammish repetition"), 0xfbce_a83c_8a37_8bf1);
    }
}
