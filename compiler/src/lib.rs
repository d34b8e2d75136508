//! The compiler: syntax trees and a catalog of Services → a program (IR) → typed resources for one
//! target.
//!
//! It does no IO and prints nothing. What a user did wrong comes back as diagnostics; a manifest is
//! given only where none of them is an error.

#![forbid(unsafe_code)]

pub mod catalog;
pub mod check;
pub mod clause;
pub mod compare;
pub mod emit;
pub mod envoy;
pub mod evaluate;
mod followers;
pub mod ir;
pub mod kubernetes;
pub mod lower;
pub mod meaning;
pub mod name;
pub mod reach;
pub mod regex;
pub mod resolve;
pub mod schema;
pub mod target;
pub mod template;
pub mod testing;
mod words;
pub mod yaml;

pub use catalog::Catalog;
pub use kubernetes::Manifest;
pub use target::Target;

use meshc_dsl::diagnostic::{any_error, codes, sort};
use meshc_dsl::parallel::map_parts;
use meshc_dsl::syntax::Policy;
use meshc_dsl::{Diagnostic, Severity, Sources, Span, parse};

/// How many objects make a thread worth its start.
const LEAST: usize = 16;

/// A value that a parameter gets from outside the policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The parameter's name.
    pub name: String,
    /// The value as a policy would have it.
    pub text: String,
    /// Where a file says so; `None` for the command line.
    pub place: Option<Span>,
}

/// What a program is compiled with.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it is compiled for.
    pub target: Target,
    /// The namespace of files that name none.
    pub namespace: String,
    /// Values of parameters; later ones win.
    pub params: Vec<Setting>,
    /// The largest program of a regular expression that Envoy takes: [`regex::LIMIT`] unless the
    /// clusters raise it.
    pub max_regex_program: usize,
}

impl Options {
    /// The same for resolving, with what names are looked up in.
    fn settings<'a>(&'a self, sources: &'a Sources, catalog: &'a Catalog) -> resolve::Settings<'a> {
        resolve::Settings {
            sources,
            catalog,
            target: self.target,
            namespace: &self.namespace,
            params: &self.params,
            max_regex_program: self.max_regex_program,
        }
    }
}

/// What came of compiling.
#[derive(Debug)]
pub struct Compiled {
    /// The objects; `None` where there is an error.
    pub manifest: Option<Manifest>,
    /// Everything worth saying, in the order of files and places.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles all files of a program. `policies` are the files among `sources` that hold policy.
pub fn compile(sources: &Sources, policies: &[meshc_dsl::FileId], catalog: &Catalog, options: &Options) -> Compiled {
    let (program, mut diagnostics) = program(sources, policies, catalog, options);
    let manifest = if any_error(&diagnostics) { None } else { finish(&program, options.target, &mut diagnostics) };
    if manifest.is_none() {
        // Facts about a program that is not compiled only hide what is wrong with it.
        diagnostics.retain(|d| d.severity() != Severity::Note);
    }
    sort(&mut diagnostics);
    Compiled { manifest, diagnostics }
}

/// Reads and resolves all files of a program, without what only lowering finds.
pub fn program(
    sources: &Sources,
    policies: &[meshc_dsl::FileId],
    catalog: &Catalog,
    options: &Options,
) -> (ir::Program, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut trees = Vec::with_capacity(policies.len());
    for (tree, mut problems) in parse_all(sources, policies) {
        trees.push(tree);
        diagnostics.append(&mut problems);
    }
    let (program, mut problems) = resolve::resolve(&trees, &options.settings(sources, catalog));
    diagnostics.append(&mut problems);
    followers::drop_all(&mut diagnostics, sources);
    (program, diagnostics)
}

/// How many files make a thread worth its start.
const LEAST_FILES: usize = 32;

/// The syntax trees of files, each with what is wrong with it, in their order.
fn parse_all(sources: &Sources, files: &[meshc_dsl::FileId]) -> Vec<(Policy, Vec<Diagnostic>)> {
    let text = |file| sources.get(file).map_or("", |f| f.text.as_str());
    let parts = map_parts(files, LEAST_FILES, |part| {
        part.iter().map(|file| parse::parse(*file, text(*file))).collect::<Vec<_>>()
    });
    parts.into_iter().flatten().collect()
}

/// Lowers a program without errors, and checks what came of it.
fn finish(program: &ir::Program, target: Target, diagnostics: &mut Vec<Diagnostic>) -> Option<Manifest> {
    let (manifest, mut problems) = lower::lower(program, target);
    diagnostics.append(&mut problems);
    let too_large = map_parts(&manifest.objects, LEAST, |part| part.iter().filter_map(check::size).collect::<Vec<_>>());
    diagnostics.extend(too_large.into_iter().flatten());
    for problem in check::closure(&manifest).into_iter().chain(check::extensions(&manifest, target)) {
        let help = "this is a bug of meshc; please report it with the policy";
        diagnostics.push(
            Diagnostic::global(codes::INTERNAL, format!("the compiler wrote something inconsistent: {problem}"))
                .help(help),
        );
    }
    (!any_error(diagnostics)).then_some(manifest)
}
