//! Which requests count against the same limit. Two rules may limit alike and still have one bucket in
//! the one version and two in the other.

use super::Changed;
use super::pairs::{Difference, Pair, Pairs, Side};
use super::step::Kind;
use crate::words;
use meshc_dsl::Span;
use std::collections::{BTreeMap, BTreeSet};

/// The limit of a step, by where it is written.
fn bucket(side: &Side<'_, '_>, at: usize) -> Option<Span> {
    let step = side.steps.get(at)?;
    // What a browser asks counts against none.
    let (_, rule) = step.rule.filter(|_| step.kind != Kind::Preflight)?;
    rule.limit.as_ref().map(|limit| limit.span)
}

fn count(side: &Side<'_, '_>) -> usize {
    (0..side.steps.len()).filter_map(|at| bucket(side, at)).collect::<BTreeSet<_>>().len()
}

/// Tells where requests that count together in one version count apart in the other one.
pub(super) fn compare(pairs: &mut Pairs<'_, '_>) {
    if count(&pairs.old) < 2 && count(&pairs.new) < 2 {
        return;
    }
    // The first pair by which requests of an old bucket get into a new one.
    let mut known: BTreeMap<Span, (Span, Pair)> = BTreeMap::new();
    let mut known_new: BTreeMap<Span, (Span, Pair)> = BTreeMap::new();
    let mut done: BTreeSet<(Span, Span)> = BTreeSet::new();
    for pair in pairs.possible() {
        let (Some(old), Some(new)) = (bucket(&pairs.old, pair.0), bucket(&pairs.new, pair.1)) else { continue };
        if done.contains(&(old, new)) {
            continue;
        }
        let apart = known.get(&old).filter(|(other, _)| *other != new).map(|(_, first)| (*first, false));
        let together = known_new.get(&new).filter(|(other, _)| *other != old).map(|(_, first)| (*first, true));
        // Twins are taken to be reached: a rule that no request reaches is an error.
        let is_twins = pairs.twins.of_old.get(pair.0).copied().flatten() == Some(pair.1);
        let conflict = apart.or(together);
        if conflict.is_some() || !is_twins {
            let Some(example) = pairs.example(pair) else { continue };
            if let Some((first, together)) = conflict {
                let changed = told(pairs, pair, first, together);
                pairs.found.push(Difference { pair, example: Some(example), facts: vec![changed] });
            }
        }
        done.insert((old, new));
        known.entry(old).or_insert((new, pair));
        known_new.entry(new).or_insert((old, pair));
    }
}

/// What holds for requests of a pair that counted, or count, with those of another one.
fn told(pairs: &Pairs<'_, '_>, pair: Pair, other: Pair, together: bool) -> Changed {
    let limit = |side: &Side<'_, '_>, at: usize| {
        let rule = side.steps.get(at).and_then(|step| step.rule);
        rule.and_then(|(_, rule)| rule.limit.as_ref()).map(words::limit).unwrap_or_default()
    };
    let title = pairs.new.steps.get(other.1).map(|step| step.title.clone()).unwrap_or_default();
    let (old, new) = (limit(&pairs.old, pair.0), limit(&pairs.new, pair.1));
    let (with, alone) = (format!("counted with `{title}`"), "counted apart from them");
    let (before, after) = if together { (alone, with.as_str()) } else { (with.as_str(), alone) };
    Changed {
        name: "ratelimit".to_owned(),
        old: Some(format!("{old}, {before}")),
        new: Some(format!("{new}, {after}")),
    }
}
