//! Requests that show what single rules are for.

use super::example::{self, Example};
use super::pairs::Side;
use super::step::{self, Kind};
use crate::evaluate::{BadPattern, Plan, Site};
use crate::ir::Program;
use crate::reach::{Meet, Shared};

/// A request of each rule of a program for which one is found: whose rule it is, which requests that is
/// for in words, as [`crate::meaning`] has both, and the request.
///
/// # Errors
/// When a pattern is so large that the engine refuses it; Envoy would too.
pub fn examples(program: &Program) -> Result<Vec<(String, String, Example)>, BadPattern> {
    Ok(Plan::new(program)?.sites().iter().flat_map(of_site).collect())
}

fn of_site(site: &Site<'_>) -> Vec<(String, String, Example)> {
    let steps = step::steps(Some(site), false);
    let side = Side { site: Some(site), steps: &steps };
    let host = example::host(site);
    let mut meet = Meet::new(steps.iter().map(|step| step.condition.as_deref()), [None]);
    let mut found = Vec::new();
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.kind == Kind::Rule) {
        let Shared::One(request) = meet.shared(at, 0, None) else { continue };
        let example = Example::from(request);
        if side.answer(&example.request(&host)).is_some_and(|(by, _)| by == at) {
            found.push((site.entry.to_string(), step.title.clone(), example));
        }
    }
    found
}
