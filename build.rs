//! Lists the pages of `docs/diagnostics/` for `meshc explain`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    let folder = root.join("docs/diagnostics");
    // Lines of the build's own protocol, not output of the command.
    io::Write::write_all(&mut io::stdout(), b"cargo::rerun-if-changed=docs/diagnostics\n")?;
    fs::write(out.join("pages.rs"), table(&folder)?)
}

/// A table of code and text, in the order of the codes.
fn table(folder: &Path) -> io::Result<String> {
    let mut pages: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    let rows = pages.iter().filter_map(|path| {
        let code = path.file_stem()?.to_str()?;
        let starts = code.starts_with(['E', 'W', 'N']);
        starts.then(|| format!("    ({code:?}, include_str!({:?})),\n", path.display().to_string()))
    });
    Ok(format!("const TEXTS: &[(&str, &str)] = &[\n{}];\n", rows.collect::<String>()))
}
