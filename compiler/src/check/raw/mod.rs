//! CiliumEnvoyConfigs that people write by hand. Kubernetes validates almost nothing of them, and
//! an agent drops what it does not take with a line in its log at most: here it is said, at its place.

mod crd;
mod cx;
mod http;
mod meta;
mod names;
mod object;
mod references;
mod refused;
mod resources;
mod routes;
mod services;
mod upstream;

use super::patterns::Patterns;
use crate::catalog::Catalog;
use crate::schema::Schema;
use crate::target::Target;
use crate::yaml::Node;
use cx::Cx;
pub(super) use cx::{entry, field};
use meshc_dsl::diagnostic::{codes, sort};
use meshc_dsl::parallel::{join, map_parts};
use meshc_dsl::{Diagnostic, FileId, Span};
use names::World;

/// How many objects make a thread worth its start.
const LEAST: usize = 8;
/// How many messages of one object do.
const LONG: usize = 1024;

/// Checks every CiliumEnvoyConfig and CiliumClusterwideEnvoyConfig of a file of Kubernetes objects
/// (YAML or JSON, any number of documents, `List`s too), for a release of Cilium. For a plain Envoy
/// they are held against the newest release. Patterns may have programs of a size up to
/// `max_regex_program`.
pub fn check_raw(
    file: FileId,
    text: &str,
    target: Target,
    catalog: &Catalog,
    max_regex_program: usize,
) -> Vec<Diagnostic> {
    let target = if target.is_cilium() { target } else { Target::DEFAULT };
    let (schema, documents) = join(Schema::get, || Node::read_all(text));
    let documents = match documents {
        Ok(documents) => documents,
        Err(broken) => {
            let span = Span::new(file, broken.at.start, broken.at.end);
            let message = format!("this is not YAML: {}", broken.message);
            return vec![Diagnostic::new(codes::BAD_YAML, span, message).help("the file holds Kubernetes objects")];
        }
    };
    let Some(schema) = schema else { return Vec::new() };
    let mut cx = Cx { file, text, max_regex_program, target, catalog, schema, diagnostics: Vec::new() };
    let configs = object::configs(&documents, &mut cx);
    let world = World::of(&configs, &cx);
    let problems = map_parts(&configs, LEAST, |part| {
        part.iter().flat_map(|config| of_one(config, &world, &cx)).collect::<Vec<_>>()
    });
    cx.diagnostics.extend(problems.into_iter().flatten());
    services::steered_twice(&configs, &mut cx);
    sort(&mut cx.diagnostics);
    cx.diagnostics
}

/// What is wrong with one object.
fn of_one(config: &object::Config<'_>, world: &World, cx: &Cx<'_>) -> Vec<Diagnostic> {
    let long = config.resources.iter().map(|resource| resource.messages.len()).sum::<usize>() >= LONG;
    let (mut one, mut other) = (cx.beside(), cx.beside());
    let of_messages = |cx: &mut Cx<'_>| {
        meta::check(config, cx);
        crd::check(config, cx);
        services::check(config, cx);
        references::check(config, world, cx);
        http::check(config, cx);
        routes::check(config, cx);
        refused::check(config, cx);
        upstream::check(config, cx);
    };
    let of_values = |cx: &mut Cx<'_>| {
        resources::check(config, cx);
        patterns(config, cx);
    };
    if long {
        join(|| of_messages(&mut one), || of_values(&mut other));
    } else {
        of_messages(&mut one);
        of_values(&mut other);
    }
    one.diagnostics.append(&mut other.diagnostics);
    one.diagnostics
}

/// Every pattern of an object, wherever it stands.
fn patterns(config: &object::Config<'_>, cx: &mut Cx<'_>) {
    let patterns = Patterns { text: cx.text, limit: cx.max_regex_program };
    for resource in &config.resources {
        for finding in patterns.check(&resource.messages) {
            cx.report(finding.code, &finding.range, finding.message, finding.help);
        }
    }
}
