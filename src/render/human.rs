//! Diagnostics for people: the user's text underlined, what is wrong, what to write instead.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use meshc_dsl::{Diagnostic, FileId, Severity, Sources, Span};
use std::ops::Range;

/// The most diagnostics that are shown at once.
const MOST: usize = 50;

/// Renders diagnostics one below the other, errors that there are too many of as a count.
pub(crate) fn human(diagnostics: &[Diagnostic], sources: &Sources, shown: &[String]) -> String {
    let renderer = Renderer::styled();
    let mut parts: Vec<String> =
        diagnostics.iter().take(MOST).map(|d| renderer.render(&[group(d, sources, shown)])).collect();
    if diagnostics.len() > MOST {
        let rest = diagnostics.get(MOST..).unwrap_or_default();
        parts.push(failure_at(Level::NOTE, &format!("{} more are not shown: {}", rest.len(), counts(rest))));
    }
    parts.join("\n\n")
}

/// Says how many errors and warnings there are; nothing where there is neither.
pub(crate) fn summary(diagnostics: &[Diagnostic], deny_warnings: bool) -> Option<String> {
    let worst = diagnostics.iter().map(Diagnostic::severity).min()?;
    let serious: Vec<_> = diagnostics.iter().filter(|d| d.severity() != Severity::Note).cloned().collect();
    match worst {
        Severity::Note => None,
        Severity::Warning if deny_warnings => {
            Some(failure_at(Level::ERROR, &format!("{}, which --deny-warnings does not let pass", counts(&serious))))
        }
        worst => Some(failure_at(level(worst), &counts(&serious))),
    }
}

/// `3 errors, 1 warning`
fn counts(diagnostics: &[Diagnostic]) -> String {
    let severities = [Severity::Error, Severity::Warning, Severity::Note];
    let counted = severities.into_iter().filter_map(|severity| {
        let count = diagnostics.iter().filter(|d| d.severity() == severity).count();
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {}{plural}", severity.word()))
    });
    counted.collect::<Vec<_>>().join(", ")
}

/// Renders a failure that has no place in a policy.
pub(crate) fn failure(message: &str) -> String {
    failure_at(Level::ERROR, message)
}

/// Renders a remark that has no place in a policy.
pub(crate) fn note(message: &str) -> String {
    failure_at(Level::NOTE, message)
}

fn failure_at(level: Level<'_>, message: &str) -> String {
    Renderer::styled().render(&[Group::with_title(level.primary_title(message))])
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources, shown: &'a [String]) -> Group<'a> {
    let title = level(diagnostic.severity()).primary_title(diagnostic.message.as_str()).id(diagnostic.code.0);
    let mut group = Group::with_title(title);
    let mut files: Vec<FileId> = Vec::new();
    for label in &diagnostic.labels {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    for file in files {
        let Some(source) = sources.get(file) else { continue };
        let path = shown.get(file.0 as usize).map_or(source.name.as_str(), String::as_str);
        let labels = || diagnostic.labels.iter().filter(|l| l.span.file == file);
        let lines = lines_around(&source.text, labels().map(|l| range(l.span, &source.text)));
        let before = source.text.get(..lines.start).unwrap_or("");
        let first = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let text = source.text.get(lines.clone()).unwrap_or("");
        let mut snippet = Snippet::source(text).path(path).line_start(first);
        for label in labels() {
            let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let text = Some(label.text.as_str()).filter(|t| !t.is_empty());
            let place = range(label.span, &source.text);
            let place = place.start - lines.start..place.end - lines.start;
            snippet = snippet.annotation(kind.span(place).label(text));
        }
        group = group.element(snippet);
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The lines that some places stand on, with a line before and one behind them. The renderer looks
/// at all that it is given, which of a long file would be far more than it shows.
fn lines_around(text: &str, places: impl Iterator<Item = Range<usize>>) -> Range<usize> {
    let (start, end) = places.fold((text.len(), 0), |(start, end), place| (start.min(place.start), end.max(place.end)));
    let (before, behind) = (text.get(..start).unwrap_or(""), text.get(end..).unwrap_or(""));
    let line = |text: &str| text.rfind('\n').unwrap_or(0);
    let start = line(before.get(..line(before)).unwrap_or(""));
    let start = if start == 0 { 0 } else { start + 1 };
    let ends = behind.match_indices('\n').nth(1).map_or(text.len(), |(at, _)| end + at + 1);
    start..ends
}

/// The bytes of a span, moved to whole characters within the text.
fn range(span: Span, text: &str) -> Range<usize> {
    let floor = |at: u32| {
        let mut at = (at as usize).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}
