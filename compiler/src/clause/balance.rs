//! `balance round-robin | least-request | random` → `Cluster.lb_policy`.

use crate::envoy::LbPolicy;
use crate::resolve::Cx;
use meshc_dsl::clause::Single;

/// How one of a destination's endpoints is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// In turn.
    #[default]
    RoundRobin,
    /// The less busy of two drawn ones.
    LeastRequest,
    /// Drawn.
    Random,
}

const WORDS: &[(&str, Balance)] =
    &[("round-robin", Balance::RoundRobin), ("least-request", Balance::LeastRequest), ("random", Balance::Random)];

pub(crate) fn resolve<'a>(clause: &'a Single, cx: &mut Cx<'a>) -> Option<Balance> {
    cx.one_of(&clause.value, "a way to balance", WORDS)
}

impl Balance {
    /// Envoy's policy.
    pub(crate) fn lower(self) -> LbPolicy {
        match self {
            Balance::RoundRobin => LbPolicy::RoundRobin,
            Balance::LeastRequest => LbPolicy::LeastRequest,
            Balance::Random => LbPolicy::Random,
        }
    }
}
