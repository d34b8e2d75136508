//! Diagnostics as one JSON object, for programs.

use super::Report;
use super::places::{Places, Position};
use meshc_dsl::diagnostic::{Diagnostic, Fix, Label};
use meshc_dsl::{FileId, Span};
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    diagnostics: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    code: &'a str,
    severity: &'a str,
    message: &'a str,
    help: Option<&'a str>,
    spans: Vec<Place<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Replacement<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    primary: bool,
    label: &'a str,
    start: Point,
    end: Point,
}

#[derive(Serialize)]
struct Replacement<'a> {
    replacement: &'a str,
    file: &'a str,
    start: Point,
    end: Point,
}

#[derive(Serialize)]
struct Point {
    line: usize,
    column: usize,
    offset: usize,
}

impl From<Position> for Point {
    fn from(Position { line, column, offset }: Position) -> Self {
        Self { line, column, offset }
    }
}

struct Reader<'a> {
    report: Report<'a>,
    places: Places<'a>,
}

/// Renders diagnostics as one object, with a line end.
pub(crate) fn json(report: Report<'_>) -> serde_json::Result<String> {
    let mut reader = Reader { report, places: Places::new(report.sources) };
    let document = Document { diagnostics: report.diagnostics.iter().map(|d| reader.entry(d)).collect() };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

impl<'a> Reader<'a> {
    fn entry(&mut self, diagnostic: &'a Diagnostic) -> Entry<'a> {
        Entry {
            code: diagnostic.code.0,
            severity: diagnostic.severity().word(),
            message: &diagnostic.message,
            help: diagnostic.help.as_deref(),
            spans: diagnostic.labels.iter().map(|label| self.label(label)).collect(),
            fix: diagnostic.fix.as_ref().map(|fix| self.fix(fix)),
        }
    }

    fn label(&mut self, label: &'a Label) -> Place<'a> {
        let (file, start, end) = self.span(label.span);
        Place { file, primary: label.primary, label: &label.text, start, end }
    }

    fn fix(&mut self, fix: &'a Fix) -> Replacement<'a> {
        let (file, start, end) = self.span(fix.span);
        Replacement { replacement: &fix.replacement, file, start, end }
    }

    fn span(&mut self, span: Span) -> (&'a str, Point, Point) {
        let (start, end) = self.places.of(span);
        (self.file(span.file), start.into(), end.into())
    }

    fn file(&self, file: FileId) -> &'a str {
        self.report.path(file)
    }
}
