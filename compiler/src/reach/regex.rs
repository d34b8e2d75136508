//! Patterns as lazy automata. A text is a run of ASCII characters and of [`OTHER`], which stands
//! for any one character that is not; a pattern that tells such characters apart is not understood.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Any one character that is not ASCII.
pub(super) const OTHER: u8 = 0x80;

/// The most memory, in bytes, for a pattern's program and for its states.
const MAX_SIZE: usize = 1 << 20;

/// A pattern that is searched for.
#[derive(Debug)]
pub(super) struct Search {
    dfa: DFA,
    cache: RefCell<Cache>,
}

/// What is known after some characters of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Progress {
    Found,
    Never,
    Open(LazyStateID),
}

impl Search {
    fn new(pattern: &str, ignore_case: bool) -> Option<Self> {
        // RE2's classes are of ASCII, and so are those of patterns for bytes.
        let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(ignore_case);
        let config = DFA::config()
            .cache_capacity(MAX_SIZE)
            // States must keep their numbers: rather give up than forget them.
            .minimum_cache_clear_count(Some(0));
        let program = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(MAX_SIZE))
            .which_captures(thompson::WhichCaptures::None);
        let dfa = DFA::builder().configure(config).syntax(syntax).thompson(program).build(pattern).ok()?;
        let classes = dfa.byte_classes();
        if (OTHER..=u8::MAX).any(|byte| classes.get(byte) != classes.get(OTHER)) {
            return None;
        }
        let cache = RefCell::new(dfa.create_cache());
        Some(Self { dfa, cache })
    }

    pub(super) fn start(&self) -> Option<Progress> {
        let input = Input::new("").anchored(Anchored::No);
        let state = self.dfa.start_state_forward(&mut self.cache.borrow_mut(), &input).ok()?;
        progress(state)
    }

    pub(super) fn step(&self, state: LazyStateID, byte: u8) -> Option<Progress> {
        progress(self.dfa.next_state(&mut self.cache.borrow_mut(), state, byte).ok()?)
    }

    /// Whether the pattern is found if the text ends here.
    pub(super) fn ends(&self, state: LazyStateID) -> Option<bool> {
        let end = self.dfa.next_eoi_state(&mut self.cache.borrow_mut(), state).ok()?;
        Some(end.is_match())
    }

    /// Bytes of one class are the same to the pattern.
    pub(super) fn class(&self, byte: u8) -> u8 {
        self.dfa.byte_classes().get(byte)
    }
}

fn progress(state: LazyStateID) -> Option<Progress> {
    if state.is_quit() || state.is_unknown() {
        return None;
    }
    Some(match state {
        _ if state.is_match() => Progress::Found,
        _ if state.is_dead() => Progress::Never,
        _ => Progress::Open(state),
    })
}

/// A pattern and whether it leaves case out of account.
type Written<'a> = (&'a str, bool);

/// The patterns of one list of rules, each built once and only when it is needed.
#[derive(Debug, Default)]
pub(super) struct Patterns<'a> {
    built: RefCell<HashMap<Written<'a>, Option<Rc<Search>>>>,
}

impl<'a> Patterns<'a> {
    /// The pattern's automaton; `None` for one that is not understood.
    pub(super) fn get(&self, pattern: &'a str, ignore_case: bool) -> Option<Rc<Search>> {
        let mut built = self.built.borrow_mut();
        let entry = built.entry((pattern, ignore_case));
        entry.or_insert_with(|| Search::new(pattern, ignore_case).map(Rc::new)).clone()
    }
}
