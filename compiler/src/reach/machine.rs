//! Tests of a text as automata that read it character by character.

use super::literal::{Key, Op};
use super::regex::{OTHER, Patterns, Progress, Search};
use super::universe::Universe;
use crate::template::{self, Segment, Template};
use regex_automata::hybrid::LazyStateID;
use std::rc::Rc;

/// A test of a text.
#[derive(Debug)]
pub(super) enum Machine<'a> {
    Equals(&'a [u8]),
    Begins(&'a [u8]),
    Segments(&'a [u8]),
    /// With the table of how much of the text still fits where it breaks off.
    Ends(&'a [u8], Vec<usize>),
    Contains(&'a [u8], Vec<usize>),
    Template(Vec<Piece>),
    Regex(Rc<Search>),
    Universe(Universe),
}

/// A piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Byte(u8),
    /// The first character of a free segment.
    First,
    /// Any further ones.
    More,
    /// Everything that is left.
    Rest,
}

/// How far a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum State {
    At(usize),
    Lazy(LazyStateID),
    /// The test holds whatever follows.
    Yes,
    /// It fails whatever follows.
    No,
}

impl<'a> Machine<'a> {
    /// The machine of a test; `None` where the test is not understood.
    pub(super) fn of(key: Key<'_>, op: Op<'a>, patterns: &Patterns<'a>) -> Option<Self> {
        let ascii = |text: &'a str| text.is_ascii().then_some(text.as_bytes());
        Some(match op {
            Op::Exists => Machine::Begins(&[]),
            Op::Equals(text) => Machine::Equals(ascii(text)?),
            Op::Begins(text) => Machine::Begins(ascii(text)?),
            Op::Segments(text) => Machine::Segments(ascii(text)?),
            Op::Ends(text) => Machine::Ends(ascii(text)?, fallbacks(text.as_bytes())),
            Op::Contains(text) => Machine::Contains(ascii(text)?, fallbacks(text.as_bytes())),
            Op::Template(template) => Machine::Template(pieces(template)),
            Op::Regex(pattern) => Machine::Regex(patterns.get(pattern, key == Key::Host)?),
        })
    }

    /// The state before the first character; `None` where the machine gives up.
    pub(super) fn start(&self) -> Option<State> {
        Some(match self {
            Machine::Begins([]) | Machine::Ends([], _) | Machine::Contains([], _) => State::Yes,
            Machine::Regex(search) => lazy(search.start()?),
            _ => State::At(0),
        })
    }

    /// The state behind one more character; `None` where the machine gives up.
    pub(super) fn step(&self, state: State, byte: u8) -> Option<State> {
        let at = match state {
            State::Yes | State::No => return Some(state),
            State::Lazy(state) => {
                let Machine::Regex(search) = self else { return None };
                return Some(lazy(search.step(state, byte)?));
            }
            State::At(at) => at,
        };
        Some(match self {
            Machine::Equals(text) => literal(text, at, byte),
            Machine::Begins(text) => match literal(text, at, byte) {
                State::At(next) if next == text.len() => State::Yes,
                next => next,
            },
            Machine::Segments(text) if at == text.len() => {
                if byte == b'/' {
                    State::Yes
                } else {
                    State::No
                }
            }
            Machine::Segments(text) => literal(text, at, byte),
            Machine::Ends(text, fallbacks) => State::At(longest(text, fallbacks, at, byte)),
            Machine::Contains(text, fallbacks) => match longest(text, fallbacks, at, byte) {
                next if next == text.len() => State::Yes,
                next => State::At(next),
            },
            Machine::Template(pieces) => fill(pieces, at, byte),
            Machine::Universe(universe) => universe.step(at, byte).map_or(State::No, State::At),
            Machine::Regex(_) => return None,
        })
    }

    /// Whether the test holds for a text that ends here; `None` where the machine gives up.
    pub(super) fn accepts(&self, state: State) -> Option<bool> {
        let at = match state {
            State::Yes => return Some(true),
            State::No => return Some(false),
            State::Lazy(state) => {
                let Machine::Regex(search) = self else { return None };
                return search.ends(state);
            }
            State::At(at) => at,
        };
        Some(match self {
            Machine::Equals(text) | Machine::Segments(text) | Machine::Ends(text, _) => at == text.len(),
            Machine::Begins(_) | Machine::Contains(..) => false,
            Machine::Template(pieces) => {
                let rest = pieces.get(at..).unwrap_or(&[]);
                matches!(rest, [] | [Piece::More | Piece::Rest])
            }
            Machine::Universe(universe) => universe.ends(at),
            Machine::Regex(_) => return None,
        })
    }

    /// Bytes of one class are the same to the machine.
    pub(super) fn class(&self, byte: u8) -> u16 {
        let named = |named: bool| if named { u16::from(byte) + 8 } else { 0 };
        match self {
            Machine::Segments(text) => named(byte == b'/' || text.contains(&byte)),
            Machine::Equals(text) | Machine::Begins(text) | Machine::Ends(text, _) | Machine::Contains(text, _) => {
                named(text.contains(&byte))
            }
            Machine::Template(pieces) if byte == b'/' || pieces.contains(&Piece::Byte(byte)) => named(true),
            Machine::Template(_) => u16::from(template::is_free(byte)),
            Machine::Regex(search) => u16::from(search.class(byte)),
            Machine::Universe(universe) => named(universe.tells(byte)),
        }
    }

    /// Whether a text passes; `None` where the machine gives up.
    pub(super) fn passes(&self, text: &str) -> Option<bool> {
        let mut state = self.start()?;
        for c in text.chars() {
            if matches!(state, State::Yes | State::No) {
                break;
            }
            state = self.step(state, byte(c))?;
        }
        self.accepts(state)
    }
}

/// A character as the machines read it.
pub(super) fn byte(c: char) -> u8 {
    u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(OTHER)
}

fn lazy(progress: Progress) -> State {
    match progress {
        Progress::Found => State::Yes,
        Progress::Never => State::No,
        Progress::Open(state) => State::Lazy(state),
    }
}

fn literal(text: &[u8], at: usize, byte: u8) -> State {
    if text.get(at) == Some(&byte) { State::At(at + 1) } else { State::No }
}

/// How long a beginning of the text is also an end of what was read (Knuth, Morris and Pratt).
fn longest(text: &[u8], fallbacks: &[usize], mut at: usize, byte: u8) -> usize {
    loop {
        if text.get(at) == Some(&byte) {
            return at + 1;
        }
        match at.checked_sub(1).and_then(|last| fallbacks.get(last)) {
            Some(shorter) => at = *shorter,
            None => return 0,
        }
    }
}

/// For each beginning of the text, how long a shorter one is also its end.
fn fallbacks(text: &[u8]) -> Vec<usize> {
    let mut table = Vec::with_capacity(text.len());
    let mut length = 0;
    for (at, byte) in text.iter().enumerate() {
        length = if at == 0 { 0 } else { longest(text, &table, length, *byte) };
        table.push(length);
    }
    table
}

fn pieces(template: &Template) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for segment in &template.segments {
        pieces.push(Piece::Byte(b'/'));
        match segment {
            Segment::Literal(text) => pieces.extend(text.bytes().map(Piece::Byte)),
            Segment::One(_) => pieces.extend([Piece::First, Piece::More]),
            Segment::Rest(_) => pieces.push(Piece::Rest),
        }
    }
    pieces
}

fn fill(pieces: &[Piece], at: usize, byte: u8) -> State {
    match pieces.get(at) {
        Some(Piece::Byte(wanted)) if *wanted == byte => State::At(at + 1),
        Some(Piece::First) if template::is_free(byte) => State::At(at + 1),
        Some(Piece::More) if template::is_free(byte) => State::At(at),
        // Behind a free segment stands a slash, which cannot be in it.
        Some(Piece::More) => fill(pieces, at + 1, byte),
        Some(Piece::Rest) if byte == b'/' || template::is_free(byte) => State::At(at),
        _ => State::No,
    }
}
