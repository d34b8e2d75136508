//! Text → typed resources in memory, on programs from generators whose sizes are stated.
//!
//! `cargo bench -p meshc-compiler` prints the times; `docs/performance.md` has figures and what they
//! are held against.

mod programs;

use divan::Bencher;
use meshc_compiler::check::check_raw;
use meshc_compiler::{Catalog, Compiled, Options, Target, compile, regex};
use meshc_dsl::{FileId, Sources};

fn main() {
    divan::main();
}

struct Program {
    sources: Sources,
    files: Vec<FileId>,
}

impl Program {
    fn new(texts: Vec<String>) -> Self {
        let mut sources = Sources::default();
        let files = texts.into_iter().enumerate().map(|(at, text)| sources.add(format!("f{at}.mesh"), text)).collect();
        Self { sources, files }
    }

    fn compile(&self) -> Compiled {
        let options = Options {
            target: Target::DEFAULT,
            namespace: "default".into(),
            params: Vec::new(),
            max_regex_program: meshc_compiler::regex::LIMIT,
        };
        compile(&self.sources, &self.files, &Catalog::default(), &options)
    }
}

fn bench(bencher: Bencher<'_, '_>, texts: Vec<String>) {
    let program = Program::new(texts);
    assert!(program.compile().manifest.is_some(), "the program compiles");
    bencher.bench_local(|| program.compile());
}

#[divan::bench]
fn large_in_short_form(bencher: Bencher<'_, '_>) {
    bench(bencher, vec![programs::large_short()]);
}

#[divan::bench]
fn large_with_all_options(bencher: Bencher<'_, '_>) {
    bench(bencher, vec![programs::large_full()]);
}

#[divan::bench]
fn thousand_services_of_two_rules(bencher: Bencher<'_, '_>) {
    bench(bencher, vec![programs::services(1000, 2)]);
}

#[divan::bench(sample_count = 20)]
fn ten_services_of_500_rules(bencher: Bencher<'_, '_>) {
    bench(bencher, vec![programs::gateway(10, 500)]);
}

#[divan::bench(args = [250, 500, 1_000, 2_000], sample_count = 20)]
fn one_service_of_rules(bencher: Bencher<'_, '_>, rules: usize) {
    bench(bencher, vec![programs::gateway(1, rules)]);
}

#[divan::bench(args = [1_000, 2_000], sample_count = 20)]
fn one_service_of_rules_alike(bencher: Bencher<'_, '_>, rules: usize) {
    bench(bencher, vec![programs::alike(1, rules)]);
}

#[divan::bench(args = [250, 500, 1_000], sample_count = 10)]
fn one_service_of_rules_that_branch(bencher: Bencher<'_, '_>, rules: usize) {
    bench(bencher, vec![programs::branching(rules)]);
}

#[divan::bench(args = [100, 1_000, 10_000, 100_000], sample_count = 10)]
fn rules_over_many_files(bencher: Bencher<'_, '_>, rules: usize) {
    bench(bencher, programs::files(rules));
}

#[divan::bench]
fn parse_large_in_short_form(bencher: Bencher<'_, '_>) {
    let text = programs::large_short();
    bencher.bench_local(|| meshc_dsl::parse::parse(FileId(0), &text));
}

#[divan::bench]
fn parse_large_with_all_options(bencher: Bencher<'_, '_>) {
    let text = programs::large_full();
    bencher.bench_local(|| meshc_dsl::parse::parse(FileId(0), &text));
}

#[divan::bench]
fn hand_written_of_one_mebibyte(bencher: Bencher<'_, '_>) {
    let text = programs::hand_written();
    let check = || check_raw(FileId(0), &text, Target::DEFAULT, &Catalog::default(), regex::LIMIT);
    assert_eq!(check().len(), 1, "only a note");
    bencher.bench_local(check);
}
