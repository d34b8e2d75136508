//! `meshc check`

use super::compile::Checked;
use super::fix;
use crate::cli::{Check, Report as Format};
use crate::exit::Exit;
use crate::input::Select;
use crate::output::Terminal;
use crate::render::{self, Report};
use meshc_dsl::Severity;

/// Says everything that is wrong with a program, after mending what is asked to be mended.
pub(crate) fn run(args: &Check, terminal: &Terminal) -> Exit {
    let read = || Checked::read(&args.program, Select::Checked);
    let checked = if args.fix { fix::run(read, terminal) } else { read() };
    match checked {
        Ok(checked) => report(&checked, args, terminal),
        Err(message) => terminal.fail(&message),
    }
}

fn report(checked: &Checked, args: &Check, terminal: &Terminal) -> Exit {
    let Checked { input, diagnostics, .. } = checked;
    let report = Report { diagnostics, sources: &input.sources, shown: &input.shown };
    let document = match args.format {
        Format::Human => {
            terminal.diagnostics(diagnostics, &input.sources, &input.shown);
            if let Some(summary) = render::summary(diagnostics, args.deny_warnings) {
                terminal.say(&format!("\n{summary}"));
            }
            None
        }
        Format::Short => {
            if !diagnostics.is_empty() {
                terminal.say(&render::short(report));
            }
            None
        }
        Format::Json => Some(render::json(report)),
        Format::Sarif => Some(render::sarif(report)),
    };
    let wrote = match document {
        None => Exit::Done,
        Some(Ok(text)) => terminal.product([text.as_bytes()]),
        Some(Err(error)) => terminal.fail(&error.to_string()),
    };
    let wrong = diagnostics.iter().any(|d| match d.severity() {
        Severity::Error => true,
        Severity::Warning => args.deny_warnings,
        Severity::Note => false,
    });
    if wrote == Exit::Done && wrong { Exit::Wrong } else { wrote }
}
