//! A text that passes some tests and fails others, or the certainty that there is none: likely
//! texts first, then the shortest of all by going through the product of the tests' machines.

use super::literal::{Key, Op};
use super::machine::{Machine, State};
use super::regex::{OTHER, Patterns};
use super::sample;
use super::universe::Universe;
use std::collections::HashSet;

/// The most states of a product that are looked at.
const MAX_STATES: usize = 4096;

/// What a machine costs in a product before any text is tried.
const FOR_A_MACHINE: usize = 8;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found<T> {
    One(T),
    /// There is none, for certain.
    Nothing,
    Unknown,
}

/// A test of the text: what it must be, or must not.
pub(super) type Wanted<'a> = (Op<'a>, bool);

/// Whether a text passes a test; `None` where that is not understood.
pub(super) fn passes<'a>(key: Key<'_>, text: &str, op: Op<'a>, patterns: &Patterns<'a>) -> Option<bool> {
    let plain = |wanted: &str, holds: bool| wanted.is_ascii().then_some(holds);
    match op {
        Op::Exists => Some(true),
        Op::Equals(wanted) => plain(wanted, text == wanted),
        Op::Begins(wanted) => plain(wanted, text.starts_with(wanted)),
        Op::Segments(wanted) => {
            plain(wanted, text.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        }
        Op::Ends(wanted) => plain(wanted, text.ends_with(wanted)),
        Op::Contains(wanted) => plain(wanted, text.contains(wanted)),
        Op::Template(_) | Op::Regex(_) => Machine::of(key, op, patterns)?.passes(text),
    }
}

/// Looks for a text of the subject; a test is what it must be and whether that is denied.
/// `work` is what may still be done, and is lowered by what was.
pub(super) fn find<'a>(
    key: Key<'_>,
    wanted: &[Wanted<'a>],
    patterns: &Patterns<'a>,
    work: &mut usize,
) -> Found<String> {
    let fits = |text: &str| {
        let verdicts =
            wanted.iter().map(|(op, negated)| passes(key, text, *op, patterns).map(|holds| holds != *negated));
        let mut unknown = false;
        for verdict in verdicts {
            match verdict {
                Some(true) => {}
                Some(false) => return Some(false),
                None => unknown = true,
            }
        }
        if unknown { None } else { Some(true) }
    };
    let good = |text: &str| Machine::Universe(Universe::of(key)).passes(text) == Some(true) && fits(text) == Some(true);
    for text in likely(key, wanted) {
        *work = work.saturating_sub(wanted.len());
        if good(&text) {
            return Found::One(text);
        }
    }
    let equal = wanted.iter().find_map(|(op, negated)| match op {
        Op::Equals(text) if !negated => Some(*text),
        _ => None,
    });
    if let Some(text) = equal {
        return if fits(text) == Some(false) { Found::Nothing } else { Found::Unknown };
    }
    if let Some(text) = samples(key, wanted).into_iter().find(|text| good(text)) {
        *work = work.saturating_sub(wanted.len());
        return Found::One(text);
    }
    let machines: Vec<Option<(Machine<'a>, bool)>> =
        wanted.iter().map(|(op, negated)| Machine::of(key, *op, patterns).map(|machine| (machine, *negated))).collect();
    *work = work.saturating_sub(machines.len() * FOR_A_MACHINE);
    if *work == 0 {
        return Found::Unknown;
    }
    let all = machines.iter().all(Option::is_some);
    let mut product = Product::new(Universe::of(key), machines.into_iter().flatten().collect());
    match product.shortest(&longest_beginning(wanted), work) {
        // Tests that are not understood can only take texts away.
        Found::One(_) if !all => Found::Unknown,
        found => found,
    }
}

/// Texts that are worth a try before any search, the plainest first.
fn likely<'a>(key: Key<'_>, wanted: &[Wanted<'a>]) -> Vec<String> {
    let wanted = || wanted.iter().filter(|(_, negated)| !negated).map(|(op, _)| *op);
    if let Some(text) = wanted().find_map(|op| if let Op::Equals(text) = op { Some(text) } else { None }) {
        return vec![text.to_owned()];
    }
    if key == Key::Method {
        return ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"].map(str::to_owned).to_vec();
    }
    let last = |pick: fn(Op<'a>) -> Option<&'a str>| wanted().filter_map(pick).max_by_key(|t| t.len()).unwrap_or("");
    let begin = last(|op| match op {
        Op::Begins(text) | Op::Segments(text) => Some(text),
        _ => None,
    });
    let inner = last(|op| if let Op::Contains(text) = op { Some(text) } else { None });
    let end = last(|op| if let Op::Ends(text) = op { Some(text) } else { None });
    match key {
        Key::Path if begin.is_empty() => {
            let slash = if inner.starts_with('/') || (inner.is_empty() && end.starts_with('/')) { "" } else { "/" };
            vec![format!("{slash}{inner}{end}"), format!("/x{inner}{end}")]
        }
        Key::Path => vec![format!("{begin}{inner}{end}"), format!("{begin}/x{inner}{end}")],
        _ => {
            let plain = format!("{begin}{inner}{end}");
            let further = format!("{begin}x{inner}{end}");
            // An empty text is a strange example.
            if plain.is_empty() { vec![further] } else { vec![plain, further] }
        }
    }
}

/// Texts in which the only pattern is found that must be.
fn samples(key: Key<'_>, wanted: &[Wanted<'_>]) -> Vec<String> {
    let mut tests = wanted.iter().filter(|(_, negated)| !negated);
    let (Some((Op::Regex(pattern), _)), None) = (tests.next(), tests.next()) else { return Vec::new() };
    let Some(plain) = sample::of(pattern) else { return Vec::new() };
    match key {
        Key::Path if !plain.starts_with('/') => vec![format!("/{plain}")],
        Key::Host => vec![plain.to_ascii_lowercase()],
        _ => vec![plain],
    }
}

/// What every text that passes begins with, as far as one test says.
fn longest_beginning(wanted: &[Wanted<'_>]) -> String {
    let beginnings = wanted.iter().filter_map(|(op, negated)| match op {
        Op::Begins(text) | Op::Segments(text) if !negated => Some(*text),
        _ => None,
    });
    beginnings.filter(|t| t.is_ascii()).max_by_key(|t| t.len()).unwrap_or("").to_owned()
}

/// Machines that read one text together; the denied ones must not accept it.
struct Product<'a> {
    machines: Vec<(Machine<'a>, bool)>,
    /// A byte of each class that some machine tells from the others.
    alphabet: Vec<u8>,
}

/// A place in the product: where it was come to from, by which byte, and the machines' states.
struct Step {
    before: Option<usize>,
    byte: u8,
    states: Vec<State>,
}

/// What one more character, or the end of the text, leads to.
enum Next {
    Ok(Vec<State>),
    Dead,
    GivesUp,
}

impl<'a> Product<'a> {
    fn new(universe: Universe, mut machines: Vec<(Machine<'a>, bool)>) -> Self {
        machines.push((Machine::Universe(universe), false));
        let mut seen = HashSet::new();
        let printable = (b'a'..=b'z').chain(b'0'..=b'9').chain(b"-._/".iter().copied()).chain(b'!'..=b'~');
        let all = sample::LETTERS.iter().copied().chain(printable).chain([b' ', b'\t', OTHER]);
        let class = |byte: &u8| machines.iter().map(|(machine, _)| machine.class(*byte)).collect::<Vec<_>>();
        let alphabet = all.filter(|byte| seen.insert(class(byte))).collect();
        Self { machines, alphabet }
    }

    /// The shortest text that all agree on and that begins with `beginning`.
    fn shortest(&mut self, beginning: &str, work: &mut usize) -> Found<String> {
        let mut states = match self.start() {
            Next::Ok(states) => states,
            Next::Dead => return Found::Nothing,
            Next::GivesUp => return Found::Unknown,
        };
        for byte in beginning.bytes() {
            states = match self.step(&states, byte) {
                Next::Ok(states) => states,
                Next::Dead => return Found::Nothing,
                Next::GivesUp => return Found::Unknown,
            };
        }
        let mut seen = HashSet::from([states.clone()]);
        let mut steps = vec![Step { before: None, byte: 0, states }];
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            match self.ends(&step.states) {
                None => return Found::Unknown,
                Some(true) => return Found::One(format!("{beginning}{}", text(&steps, at))),
                Some(false) => {}
            }
            *work = work.saturating_sub(self.alphabet.len() * self.machines.len());
            if steps.len() > MAX_STATES || *work == 0 {
                return Found::Unknown;
            }
            let mut further = Vec::new();
            for byte in &self.alphabet {
                match self.step(&step.states, *byte) {
                    Next::Ok(states) if seen.insert(states.clone()) => {
                        further.push(Step { before: Some(at), byte: *byte, states });
                    }
                    Next::Ok(_) | Next::Dead => {}
                    Next::GivesUp => return Found::Unknown,
                }
            }
            steps.append(&mut further);
            at += 1;
        }
        Found::Nothing
    }

    fn start(&self) -> Next {
        self.all(|at| self.machines.get(at)?.0.start())
    }

    fn step(&self, states: &[State], byte: u8) -> Next {
        self.all(|at| self.machines.get(at)?.0.step(*states.get(at)?, byte))
    }

    fn all(&self, state: impl Fn(usize) -> Option<State>) -> Next {
        let mut states = Vec::with_capacity(self.machines.len());
        for (at, (_, negated)) in self.machines.iter().enumerate() {
            match state(at) {
                None => return Next::GivesUp,
                Some(State::No) if !negated => return Next::Dead,
                Some(State::Yes) if *negated => return Next::Dead,
                Some(state) => states.push(state),
            }
        }
        Next::Ok(states)
    }

    /// Whether all agree on a text that ends here; `None` where one gives up.
    fn ends(&self, states: &[State]) -> Option<bool> {
        for ((machine, negated), state) in self.machines.iter().zip(states) {
            if machine.accepts(*state)? == *negated {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// The text on the way to a step.
fn text(steps: &[Step], mut at: usize) -> String {
    let mut text = Vec::new();
    while let Some(Step { before: Some(before), byte, .. }) = steps.get(at) {
        text.push(if *byte == OTHER { 'é' } else { char::from(*byte) });
        at = *before;
    }
    text.iter().rev().collect()
}
