//! The commands, one file each.

mod agents;
mod apply;
mod check;
mod cluster;
mod compile;
mod delete;
mod diff;
mod doctor;
#[cfg(target_os = "linux")]
mod doctor_node;
mod eval;
mod explain;
mod fix;
mod fmt;
mod history;
mod init;
mod policies;
mod progress;
mod raw;
mod rollback;
mod since;
mod status;
#[cfg(target_os = "linux")]
mod steer;
mod targets;
mod test;
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
        Command::Check(args) => check::run(&args, &terminal),
        Command::Explain { code } => explain::run(code.as_deref(), &terminal),
        Command::Fmt(args) => fmt::run(&args, &terminal),
        Command::Test(args) => test::run(&args, &terminal),
        Command::Eval(args) => eval::run(&args, &terminal),
        Command::Init(args) => init::run(&args, &terminal),
        #[cfg(target_os = "linux")]
        Command::Up(args) => up::run(&args, &terminal),
        #[cfg(target_os = "linux")]
        Command::KeepEnvoy { folder, envoy, linger, cgroup } => {
            up::keep(&folder, &envoy, linger, cgroup.as_deref(), &terminal)
        }
        #[cfg(target_os = "linux")]
        Command::BecomeEnvoy { keeper, envoy, arguments } => up::become_envoy(keeper, &envoy, &arguments, &terminal),
        #[cfg(target_os = "linux")]
        Command::InCgroup { cgroup, command } => steer::enter(&cgroup, &command, &terminal),
        #[cfg(target_os = "linux")]
        Command::Steer(args) => steer::run(&args, &terminal),
        #[cfg(not(target_os = "linux"))]
        Command::Up(_)
        | Command::KeepEnvoy { .. }
        | Command::BecomeEnvoy { .. }
        | Command::InCgroup { .. }
        | Command::Steer(_) => {
            terminal.fail("`meshc up` and `meshc steer` run on Linux alone");
            Exit::Refused
        }
        Command::Apply(args) => apply::run(&args, &terminal),
        Command::Diff(args) => diff::run(&args, &terminal),
        Command::Delete(args) => delete::run(&args, &terminal),
        Command::Rollback(args) => rollback::run(&args, &terminal),
        Command::History(args) => history::run(&args, &terminal),
        Command::Status(args) => status::run(&args, &terminal),
        #[cfg(target_os = "linux")]
        Command::Doctor(args) if args.node => doctor_node::run(&args, &terminal),
        Command::Doctor(args) if args.node => {
            terminal.refuse("`--node` is for nodes of Cilium, which run Linux", Exit::Refused)
        }
        Command::Doctor(args) => doctor::run(&args.set, &terminal),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "meshc", &mut script);
            terminal.product([script.as_slice()])
        }
    }
}
