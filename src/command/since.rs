//! `meshc diff --from`: what changed since an earlier version, by what becomes of requests.

use crate::cli::{Diff, Shape};
use crate::earlier::Earlier;
use crate::exit::Exit;
use crate::input::{Input, Select};
use crate::output::Terminal;
use crate::render::changes::Changes;
use meshc_compiler::compare::{self, Version};
use meshc_compiler::ir::Program;
use meshc_compiler::{Catalog, program};
use meshc_dsl::diagnostic::sort;
use meshc_dsl::{Diagnostic, Severity};
use std::path::Path;

/// Compares the policies with an earlier version of them.
pub(super) fn run(from: &str, args: &Diff, terminal: &Terminal) -> Exit {
    match compared(from, args, terminal) {
        Ok(exit) => exit,
        Err(message) => terminal.fail(&message),
    }
}

fn compared(from: &str, args: &Diff, terminal: &Terminal) -> Result<Exit, String> {
    let paths = &args.program.paths;
    let mut new = Input::read(paths, Select::Program).map_err(|failure| failure.to_string())?;
    let near = paths.first().map_or(Path::new("."), |path| path.as_path());
    let earlier = Earlier::find(from, near)?;
    let mut old = earlier.read(paths, new.root.as_deref())?;
    let before = {
        let options = namespace(args, &old);
        let catalog = earlier.catalog(&mut old, &args.program.catalog, &options)?;
        resolved(args, &mut old, &catalog)?
    };
    let after = {
        let options = namespace(args, &new);
        let catalog = new.catalog(&args.program.catalog, &options).map_err(|failure| failure.to_string())?;
        resolved(args, &mut new, &catalog)?
    };
    let mut is_wrong = false;
    for (input, (_, errors)) in [(&old, &before), (&new, &after)] {
        terminal.diagnostics(errors, &input.sources, &input.shown);
        is_wrong |= !errors.is_empty();
    }
    if is_wrong {
        if !before.1.is_empty() {
            terminal.note(&format!("the policies of `{from}` do not compile, so there is nothing to compare with"));
        }
        return Ok(Exit::Wrong);
    }
    let comparison = compare::compare(
        Version { program: &before.0, sources: &old.sources },
        Version { program: &after.0, sources: &new.sources },
    );
    let comparison = comparison.map_err(|error| error.to_string())?;
    let changes = Changes::new(&comparison, &old, &new);
    let equal = comparison.changes.is_empty() && comparison.gaps.is_empty();
    if equal {
        terminal.note(&format!("every request is answered as in `{from}`"));
    }
    let shown = match args.cluster.output {
        Shape::Text => terminal.product([changes.text().as_bytes()]),
        Shape::Json => terminal.product([format!("{}\n", changes.json()).as_bytes()]),
    };
    Ok(if shown == Exit::Done && !equal { Exit::Wrong } else { shown })
}

/// The namespace of files that name none.
fn namespace(args: &Diff, input: &Input) -> String {
    args.cluster.namespace.clone().or_else(|| input.config.namespace.clone()).unwrap_or_else(|| "default".to_owned())
}

/// A version's program, and every error in it.
fn resolved(args: &Diff, input: &mut Input, catalog: &Catalog) -> Result<(Program, Vec<Diagnostic>), String> {
    let mut options = super::compile::options(&args.program, input)?;
    options.namespace = namespace(args, input);
    let (program, problems) = program(&input.sources, &input.without_tests(), catalog, &options);
    let mut errors = std::mem::take(&mut input.diagnostics);
    errors.extend(problems);
    errors.retain(|diagnostic| diagnostic.severity() == Severity::Error);
    sort(&mut errors);
    Ok((program, errors))
}
