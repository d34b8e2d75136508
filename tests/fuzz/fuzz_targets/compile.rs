//! Any text for any target: compiling never panics, and gives objects or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshc_compiler::{Catalog, Options, Target, compile};
use meshc_dsl::diagnostic::{any_error, codes};
use meshc_dsl::{FileId, Sources, layout};

const TARGETS: [&str; 8] = [
    "cilium-1.14", "cilium-1.15", "cilium-1.16", "cilium-1.17", "cilium-1.18", "cilium-1.19", "cilium-1.20", "envoy",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let Ok(text) = layout::decode(FileId(0), bytes) else { return };
    let target = Target::parse(TARGETS[usize::from(choice) % TARGETS.len()]).expect("a target");
    let mut sources = Sources::default();
    let file = sources.add("fuzz.mesh", text);
    let options = Options { target, namespace: "default".into(), params: Vec::new(), max_regex_program: meshc_compiler::regex::LIMIT };
    let compiled = compile(&sources, &[file], &Catalog::default(), &options);
    assert_eq!(compiled.manifest.is_none(), any_error(&compiled.diagnostics));
    assert!(compiled.diagnostics.iter().all(|d| d.code != codes::INTERNAL));
});
