//! Requests that two lists of rules share: one that a given rule of each list takes.

use super::cube::Means;
use super::literal::Formula;
use super::request::Request;
use super::search::{Among, Ending, Front, Rules, Search};
use super::{FOR_EACH, MOST_FOR_ALL, MOST_FOR_ONE};
use crate::ir::Condition;

/// What is known of the requests that two rules share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shared {
    /// Both take this one.
    One(Request),
    /// There is none, for certain.
    Nothing,
    /// A pattern is not understood, or the work would be out of proportion.
    Unknown,
}

/// Two lists of rules, each in the order in which its rules are tried.
#[derive(Debug)]
pub struct Meet<'a> {
    left: Rules<'a>,
    right: Rules<'a>,
    means: Means<'a>,
}

impl<'a> Meet<'a> {
    /// Takes the conditions of both lists; `None` is one that holds for every request. A test of a cookie
    /// looks at the first one of the name alone.
    pub fn new(
        left: impl IntoIterator<Item = Option<&'a Condition>>,
        right: impl IntoIterator<Item = Option<&'a Condition>>,
    ) -> Self {
        let mut means = Means { every_cookie: false, work: MOST_FOR_ALL, ..Means::default() };
        let (mut lists, mut count) = ([Rules::default(), Rules::default()], 0);
        let [first, second] = &mut lists;
        for condition in left {
            first.add(condition.map_or(Formula::TRUE, |condition| Formula::of(condition, false)));
            count += 1;
        }
        for condition in right {
            second.add(condition.map_or(Formula::TRUE, |condition| Formula::of(condition, false)));
            count += 1;
        }
        means.work += count * FOR_EACH;
        let [left, right] = lists;
        Self { left, right, means }
    }

    /// A request for which these rules are the first of their lists, and for which a further condition holds.
    pub fn shared(&mut self, left: usize, right: usize, further: Option<&'a Condition>) -> Shared {
        let (Some(one), Some(other)) = (self.left.holds(left), self.right.holds(right)) else { return Shared::Nothing };
        let further = further.map(|condition| Formula::of(condition, false));
        let formulas: Vec<&Formula<'a>> = [one, other].into_iter().chain(&further).collect();
        let fronts = [
            Front { rules: &self.left, among: Among::Before(left) },
            Front { rules: &self.right, among: Among::Before(right) },
        ];
        match Search::new(&fronts, &mut self.means, MOST_FOR_ONE).of(&formulas) {
            Ending::Left(request) => Shared::One(request),
            Ending::Taken => Shared::Nothing,
            Ending::Unknown => Shared::Unknown,
        }
    }

    /// Whether there is no work left: everything that needs a search is unknown from here on.
    pub fn is_spent(&self) -> bool {
        self.means.work == 0
    }
}
