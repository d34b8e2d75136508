//! Pairs of steps, one of each version, that do something different: a request that goes by both is a
//! difference, if the evaluator says so.

use super::align::{self, Twins};
use super::around::changed;
use super::example::Example;
use super::step::{Kind, Step};
use super::{Changed, told};
use crate::evaluate::{Outcome, Request, Site};
use crate::ir::Condition;
use crate::reach::{Meet, SOME_HOST, Shared};
use std::collections::{BTreeSet, HashMap};

/// One version of a site.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'s, 'p> {
    /// `None` where nothing steers the requests.
    pub(super) site: Option<&'s Site<'p>>,
    pub(super) steps: &'s [Step<'p>],
}

/// A step of the old version and one of the new version.
pub(super) type Pair = (usize, usize);

/// A request that the versions answer otherwise.
#[derive(Debug)]
pub(super) struct Difference {
    /// The steps by which it goes.
    pub(super) pair: Pair,
    /// `None` where it is not about requests.
    pub(super) example: Option<Example>,
    pub(super) facts: Vec<Changed>,
}

/// The comparison of a site.
pub(super) struct Pairs<'s, 'p> {
    pub(super) old: Side<'s, 'p>,
    pub(super) new: Side<'s, 'p>,
    pub(super) twins: Twins,
    meet: Meet<'s>,
    /// The host of requests that name none.
    host: String,
    pub(super) found: Vec<Difference>,
    /// Pairs of which nothing is known for certain, and why.
    pub(super) gaps: Vec<(Pair, &'static str)>,
    /// Requests that were found on the way.
    seen: Vec<Example>,
}

/// The most differences of one site that are told.
const MOST_FOUND: usize = 20_000;
/// Why a pair is not compared.
const NOT_UNDERSTOOD: &str = "a pattern is not understood, or there is too much to search";
const TOO_MUCH: &str = "too many rules changed; these and those behind them were not compared";
const ANSWERED_OTHERWISE: &str = "the request that was found goes another way";
const ALIKE: &str = "it is written differently, and no request was found that notices it";

/// What came of asking for a request of a pair.
enum Asked {
    /// Its answers differ by these facts, if at all.
    Answered(Example, Vec<Changed>),
    Nothing,
    Unknown(&'static str),
}

impl<'s, 'p> Pairs<'s, 'p> {
    pub(super) fn new(old: Side<'s, 'p>, new: Side<'s, 'p>, host: String) -> Self {
        let conditions = |side: Side<'s, 'p>| side.steps.iter().map(|step| step.condition.as_deref());
        let (twins, meet) = (align::twins(old.steps, new.steps), Meet::new(conditions(old), conditions(new)));
        Self { old, new, twins, meet, host, found: Vec::new(), gaps: Vec::new(), seen: Vec::new() }
    }

    /// The pairs that a request may go by. One that goes by twins' conditions in both versions goes by
    /// twins, whatever else changed.
    pub(super) fn possible(&self) -> Vec<Pair> {
        let free: Vec<usize> =
            self.twins.of_new.iter().enumerate().filter(|(_, twin)| twin.is_none()).map(|(at, _)| at).collect();
        let mut pairs = Vec::new();
        for (at, twin) in self.twins.of_old.iter().enumerate() {
            match twin {
                Some(twin) => {
                    pairs.push((at, *twin));
                    pairs.extend(free.iter().map(|other| (at, *other)));
                }
                None => pairs.extend((0..self.new.steps.len()).map(|other| (at, other))),
            }
        }
        pairs.sort_unstable_by_key(|(old, new)| (*new, *old));
        pairs
    }

    fn steps(&self, pair: Pair) -> Option<(&'s Step<'p>, &'s Step<'p>)> {
        Some((self.old.steps.get(pair.0)?, self.new.steps.get(pair.1)?))
    }

    /// Compares every pair whose steps do something different.
    pub(super) fn search(&mut self) {
        let mut numbers = HashMap::new();
        let numbers = [self.old, self.new].map(|side| numbered(side.steps, &mut numbers));
        let [old_effects, new_effects] = &numbers;
        for pair in self.possible() {
            if old_effects.get(pair.0) == new_effects.get(pair.1) {
                continue;
            }
            let Some((old, new)) = self.steps(pair) else { continue };
            if [old.kind, new.kind].contains(&Kind::Tcp) {
                let facts = changed(&old.effect, &new.effect);
                self.found.extend((!facts.is_empty()).then_some(Difference { pair, example: None, facts }));
            } else if self.meet.is_spent() || self.found.len() > MOST_FOUND {
                return self.gaps.push((pair, TOO_MUCH));
            } else {
                self.compare(pair);
            }
        }
    }

