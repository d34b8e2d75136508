//! Whether some request that satisfies a formula is taken by no earlier rule. A request that does
//! is tried on the earlier rules; the rule that takes it is denied, and the next one looked for,
//! until one is left over or the literals contradict each other on every way.

use super::cube::{Cube, Means};
use super::index::Index;
use super::literal::{Formula, Key};
use super::request::Request;
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// The deepest that choices may nest.
const MAX_DEPTH: usize = 200;
/// The most examples that are kept of one search.
const MAX_EXAMPLES: usize = 16;

/// A rule that was added, and its denial once that is needed.
#[derive(Debug)]
struct Form<'a> {
    holds: Formula<'a>,
    denied: OnceCell<Formula<'a>>,
}

/// Rules in the order in which they are tried.
#[derive(Debug, Default)]
pub(super) struct Rules<'a> {
    forms: Vec<Form<'a>>,
    index: Index<'a>,
    /// Whether one of them asks for a host.
    names_host: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn add(&mut self, holds: Formula<'a>) {
        self.index.add(self.forms.len(), &holds);
        self.names_host |= holds.looks_at(Key::Host);
        self.forms.push(Form { holds, denied: OnceCell::new() });
    }

    pub(super) fn holds(&self, rule: usize) -> Option<&Formula<'a>> {
        self.forms.get(rule).map(|form| &form.holds)
    }

    fn denied(&self, rule: usize) -> Option<&Formula<'a>> {
        let form = self.forms.get(rule)?;
        Some(form.denied.get_or_init(|| form.holds.denied()))
    }
}

/// Which of the rules are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Among<'s> {
    All,
    These(&'s BTreeSet<usize>),
    /// Those in front of this one.
    Before(usize),
}

/// Rules that may take a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Front<'s, 'a> {
    pub(super) rules: &'s Rules<'a>,
    pub(super) among: Among<'s>,
}

/// What becomes of the requests of a formula.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// Rules take them all, for certain.
    Taken,
    /// No rule takes this one.
    Left(Request),
    /// Nobody knows.
    Unknown,
}

/// What the rules took.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The rules that took a request.
    pub(super) takers: BTreeSet<usize>,
    /// Some of those requests, each with the rule that takes it.
    pub(super) examples: Vec<(Request, usize)>,
}

/// A search for a request that no rule takes.
pub(super) struct Search<'s, 'a> {
    fronts: &'s [Front<'s, 'a>],
    means: &'s mut Means<'a>,
    /// The work that must be left when the search gives up.
    reserve: usize,
    /// Whether a test of the host decides.
    with_host: bool,
    pub(super) taken: Taken,
}

/// What is still to be satisfied.
#[derive(Clone, Default)]
struct Pending<'s, 'a> {
    formulas: Vec<&'s Formula<'a>>,
    choices: Vec<&'s Formula<'a>>,
}

impl<'s, 'a> Search<'s, 'a> {
    pub(super) fn new(fronts: &'s [Front<'s, 'a>], means: &'s mut Means<'a>, most: usize) -> Self {
        let reserve = means.work.saturating_sub(most);
        let with_host = fronts.iter().any(|front| front.rules.names_host);
        Self { fronts, means, reserve, with_host, taken: Taken::default() }
    }

    /// What becomes of the requests for which all the formulas hold.
    pub(super) fn of(&mut self, formulas: &[&'s Formula<'a>]) -> Ending {
        self.with_host |= formulas.iter().any(|formula| formula.looks_at(Key::Host));
        let pending = Pending { formulas: formulas.to_vec(), choices: Vec::new() };
        self.ending(Cube::default(), pending, 0)
    }

    fn ending(&mut self, mut cube: Cube<'a>, mut pending: Pending<'s, 'a>, depth: usize) -> Ending {
        loop {
            while let Some(formula) = pending.formulas.pop() {
                match formula {
                    Formula::Literal(literal) => {
                        if !cube.add(*literal, self.means) {
                            return Ending::Taken;
                        }
                    }
                    Formula::And(parts) => pending.formulas.extend(parts),
                    Formula::Or(_) => pending.choices.push(formula),
                }
            }
            if !cube.is_known() || self.means.work <= self.reserve || depth > MAX_DEPTH {
                return Ending::Unknown;
            }
            if let Some(open) = pending.choices.iter().position(|choice| !cube.satisfies(choice, self.means)) {
                let choice = pending.choices.swap_remove(open);
                return self.of_each(cube, &pending, choice, depth);
            }
            let (front, taker) = match self.taker(&cube) {
                Taker::One(found) => found,
                Taker::Nobody => return Ending::Left(cube.request(self.with_host)),
                Taker::Unknown => return Ending::Unknown,
            };
            self.taken.takers.insert(taker);
            if self.taken.examples.len() < MAX_EXAMPLES {
                self.taken.examples.push((cube.request(self.with_host), taker));
            }
            pending.formulas.extend(front.rules.denied(taker));
        }
    }

    /// What becomes of the requests of each part of a choice.
    fn of_each(
        &mut self,
        mut cube: Cube<'a>,
        pending: &Pending<'s, 'a>,
        choice: &'s Formula<'a>,
        depth: usize,
    ) -> Ending {
        let Formula::Or(parts) = choice else { return Ending::Unknown };
        let mut ending = Ending::Taken;
        for part in parts {
            let copied = cube.size() + pending.choices.len() + 1;
            self.means.work = self.means.work.saturating_sub(copied);
            let mut pending = pending.clone();
            pending.formulas.push(part);
            match self.ending(cube.clone(), pending, depth + 1) {
                Ending::Taken => {}
                Ending::Unknown => ending = Ending::Unknown,
                left @ Ending::Left(_) => return left,
            }
            // What was tried need not be tried again below the next part.
            if let Formula::Literal(literal) = part
                && !cube.add(literal.denied(), self.means)
            {
                break;
            }
        }
        ending
    }

    /// The first rule that takes the cube's request, and where it stands.
    fn taker(&mut self, cube: &Cube<'a>) -> Taker<(Front<'s, 'a>, usize)> {
        for front in self.fronts {
            match front.taker(cube, self.means, self.reserve) {
                Taker::One(rule) => return Taker::One((*front, rule)),
                Taker::Nobody => {}
                Taker::Unknown => return Taker::Unknown,
            }
        }
        Taker::Nobody
    }
}

/// Who takes a request.
enum Taker<T> {
    One(T),
    Nobody,
    /// Looking further would be out of proportion.
    Unknown,
}

impl<'a> Front<'_, 'a> {
    /// The first of its rules that takes the cube's request.
    fn taker(&self, cube: &Cube<'a>, means: &mut Means<'a>, reserve: usize) -> Taker<usize> {
        let candidates = || self.rules.index.candidates(cube.texts()).into_iter();
        match self.among {
            Among::All => self.first(candidates(), cube, means, reserve),
            Among::Before(end) => self.first(candidates().take_while(|rule| *rule < end), cube, means, reserve),
            Among::These(rules) => self.first(rules.iter().copied(), cube, means, reserve),
        }
    }

    fn first(
        &self,
        rules: impl Iterator<Item = usize>,
        cube: &Cube<'a>,
        means: &mut Means<'a>,
        reserve: usize,
    ) -> Taker<usize> {
        for rule in rules {
            if means.work <= reserve {
                return Taker::Unknown;
            }
            means.work = means.work.saturating_sub(1);
            if self.rules.forms.get(rule).is_some_and(|form| cube.satisfies(&form.holds, means)) {
                return Taker::One(rule);
            }
        }
        Taker::Nobody
    }
}
