//! For people: what failed with its place, what no test reaches, which snapshots changed.

use super::Report;
use crate::render;
use meshc_dsl::Diagnostic;

/// Renders a report. The errors of a program that could not be tested are not in it.
pub(crate) fn human(report: &Report<'_>) -> String {
    let mut parts = Vec::new();
    let failures: Vec<Diagnostic> = report.outcomes.iter().flat_map(|o| o.failures.iter().cloned()).collect();
    if !failures.is_empty() {
        parts.push(render::human(&failures, report.sources, report.shown));
    }
    parts.extend(missed(report));
    if let Some(snapshots) = report.snapshots {
        for finding in &snapshots.findings {
            let mut part = format!("snapshots/{}: {}", finding.name, finding.message);
            finding.lines.iter().for_each(|line| part.push_str(&format!("\n  {line}")));
            parts.push(part);
        }
        if !snapshots.findings.is_empty() {
            parts.push("`meshc test --accept` takes the snapshots as they are now; read what changed first".to_owned());
        }
        if !snapshots.accepted.is_empty() {
            parts.push(format!("accepted: {}", snapshots.accepted.join(", ")));
        }
    }
    parts.push(summary(report));
    parts.join("\n\n")
}

/// What no test reaches, by line.
fn missed(report: &Report<'_>) -> Option<String> {
    let coverage = report.coverage.filter(|c| !c.missed.is_empty())?;
    let mut part = String::from("no test reaches");
    for point in &coverage.missed {
        let what = if point.alternative { "the alternative " } else { "" };
        let (file, line) = (report.file(point.span.file), report.line(point.span));
        part.push_str(&format!("\n  {file}:{line}: {what}{}", report.text(point.span)));
    }
    Some(part)
}

fn summary(report: &Report<'_>) -> String {
    let (all, failed) = (report.outcomes.len(), report.failed());
    let mut text = match failed {
        0 => format!("{} passed", count(all, "request")),
        _ => format!("{failed} of {} failed", count(all, "request")),
    };
    if let Some(coverage) = report.coverage {
        let (reached, all) = (coverage.reached(), coverage.all);
        text.push_str(&format!(
            "; the tests reach {reached} of {all} rules and alternatives ({}%)",
            coverage.percent()
        ));
        if let Some(least) = report.least.filter(|_| !report.covers_enough()) {
            text.push_str(&format!(", and {least}% are wanted"));
        }
    }
    if let Some(snapshots) = report.snapshots {
        let wrong = snapshots.findings.len();
        text.push_str(&match wrong {
            0 => format!("; {} as they should be", count(snapshots.names.len(), "snapshot")),
            _ => format!("; {} not as they should be", count(wrong, "snapshot")),
        });
    }
    text
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
