//! Diagnostics for people: the user's text underlined, what is wrong, what to write instead.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use meshc_dsl::{Diagnostic, Severity, Sources, Span};

/// The most diagnostics that are shown at once.
const MOST: usize = 50;

/// Renders diagnostics one below the other, errors that there are too many of as a count.
pub(crate) fn human(diagnostics: &[Diagnostic], sources: &Sources, shown: &[String]) -> String {
    let renderer = Renderer::styled();
    let mut parts: Vec<String> =
        diagnostics.iter().take(MOST).map(|d| renderer.render(&[group(d, sources, shown)])).collect();
    if diagnostics.len() > MOST {
        parts.push(failure_at(Level::NOTE, &format!("{} more are not shown", diagnostics.len() - MOST)));
    }
    parts.join("\n\n")
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
    let mut files: Vec<_> = diagnostic.labels.iter().map(|l| l.span.file).collect();
    files.dedup();
    for file in files {
        let Some(source) = sources.get(file) else { continue };
        let path = shown.get(file.0 as usize).map_or(source.name.as_str(), String::as_str);
        let mut snippet = Snippet::source(source.text.as_str()).path(path);
        for label in diagnostic.labels.iter().filter(|l| l.span.file == file) {
            let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let text = Some(label.text.as_str()).filter(|t| !t.is_empty());
            snippet = snippet.annotation(kind.span(range(label.span, &source.text)).label(text));
        }
        group = group.element(snippet);
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The bytes of a span, moved to whole characters within the text.
fn range(span: Span, text: &str) -> std::ops::Range<usize> {
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
