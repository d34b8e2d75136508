//! What is not said of requests: the settings of destinations, and what holds for a whole route,
//! listener or generated Service.

use super::{Change, Changed, Class, Version};
use crate::meaning::{self, Block};

/// The changes, in the order of the new version. What only one version has is told with its requests.
pub(super) fn changes(old: Version<'_>, new: Version<'_>) -> Vec<Change> {
    let before = meaning::around(old.program, old.sources);
    let after = meaning::around(new.program, new.sources);
    let same = |a: &Block, b: &Block| a.owner == b.owner && a.title == b.title;
    let mut changes = Vec::new();
    for block in &after {
        changes.extend(change(before.iter().find(|old| same(old, block)), Some(block)));
    }
    let gone = before.iter().filter(|old| !after.iter().any(|new| same(old, new)));
    changes.extend(gone.filter_map(|block| change(Some(block), None)));
    changes
}

fn change(old: Option<&Block>, new: Option<&Block>) -> Option<Change> {
    let block = new.or(old)?;
    if (old.is_none() || new.is_none()) && block.owner != meaning::SERVICES {
        return None;
    }
    let facts = changed(old.map_or(&[], |b| &b.facts), new.map_or(&[], |b| &b.facts));
    let class = Class { title: block.title.clone(), old_title: None, example: None, old: None, new: None };
    (!facts.is_empty()).then(|| Change { owner: block.owner.clone(), facts, classes: vec![class] })
}

/// The facts that differ, by name: those of the new version first.
pub(super) fn changed(old: &[(String, String)], new: &[(String, String)]) -> Vec<Changed> {
    let of = |facts: &[(String, String)], name: &str| -> Option<String> {
        let values: Vec<&str> = facts.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join("; "))
    };
    let mut changed: Vec<Changed> = Vec::new();
    for (name, _) in new.iter().chain(old) {
        let (before, after) = (of(old, name), of(new, name));
        if before != after && !changed.iter().any(|known| known.name == *name) {
            changed.push(Changed { name: name.clone(), old: before, new: after });
        }
    }
    changed
}
