//! Rules that both versions have, in the same order. A request that such a rule takes in both versions
//! goes by the same one: what changed is behind the others.

use super::step::{Kind, Step};
use crate::ir::Condition;
use std::collections::HashMap;

/// For each step of one version its twin in the other one.
#[derive(Debug)]
pub(super) struct Twins {
    pub(super) of_old: Vec<Option<usize>>,
    pub(super) of_new: Vec<Option<usize>>,
}

type Key<'s> = (Option<&'s Condition>, bool);

/// What twins have in common. What a rule does does not matter, but whether it is a question does:
/// it stands in front of its rule.
fn key<'s>(step: &'s Step<'_>) -> Key<'s> {
    (step.condition.as_deref(), step.kind == Kind::Preflight)
}

/// The longest run of steps, in the order of both versions, whose conditions are the same and stand
/// once in each version.
pub(super) fn twins(old: &[Step<'_>], new: &[Step<'_>]) -> Twins {
    let (places, others) = (places(old), places(new));
    let mut both = Vec::new();
    for (at, step) in old.iter().enumerate() {
        let text = text(step);
        if let (Some([_]), Some([other])) = (places.get(&text).map(Vec::as_slice), others.get(&text).map(Vec::as_slice))
            && new.get(*other).is_some_and(|twin| key(twin) == key(step))
        {
            both.push((at, *other));
        }
    }
    let mut twins = Twins { of_old: vec![None; old.len()], of_new: vec![None; new.len()] };
    for (one, other) in rising(&both) {
        for (list, at, twin) in [(&mut twins.of_old, one, other), (&mut twins.of_new, other, one)] {
            if let Some(place) = list.get_mut(at) {
                *place = Some(twin);
            }
        }
    }
    twins
}

fn text(step: &Step<'_>) -> String {
    format!("{:?}", key(step))
}

fn places(steps: &[Step<'_>]) -> HashMap<String, Vec<usize>> {
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, step) in steps.iter().enumerate() {
        places.entry(text(step)).or_default().push(at);
    }
    places
}

/// The longest part of pairs, sorted by their first numbers, whose second ones rise too.
fn rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // The best end of a run of each length, and what each pair follows.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    let second = |at: &usize| pairs.get(*at).map(|pair| pair.1);
    for (at, (_, other)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| second(end) < Some(*other));
        before.push(length.checked_sub(1).and_then(|last| ends.get(last).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut run = Vec::new();
    let mut next = ends.last().copied();
    while let Some(at) = next {
        run.extend(pairs.get(at));
        next = before.get(at).copied().flatten();
    }
    run.reverse();
    run
}

#[cfg(test)]
mod tests {
    use super::rising;

    #[test]
    fn the_longest_rising_part_is_taken() {
        assert_eq!(rising(&[]), []);
        assert_eq!(rising(&[(0, 5), (1, 1), (2, 2), (3, 0), (4, 3)]), [(1, 1), (2, 2), (4, 3)]);
        assert_eq!(rising(&[(0, 1), (1, 0)]).len(), 1);
    }
}
