//! What the integration tests share: reading cases and examples, and compiling them.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails panics, and says why"
)]

pub mod command;
pub mod document;
pub mod expect;
pub mod page;
pub mod program;
pub mod registry;

use meshc_compiler::testing::{self, TEST_FILE};
use meshc_compiler::{Catalog, Compiled, Options, Setting, Target, compile};
use meshc_dsl::diagnostic::sort;
use meshc_dsl::{FileId, Sources, layout};
use std::fs;
use std::path::{Path, PathBuf};

/// A program with what it is compiled with.
pub struct Case {
    /// Its policies: name and text.
    pub policies: Vec<(String, String)>,
    /// Its catalog, if it has one.
    pub catalog: Option<String>,
    /// What it is compiled for.
    pub target: Target,
    /// Values of parameters.
    pub params: Vec<Setting>,
}

/// All folders in a folder, in order.
pub fn folders(path: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the folder is there");
    let mut folders: Vec<PathBuf> = entries.map(|e| e.expect("it can be read").path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    folders
}

impl Case {
    /// Reads a folder with the settings of an `expect.txt`.
    pub fn read(folder: &Path, expect: &str) -> Self {
        let mut names: Vec<PathBuf> =
            fs::read_dir(folder).expect("the folder is there").map(|e| e.expect("it can be read").path()).collect();
        names.sort();
        let policies = names.iter().filter(|p| p.extension().is_some_and(|e| e == "mesh")).map(|path| {
            let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
            (name, layout::decode(FileId(0), &fs::read(path).expect("it can be read")).expect("policies are text"))
        });
        let setting = |key: &str| {
            expect
                .lines()
                .filter_map(move |l| l.strip_prefix(key)?.strip_prefix(' ').map(str::to_owned))
                .collect::<Vec<_>>()
        };
        let target = setting("target").first().map_or(Target::DEFAULT, |t| Target::parse(t).expect("a target"));
        let params = setting("set")
            .iter()
            .map(|s| s.split_once('=').expect("NAME=VALUE"))
            .map(|(name, text)| Setting { name: name.to_owned(), text: text.to_owned(), place: None })
            .collect();
        Self {
            policies: policies.collect(),
            catalog: fs::read_to_string(folder.join("services.yaml")).ok(),
            target,
            params,
        }
    }

    /// The same program for another target.
    pub fn on(self, target: Target) -> Self {
        Self { target, ..self }
    }
}

/// Compiles a case as the commands do: its tests are read, and run where they can be.
pub fn compile_case(case: &Case) -> (Sources, Compiled) {
    let mut sources = Sources::default();
    let policies: Vec<_> = case.policies.iter().map(|(name, text)| sources.add(name.as_str(), text.as_str())).collect();
    let mut catalog = Catalog::default();
    let mut problems = Vec::new();
    if let Some(text) = &case.catalog {
        let file = sources.add("services.yaml", text.as_str());
        problems = catalog.read(file, text, "default");
    }
    let options = Options {
        target: case.target,
        namespace: "default".into(),
        params: case.params.clone(),
        max_regex_program: meshc_compiler::regex::LIMIT,
    };
    let is_test = |file: &FileId| sources.get(*file).expect("it is there").name.ends_with(TEST_FILE);
    let program: Vec<FileId> = policies.iter().filter(|file| !is_test(file)).copied().collect();
    let mut compiled = compile(&sources, &program, &catalog, &options);
    compiled.diagnostics.append(&mut problems);
    let (suite, problems) = testing::prepare(&sources, &policies, &catalog, &options);
    compiled.diagnostics.extend(problems);
    if let Some(suite) = suite.filter(|suite| !suite.tests.is_empty()) {
        let report = suite.run(&sources, None).expect("the patterns are sound");
        compiled.diagnostics.extend(report.outcomes.into_iter().flat_map(|outcome| outcome.failures));
    }
    sort(&mut compiled.diagnostics);
    (sources, compiled)
}

/// Compiles one text that is a whole program.
pub fn compile_text(text: &str, target: Target) -> Compiled {
    let mut sources = Sources::default();
    let file = sources.add("p.mesh", text);
    let options = Options {
        target,
        namespace: "default".into(),
        params: Vec::new(),
        max_regex_program: meshc_compiler::regex::LIMIT,
    };
    compile(&sources, &[file], &Catalog::default(), &options)
}
