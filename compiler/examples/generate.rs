//! Prints a program of the benches, for whole-command runs: `generate short | full | services`; or
//! writes programs over the whole grammar into a folder: `generate random FOLDER COUNT`.

#[path = "../benches/programs/mod.rs"]
#[expect(dead_code, reason = "files are for the benches alone")]
mod programs;

#[path = "../../tests/common/program.rs"]
#[expect(unreachable_pub, clippy::indexing_slicing, reason = "the tests' generator, as it is")]
mod program;

use std::io::Write;

/// Bytes that look random and are always the same: splitmix64.
fn bytes(seed: u64, count: u64) -> Vec<u8> {
    let byte = |at: u64| {
        let mut z = (seed << 20).wrapping_add(at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()[0]
    };
    (0..count).map(byte).collect()
}

fn random(folder: &str, count: u64) -> std::io::Result<()> {
    for seed in 0..count {
        let text = program::program(&bytes(seed, 20 + seed % 60));
        std::fs::write(std::path::Path::new(folder).join(format!("program-{seed:04}.mesh")), text)?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [kind, folder, count] = arguments.as_slice()
        && kind == "random"
    {
        return random(folder, count.parse().unwrap_or(0));
    }
    let text = match std::env::args().nth(1).as_deref() {
        Some("full") => programs::large_full(),
        Some("services") => programs::services(1000, 2),
        _ => programs::large_short(),
    };
    std::io::stdout().write_all(text.as_bytes())
}
