//! `meshc test`

use super::compile::options;
use super::targets;
use crate::cli::{ReportFormat, Test};
use crate::exit::Exit;
use crate::input::{Input, Select};
use crate::output::Terminal;
use crate::report::{self, Report};
use crate::snapshot;
use meshc_compiler::testing::{self, Suite};
use meshc_compiler::{Catalog, Options, compile, meaning};
use meshc_dsl::diagnostic::{any_error, sort};
use meshc_dsl::{Diagnostic, FileId, Severity};
use std::path::PathBuf;

/// Runs the tests of a program and compares its snapshots.
pub(crate) fn run(args: &Test, terminal: &Terminal) -> Exit {
    let mut input = match Input::read(&args.program.paths, Select::All) {
        Ok(input) => input,
        Err(failure) => return terminal.failed(&failure),
    };
    let options = match options(&args.program, &input) {
        Ok(options) => options,
        Err(message) => return terminal.fail(&message),
    };
    let catalog = match input.catalog(&args.program.catalog, &options.namespace) {
        Ok(catalog) => catalog,
        Err(failure) => return terminal.failed(&failure),
    };
    let policies = input.without_tests();
    let (suite, diagnostics) = prepared(&mut input, &policies, &catalog, &options);
    if args.format == ReportFormat::Human || suite.is_none() {
        terminal.diagnostics(&diagnostics, &input.sources, &input.shown);
    }
    match tested(args, &Program { input: &input, policies, catalog, options, suite, diagnostics }, terminal) {
        Ok(exit) => exit,
        Err(message) => terminal.fail(&message),
    }
}

/// A program with what is needed to test it.
pub(super) struct Program<'a> {
    pub(super) input: &'a Input,
    policies: Vec<FileId>,
    pub(super) catalog: Catalog,
    pub(super) options: Options,
    suite: Option<Suite>,
    diagnostics: Vec<Diagnostic>,
}

/// The tests, and every error and warning that compiling the program gives, and theirs.
fn prepared(
    input: &mut Input,
    policies: &[FileId],
    catalog: &Catalog,
    options: &Options,
) -> (Option<Suite>, Vec<Diagnostic>) {
    let mut diagnostics = std::mem::take(&mut input.diagnostics);
    diagnostics.extend(compile(&input.sources, policies, catalog, options).diagnostics);
    let (suite, problems) = testing::prepare(&input.sources, &input.policies, catalog, options);
    diagnostics.extend(problems);
    diagnostics.retain(|d| d.severity() != Severity::Note);
    sort(&mut diagnostics);
    let suite = suite.filter(|_| !any_error(&diagnostics));
    (suite, diagnostics)
}

fn tested(args: &Test, program: &Program<'_>, terminal: &Terminal) -> Result<Exit, String> {
    let input = program.input;
    let filter = args.filter.as_deref();
    let run = program.suite.as_ref().map(|suite| suite.run(&input.sources, filter));
    let mut run = run.transpose().map_err(|error| error.to_string())?;
    if let (Some(text), Some(run)) = (filter, &run)
        && run.outcomes.is_empty()
    {
        return Err(format!("no test has `{text}` in its name"));
    }
    if let Some(run) = run.as_mut().filter(|_| args.program.target.is_none()) {
        targets::compare(program, filter, &mut run.outcomes)?;
    }
    let snapshots = compared(args, program, terminal)?;
    let report = Report {
        sources: &input.sources,
        shown: &input.shown,
        diagnostics: &program.diagnostics,
        suite: program.suite.as_ref(),
        outcomes: run.as_ref().map_or(&[], |run| &run.outcomes),
        coverage: run.as_ref().filter(|_| filter.is_none()).map(|run| &run.coverage),
        least: args.min_coverage,
        snapshots: snapshots.as_ref(),
    };
    let written = match args.format {
        ReportFormat::Human if report.suite.is_none() => Exit::Done,
        ReportFormat::Human => terminal.page(&(report::human(&report) + "\n")),
        ReportFormat::Json => {
            let text = report::json(&report).map_err(|error| error.to_string())?;
            terminal.product([text.as_bytes()])
        }
        ReportFormat::Junit => terminal.product([report::junit(&report).as_bytes()]),
    };
    let ended = if report.passed() { Exit::Done } else { Exit::Wrong };
    Ok(if written == Exit::Done { ended } else { written })
}

/// The snapshots of a whole program as its `meshc.toml` has it.
fn compared(args: &Test, program: &Program<'_>, terminal: &Terminal) -> Result<Option<snapshot::Outcome>, String> {
    let (Some(suite), Some(root)) = (&program.suite, &program.input.root) else { return Ok(None) };
    if args.no_snapshots || args.filter.is_some() {
        return Ok(None);
    }
    if !is_whole(args, program.input) {
        if args.accept {
            return Err("snapshots are of the whole program as its meshc.toml has it; \
                        leave paths, `--set`, `--catalog` and `--target` away"
                .to_owned());
        }
        return Ok(None);
    }
    if !args.accept && !snapshot::exist(root) {
        terminal.note("there are no snapshots to compare with; `meshc test --accept` writes them");
        return Ok(None);
    }
    let subject = snapshot::Subject {
        input: program.input,
        policies: &program.policies,
        catalog: &program.catalog,
        options: &program.options,
        blocks: &meaning::blocks(&suite.program, &program.input.sources),
        program: &suite.program,
    };
    snapshot::run(&subject, root, args.accept).map(Some)
}

/// Whether just the program of `meshc.toml` is tested, with nothing set otherwise.
fn is_whole(args: &Test, input: &Input) -> bool {
    let same = |path: &PathBuf| {
        let root = input.root.as_ref().and_then(|root| root.canonicalize().ok());
        root.is_some() && path.canonicalize().ok() == root
    };
    let plain = args.program.target.is_none() && args.program.catalog.is_empty() && args.program.set.is_empty();
    plain && args.program.paths.iter().all(same)
}
