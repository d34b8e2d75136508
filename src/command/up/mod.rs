//! `meshc up`

mod policies;
mod show;

use crate::cli::Up;
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::node::envoy::{self, Keeper, Places};
use meshc_runtime::node::up::{self, Demo, Event, Setup};
use policies::Policies;
use show::Show;
use std::path::Path;

/// The hidden command that keeps Envoy.
const KEEP: &str = "keep-envoy";

/// Runs policies until a signal comes, or a demonstration is over.
pub(crate) fn run(args: &Up, terminal: &Terminal) -> Exit {
    let show = Show::new(args.output, terminal);
    let mut policies = Policies::new(args, terminal, args.output);
    let first = match policies.read() {
        Ok(bootstrap) => bootstrap,
        Err(exit) => return exit,
    };
    let setup = match setup(args) {
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

fn setup(args: &Up) -> Result<Setup, String> {
    let places = Places::of_environment(args.envoy.clone());
    let envoy = if args.get_envoy { places.get() } else { places.find() }.map_err(|e| e.to_string())?;
    let program = std::env::current_exe().map_err(|e| format!("cannot find this program's own path: {e}"))?;
    let keeper = Keeper { program, words: vec![KEEP.into()] };
    let demo = args.demo.then_some(Demo { requests: args.requests, stay: args.stay });
    Ok(Setup { envoy, keeper, first_port: args.first_port, demo })
}

/// Keeps an Envoy until stdin ends.
pub(crate) fn keep(folder: &Path, path: &Path, terminal: &Terminal) -> Exit {
    match envoy::keep(folder, path) {
        Ok(None) => Exit::Done,
        Ok(Some(_)) => Exit::Refused,
        Err(error) => {
            terminal.fail(&format!("cannot keep Envoy: {error}"));
            Exit::Refused
        }
    }
}
