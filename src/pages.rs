//! The pages of `docs/diagnostics/`, one for each code, built into the command.

use std::cmp::Ordering;

/// A page, and the code that it explains.
#[derive(Clone, Copy)]
pub(crate) struct Page {
    pub(crate) code: &'static str,
    /// What stands behind the code in the first line.
    pub(crate) title: &'static str,
    /// The whole page, as Markdown.
    pub(crate) text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The page of a code.
pub(crate) fn find(code: &str) -> Option<Page> {
    let at = TEXTS.binary_search_by(|(known, _)| known.cmp(&code)).ok()?;
    TEXTS.get(at).map(page)
}

fn page(entry: &(&'static str, &'static str)) -> Page {
    let (code, text) = *entry;
    let first = text.lines().next().unwrap_or("");
    Page { code, title: first.split_once(": ").map_or("", |(_, title)| title), text }
}

/// Every page: errors, then warnings, then notes.
pub(crate) fn all() -> Vec<Page> {
    let rank = |code: &str| ["E", "W", "N"].iter().position(|letter| code.starts_with(letter));
    let mut pages: Vec<Page> = TEXTS.iter().map(page).collect();
    pages.sort_by(|a, b| match rank(a.code).cmp(&rank(b.code)) {
        Ordering::Equal => a.code.cmp(b.code),
        unequal => unequal,
    });
    pages
}
