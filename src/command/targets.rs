//! Tests on the further targets of `meshc.toml`: what fails alike on all of them is told once, anything
//! else with the targets on which it fails.

use super::test::Program;
use meshc_compiler::testing::{self, Outcome};
use meshc_compiler::{Options, Target};
use meshc_dsl::Diagnostic;

/// What fails on a target.
struct On {
    target: Target,
    outcomes: Vec<Outcome>,
}

/// Runs the tests on every target but the first, whose outcomes are given, and puts what differs into
/// them. A target that refuses the program is left out: its snapshot says why it does.
pub(super) fn compare(program: &Program<'_>, filter: Option<&str>, outcomes: &mut [Outcome]) -> Result<(), String> {
    let mut others = Vec::new();
    for target in program.input.config.targets.iter().filter(|target| **target != program.options.target) {
        others.extend(on(*target, program, filter)?);
    }
    if others.is_empty() {
        return Ok(());
    }
    for outcome in outcomes {
        let mut failures: Vec<(Diagnostic, Vec<Target>)> = Vec::new();
        add(&outcome.failures, program.options.target, &mut failures);
        for other in &others {
            let same = |o: &&Outcome| (o.test, o.span, &o.entry) == (outcome.test, outcome.span, &outcome.entry);
            let found = other.outcomes.iter().find(same).map_or(&[][..], |o| &o.failures);
            add(found, other.target, &mut failures);
        }
        outcome.failures = failures.into_iter().map(|(failure, on)| named(failure, &on, others.len() + 1)).collect();
    }
    Ok(())
}

/// The outcomes on a target; `None` where it refuses the program.
fn on(target: Target, program: &Program<'_>, filter: Option<&str>) -> Result<Option<On>, String> {
    let options = Options { target, ..program.options.clone() };
    let input = program.input;
    let (suite, _) = testing::prepare(&input.sources, &input.policies, &program.catalog, &options);
    let Some(suite) = suite else { return Ok(None) };
    let run = suite.run(&input.sources, filter).map_err(|error| error.to_string())?;
    Ok(Some(On { target, outcomes: run.outcomes }))
}

fn add(found: &[Diagnostic], target: Target, failures: &mut Vec<(Diagnostic, Vec<Target>)>) {
    for failure in found {
        match failures.iter_mut().find(|(known, _)| known == failure) {
            Some((_, targets)) => targets.push(target),
            None => failures.push((failure.clone(), vec![target])),
        }
    }
}

/// A failure with its targets, where it is not one of all.
fn named(mut failure: Diagnostic, on: &[Target], all: usize) -> Diagnostic {
    if on.len() < all {
        let targets = on.iter().map(|target| format!("`{target}`")).collect::<Vec<_>>().join(", ");
        let place = if on.len() == 1 { "on the target" } else { "on the targets" };
        failure.message.push_str(&format!(" {place} {targets}"));
    }
    failure
}
