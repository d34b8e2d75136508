//! Two versions of a program compared, by how much of it changed.
//!
//! `cargo bench -p meshc-compiler --bench compare` prints the time of a whole comparison, of programs that
//! are read already.

use divan::Bencher;
use meshc_compiler::compare::{Version, compare};
use meshc_compiler::ir::Program;
use meshc_compiler::{Catalog, Options, Target};
use meshc_dsl::Sources;

#[allow(dead_code, reason = "each bench uses a part of the generators")]
mod programs;

fn main() {
    divan::main();
}

fn resolved(text: &str) -> (Sources, Program) {
    let mut sources = Sources::default();
    let file = sources.add("p.mesh", text);
    let options = Options {
        target: Target::DEFAULT,
        namespace: "default".into(),
        params: Vec::new(),
        max_regex_program: meshc_compiler::regex::LIMIT,
    };
    let (program, _) = meshc_compiler::program(&sources, &[file], &Catalog::default(), &options);
    (sources, program)
}

fn bench(bencher: Bencher<'_, '_>, change: fn(&str) -> String) {
    let text = programs::gateway(10, 500);
    let (old, new) = (resolved(&text), resolved(&change(&text)));
    bencher.bench_local(|| {
        let old = Version { program: &old.1, sources: &old.0 };
        compare(old, Version { program: &new.1, sources: &new.0 }).map(|found| found.changes.len())
    });
}

#[divan::bench(sample_count = 10)]
fn ten_services_of_500_rules_alike(bencher: Bencher<'_, '_>) {
    bench(bencher, str::to_owned);
}

#[divan::bench(sample_count = 10)]
fn what_every_rule_takes_over_changes(bencher: Bencher<'_, '_>) {
    bench(bencher, |text| text.replace("  to v1\n}", "  to v1\n  timeout 1s\n}"));
}

#[divan::bench(sample_count = 10)]
fn every_tenth_condition_changes(bencher: Bencher<'_, '_>) {
    bench(bencher, |text| text.replace("5\"", "5x\""));
}
