//! `meshc up`

mod policies;
mod show;

use crate::cli::Up;
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::node::envoy::{self, Keeper, OwnCgroup, Places};
use meshc_runtime::node::steered::{Policy, Steered};
use meshc_runtime::node::steering::{Size, SteerError, Steering};
use meshc_runtime::node::up::{self, Demo, Event, Setup};
use policies::Policies;
use show::Show;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The hidden command that keeps Envoy.
const KEEP: &str = "keep-envoy";
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
    let setup = match setup(args, &first, policies.set()) {
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
        || policies.changed(),
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

fn setup(args: &Up, first: &Policy, set: &str) -> Result<Setup, String> {
    let places = Places::of_environment(args.envoy.clone());
    let envoy = if args.get_envoy { places.get() } else { places.find() }.map_err(|e| e.to_string())?;
    let program = std::env::current_exe().map_err(|e| format!("cannot find this program's own path: {e}"))?;
    let mut words: Vec<OsString> = vec![KEEP.into()];
    let steering = steering(args, first, set, &program).map_err(|e| unsteered(&e))?;
    if let Some(steering) = &steering {
        words.push("--cgroup".into());
        words.push(steering.envoys_cgroup().into());
    }
    let keeper = Keeper { program, words };
    let steered = if args.no_steer { Steered::declined() } else { Steered::new(steering) };
    let demo = args.demo.then_some(Demo { requests: args.requests, stay: args.stay });
    Ok(Setup { envoy, keeper, first_port: args.first_port, demo, steered })
}

/// Attaches the steering, where policies want it and the user does.
fn steering(args: &Up, first: &Policy, set: &str, program: &Path) -> Result<Option<Steering>, SteerError> {
    if args.no_steer || first.steering.is_empty() {
        return Ok(None);
    }
    let mover: [OsString; 2] = [program.into(), IN_CGROUP.into()];
    let addresses: usize = first.steering.iter().map(|service| service.at.addresses.len()).sum();
    let size = Size { services: first.steering.len(), addresses };
    Steering::start(set, args.cgroup.as_deref(), &mover, size).map(Some)
}

fn unsteered(error: &SteerError) -> String {
    format!("{error}\n{}; or run it without steering: `--no-steer`", error.help())
}

/// Keeps an Envoy until stdin ends.
pub(crate) fn keep(folder: &Path, path: &Path, cgroup: Option<PathBuf>, terminal: &Terminal) -> Exit {
    let own = cgroup.map(|path| {
        let program = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
        OwnCgroup { path, program, words: vec![IN_CGROUP.into()] }
    });
    match envoy::keep(folder, path, own.as_ref()) {
        Ok(None) => Exit::Done,
        Ok(Some(_)) => Exit::Refused,
        Err(error) => {
            terminal.fail(&format!("cannot keep Envoy: {error}"));
            Exit::Refused
        }
    }
}
