//! Prints a program of the benches, for whole-command runs: `generate short | full | services`.

#[path = "../benches/programs/mod.rs"]
#[expect(dead_code, reason = "files are for the benches alone")]
mod programs;

use std::io::Write;

fn main() -> std::io::Result<()> {
    let text = match std::env::args().nth(1).as_deref() {
        Some("full") => programs::large_full(),
        Some("services") => programs::services(1000, 2),
        _ => programs::large_short(),
    };
    std::io::stdout().write_all(text.as_bytes())
}
