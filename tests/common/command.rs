//! The command as a user runs it, in a folder of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// `meshc` with arguments, in a folder and without stdin.
pub fn meshc(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshc"));
    command.args(args).current_dir(folder).stdin(Stdio::null()).output().expect("meshc runs")
}

/// What it wrote to stdout.
pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it is UTF-8")
}

/// What it wrote to stderr.
pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("it is UTF-8")
}

/// A new folder with files in it.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }
    folder
}
