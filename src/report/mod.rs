//! What came of tests, for people and for programs.

mod human;
mod json;
mod junit;

pub(crate) use human::human;
pub(crate) use json::json;
pub(crate) use junit::junit;

use crate::snapshot;
use meshc_compiler::testing::{Coverage, Outcome, Suite};
use meshc_dsl::{Diagnostic, FileId, Sources, Span};

/// Everything that a run of the tests found.
pub(crate) struct Report<'a> {
    pub(crate) sources: &'a Sources,
    /// How each text is called in messages.
    pub(crate) shown: &'a [String],
    /// What is wrong with the program; where there is an error, nothing was tested.
    pub(crate) diagnostics: &'a [Diagnostic],
    pub(crate) suite: Option<&'a Suite>,
    pub(crate) outcomes: &'a [Outcome],
    /// `None` where not all tests were run.
    pub(crate) coverage: Option<&'a Coverage>,
    /// The least that the tests must reach, in percent.
    pub(crate) least: Option<usize>,
    pub(crate) snapshots: Option<&'a snapshot::Outcome>,
}

impl Report<'_> {
    /// Whether nothing failed.
    pub(crate) fn passed(&self) -> bool {
        self.suite.is_some()
            && self.outcomes.iter().all(|outcome| outcome.failures.is_empty())
            && self.snapshots.is_none_or(|s| s.findings.is_empty())
            && self.covers_enough()
    }

    /// Whether the tests reach as much as they must.
    pub(crate) fn covers_enough(&self) -> bool {
        self.least.is_none_or(|least| self.coverage.is_none_or(|c| c.percent() >= least))
    }

    fn file(&self, file: FileId) -> &str {
        self.shown.get(file.0 as usize).map_or("", String::as_str)
    }

    fn line(&self, span: Span) -> usize {
        self.sources.position(span.file, span.start).line
    }

    /// The first line of what a span covers.
    fn text(&self, span: Span) -> &str {
        self.sources.text(span).lines().next().unwrap_or("").trim_end()
    }

    /// The request as written, without what is expected of it.
    fn request(&self, outcome: &Outcome) -> String {
        let text = self.sources.text(outcome.span);
        let sent = text.split_once("=>").map_or(text, |(sent, _)| sent);
        sent.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn test(&self, outcome: &Outcome) -> &str {
        self.suite.and_then(|s| s.tests.get(outcome.test)).map_or("", |test| test.name.as_str())
    }

    fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| !outcome.failures.is_empty()).count()
    }

    /// What one failure says, on one line.
    fn words(&self, failure: &Diagnostic) -> String {
        let expected = failure.place().map_or("", |span| self.text(span));
        format!("{}; `{expected}` was expected", failure.message)
    }
}
