//! `meshc eval`: what becomes of one request, and why no earlier rule took it.

use super::compile::options;
use crate::cli::{Eval, EvalFormat};
use crate::exit::Exit;
use crate::input::{Input, Select};
use crate::output::Terminal;
use crate::render::told;
use meshc_compiler::evaluate::{Plan, Request};
use meshc_compiler::testing::{self, Suite};
use meshc_compiler::{Catalog, Options, compile};
use meshc_dsl::diagnostic::{any_error, sort};
use meshc_dsl::{Diagnostic, FileId, Severity, Span};

/// What the text of the request is called in messages.
const REQUEST: &str = "<request>";

/// Answers a request.
pub(crate) fn run(args: &Eval, terminal: &Terminal) -> Exit {
    let mut program = args.program.clone();
    let Some(request) = program.paths.pop() else { return terminal.fail("a request is missing") };
    let mut input = match Input::read(&program.paths, Select::Program) {
        Ok(input) => input,
        Err(failure) => return terminal.failed(&failure),
    };
    let options = match options(&program, &input) {
        Ok(options) => options,
        Err(message) => return terminal.fail(&message),
    };
    let catalog = match input.catalog(&program.catalog, &options.namespace) {
        Ok(catalog) => catalog,
        Err(failure) => return terminal.failed(&failure),
    };
    let file = asked(&mut input, args.entry.as_deref(), &request.to_string_lossy());
    let (suite, diagnostics) = prepared(&mut input, file, &catalog, &options);
    let Some(suite) = suite else {
        terminal.diagnostics(&diagnostics, &input.sources, &input.shown);
        return Exit::Wrong;
    };
    match answers(args, &input, &suite, file) {
        Ok(text) => terminal.product([text.as_bytes()]),
        Err(message) => terminal.fail(&message),
    }
}

/// Takes the request in as a test that says nothing of the outcome: it is read and checked as one.
fn asked(input: &mut Input, entry: Option<&str>, request: &str) -> FileId {
    let entry = entry.map(|entry| format!(" for {entry}")).unwrap_or_default();
    input.shown.push(REQUEST.to_owned());
    input.sources.add(REQUEST, format!("test \"request\"{entry} {{\n{request} => line 1\n}}\n"))
}

/// The program with the request, and what is wrong with them.
fn prepared(input: &mut Input, file: FileId, catalog: &Catalog, options: &Options) -> (Option<Suite>, Vec<Diagnostic>) {
    let mut diagnostics = std::mem::take(&mut input.diagnostics);
    diagnostics.extend(compile(&input.sources, &input.policies, catalog, options).diagnostics);
    if !any_error(&diagnostics) {
        let files: Vec<FileId> = input.policies.iter().copied().chain([file]).collect();
        let (suite, problems) = testing::prepare(&input.sources, &files, catalog, options);
        diagnostics.extend(problems);
        if let Some(suite) = suite.filter(|_| !any_error(&diagnostics)) {
            return (Some(suite), diagnostics);
        }
    }
    diagnostics.retain(|d| d.severity() == Severity::Error);
    sort(&mut diagnostics);
    (None, diagnostics)
}

/// The answers of every service that takes the request, as text.
fn answers(args: &Eval, input: &Input, suite: &Suite, file: FileId) -> Result<String, String> {
    let plan = Plan::new(&suite.program).map_err(|error| error.to_string())?;
    let place = |span: Span| {
        let line = input.sources.position(span.file, span.start).line;
        (input.shown.get(span.file.0 as usize).map_or("", String::as_str), line)
    };
    // A connection is no request; its answer looks at none.
    let nothing = Request::default();
    let mut told = Vec::new();
    for case in suite.tests.iter().filter(|test| test.span.file == file).flat_map(|test| &test.cases) {
        let Some(site) = plan.sites().get(case.site) else { continue };
        let request = case.request.as_ref().unwrap_or(&nothing);
        let answer = site.answer(request);
        told.push(told::Told { site, answer, misses: site.misses(request), sources: &input.sources, place: &place });
    }
    Ok(match args.format {
        EvalFormat::Human => told.iter().map(told::Told::human).collect::<Vec<_>>().join("\n"),
        EvalFormat::Json => {
            let list: Vec<_> = told.iter().map(told::Told::json).collect();
            format!("{:#}\n", serde_json::Value::Array(list))
        }
    })
}
