//! `meshc steer`: what is steered on this machine, and the kill switch. And the hidden command by which
//! Envoy gets a cgroup of its own.

use crate::cli::{Shape, Steer, SteerWhat};
use crate::exit::Exit;
use crate::output::Terminal;
use meshc_runtime::node::steering::{self, Status, SteerError, Switch, Tally};
use serde_json::json;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Shows or switches the steering.
pub(crate) fn run(args: &Steer, terminal: &Terminal) -> Exit {
    let done = match &args.what {
        SteerWhat::Status { set, output } => status(set.as_deref(), *output, terminal),
        SteerWhat::Off { set } => switch(set.as_deref(), true, terminal),
        SteerWhat::On { set } => switch(set.as_deref(), false, terminal),
    };
    done.unwrap_or_else(|error| terminal.refuse(&format!("{error}\n{}", error.help()), Exit::Refused))
}

fn switch(set: Option<&str>, off: bool, terminal: &Terminal) -> Result<Exit, SteerError> {
    for (name, done) in steering::switch(set, off)? {
        let line = match done {
            Switch::Off => format!("{name}: off, connections go where they are dialled\n"),
            Switch::On => format!("{name}: on\n"),
            Switch::Removed => format!("{name}: removed, since no `meshc up` holds it\n"),
        };
        terminal.product([line.as_bytes()]);
    }
    Ok(Exit::Done)
}

/// Exit 1 where something is not as it was meant.
fn status(set: Option<&str>, output: Shape, terminal: &Terminal) -> Result<Exit, SteerError> {
    let sets = steering::status(set)?;
    let text = match output {
        Shape::Json => format!("{}\n", json!({ "sets": sets })),
        Shape::Text if sets.is_empty() => "nothing is steered\n".to_owned(),
        Shape::Text => sets.iter().map(words).collect(),
    };
    let written = terminal.product([text.as_bytes()]);
    let drifted = sets.iter().any(|set| !set.drift.is_empty());
    Ok(if written == Exit::Done && drifted { Exit::Wrong } else { written })
}

fn words(status: &Status) -> String {
    let state = match (status.running, status.switched_off, status.lease_age_ms) {
        (false, _, None) => "left by a dead run".to_owned(),
        (_, true, _) => "switched off".to_owned(),
        (_, false, Some(age)) => format!("on, Envoy answered {age} ms ago"),
        (true, false, None) => "on, but Envoy does not answer".to_owned(),
    };
    let mut text = format!("{}: {state}\n", status.set);
    let _ = writeln!(text, "  cgroup   {}", status.cgroup);
    for program in &status.programs {
        let id = program.id.map_or("not attached".to_owned(), |id| format!("id {id}"));
        let _ =
            writeln!(text, "  program  {:14}  {id}  tag {}  cgroup {}", program.name, program.tag, program.cgroup_id);
    }
    for (name, id) in &status.maps {
        let _ = writeln!(text, "  map      {name:14}  id {id}");
    }
    status.services.iter().for_each(|tally| text.push_str(&service(tally)));
    for drift in &status.drift {
        let _ = writeln!(text, "  drift    {}\n           {}", drift.problem, drift.remedy);
    }
    text
}

fn service(tally: &Tally) -> String {
    let service = &tally.service;
    let failure = if service.refuse { "refuse" } else { "direct" };
    let mut text = format!("  service  {}, on failure {failure}\n", service.name);
    for address in &service.addresses {
        let dialled = SocketAddr::from((*address, service.port));
        let _ = writeln!(text, "    steer  {dialled} to port {}", service.listener);
    }
    for (outcome, count) in tally.connections.iter().filter(|(_, count)| **count > 0) {
        let _ = writeln!(text, "    {count:>9}  {outcome}");
    }
    text
}

/// Moves into a cgroup, and becomes the command if there is one.
pub(crate) fn enter(cgroup: &Path, command: &[OsString], terminal: &Terminal) -> Exit {
    if let Err(error) = steering::enter(cgroup) {
        return terminal.refuse(&format!("cannot move into {}: {error}", cgroup.display()), Exit::Refused);
    }
    let Some((program, words)) = command.split_first() else { return Exit::Done };
    let error = Command::new(program).args(words).exec();
    terminal.refuse(&format!("cannot run {}: {error}", program.to_string_lossy()), Exit::Refused)
}
