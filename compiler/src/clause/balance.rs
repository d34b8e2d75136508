//! `balance round-robin | least-request | random | ring-hash by … | maglev by …` →
//! `Cluster.lb_policy`, and from cilium-1.19 on `Cluster.load_balancing_policy` for the last two.
//!
//! What is hashed is written on every route to the destination before 1.19; from then on in the
//! cluster itself, where it does not mix with what `sticky by` hashes.

use super::key::{self, Key};
use crate::envoy::{
    ConsistentHashing, HashPolicy, LbExtension, LbExtensionConfig, LbPolicy, LoadBalancingPolicy,
    LoadBalancingPolicyItem,
};
use crate::resolve::Cx;
use meshc_dsl::clause;
use meshc_dsl::diagnostic::codes;

/// How one of a destination's endpoints is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Balance {
    /// In turn.
    #[default]
    RoundRobin,
    /// The less busy of two drawn ones.
    LeastRequest,
    /// Drawn.
    Random,
    /// By a hash, on a ring.
    RingHash(Key),
    /// By a hash, from a table.
    Maglev(Key),
}

/// The ways by name.
#[derive(Clone, Copy)]
enum Way {
    Plain(fn() -> Balance),
    Hashed(fn(Key) -> Balance),
}

const WORDS: &[(&str, Way)] = &[
    ("round-robin", Way::Plain(|| Balance::RoundRobin)),
    ("least-request", Way::Plain(|| Balance::LeastRequest)),
    ("random", Way::Plain(|| Balance::Random)),
    ("ring-hash", Way::Hashed(Balance::RingHash)),
    ("maglev", Way::Hashed(Balance::Maglev)),
];

pub(crate) fn resolve<'a>(clause: &'a clause::Balance, cx: &mut Cx<'a>) -> Option<Balance> {
    let way = cx.one_of(&clause.policy, "a way to balance", WORDS)?;
    match (way, &clause.by) {
        (Way::Plain(balance), None) => Some(balance()),
        (Way::Hashed(balance), Some(by)) => key::resolve(by, &["header", "cookie", "source-ip"], cx).map(balance),
        (Way::Plain(_), Some(by)) => {
            let message = "this way to balance looks at no key";
            cx.error(codes::CONFLICTING, by.span, message, "write `ring-hash by …` or `maglev by …`");
            None
        }
        (Way::Hashed(_), None) => {
            let message = "this way to balance needs a key";
            cx.error(codes::NEEDS, clause.span, message, "write what tells clients apart: `by header x-user`");
            None
        }
    }
}

impl Balance {
    /// What is hashed, if anything is.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Balance::RingHash(key) | Balance::Maglev(key) => Some(key),
            Balance::RoundRobin | Balance::LeastRequest | Balance::Random => None,
        }
    }

    /// Envoy's policy by name.
    pub(crate) fn lower(&self) -> LbPolicy {
        match self {
            Balance::RoundRobin => LbPolicy::RoundRobin,
            Balance::LeastRequest => LbPolicy::LeastRequest,
            Balance::Random => LbPolicy::Random,
            Balance::RingHash(_) => LbPolicy::RingHash,
            Balance::Maglev(_) => LbPolicy::Maglev,
        }
    }

    /// Envoy's policy with what it hashes, for targets that take that from the cluster.
    pub(crate) fn lower_with_key(&self) -> Option<LoadBalancingPolicy> {
        let hash_policy: Vec<HashPolicy> = self.key()?.hash_policy().into_iter().collect();
        let consistent_hashing_lb_config = ConsistentHashing { hash_policy };
        let (name, typed_config) = match self {
            Balance::Maglev(_) => {
                ("envoy.load_balancing_policies.maglev", LbExtensionConfig::Maglev { consistent_hashing_lb_config })
            }
            _ => (
                "envoy.load_balancing_policies.ring_hash",
                LbExtensionConfig::RingHash { consistent_hashing_lb_config },
            ),
        };
        let typed_extension_config = LbExtension { name: name.into(), typed_config };
        Some(LoadBalancingPolicy { policies: vec![LoadBalancingPolicyItem { typed_extension_config }] })
    }
}
