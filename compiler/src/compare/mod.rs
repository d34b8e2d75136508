//! Two versions of a program, compared by what becomes of requests: which classes of them change, each
//! with an example, and what else holds otherwise. Wording, order and names that no request notices do
//! not count.
//!
//! Rules of both versions are laid side by side. For two that do something different a request is looked
//! for that the one takes in the old version and the other in the new one ([`crate::reach`]); the
//! evaluator answers it for both, and only where its answers differ is a difference told. Where reasoning
//! gives up, that is told too: nothing is called equal that was not compared.

mod align;
mod around;
mod buckets;
mod example;
mod examples;
mod group;
mod pairs;
mod probe;
mod step;
mod told;

pub use example::Example;
pub use examples::examples;

use crate::evaluate::{BadPattern, Plan, Site};
use crate::ir::Program;
use meshc_dsl::parallel::map_parts;
use meshc_dsl::{Sources, Span};
use pairs::{Pairs, Side};
use step::Step;

/// A version of a program, which resolved without errors.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// The program.
    pub program: &'a Program,
    /// Its texts.
    pub sources: &'a Sources,
}

/// What came of comparing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What changes, in the order of the new version's services and rules.
    pub changes: Vec<Change>,
    /// What could not be compared: a difference may be missed there.
    pub gaps: Vec<Gap>,
}

/// One change, and everything that it holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose: `shop/cart:8080`, `listen metrics`, `Services`.
    pub owner: String,
    /// What holds otherwise; never empty.
    pub facts: Vec<Changed>,
    /// For which requests, or for what of the owner; never empty.
    pub classes: Vec<Class>,
}

/// A fact that holds otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Changed {
    /// What it is about: `to shop/cart-v2:8080`, `timeout`.
    pub name: String,
    /// Its old value; `None` where it did not hold.
    pub old: Option<String>,
    /// Its new value; `None` where it does not hold any more.
    pub new: Option<String>,
}

/// Requests that go by the same rule in the old version, and by the same one in the new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// The condition of the new version's rule in words: `when path = "/a"`.
    pub title: String,
    /// That of the old version's rule where it is another one.
    pub old_title: Option<String>,
    /// A request of the class; `None` where the change is not about requests.
    pub example: Option<Example>,
    /// The old version's rule; `None` where there is none.
    pub old: Option<Span>,
    /// The new version's rule; `None` where there is none.
    pub new: Option<Span>,
}

/// Two rules of which it is not known whether requests that go by them change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Whose rules.
    pub owner: String,
    /// Which requests, in words.
    pub title: String,
    /// Why.
    pub reason: &'static str,
    /// The old version's rule; `None` where there is none.
    pub old: Option<Span>,
    /// The new version's rule; `None` where there is none.
    pub new: Option<Span>,
}

/// Compares two versions of a program.
///
/// # Errors
/// When a pattern is so large that the engine refuses it; Envoy would too.
pub fn compare(old: Version<'_>, new: Version<'_>) -> Result<Comparison, BadPattern> {
    let plans = (Plan::new(old.program)?, Plan::new(new.program)?);
    let sites = sites(&plans.0, &plans.1);
    let parts = map_parts(&sites, 1, |part| part.iter().map(|(old, new)| of_site(*old, *new)).collect::<Vec<_>>());
    let mut whole = Comparison::default();
    for mut site in parts.into_iter().flatten() {
        whole.changes.append(&mut site.changes);
        whole.gaps.append(&mut site.gaps);
    }
    whole.changes.extend(around::changes(old, new));
    let mut owners: Vec<String> = Vec::new();
    for change in &whole.changes {
        if !owners.contains(&change.owner) {
            owners.push(change.owner.clone());
        }
    }
    whole.changes.sort_by_key(|change| owners.iter().position(|owner| *owner == change.owner));
    Ok(whole)
}

type Both<'a, 'p> = (Option<&'a Site<'p>>, Option<&'a Site<'p>>);

/// What takes requests in both versions, the new one's first, and what only one of them has.
fn sites<'a, 'p>(old: &'a Plan<'p>, new: &'a Plan<'p>) -> Vec<Both<'a, 'p>> {
    let same = |plan: &'a Plan<'p>, site: &Site<'_>| plan.sites().iter().find(|other| other.entry == site.entry);
    let kept = new.sites().iter().map(|site| (same(old, site), Some(site)));
    let gone = old.sites().iter().filter(|site| same(new, site).is_none()).map(|site| (Some(site), None));
    kept.chain(gone).collect()
}

fn of_site(old: Option<&Site<'_>>, new: Option<&Site<'_>>) -> Comparison {
    let Some(known) = new.or(old) else { return Comparison::default() };
    let owner = known.entry.to_string();
    let alone = old.is_none() || new.is_none();
    let steps = (step::steps(old, alone), step::steps(new, alone));
    let (old, new) = (Side { site: old, steps: &steps.0 }, Side { site: new, steps: &steps.1 });
    let mut pairs = Pairs::new(old, new, example::host(known));
    pairs.search();
    buckets::compare(&mut pairs);
    pairs.sample();
    group::grouped(owner, pairs)
}

/// The place of a step: its rule, else what takes the requests.
fn place(step: &Step<'_>, site: Option<&Site<'_>>) -> Option<Span> {
    step.rule.map(|(_, rule)| rule.span).or(site.map(|site| site.span))
}
