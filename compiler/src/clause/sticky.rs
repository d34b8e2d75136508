//! `sticky by issued-cookie [NAME] | header NAME | cookie NAME | source-ip`.
//!
//! By an issued cookie: each side of the split hands out a cookie of its own, and routes that match
//! the cookie stand before the split; on every target. By hash: Envoy draws the side by a hash of
//! the key (`WeightedCluster.use_hash_policy`), and freely where the key is missing.

use super::key::{self, Key};
use crate::ir::Endpoint;
use crate::resolve::Cx;
use crate::target;
use meshc_dsl::clause;

/// How a client keeps its side of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sticky {
    /// By a cookie of this name, which the proxy hands out.
    IssuedCookie(String),
    /// By a hash of this.
    Hash(Key),
}

/// What tells the clients apart, before the cookie has its name.
pub(crate) fn resolve<'a>(clause: &'a clause::Sticky, cx: &mut Cx<'a>) -> Option<Key> {
    let key = key::resolve(&clause.key, &["issued-cookie", "header", "cookie", "source-ip"], cx)?;
    let issued = matches!(key, Key::IssuedCookie(_));
    (issued || cx.needs(&target::STICKY_BY_HASH, clause.span, "`sticky by` a hash")).then_some(key)
}

/// What a cookie says of the side of a split that issued it: a number that follows from the
/// destination alone, so that it outlives changes of shares and of other destinations, and that
/// tells the client nothing of names.
pub(crate) fn token(endpoint: &Endpoint) -> String {
    // FNV-1a of 32 bits.
    let hash = endpoint
        .to_string()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

/// The `set-cookie` header of a side.
pub(crate) fn set_cookie(name: &str, token: &str) -> String {
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax")
}
