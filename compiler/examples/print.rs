//! Reads a compiled JSON list and prints it as YAML, as often as asked: what the YAML library alone takes.

use meshc_compiler::kubernetes::{Manifest, Object};
use serde::Deserialize;
use std::time::Instant;

#[derive(Deserialize)]
struct List {
    items: Vec<Object>,
}

fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).unwrap_or_default()).unwrap_or_default();
    let list: List = serde_json::from_str(&text).unwrap_or(List { items: Vec::new() });
    let manifest = Manifest { objects: list.items, ..Manifest::default() };
    for _ in 0..10 {
        let start = Instant::now();
        let mut out = String::new();
        let printed = manifest.objects.iter().all(|o| meshc_compiler::emit::object_yaml(o, &mut out).is_ok());
        std::hint::black_box(&out);
        eprintln_time(start, out.len(), printed);
    }
}

#[expect(clippy::print_stderr, reason = "this is a tool for measuring")]
fn eprintln_time(start: Instant, bytes: usize, printed: bool) {
    eprintln!("{:?} {bytes} bytes, printed: {printed}", start.elapsed());
}
