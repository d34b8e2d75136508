//! Every example in the documentation compiles.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::{Case, compile_case};
use meshc_compiler::Target;
use std::fs;
use std::path::Path;

/// The texts of the fenced blocks of a language, with the line that each begins on.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line == format!("```{language}") {
            let inside: Vec<&str> = lines.by_ref().map(|(_, l)| l).take_while(|l| *l != "```").collect();
            found.push((at + 1, inside.join("\n")));
        }
    }
    found
}

#[test]
fn examples_of_the_language_reference_compile() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/language.md");
    let text = fs::read_to_string(path).expect("the reference is there");
    let examples = blocks(&text, "mesh");
    assert!(examples.len() >= 8, "the examples are gone: {}", examples.len());
    for (line, text) in examples {
        let case = Case {
            policies: vec![("example.mesh".into(), text)],
            catalog: None,
            target: Target::DEFAULT,
            params: Vec::new(),
        };
        let (_, compiled) = compile_case(&case);
        assert!(compiled.manifest.is_some(), "docs/language.md:{line}: {:?}", compiled.diagnostics);
    }
}
