//! Says of each pattern on stdin, one a line, whether it is taken and how large its program is:
//! `ok SIZE`, `large SIZE`, or `refused BYTES: WHY`.

use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match meshc_compiler::regex::verdict(&line) {
            Ok(size) if size <= meshc_compiler::regex::LIMIT => writeln!(out, "ok {size}")?,
            Ok(size) => writeln!(out, "large {size}")?,
            Err(why) => writeln!(out, "refused {why}")?,
        }
    }
    Ok(())
}
