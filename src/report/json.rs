//! For programs: one JSON object.

use super::Report;
use crate::render;
use meshc_dsl::{Diagnostic, Span};
use serde_json::{Value, json};

/// Renders a report.
pub(crate) fn json(report: &Report<'_>) -> serde_json::Result<String> {
    let requests = report.outcomes.iter().map(|outcome| {
        Ok(json!({
            "test": report.test(outcome),
            "for": outcome.entry,
            "request": report.request(outcome),
            "file": report.file(outcome.span.file),
            "line": report.line(outcome.span),
            "passed": outcome.failures.is_empty(),
            "rule": outcome.rule.map(|span| place(report, span)),
            "failures": listed(report, &outcome.failures)?,
        }))
    });
    let object = json!({
        "passed": report.passed(),
        "diagnostics": listed(report, report.diagnostics)?,
        "requests": requests.collect::<serde_json::Result<Vec<_>>>()?,
        "coverage": coverage(report),
        "snapshots": snapshots(report),
    });
    Ok(format!("{object:#}\n"))
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

/// Diagnostics in the form that all commands give them.
fn listed(report: &Report<'_>, diagnostics: &[Diagnostic]) -> serde_json::Result<Value> {
    render::list(render::Report { diagnostics, sources: report.sources, shown: report.shown })
}
