//! Differences put together: what changes in the same way for several classes of requests is one change.

use super::pairs::{Difference, Pair, Pairs};
use super::{Change, Changed, Class, Comparison, Example, Gap, place};
use std::collections::BTreeMap;

/// What came of comparing a site.
pub(super) fn grouped(owner: String, mut pairs: Pairs<'_, '_>) -> Comparison {
    let mut found = std::mem::take(&mut pairs.found);
    found.sort_by_key(|difference| (difference.pair.1, difference.pair.0));
    let mut order: BTreeMap<Vec<Changed>, usize> = BTreeMap::new();
    let mut comparison = Comparison::default();
    for Difference { pair, example, facts } in found {
        let Some(class) = class(&pairs, pair) else { continue };
        let class = Class { example, ..class };
        let at = *order.entry(facts.clone()).or_insert(comparison.changes.len());
        match comparison.changes.get_mut(at) {
            Some(change) => change.classes.push(class),
            None => comparison.changes.push(Change { owner: owner.clone(), facts, classes: vec![class] }),
        }
    }
    // The plainest requests first: they stand for most others.
    for change in &mut comparison.changes {
        change.classes.sort_by_key(|class| class.example.as_ref().map_or(0, Example::size));
    }
    for (pair, reason) in &pairs.gaps {
        let Some(Class { title, old_title, old, new, .. }) = class(&pairs, *pair) else { continue };
        let title = match old_title {
            Some(before) => format!("{title} (before: {before})"),
            None => title,
        };
        comparison.gaps.push(Gap { owner: owner.clone(), title, reason, old, new });
    }
    comparison
}

/// The class of a pair, without an example.
fn class(pairs: &Pairs<'_, '_>, pair: Pair) -> Option<Class> {
    let (old, new) = (pairs.old.steps.get(pair.0)?, pairs.new.steps.get(pair.1)?);
    Some(Class {
        title: new.title.clone(),
        old_title: (old.title != new.title).then(|| old.title.clone()),
        example: None,
        old: place(old, pairs.old.site),
        new: place(new, pairs.new.site),
    })
}
