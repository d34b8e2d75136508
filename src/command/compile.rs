//! `meshc compile`

use super::raw;
use crate::cli::{Compile, Format, Program};
use crate::exit::Exit;
use crate::input::{Input, Select};
use crate::output::{self, Terminal};
use meshc_compiler::kubernetes::Object;
use meshc_compiler::{Manifest, Options, Setting, Target, compile, emit, regex, testing};
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::sort;
use std::fs;
use std::path::Path;

/// Compiles a program and writes its objects; nothing is written where there is an error.
pub(crate) fn run(args: &Compile, terminal: &Terminal) -> Exit {
    let checked = match Checked::read(&args.program, Select::Program) {
        Ok(checked) => checked,
        Err(message) => return terminal.fail(&message),
    };
    terminal.diagnostics(&checked.diagnostics, &checked.input.sources, &checked.input.shown);
    let exit = match &checked.manifest {
        Some(manifest) => write(manifest, args, terminal),
        None => Exit::Wrong,
    };
    // The process is about to end: to free a large manifest piece by piece would only take time.
    std::mem::forget(checked);
    exit
}

/// A program as read and compiled.
pub(super) struct Checked {
    pub(super) input: Input,
    /// Everything worth saying of it, in the order of files and places.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Its objects, unless there is an error.
    pub(super) manifest: Option<Manifest>,
}

impl Checked {
    /// Reads a program and compiles it.
    pub(super) fn read(program: &Program, select: Select) -> Result<Self, String> {
        let mut input = Input::read(&program.paths, select).map_err(|failure| failure.to_string())?;
        let options = options(program, &input)?;
        let catalog = input.catalog(&program.catalog, &options.namespace).map_err(|failure| failure.to_string())?;
        let compiled = compile(&input.sources, &input.without_tests(), &catalog, &options);
        let mut diagnostics = std::mem::take(&mut input.diagnostics);
        let readable = !meshc_dsl::diagnostic::any_error(&diagnostics);
        diagnostics.extend(compiled.diagnostics);
        if select == Select::Checked {
            let found = testing::check(&input.sources, &input.policies, &catalog, &options);
            diagnostics.extend(found);
        }
        diagnostics.extend(raw::check(&input, &options, &catalog));
        sort(&mut diagnostics);
        Ok(Self { input, diagnostics, manifest: compiled.manifest.filter(|_| readable) })
    }
}

/// What to compile with: the command line over `meshc.toml` over the defaults.
pub(super) fn options(program: &Program, input: &Input) -> Result<Options, String> {
    let target = match &program.target {
        Some(text) => Target::parse(text).ok_or_else(|| {
            format!("`{text}` is not a target; targets are `cilium-1.14` to `cilium-1.20`, and `envoy`")
        })?,
        None => input.config.targets.first().copied().unwrap_or(Target::DEFAULT),
    };
    let mut params = input.config.params.clone();
    for set in &program.set {
        let (name, value) =
            set.split_once('=').ok_or_else(|| format!("`--set {set}` has no value; write `--set NAME=VALUE`"))?;
        params.push(Setting { name: name.to_owned(), text: value.to_owned(), place: None });
    }
    let namespace = input.config.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let limit = program.max_regex_program.or(input.config.max_regex_program);
    let max_regex_program = limit.map_or(regex::LIMIT, |n| n as usize);
    Ok(Options { target, namespace, params, max_regex_program })
}

fn write(manifest: &Manifest, args: &Compile, terminal: &Terminal) -> Exit {
    let folder = args.out.as_deref().filter(|out| out.is_dir() || out.to_string_lossy().ends_with('/'));
    if let Some(folder) = folder {
        return write_folder(manifest, args.output, folder, terminal);
    }
    let text = match render(manifest, args.output) {
        Ok(text) => text,
        Err(error) => return terminal.fail(&error.to_string()),
    };
    match &args.out {
        None => terminal.product(text.iter().map(String::as_bytes)),
        Some(path) => match output::write_whole(path, &text) {
            Ok(()) => Exit::Done,
            Err(error) => terminal.fail(&format!("cannot write {}: {error}", path.display())),
        },
    }
}

fn render(manifest: &Manifest, format: Format) -> Result<Vec<String>, emit::EmitError> {
    match format {
        Format::Json => emit::json(manifest).map(|text| vec![text]),
        Format::Yaml => emit::yaml(manifest),
    }
}

/// One file for each object, named after its kind, namespace and name.
fn write_folder(manifest: &Manifest, format: Format, folder: &Path, terminal: &Terminal) -> Exit {
    if let Err(error) = fs::create_dir_all(folder) {
        return terminal.fail(&format!("cannot make {}: {error}", folder.display()));
    }
    for object in &manifest.objects {
        let single = Manifest { objects: vec![object.clone()], ..Manifest::default() };
        let (text, ending) = match format {
            Format::Yaml => (render(&single, format), "yaml"),
            Format::Json => (render(&single, format), "json"),
        };
        let path = folder.join(format!("{}.{ending}", file_name(object)));
        let written =
            text.map_err(|e| e.to_string()).and_then(|t| output::write_whole(&path, &t).map_err(|e| e.to_string()));
        if let Err(error) = written {
            return terminal.fail(&format!("cannot write {}: {error}", path.display()));
        }
    }
    Exit::Done
}

fn file_name(object: &Object) -> String {
    object.title().replace([' ', '/'], "-").to_lowercase()
}
