//! Which rules of a list no request reaches, by reasoning about sets of requests.
//!
//! A rule is lost if every request that satisfies its condition also satisfies that of an earlier
//! rule, where different requests may go to different ones. What is said to be lost is lost, for
//! certain; a lost rule may go unnoticed where a pattern is not understood or the work would be
//! out of proportion ([`MOST_FOR_ONE`]).

mod cube;
mod grams;
mod index;
mod literal;
mod machine;
mod meet;
mod regex;
mod request;
mod sample;
mod search;
mod text;
mod universe;

pub use cube::SOME_HOST;
pub use meet::{Meet, Shared};
pub use request::Request;

use crate::ir::Condition;
use cube::Means;
use literal::Formula;
use search::{Among, Ending, Front, Rules, Search, Taken};
use std::collections::BTreeSet;

/// The most work for one rule, in tests of one text.
pub const MOST_FOR_ONE: usize = 200_000;
/// The most work for all rules together, beside what each rule may always have.
const MOST_FOR_ALL: usize = 4_000_000;
/// What each rule adds to the most work for all.
const FOR_EACH: usize = 500;
/// The most rules of which it is asked which are needed.
const MOST_NEEDED: usize = 12;

/// Why no request reaches a rule, or an alternative of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// No request satisfies its condition.
    Contradiction,
    /// Earlier rules take every request that does.
    Taken {
        /// Those rules, by their places in the list.
        by: Vec<usize>,
        /// A request that satisfies the condition.
        example: Request,
        /// The rule that takes it.
        taken_by: usize,
    },
}

/// The rules of a list so far.
#[derive(Debug)]
pub struct Reach<'a> {
    rules: Rules<'a>,
    means: Means<'a>,
}

impl<'a> Reach<'a> {
    /// No rules yet; `every_cookie` where a test of a cookie sees every cookie of that name.
    pub fn new(every_cookie: bool) -> Self {
        let means = Means { every_cookie, work: MOST_FOR_ALL, ..Means::default() };
        Self { rules: Rules::default(), means }
    }

    /// Adds a rule behind the others.
    pub fn add(&mut self, condition: &'a Condition) {
        self.means.work += FOR_EACH;
        self.rules.add(Formula::of(condition, false));
    }

    /// Why no request reaches a rule behind those added so far; `None` where one does or may.
    pub fn lost(&mut self, condition: &'a Condition) -> Option<Lost> {
        self.of(&Formula::of(condition, false))
    }

    /// Whether no request reaches it either when its tests of the method are left out.
    pub fn lost_for_any_method(&mut self, condition: &'a Condition) -> bool {
        let formula = Formula::of(condition, false).of_any_method();
        self.search(&formula, Among::All).is_some()
    }

    /// Why no request is left over; `None` where one is or may be.
    pub fn nothing_left(&mut self) -> Option<Lost> {
        self.of(&Formula::TRUE)
    }

    /// The alternatives that no request reaches, of a rule that some do: where each stands in the
    /// condition, as the parts and patterns to go down by, and why.
    pub fn lost_alternatives(&mut self, condition: &'a Condition) -> Vec<(Vec<usize>, Lost)> {
        let mut lost: Vec<(Vec<usize>, Lost)> = Vec::new();
        for (place, formula) in literal::alternatives(condition) {
            if lost.iter().any(|(outer, _)| place.starts_with(outer)) {
                continue;
            }
            lost.extend(self.of(&formula).map(|why| (place, why)));
        }
        lost
    }

    fn of(&mut self, formula: &Formula<'a>) -> Option<Lost> {
        let Taken { takers, examples } = self.search(formula, Among::All)?;
        if takers.is_empty() {
            return Some(Lost::Contradiction);
        }
        // Another example would have to be looked for where its taker is not needed.
        let first = examples.first().map(|(_, taker)| *taker);
        let needed = self.needed(formula, takers, first);
        let mut known = examples.iter().filter(|(_, taker)| needed.contains(taker));
        let (example, taken_by) = known.next().or(examples.first())?.clone();
        let by = needed.into_iter().chain([taken_by]).collect::<BTreeSet<_>>();
        Some(Lost::Taken { by: by.into_iter().collect(), example, taken_by })
    }

    /// Those of the rules without which some request would be left; `kept` is given up last.
    fn needed(&mut self, formula: &Formula<'a>, takers: BTreeSet<usize>, kept: Option<usize>) -> BTreeSet<usize> {
        if takers.len() < 2 || takers.len() > MOST_NEEDED {
            return takers;
        }
        let mut needed = takers.clone();
        let others = takers.into_iter().rev().filter(|rule| Some(*rule) != kept);
        for rule in others.chain(kept) {
            let mut fewer = needed.clone();
            fewer.remove(&rule);
            if !fewer.is_empty() && self.search(formula, Among::These(&fewer)).is_some() {
                needed = fewer;
            }
        }
        needed
    }

    /// The rules that take every request of a formula, and examples; `None` where one may be left.
    fn search(&mut self, formula: &Formula<'a>, among: Among<'_>) -> Option<Taken> {
        let fronts = [Front { rules: &self.rules, among }];
        let mut search = Search::new(&fronts, &mut self.means, MOST_FOR_ONE);
        (search.of(&[formula]) == Ending::Taken).then_some(search.taken)
    }
}
