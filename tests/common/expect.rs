//! What an `expect.txt` says of diagnostics, and what came of it.

use super::folders;
use meshc_dsl::{Diagnostic, Severity, Sources};
use std::path::Path;

/// The diagnostics of a case, held against its `expect.txt` line by line.
pub struct Held<'d> {
    sources: &'d Sources,
    left: Vec<&'d Diagnostic>,
    last: Option<&'d Diagnostic>,
    problems: Vec<String>,
}

impl<'d> Held<'d> {
    pub fn new(found: &'d [Diagnostic], sources: &'d Sources) -> Self {
        Self { sources, left: found.iter().collect(), last: None, problems: Vec::new() }
    }

    /// Heeds a line about diagnostics: `! CODE TEXT`, `@ LINE:COLUMN` or `? WORDS`. `false` for a
    /// line of another kind.
    pub fn line(&mut self, line: &str) -> bool {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "!" => self.found(rest),
            "@" => self.stands_at(rest),
            "?" => self.says(rest),
            _ => return false,
        }
        true
    }

    pub fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// What is wrong; an error or warning that no line asked for is.
    pub fn problems(mut self) -> Vec<String> {
        let unexpected = self.left.iter().filter(|d| d.severity() != Severity::Note);
        self.problems.extend(unexpected.map(|d| format!("unexpected: {}", shown(d, self.sources))));
        self.problems
    }

    fn found(&mut self, rest: &str) {
        let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let at = self.left.iter().position(|d| d.code.0 == code && underlined(d, self.sources) == text);
        self.last = at.map(|at| self.left.remove(at));
        if self.last.is_none() {
            self.problem(format!("missing: {code} at `{text}`"));
        }
    }

    fn stands_at(&mut self, wanted: &str) {
        let place = self.last.and_then(Diagnostic::place).map(|p| self.sources.position(p.file, p.start));
        let place = place.map(|p| format!("{}:{}", p.line, p.column)).unwrap_or_default();
        if place != wanted {
            self.problem(format!("wanted at {wanted}, seen at {place}"));
        }
    }

    fn says(&mut self, words: &str) {
        let said = self.last.map(|d| format!("{}\n{}", d.message, d.help.as_deref().unwrap_or(""))).unwrap_or_default();
        if !said.contains(words) {
            self.problem(format!("`{words}` is not in: {said}"));
        }
    }
}

/// The text that a diagnostic underlines, on one line.
pub fn underlined(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let text = diagnostic.place().map_or("", |place| sources.text(place));
    text.replace('\n', "\\n").replace('\r', "\\r")
}

/// A diagnostic with its place, on one line.
pub fn shown(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let at = diagnostic.place().map(|p| sources.position(p.file, p.start));
    let at = at.map_or(String::new(), |p| format!("{}:{} `{}`", p.line, p.column, underlined(diagnostic, sources)));
    format!("{} at {at}: {}", diagnostic.code.0, diagnostic.message)
}

/// Fails unless every folder in `path`, of which there are more than `least`, is without problems.
pub fn every_case(path: &str, least: usize, problems: impl Fn(&Path) -> Vec<String>) {
    let folders = folders(path);
    assert!(folders.len() > least, "the cases are gone: {}", folders.len());
    let of = |folder: &std::path::PathBuf| {
        let problems = problems(folder);
        (!problems.is_empty()).then(|| format!("{}:\n  {}", folder.display(), problems.join("\n  ")))
    };
    let failed: Vec<String> = folders.iter().filter_map(of).collect();
    assert!(failed.is_empty(), "{} of {} cases failed:\n{}", failed.len(), folders.len(), failed.join("\n"));
}
