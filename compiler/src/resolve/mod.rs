//! Syntax trees → [`Program`]: names are looked up, defaults are filled in, and every mistake
//! that can be seen without lowering is reported.

pub(crate) mod condition;
mod cookies;
mod cx;
pub(crate) mod declarations;
pub(crate) mod destination;
mod parts;
mod ports;
mod reach;
mod route;
mod rule;
mod services;
mod shares;
mod tcp;
mod usage;
mod versions;
pub(crate) mod wildcard;

pub(crate) use cx::{Cx, Env};

use crate::Setting;
use crate::catalog::Catalog;
use crate::ir::Program;
use crate::target::Target;
use crate::testing::{self, Test};
use declarations::Declarations;
use meshc_dsl::diagnostic::any_error;
use meshc_dsl::syntax::Policy;
use meshc_dsl::{Diagnostic, Severity, Sources};
use std::collections::{BTreeMap, BTreeSet};

/// What resolving is done against.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The texts, for the names of files.
    pub sources: &'a Sources,
    /// The known Services.
    pub catalog: &'a Catalog,
    /// What is compiled for.
    pub target: Target,
    /// The namespace of files that name none.
    pub namespace: &'a str,
    /// Values of parameters in place of their defaults: name and text, from `meshc.toml` and `--set`.
    pub params: &'a [Setting],
    /// The largest program of a regular expression.
    pub max_regex_program: usize,
}

/// Resolves all files of a program together.
pub fn resolve(policies: &[Policy], settings: &Settings<'_>) -> (Program, Vec<Diagnostic>) {
    resolve_with(policies, settings, |_, _, _, _| {})
}

/// Resolves a program with its tests, which are looked at only where it has no errors.
pub(crate) fn resolve_tested(policies: &[Policy], settings: &Settings<'_>) -> (Program, Vec<Test>, Vec<Diagnostic>) {
    let mut tests = Vec::new();
    let (program, diagnostics) = resolve_with(policies, settings, |declarations, program, env, diagnostics| {
        if !any_error(diagnostics) {
            tests = testing::resolve(&declarations.tests, program, env, diagnostics);
        }
    });
    (program, tests, diagnostics)
}

fn resolve_with(
    policies: &[Policy],
    settings: &Settings<'_>,
    then: impl FnOnce(&Declarations<'_>, &Program, &Env<'_>, &mut Vec<Diagnostic>),
) -> (Program, Vec<Diagnostic>) {
    let (declarations, mut diagnostics) = Declarations::collect(policies, settings);
    let mut env = Env {
        sources: settings.sources,
        max_regex_program: settings.max_regex_program,
        catalog: settings.catalog,
        target: settings.target,
        params: declarations.params(settings, &mut diagnostics),
        bundles: declarations.bundles(&mut diagnostics),
        services: BTreeMap::new(),
        routed: declarations.routed(),
        of_versions: BTreeSet::new(),
    };
    let (services, problems) = services::resolve(&declarations.services, &env);
    diagnostics.extend(problems);
    env.of_versions = services.values().flat_map(|info| info.versions.values().map(|v| v.service.clone())).collect();
    env.services = services;
    diagnostics.extend(rule::check_bundles(&env));

    let mut program = Program::default();
    let (routes, listens) = route::resolve_all(&declarations, &env, &mut diagnostics);
    program.routes = routes;
    program.listens = listens;
    program.services = versions::services(&env, &mut diagnostics);
    usage::check(&program, &env, &mut diagnostics);
    program.routes.sort_by(|a, b| a.steered.first().map(|s| &s.service).cmp(&b.steered.first().map(|s| &s.service)));
    program.listens.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    notes_once(&mut diagnostics);
    then(&declarations, &program, &env, &mut diagnostics);
    (program, diagnostics)
}

/// A note states a fact of the target or the language, which one place suffices for.
fn notes_once(diagnostics: &mut Vec<Diagnostic>) {
    meshc_dsl::diagnostic::sort(diagnostics);
    let mut said = BTreeSet::new();
    diagnostics.retain(|d| d.severity() != Severity::Note || said.insert(d.code));
}
