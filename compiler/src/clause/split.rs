//! `90% v1, 10% v2` → `weighted_clusters`; one destination → `cluster`.

use super::headers;
use super::sticky::Sticky;
use crate::envoy;
use crate::ir::{Forward, Share};
use crate::resolve::Cx;
use meshc_dsl::clause::{Portioning, Split};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::{Portion, portion};

/// The portions of a split, which sum to the whole; `None` when they were reported.
pub(crate) fn portions<'a>(split: &'a Split, cx: &mut Cx<'a>) -> Option<Vec<Portion>> {
    let read = split.shares.iter().map(|share| match &share.portion {
        Portioning::Rest => Some(None),
        Portioning::Part(value) => cx.word(value, portion).map(Some),
    });
    // Each is read before the first bad one ends it, so that all of them are reported.
    let portions: Vec<Option<Option<Portion>>> = read.collect();
    let portions: Vec<Option<Portion>> = portions.into_iter().collect::<Option<_>>()?;
    let rests = portions.iter().filter(|p| p.is_none()).count();
    let sum: u64 = portions.iter().flatten().map(|p| u64::from(p.0)).sum();
    let whole = u64::from(Portion::WHOLE.0);
    if rests > 1 {
        cx.error(codes::SHARES, split.span, "two destinations get the rest", "write `rest` once");
        return None;
    }
    if sum > whole || (rests == 0 && sum != whole) {
        let message = format!("the shares sum to {}", percent(sum));
        let help = if sum < whole {
            let last = split.shares.last().map_or(String::new(), |share| share.destination.to_string());
            format!("{} are missing; `rest {last}` fills up", percent(whole - sum))
        } else {
            format!("{} are too many", percent(sum - whole))
        };
        cx.error(codes::SHARES, split.span, message, help);
        return None;
    }
    let rest = Portion(u32::try_from(whole - sum).unwrap_or(0));
    Some(portions.into_iter().map(|p| p.unwrap_or(rest)).collect())
}

fn percent(millionths: u64) -> String {
    let (whole, part) = (millionths / 10_000, millionths % 10_000);
    if part == 0 { format!("{whole}%") } else { format!("{whole}.{}%", format!("{part:04}").trim_end_matches('0')) }
}

/// A split of one.
pub(crate) fn whole(upstream: usize) -> Vec<Share> {
    vec![Share { portion: Portion::WHOLE, upstream }]
}

/// What one is of a weight, in millionths.
pub(crate) fn unit(split: &[Share]) -> u32 {
    // Whole percents read better than millionths; Envoy takes any sum.
    if split.iter().all(|s| s.portion.0 % 10_000 == 0) { 10_000 } else { 1 }
}

/// What the sides of a split have of their own, one for each share, or none.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    /// The cookies that they hand out.
    pub(crate) issued: Vec<String>,
    /// The hosts that they see in place of the one sent.
    pub(crate) hosts: Vec<Option<String>>,
}

/// The cluster or weighted clusters of a route; `clusters` are the names of the upstreams.
pub(crate) fn lower(forward: &Forward, clusters: &[String], sides: &Sides, action: &mut envoy::RouteAction) {
    let split = &forward.split;
    let name = |share: &Share| clusters.get(share.upstream).cloned().unwrap_or_default();
    if let [only] = split.as_slice() {
        action.cluster = Some(name(only));
        return;
    }
    let unit = unit(split);
    let weight = |(at, share): (usize, &Share)| envoy::ClusterWeight {
        name: name(share),
        weight: share.portion.0 / unit,
        host_rewrite_literal: sides.hosts.get(at).cloned().flatten(),
        response_headers_to_add: sides
            .issued
            .get(at)
            .map(|c| headers::option("set-cookie", c, true))
            .into_iter()
            .collect(),
    };
    action.weighted_clusters = Some(envoy::WeightedClusters {
        clusters: split.iter().enumerate().map(weight).collect(),
        use_hash_policy: matches!(forward.sticky, Some(Sticky::Hash(_))).then_some(true),
    });
}
