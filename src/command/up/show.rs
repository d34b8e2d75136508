//! Events as lines, for people or for programs.

use super::cluster;
use super::screen::{Screen, Size};
use super::traffic;
use crate::cli::Events;
use crate::output::Terminal;
use meshc_dsl::{Diagnostic, Sources};
use meshc_runtime::node::demo::{Report, Seen};
use meshc_runtime::node::steered::State;
use meshc_runtime::node::steering::Service;
use meshc_runtime::node::up::Event;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

/// How often traffic is shown where it is drawn over or read by programs, and where its lines stay.
const OFTEN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(10);

/// Shows events on stdout.
pub(super) struct Show<'a> {
    output: Events,
    terminal: &'a Terminal,
    /// What goes on, at the end of a terminal.
    screen: RefCell<Option<Screen>>,
}

impl<'a> Show<'a> {
    pub(super) fn new(output: Events, terminal: &'a Terminal) -> Self {
        let screen = if output == Events::Lines { Screen::of_stdout() } else { None };
        Self { output, terminal, screen: RefCell::new(screen) }
    }

    /// How often it wants to be told what goes on.
    pub(super) fn pulse(&self) -> Duration {
        if self.output == Events::Json || self.screen.borrow().is_some() { OFTEN } else { SELDOM }
    }

    pub(super) fn event(&self, event: &Event) {
        if let (Some(screen), Event::Steering(state)) = (&mut *self.screen.borrow_mut(), event) {
            screen.title(format!("steering {}", state_words(*state)));
        }
        let text = match (&mut *self.screen.borrow_mut(), event) {
            (Some(screen), Event::Traffic(traffic)) => screen.show(traffic::lines(traffic), Size::of_stdout()),
            (None, Event::Traffic(traffic)) if traffic.is_quiet() => return,
            (Some(screen), event) => screen.above(&lines(event), Size::of_stdout()),
            (None, event) => match self.output {
                Events::Lines => lines(event),
                Events::Json => format!("{}\n", object(event)),
            },
        };
        self.write(&text);
    }

    /// Makes way for what others show; the next event puts the screen back.
    pub(super) fn clear(&self) {
        if let Some(screen) = &mut *self.screen.borrow_mut() {
            self.write(&screen.clear());
        }
    }

    fn write(&self, text: &str) {
        // A reader that went away does not end the run.
        let _ = self.terminal.product([text.as_bytes()]);
    }
}

