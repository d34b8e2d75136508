//! Any bytes as a file of Kubernetes objects, for any release: it is checked without a panic, and
//! every place is within the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshc_compiler::check::check_raw;
use meshc_compiler::{Catalog, Target, regex};
use meshc_dsl::{FileId, layout};

const TARGETS: [&str; 7] =
    ["cilium-1.14", "cilium-1.15", "cilium-1.16", "cilium-1.17", "cilium-1.18", "cilium-1.19", "cilium-1.20"];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let Ok(text) = layout::decode(FileId(0), bytes) else { return };
    let target = Target::parse(TARGETS[usize::from(choice) % TARGETS.len()]).expect("a target");
    for diagnostic in check_raw(FileId(0), &text, target, &Catalog::default(), regex::LIMIT) {
        for label in &diagnostic.labels {
            let place = label.span.start as usize..label.span.end as usize;
            assert!(text.get(place).is_some(), "{label:?}");
        }
    }
});
