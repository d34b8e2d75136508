//! Programs over the whole grammar, drawn at random: on every target each one either compiles to
//! what the release's registry decodes and Envoy's field rules accept, or is refused by
//! diagnostics. Never a panic, and never output that the compiler itself finds inconsistent.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::compile_text;
use common::program::program;
use common::registry::{self, resources};
use meshc_compiler::schema::{self, Schema};
use meshc_compiler::yaml::Node;
use meshc_compiler::{Compiled, Target};
use meshc_dsl::diagnostic::{any_error, codes};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use prost_reflect::DescriptorPool;
use std::cell::Cell;

const PROGRAMS: u32 = 2000;

/// What is wrong with what came of a program.
fn problems(compiled: &Compiled, target: Target, pool: &DescriptorPool, schema: &Schema) -> Vec<String> {
    let Some(manifest) = &compiled.manifest else {
        let refused =
            any_error(&compiled.diagnostics) && compiled.diagnostics.iter().all(|d| d.code != codes::INTERNAL);
        return if refused { Vec::new() } else { vec![format!("no reason is given: {:?}", compiled.diagnostics)] };
    };
    let mut found = Vec::new();
    for object in &manifest.objects {
        for (name, mut resource) in resources(object) {
            found.extend(registry::problems(pool, &name, &resource));
            if let Some(fields) = resource.as_object_mut() {
                fields.remove("@type");
            }
            let message = schema.message(&name).expect("the message is there");
            let broken = schema::check(&Node::of(&resource), &message, schema, target);
            found.extend(broken.into_iter().map(|p| format!("{}: {}", p.path, p.message)));
        }
    }
    found
}

/// Many programs on these targets, of which at least so many percent are accepted.
fn draw(targets: impl Iterator<Item = Target>, least: u32) {
    let schema = Schema::get().expect("the descriptors are sound");
    let pools: Vec<(Target, DescriptorPool)> = targets.map(|t| (t, registry::of(t))).collect();
    let accepted = Cell::new(0_u32);
    let mut runner = TestRunner::new(Config { cases: PROGRAMS, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&prop::collection::vec(any::<u8>(), 0..160), |bytes| {
        let text = program(&bytes);
        for (target, pool) in &pools {
            let compiled = compile_text(&text, *target);
            let found = problems(&compiled, *target, pool, schema);
            prop_assert!(found.is_empty(), "{target}: {found:?}\n{text}");
            accepted.set(accepted.get() + u32::from(compiled.manifest.is_some()));
        }
        Ok(())
    });
    outcome.expect("every program comes out well");
    let all = PROGRAMS * u32::try_from(pools.len()).expect("a few targets");
    // A generator whose programs are nearly all refused would prove nothing.
    assert!(accepted.get() * 100 > all * least, "only {} of {all} programs were accepted", accepted.get());
}

#[test]
fn every_program_comes_out_well_on_older_releases() {
    draw(Target::all().take(4), 10);
}

#[test]
fn every_program_comes_out_well_on_younger_targets() {
    draw(Target::all().skip(4), 30);
}
