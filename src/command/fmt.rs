//! `meshc fmt`

use crate::cli::Fmt;
use crate::exit::Exit;
use crate::input::{Input, Select};
use crate::output::{self, Terminal};
use meshc_dsl::format;

/// Formats policies in place; stdin goes to stdout. A file that does not parse stays as it is.
pub(crate) fn run(args: &Fmt, terminal: &Terminal) -> Exit {
    let input = match Input::read(&args.paths, Select::All) {
        Ok(input) => input,
        Err(failure) => return terminal.failed(&failure),
    };
    terminal.diagnostics(&input.diagnostics, &input.sources, &input.shown);
    let mut exit = if input.diagnostics.is_empty() { Exit::Done } else { Exit::Wrong };
    for (file, path) in input.policies.iter().zip(&input.files) {
        let Some(source) = input.sources.get(*file) else { continue };
        let formatted = match format::format(*file, &source.text) {
            Ok(formatted) => formatted,
            Err(diagnostics) => {
                terminal.diagnostics(&diagnostics, &input.sources, &input.shown);
                exit = Exit::Wrong;
                continue;
            }
        };
        let changed = formatted != source.text;
        let outcome = match path {
            None if !args.check => terminal.product([formatted.as_bytes()]),
            Some(path) if changed && !args.check => match output::write_whole(path, std::slice::from_ref(&formatted)) {
                Ok(()) => Exit::Done,
                Err(error) => terminal.fail(&format!("cannot write {}: {error}", path.display())),
            },
            _ if changed => {
                let shown = input.shown.get(file.0 as usize).map_or("", String::as_str);
                terminal.note(&format!("{shown} is not formatted"));
                Exit::Wrong
            }
            _ => Exit::Done,
        };
        if outcome != Exit::Done {
            exit = outcome;
        }
    }
    exit
}
