//! Any bytes: parsing never panics, and every diagnostic has its place within the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshc_dsl::{FileId, layout, parse};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = layout::decode(FileId(0), bytes) else { return };
    let (_, diagnostics) = parse::parse(FileId(0), &text);
    for label in diagnostics.iter().flat_map(|d| &d.labels) {
        let place = label.span.start as usize..label.span.end as usize;
        assert!(text.get(place).is_some(), "{label:?}");
    }
    for fix in diagnostics.iter().filter_map(|d| d.fix.as_ref()) {
        assert!(text.get(fix.span.start as usize..fix.span.end as usize).is_some(), "{fix:?}");
    }
});
