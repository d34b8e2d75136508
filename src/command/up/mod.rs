//! `meshc up`

mod cluster;
mod policies;
mod screen;
mod show;
mod traffic;

use crate::cli::Up;
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_dsl::value;
use meshc_runtime::node::envoy::Search;
use meshc_runtime::node::keeper::{self, Keeper};
use meshc_runtime::node::steered::{Policy, Steered, Way};
use meshc_runtime::node::steering::SteerError;
use meshc_runtime::node::up::{self, Demo, Event, Setup};
use policies::Policies;
use show::Show;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The hidden command that keeps Envoy.
const KEEP: &str = "keep-envoy";
/// The hidden command that becomes Envoy.
const BECOME: &str = "become-envoy";
/// The hidden command that moves itself into a cgroup.
const IN_CGROUP: &str = "in-cgroup";

/// Runs policies until a signal comes, or a demonstration is over.
pub(crate) fn run(args: &Up, terminal: &Terminal) -> Exit {
    let show = Show::new(args.output, terminal);
    let mut policies = Policies::new(args, terminal, args.output);
    let first = match policies.read() {
        Ok(policy) => policy,
        Err(exit) => return exit,
    };
    let setup = match setup(args, &first, &policies, &show) {
        Ok(setup) => setup,
        Err(message) => {
            terminal.fail(&message);
            return Exit::Refused;
        }
    };
    let mut refused = false;
    let outcome = up::up(
        setup,
        first,
        || policies.changed(|| show.clear()),
        |event| {
            refused |= matches!(event, Event::Refused(_));
            show.event(&event);
        },
    );
    match outcome {
        Ok(()) if refused && args.demo => Exit::Refused,
        Ok(()) => Exit::Done,
        Err(error) => {
            terminal.fail(&error.to_string());
            Exit::Refused
        }
    }
}

fn setup(args: &Up, first: &Policy, policies: &Policies<'_>, show: &Show<'_>) -> Result<Setup, String> {
    let linger = value::duration(&args.linger);
    let linger = linger.map_err(|_| format!("`--linger {}` is no duration; write it as `1m`", args.linger))?;
    let search = Search::of_environment(args.envoy.clone());
    let envoy = if args.get_envoy { search.get() } else { search.find() }.map_err(|e| e.to_string())?;
    let program = this_program()?;
    let mover: Vec<OsString> = vec![program.clone().into(), IN_CGROUP.into()];
    let (set, cluster) = (policies.name().to_owned(), cluster::place(args));
    let way = Way { set, cgroup: args.cgroup.clone(), mover, in_cluster: cluster.is_some() };
    let mut steered = Steered::new((!args.no_steer).then_some(way));
    if let Err(error) = steered.begin(first) {
        if !first.steering.is_empty() {
            return Err(unsteered(&error));
        }
        // Nobody asked for it in so many words.
        show.event(&cluster::unsteered(&error));
    }
    let keeper = Keeper { program, words: vec![KEEP.into()], linger };
    let demo = args.demo.then_some(Demo { requests: args.requests, stay: args.stay });
    let pulse = show.pulse();
    Ok(Setup { set: policies.set(), envoy, keeper, first_port: args.first_port, demo, steered, pulse, cluster })
}

fn this_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|e| format!("cannot find this program's own path: {e}"))
}

fn unsteered(error: &SteerError) -> String {
    format!("{error}\n{}; or run it without steering: `--no-steer`", error.help())
}

/// Keeps an Envoy for the command whose socket is stdin, and for those that come after it.
pub(crate) fn keep(folder: &Path, envoy: &Path, linger: u64, cgroup: Option<&Path>, terminal: &Terminal) -> Exit {
    let kept = this_program().and_then(|program| {
        let mut command = Command::new(&program);
        if let Some(cgroup) = cgroup {
            command.arg(IN_CGROUP).arg(cgroup).arg(program);
        }
        command.arg(BECOME).arg(std::process::id().to_string()).arg(envoy);
        keeper::keep(folder, &mut command, Duration::from_millis(linger), cgroup).map_err(|e| e.to_string())
    });
    match kept {
        Ok(()) => Exit::Done,
        Err(error) => terminal.refuse(&format!("cannot keep Envoy: {error}"), Exit::Refused),
    }
}

/// Becomes an Envoy that ends with its keeper.
pub(crate) fn become_envoy(keeper: u32, envoy: &Path, arguments: &[OsString], terminal: &Terminal) -> Exit {
    let error = keeper::become_envoy(keeper, envoy, arguments);
    terminal.refuse(&format!("cannot start {}: {error}", envoy.display()), Exit::Refused)
}
