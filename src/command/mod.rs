//! The commands, one file each.

mod compile;
mod fmt;
#[cfg(target_os = "linux")]
mod up;

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
        #[cfg(target_os = "linux")]
        Command::Up(args) => up::run(&args, &terminal),
        #[cfg(target_os = "linux")]
        Command::KeepEnvoy { folder, envoy } => up::keep(&folder, &envoy, &terminal),
        #[cfg(not(target_os = "linux"))]
        Command::Up(_) | Command::KeepEnvoy { .. } => {
            terminal.fail("`meshc up` runs on Linux alone");
            Exit::Refused
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "meshc", &mut script);
            terminal.product([script.as_slice()])
        }
    }
}
