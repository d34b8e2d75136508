//! `mirror 5% to v2` → `RouteAction.request_mirror_policies`.
//!
//! Envoy appends `-shadow` to the copy's Host unless told not to, which it can be from cilium-1.17
//! on; retries are not copied.

use crate::envoy::{Denominator, FractionalPercent, MirrorPolicy, RuntimeFractionalPercent};
use crate::resolve::Cx;
use crate::target::{self, Target};
use meshc_dsl::clause;
use meshc_dsl::diagnostic::{Diagnostic, codes};
use meshc_dsl::value::{Portion, portion};

/// Copies of some of the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// How many of them.
    pub portion: Portion,
    /// Where the copies go: an index into the list beside the rules.
    pub upstream: usize,
}

/// How many of the requests are copied.
pub(crate) fn share<'a>(clause: &'a clause::Mirror, cx: &mut Cx<'a>) -> Option<Portion> {
    if !cx.env.target.has(&target::MIRROR_HOST) {
        let message = format!("on {} the Host of the copies ends in `-shadow`", cx.env.target);
        let help = "it is the original from cilium-1.17 on";
        cx.report(Diagnostic::new(codes::SHADOW_HOST_NOTE, clause.span, message).help(help));
    }
    match &clause.share {
        Some(value) => cx.word(value, portion),
        None => Some(Portion::WHOLE),
    }
}

/// Warns of copies that go where the requests go.
pub(crate) fn warn_of_itself(clause: &clause::Mirror, cx: &mut Cx<'_>) {
    let message = "the copies go where the requests go, which then get some of them twice";
    let help = "mirror to another version or service, or take the mirror away";
    cx.report(Diagnostic::new(codes::MIRROR_TO_ITSELF, clause.span, message).help(help));
}

/// A portion as Envoy's fraction, with the smallest denominator that holds it.
pub(crate) fn fraction(portion: Portion) -> RuntimeFractionalPercent {
    let (numerator, denominator) = match portion.0 {
        n if n % 10_000 == 0 => (n / 10_000, Denominator::Hundred),
        n if n % 100 == 0 => (n / 100, Denominator::TenThousand),
        n => (n, Denominator::Million),
    };
    RuntimeFractionalPercent { default_value: FractionalPercent { numerator, denominator } }
}

impl Mirror {
    /// Envoy's policy; `clusters` are the names of the upstreams.
    pub(crate) fn lower(&self, clusters: &[String], target: Target) -> MirrorPolicy {
        MirrorPolicy {
            cluster: clusters.get(self.upstream).cloned().unwrap_or_default(),
            runtime_fraction: Some(fraction(self.portion)),
            disable_shadow_host_suffix_append: target.has(&target::MIRROR_HOST),
        }
    }
}
