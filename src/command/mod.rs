//! The commands, one file each.

mod apply;
mod cluster;
mod compile;
mod delete;
mod diff;
mod doctor;
mod fmt;
mod history;
mod rollback;
mod status;

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::output::Terminal;
use clap::CommandFactory;

/// Runs a command.
pub(crate) fn run(cli: Cli) -> Exit {
    let terminal = Terminal::new(cli.color);
    match cli.command {
        Command::Compile(args) => compile::run(&args, &terminal),
        Command::Fmt(args) => fmt::run(&args, &terminal),
        Command::Apply(args) => apply::run(&args, &terminal),
        Command::Diff(args) => diff::run(&args, &terminal),
        Command::Delete(args) => delete::run(&args, &terminal),
        Command::Rollback(args) => rollback::run(&args, &terminal),
        Command::History(args) => history::run(&args, &terminal),
        Command::Status(args) => status::run(&args, &terminal),
        Command::Doctor(args) => doctor::run(&args, &terminal),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "meshc", &mut script);
            terminal.product([script.as_slice()])
        }
    }
}
