//! CiliumEnvoyConfigs that people write by hand. Kubernetes validates almost nothing of them, and
//! an agent drops what it does not take with a line in its log at most: here it is said, at its place.

mod crd;
mod cx;
mod http;
mod meta;
mod names;
mod object;
mod patterns;
mod references;
mod resources;
mod services;
mod upstream;

use crate::catalog::Catalog;
use crate::schema::Schema;
use crate::target::Target;
use crate::yaml::Node;
use cx::Cx;
use meshc_dsl::diagnostic::{codes, sort};
use meshc_dsl::{Diagnostic, FileId, Span};
use names::World;

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
    let documents = match Node::read_all(text) {
        Ok(documents) => documents,
        Err(broken) => {
            let span = Span::new(file, broken.at.start, broken.at.end);
            let message = format!("this is not YAML: {}", broken.message);
            return vec![Diagnostic::new(codes::BAD_YAML, span, message).help("the file holds Kubernetes objects")];
        }
    };
    let Some(schema) = Schema::get() else { return Vec::new() };
    let mut cx = Cx { file, text, max_regex_program, target, catalog, schema, diagnostics: Vec::new() };
    let configs = object::configs(&documents, &mut cx);
    let world = World::of(&configs, &cx);
    for config in &configs {
        meta::check(config, &mut cx);
        crd::check(config, &mut cx);
        services::check(config, &mut cx);
        resources::check(config, &mut cx);
        patterns::check(config, &mut cx);
        references::check(config, &world, &mut cx);
        http::check(config, &mut cx);
        upstream::check(config, &mut cx);
    }
    services::steered_twice(&configs, &mut cx);
    sort(&mut cx.diagnostics);
    cx.diagnostics
}