    /// Looks for requests that notice what is different.
    fn compare(&mut self, pair: Pair) {
        let asked = self.ask(pair, None);
        let Some((old, new)) = self.steps(pair).filter(|_| !matches!(asked, Asked::Nothing)) else { return };
        // The facts that no request showed yet.
        let mut names: BTreeSet<String> = changed(&old.effect, &new.effect).into_iter().map(|fact| fact.name).collect();
        match asked {
            Asked::Answered(example, facts) => self.told(pair, example, facts, &mut names),
            Asked::Unknown(why) if !names.is_empty() => return self.gaps.push((pair, why)),
            Asked::Unknown(_) | Asked::Nothing => return,
        }
        let mut open: BTreeSet<&str> = BTreeSet::new();
        for probe in old.probes.iter().chain(&new.probes) {
            if !names.contains(&probe.name) {
                continue;
            }
            match self.ask(pair, Some(&probe.condition)) {
                Asked::Nothing => {}
                Asked::Unknown(_) => _ = open.insert(&probe.name),
                Asked::Answered(example, facts) => {
                    open.insert(&probe.name);
                    self.told(pair, example, facts, &mut names);
                }
            }
        }
        // What no probe can be fulfilled for, no request notices.
        if names.iter().any(|name| open.contains(name.as_str())) {
            self.gaps.push((pair, ALIKE));
        }
    }

    /// Takes in a request whose answers differ by facts that were not seen before.
    fn told(&mut self, pair: Pair, example: Example, facts: Vec<Changed>, names: &mut BTreeSet<String>) {
        let known = names.len();
        for fact in &facts {
            names.remove(&fact.name);
        }
        if names.len() == known {
            return;
        }
        // One example that shows more replaces those that show less.
        let before = self.found.iter().rposition(|other| other.pair != pair).map_or(0, |at| at + 1);
        let mut own = self.found.split_off(before);
        own.retain(|other| !other.facts.iter().all(|fact| facts.contains(fact)));
        self.found.append(&mut own);
        self.found.push(Difference { pair, example: Some(example), facts });
    }

    /// A request that goes by a pair, with what is different in its answers.
    pub(super) fn example(&mut self, pair: Pair) -> Option<Example> {
        match self.ask(pair, None) {
            Asked::Answered(example, _) => Some(example),
            Asked::Nothing | Asked::Unknown(_) => None,
        }
    }

    fn ask(&mut self, pair: Pair, further: Option<&'s Condition>) -> Asked {
        let example = match self.meet.shared(pair.0, pair.1, further) {
            Shared::Nothing => return Asked::Nothing,
            Shared::Unknown => return Asked::Unknown(NOT_UNDERSTOOD),
            Shared::One(request) => Example::from(request),
        };
        self.seen.push(example.clone());
        // A host that stands for any other one only confuses where the usual one does as well.
        let usual = example.host.as_deref() == Some(SOME_HOST);
        let plain = usual.then(|| Example { host: None, ..example.clone() });
        for example in plain.into_iter().chain([example]) {
            if let Some((by, facts)) = self.difference(&example.request(&self.host))
                && by == pair
            {
                return Asked::Answered(example, facts);
            }
        }
        Asked::Unknown(ANSWERED_OTHERWISE)
    }

    /// The steps by which a request goes, and what is different in its answers.
    fn difference(&self, request: &Request) -> Option<(Pair, Vec<Changed>)> {
        let (old, before) = self.old.answer(request)?;
        let (new, after) = self.new.answer(request)?;
        Some(((old, new), changed(&before, &after)))
    }

    /// Where something was not compared: tries every request that was found on the way.
    pub(super) fn sample(&mut self) {
        if self.gaps.is_empty() {
            return;
        }
        let mut known: BTreeSet<Pair> = self.found.iter().map(|difference| difference.pair).collect();
        for example in std::mem::take(&mut self.seen) {
            if let Some((pair, facts)) = self.difference(&example.request(&self.host))
                && !facts.is_empty()
                && known.insert(pair)
            {
                self.found.push(Difference { pair, example: Some(example), facts });
            }
        }
    }
}

/// A number for each step: the same for the same facts.
fn numbered<'s>(steps: &'s [Step<'_>], numbers: &mut HashMap<&'s [(String, String)], usize>) -> Vec<usize> {
    let number = |step: &'s Step<'_>| {
        let next = numbers.len();
        *numbers.entry(step.effect.as_slice()).or_insert(next)
    };
    steps.iter().map(number).collect()
}

impl Side<'_, '_> {
    /// The step by which a request goes, and the facts of its answer.
    pub(super) fn answer(&self, request: &Request) -> Option<(usize, told::Facts)> {
        let Some(site) = self.site else { return Some((0, self.steps.first()?.effect.clone())) };
        let answer = site.answer(request);
        let kind = match answer.outcome {
            Outcome::Preflight(_) => Kind::Preflight,
            Outcome::ReadOnly => Kind::ReadOnly,
            Outcome::NoRoute => Kind::NoRoute,
            Outcome::Refused { .. } => return None,
            _ => Kind::Rule,
        };
        let rule = answer.rule.map(|won| won.index);
        let at = self.steps.iter().position(|step| step.kind == kind && step.rule.map(|(at, _)| at) == rule)?;
        let mut facts = told::answer(&answer, request, site.upstreams());
        let steered = self.steps.get(at)?.effect.iter().filter(|(name, _)| name == "steered");
        facts.splice(0..0, steered.cloned());
        Some((at, facts))
    }
}
