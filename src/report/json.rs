//! For programs: one JSON object.

use super::Report;
use meshc_dsl::diagnostic::Label;
use meshc_dsl::{Diagnostic, Span};
use serde_json::{Value, json};

/// Renders a report.
pub(crate) fn json(report: &Report<'_>) -> String {
    let requests = report.outcomes.iter().map(|outcome| {
        json!({
            "test": report.test(outcome),
            "for": outcome.entry,
            "request": report.request(outcome),
            "file": report.file(outcome.span.file),
            "line": report.line(outcome.span),
            "passed": outcome.failures.is_empty(),
            "rule": outcome.rule.map(|span| place(report, span)),
            "failures": outcome.failures.iter().map(|f| diagnostic(report, f)).collect::<Vec<_>>(),
        })
    });
    let object = json!({
        "passed": report.passed(),
        "diagnostics": report.diagnostics.iter().map(|d| diagnostic(report, d)).collect::<Vec<_>>(),
        "requests": requests.collect::<Vec<_>>(),
        "coverage": coverage(report),
        "snapshots": snapshots(report),
    });
    format!("{object:#}\n")
}

fn place(report: &Report<'_>, span: Span) -> Value {
    json!({"file": report.file(span.file), "line": report.line(span)})
}

fn coverage(report: &Report<'_>) -> Value {
    let Some(coverage) = report.coverage else { return Value::Null };
    let missed = coverage.missed.iter().map(|point| {
        json!({
            "file": report.file(point.span.file),
            "line": report.line(point.span),
            "text": report.text(point.span),
            "alternative": point.alternative,
        })
    });
    json!({
        "all": coverage.all,
        "reached": coverage.reached(),
        "percent": coverage.percent(),
        "wanted": report.least,
        "missed": missed.collect::<Vec<_>>(),
    })
}

fn snapshots(report: &Report<'_>) -> Value {
    let Some(snapshots) = report.snapshots else { return Value::Null };
    let findings = snapshots.findings.iter();
    let findings = findings.map(|f| json!({"name": f.name, "message": f.message, "difference": f.lines}));
    json!({
        "names": snapshots.names,
        "accepted": snapshots.accepted,
        "findings": findings.collect::<Vec<_>>(),
    })
}

fn diagnostic(report: &Report<'_>, diagnostic: &Diagnostic) -> Value {
    let position = |span: Span, offset: u32| {
        let at = report.sources.position(span.file, offset);
        json!({"line": at.line, "column": at.column, "offset": at.offset})
    };
    let span = |label: &Label| {
        json!({
            "file": report.file(label.span.file),
            "primary": label.primary,
            "label": label.text,
            "start": position(label.span, label.span.start),
            "end": position(label.span, label.span.end),
        })
    };
    json!({
        "code": diagnostic.code.0,
        "severity": diagnostic.severity().word(),
        "message": diagnostic.message,
        "help": diagnostic.help,
        "spans": diagnostic.labels.iter().map(span).collect::<Vec<_>>(),
    })
}
