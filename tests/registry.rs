//! Everything that the examples and cases compile to is decoded with each Cilium release's own
//! protobuf registry, as that release's agent would: an unknown field or type there drops a
//! resource in silence. Fields that the release's API calls deprecated may not be used.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::registry::{of as registry, problems, resources};
use common::{Case, compile_case, folders};
use meshc_compiler::Target;
use meshc_compiler::schema::{self, Schema};
use meshc_compiler::yaml::Node;
use std::fs;
use std::path::Path;

fn check(target: Target) -> usize {
    let pool = registry(target);
    let mut checked = 0;
    for folder in folders("examples").iter().chain(&folders("tests/cases")) {
        let (_, compiled) = compile_case(&settings(folder).on(target));
        for object in compiled.manifest.iter().flat_map(|m| &m.objects) {
            for (name, resource) in resources(object) {
                let problems = problems(&pool, &name, &resource);
                assert!(problems.is_empty(), "{} on {target}: {problems:?}", folder.display());
                checked += 1;
            }
        }
    }
    checked
}

fn settings(folder: &Path) -> Case {
    Case::read(folder, &fs::read_to_string(folder.join("expect.txt")).unwrap_or_default())
}

#[test]
fn every_release_decodes_what_it_is_given() {
    for target in Target::all() {
        let checked = check(target);
        assert!(checked > 100, "{target}: only {checked} resources");
    }
}

#[test]
fn the_check_can_fail() {
    let old = registry(Target::Cilium { minor: 14, patch: 0 });
    let cluster = serde_json::json!({"name": "a", "no_such_field": 1});
    assert_eq!(problems(&old, "envoy.config.cluster.v3.Cluster", &cluster).len(), 1);
    let filter = serde_json::json!({"name": "a", "filter_chains": [{"filters": [{"name": "x", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "http_filters": [{"name": "f", "disabled": true}]}}]}]});
    assert_eq!(problems(&old, "envoy.config.listener.v3.Listener", &filter).len(), 1);
    let new = registry(Target::DEFAULT);
    assert!(problems(&new, "envoy.config.listener.v3.Listener", &filter).is_empty());
    let matcher = serde_json::json!({"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
        {"match": {"prefix": "/", "headers": [{"name": "x", "exact_match": "y"}]}, "route": {"cluster": "c"}}]}]});
    let found = problems(&new, "envoy.config.route.v3.RouteConfiguration", &matcher);
    assert_eq!(found, ["envoy.config.route.v3.HeaderMatcher.exact_match is deprecated"]);
}

/// The newest API's descriptors and field rules, by the compiler's own reading of them, inside
/// `Any` too; and for older targets the fields and types that their agents know.
#[test]
fn everything_keeps_the_field_rules() {
    let schema = Schema::get().expect("the descriptors are sound");
    for target in Target::all() {
        for folder in folders("examples").iter().chain(&folders("tests/cases")) {
            let (_, compiled) = compile_case(&settings(folder).on(target));
            for object in compiled.manifest.iter().flat_map(|m| &m.objects) {
                for (name, mut resource) in resources(object) {
                    if let Some(fields) = resource.as_object_mut() {
                        fields.remove("@type");
                    }
                    let message = schema.message(&name).expect("the message is there");
                    let problems = schema::check(&Node::of(&resource), &message, schema, target);
                    assert!(problems.is_empty(), "{} on {target}: {problems:?}", folder.display());
                }
            }
        }
    }
}
