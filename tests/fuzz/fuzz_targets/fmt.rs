//! Any text that parses: its formatted form parses too, says the same, and formats to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::{FileId, format, layout};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = layout::decode(FileId(0), bytes) else { return };
    // The formatter compares the trees itself, and says so where they differ.
    let formatted = match format::format(FileId(0), &text) {
        Ok(formatted) => formatted,
        Err(problems) => return assert!(problems.iter().all(|d| d.code != codes::INTERNAL)),
    };
    assert_eq!(format::format(FileId(0), &formatted).as_deref(), Ok(formatted.as_str()));
});