/// Shows diagnostics as one JSON object a line.
pub(super) fn diagnostics(terminal: &Terminal, diagnostics: &[Diagnostic], sources: &Sources, shown: &[String]) {
    for diagnostic in diagnostics {
        let severity = diagnostic.severity().word();
        let place = diagnostic.place();
        let file = place.and_then(|span| shown.get(span.file.0 as usize));
        let line = place.map(|span| sources.position(span.file, span.start).line);
        let event = json!({
            "event": "diagnostic", "code": diagnostic.code.0, "severity": severity, "message": diagnostic.message,
            "help": diagnostic.help, "file": file, "line": line,
        });
        let _ = terminal.product([format!("{event}\n").as_bytes()]);
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

fn lines(event: &Event) -> String {
    match event {
        Event::Started { taken_over } => format!("envoy    {}\n", if *taken_over { "taken over" } else { "started" }),
        Event::Refused(refusal) => {
            let what = if refusal.kept { "the last good one stays" } else { "it is withdrawn" };
            let (kind, name) = &refusal.key;
            format!("refused  {} {name} ({}): {}; {what}\n", kind.word(), refusal.source, refusal.message)
        }
        Event::Live { listeners, took, .. } => {
            let mut text = format!("live     after {} ms, {} listeners\n", milliseconds(*took), listeners.len());
            for (name, address) in listeners {
                let _ = writeln!(text, "listen   {address}  {name}");
            }
            text
        }
        Event::Unfit(error) => format!("unfit    {error}; what was served before stays\n"),
        Event::Ended { log, again } => {
            format!("envoy    ended, starts again in {} ms: {log}\n", milliseconds(*again))
        }
        Event::Demo(report) => table(report),
        Event::Steered(services) => steered(services),
        Event::NotSteered(error) => {
            format!("unfit    {error}; what was steered before stays\n         {}\n", error.help())
        }
        Event::Steering(state) => format!("steer    {}\n", state_words(*state)),
        Event::Traffic(traffic) => traffic::lines(traffic).iter().map(|line| format!("traffic  {line}\n")).collect(),
        Event::Cluster(event) => cluster::lines(event),
    }
}

fn state_words(state: State) -> &'static str {
    match state {
        State::On => "on",
        State::SwitchedOff => "off, by `meshc steer off`: connections go where they are dialled",
        State::NoAnswer => "off, since Envoy does not answer: connections fare as `on-failure` says",
        State::Declined => "off, by `--no-steer`: services are on local ports alone",
        State::Impossible => "off, since it cannot be attached: connections go where they are dialled",
        State::Removed => "off, since its pins were removed: end this run, and start it again",
        State::Nothing => "off: no service has `at`",
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::On => "on",
        State::SwitchedOff => "switched-off",
        State::NoAnswer => "no-answer",
        State::Declined => "declined",
        State::Impossible => "impossible",
        State::Removed => "removed",
        State::Nothing => "nothing",
    }
}

fn steered(services: &[Service]) -> String {
    if services.is_empty() {
        return "steer    nothing\n".to_owned();
    }
    let mut text = String::new();
    for service in services {
        for address in &service.addresses {
            let dialled = SocketAddr::from((*address, service.port));
            let _ = writeln!(text, "steer    {dialled} to port {}  {}", service.listener, service.name);
        }
    }
    text
}

fn table(report: &Report) -> String {
    let mut text = String::new();
    for seen in &report.listeners {
        let statuses: Vec<_> =
            seen.statuses.iter().map(|(status, count)| format!("{count} × {}", word(*status))).collect();
        let (p50, p99) = (milliseconds(seen.p50), milliseconds(seen.p99));
        let _ = writeln!(
            text,
            "demo     {}: {} requests `GET /`, {}, p50 {p50} ms, p99 {p99} ms",
            seen.name,
            seen.requests,
            statuses.join(", ")
        );
        let width = seen.destinations.iter().map(|d| d.name.len()).max().unwrap_or(0);
        for one in &seen.destinations {
            let wanted = one.wanted.map_or("?".to_owned(), |share| format!("{share:.1} %"));
            let _ = writeln!(
                text,
                "demo       {:width$}  wanted {wanted:>7}  seen {:>5.1} %",
                one.name,
                share(one.answered, seen)
            );
        }
    }
    for name in &report.skipped {
        let _ = writeln!(text, "demo     {name}: no requests, since it takes no HTTP");
    }
    text
}

/// The percentage of a listener's requests.
fn share(answered: u64, seen: &Seen) -> f64 {
    if seen.requests == 0 { 0.0 } else { 100.0 * answered as f64 / seen.requests as f64 }
}

fn word(status: u16) -> String {
    if status == 0 { "no answer".to_owned() } else { status.to_string() }
}

fn object(event: &Event) -> Value {
    match event {
        Event::Started { taken_over } => json!({"event": "started", "taken_over": taken_over}),
        Event::Refused(refusal) => json!({
            "event": "refused", "kind": refusal.key.0.word(), "name": refusal.key.1, "source": refusal.source,
            "message": refusal.message, "kept": refusal.kept,
        }),
        Event::Live { listeners, took, envoy } => {
            let listeners: Vec<_> =
                listeners.iter().map(|(name, address)| json!({"name": name, "address": address})).collect();
            json!({
                "event": "live", "milliseconds": milliseconds(*took), "envoy_milliseconds": milliseconds(*envoy),
                "listeners": listeners,
            })
        }
        Event::Unfit(error) => json!({"event": "unfit", "message": error.to_string()}),
        Event::Ended { log, again } => json!({"event": "ended", "log": log, "again_in": milliseconds(*again)}),
        Event::Demo(report) => json!({
            "event": "demo", "skipped": report.skipped,
            "listeners": report.listeners.iter().map(seen).collect::<Vec<_>>(),
        }),
        Event::Steered(services) => json!({"event": "steered", "services": services}),
        Event::NotSteered(error) => {
            json!({"event": "unsteered", "message": error.to_string(), "help": error.help()})
        }
        Event::Steering(state) => json!({"event": "steering", "state": state_name(*state)}),
        Event::Traffic(traffic) => traffic::object(traffic),
        Event::Cluster(event) => cluster::object(event),
    }
}

fn seen(seen: &Seen) -> Value {
    let destinations: Vec<_> =
        seen.destinations.iter().map(|d| json!({"name": d.name, "wanted": d.wanted, "answered": d.answered})).collect();
    json!({
        "name": seen.name, "requests": seen.requests, "statuses": seen.statuses, "destinations": destinations,
        "p50": milliseconds(seen.p50), "p99": milliseconds(seen.p99),
    })
}
