//! The texts that a subject can be at all when rules are tried. In doubt a text is among them: a
//! rule that only such a text reaches is then not reported.

use super::literal::Key;
use super::regex::OTHER;

/// The texts of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Universe {
    Path,
    Method,
    Host,
    Header,
    Query,
    Cookie,
}

/// States of a path: before it, and what its last segment is so far; two of them are of a whole path.
mod path {
    pub(super) const EMPTY: usize = 1;
    pub(super) const DOT: usize = 2;
    pub(super) const DOTS: usize = 3;
    pub(super) const TEXT: usize = 4;
    /// `/`
    pub(super) const ROOT: usize = 5;
    /// `//`, which is what is left of a path of slashes.
    pub(super) const SLASHES: usize = 6;
}

/// States of a host: before it, in a name, and in and behind the brackets of an IPv6 address.
mod host {
    pub(super) const NAME: usize = 1;
    pub(super) const BRACKETS: usize = 2;
    pub(super) const CLOSED: usize = 3;
}

impl Universe {
    pub(super) fn of(key: Key<'_>) -> Self {
        match key {
            Key::Path => Universe::Path,
            Key::Method => Universe::Method,
            Key::Host => Universe::Host,
            Key::Header(_) => Universe::Header,
            Key::Query(_) => Universe::Query,
            Key::Cookie(_) => Universe::Cookie,
        }
    }

    /// The state behind one more character; `None` where no text goes on like this.
    pub(super) fn step(self, at: usize, byte: u8) -> Option<usize> {
        let visible = byte.is_ascii_graphic() || byte == OTHER;
        match self {
            Universe::Path => path_step(at, byte).filter(|_| visible),
            Universe::Method => (byte.is_ascii_graphic()).then_some(1),
            Universe::Host => host_step(at, byte).filter(|_| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()),
            Universe::Header => (visible || matches!(byte, b' ' | b'\t')).then_some(0),
            Universe::Query => (visible && !matches!(byte, b'&' | b'#')).then_some(0),
            Universe::Cookie => ((visible || byte == b' ') && byte != b';').then_some(0),
        }
    }

    /// Whether a text may end here.
    pub(super) fn ends(self, at: usize) -> bool {
        match self {
            Universe::Path => matches!(at, path::EMPTY | path::TEXT | path::ROOT | path::SLASHES),
            Universe::Method => at == 1,
            Universe::Host => matches!(at, host::NAME | host::CLOSED),
            Universe::Header | Universe::Query | Universe::Cookie => true,
        }
    }

    /// Whether a character is told from letters.
    pub(super) fn tells(self, byte: u8) -> bool {
        match self {
            Universe::Path => matches!(byte, b'/' | b'.' | b'?' | b'#'),
            Universe::Host => matches!(byte, b'[' | b']' | b':' | OTHER) || byte.is_ascii_uppercase(),
            Universe::Method => byte == OTHER,
            Universe::Header => false,
            Universe::Query => matches!(byte, b'&' | b'#'),
            Universe::Cookie => byte == b';',
        }
    }
}

/// No request has dot segments when rules are tried, nor doubled slashes but for `//` as a whole.
fn path_step(at: usize, byte: u8) -> Option<usize> {
    match (at, byte) {
        (_, b'?' | b'#') => None,
        (0, b'/') => Some(path::ROOT),
        (path::ROOT, b'/') => Some(path::SLASHES),
        (path::TEXT, b'/') => Some(path::EMPTY),
        (0 | path::SLASHES, _) | (path::EMPTY | path::DOT | path::DOTS, b'/') => None,
        (path::EMPTY | path::ROOT, b'.') => Some(path::DOT),
        (path::DOT, b'.') => Some(path::DOTS),
        _ => Some(path::TEXT),
    }
}

fn host_step(at: usize, byte: u8) -> Option<usize> {
    match (at, byte) {
        (0, b'[') => Some(host::BRACKETS),
        (host::BRACKETS, b']') => Some(host::CLOSED),
        (host::BRACKETS, b'[') | (host::CLOSED, _) => None,
        (host::BRACKETS, _) => Some(host::BRACKETS),
        (_, b'[' | b']' | b':') => None,
        _ => Some(host::NAME),
    }
}
