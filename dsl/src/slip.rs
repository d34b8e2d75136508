//! Slips that people make who come from another language, and what to tell them.

/// A piece of text that is no part of the language, with what is written instead.
const FOREIGN: &[(&str, &str)] = &[
    ("==", "equality is written with one `=`"),
    ("=~", "a regular expression is written `path regex `^/v[0-9]+/``"),
    ("!=", "inequality is written with `not`: `not header x-env = \"prod\"`"),
    ("&&", "conditions are joined by `and`"),
    ("||", "conditions are joined by `or`"),
    ("\u{201c}", SMART),
    ("\u{201d}", SMART),
    ("\u{2018}", SMART),
    ("\u{2019}", SMART),
];

const SMART: &str = "these are typographic quotes; text stands in plain ones: `\"/x\"`";

/// What to tell of the piece that stands at `start` in a clause or condition, if it is a known slip.
pub(crate) fn hint(text: &str, start: usize, piece: &str) -> Option<&'static str> {
    let before = text.get(..start).unwrap_or("").split_whitespace().next_back().unwrap_or("");
    let foreign = |word: &str| FOREIGN.iter().find(|(sign, _)| word.contains(sign)).map(|(_, hint)| *hint);
    let first = text.split_whitespace().next().unwrap_or("");
    foreign(piece).or_else(|| foreign(before)).or_else(|| {
        if first.ends_with(':') {
            Some("no colon follows a keyword: write `timeout 5s`")
        } else if is_ratio(first) {
            Some("a share stands before each destination: `90% v1, 10% v2`")
        } else {
            None
        }
    })
}

/// Whether a value in quotes that are not ours was meant.
pub fn smart_quoted(text: &str) -> Option<&str> {
    text.strip_prefix(['\u{201c}', '\u{201d}'])?.strip_suffix(['\u{201c}', '\u{201d}'])
}

/// `90/10`
pub(crate) fn is_ratio(word: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'%');
    word.split_once('/').is_some_and(|(left, right)| digits(left) && digits(right))
}
