//! A line for each diagnostic: `file:line:column: error[E0101]: message`.

use super::Report;
use super::places::Places;

/// Renders diagnostics, a line each.
pub(crate) fn short(report: Report<'_>) -> String {
    let mut places = Places::new(report.sources);
    let lines = report.diagnostics.iter().map(|diagnostic| {
        let place = diagnostic.place().map_or(String::new(), |span| {
            let (start, _) = places.of(span);
            format!("{}:{}:{}: ", report.path(span.file), start.line, start.column)
        });
        format!("{place}{}[{}]: {}", diagnostic.severity().word(), diagnostic.code.0, diagnostic.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}
