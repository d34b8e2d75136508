//! `meshc init`

use crate::cli::{Init, Program, ReportFormat, Test};
use crate::exit::Exit;
use crate::output::{self, Terminal};
use crate::snapshot;
use meshc_dsl::value;
use std::fs;
use std::path::Path;

/// The name that the sample repository has where a new one has its own.
const SAMPLE: &str = "policy-repo";

/// The files of a new repository, which are those of the sample in `examples/`.
const FILES: &[(&str, &str)] = &[
    ("meshc.toml", include_str!("../../examples/policy-repo/meshc.toml")),
    ("policy.mesh", include_str!("../../examples/policy-repo/policy.mesh")),
    ("policy_test.mesh", include_str!("../../examples/policy-repo/policy_test.mesh")),
    ("services.yaml", include_str!("../../examples/policy-repo/services.yaml")),
    (".pre-commit-config.yaml", include_str!("../../examples/policy-repo/.pre-commit-config.yaml")),
    (".github/workflows/policy.yml", include_str!("../../examples/policy-repo/.github/workflows/policy.yml")),
];

/// Makes a policy repository that passes its own tests. Where a file is in the way, nothing is written.
pub(crate) fn run(args: &Init, terminal: &Terminal) -> Exit {
    let folder = args.dir.as_path();
    let names = FILES.iter().map(|(name, _)| *name).chain([snapshot::FOLDER]);
    let taken: Vec<&str> = names.filter(|name| folder.join(name).exists()).collect();
    if !taken.is_empty() {
        return terminal.fail(&format!("{} has {} already", folder.display(), taken.join(", ")));
    }
    let name = name(folder);
    for (file, text) in FILES {
        if let Err(message) = write(&folder.join(file), &text.replace(SAMPLE, &name)) {
            return terminal.fail(&message);
        }
    }
    terminal.note(&format!("made the policy repository `{name}` in {}", folder.display()));
    let program = Program {
        paths: vec![folder.to_owned()],
        target: None,
        catalog: Vec::new(),
        set: Vec::new(),
        max_regex_program: None,
    };
    let test = Test {
        program,
        accept: true,
        filter: None,
        format: ReportFormat::Human,
        min_coverage: None,
        no_snapshots: false,
    };
    super::test::run(&test, terminal)
}

/// The name of the folder as far as it can be a name.
fn name(folder: &Path) -> String {
    let absolute = std::path::absolute(folder).unwrap_or_default();
    let own = absolute.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let good: String = own.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    let good = good.trim_matches('-');
    if value::name(good).is_ok() { good.to_owned() } else { "policies".to_owned() }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| output::write_whole(path, &[text.to_owned()]))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
