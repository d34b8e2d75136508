//! What changed between two versions of policies, for people and as JSON.

use crate::input::Input;
use meshc_compiler::compare::{Change, Changed, Class, Comparison, Gap};
use meshc_dsl::{FileId, Span};
use serde_json::{Value, json};
use std::fmt::Write;

/// The most classes of requests that are shown to people of one change.
const MOST: usize = 6;

/// What changed, with the texts of both versions.
pub(crate) struct Changes<'a> {
    comparison: &'a Comparison,
    old: Texts<'a>,
    new: Texts<'a>,
}

/// The texts of a version, with the places where lines end: many places are looked up in them.
struct Texts<'a> {
    input: &'a Input,
    ends: Vec<Vec<usize>>,
}

impl<'a> Texts<'a> {
    fn new(input: &'a Input) -> Self {
        let text = |at| u32::try_from(at).ok().and_then(|at| input.sources.get(FileId(at))).map_or("", |f| &f.text);
        let ends = |text: &str| text.match_indices('\n').map(|(at, _)| at).collect();
        Self { input, ends: (0..input.shown.len()).map(|at| ends(text(at))).collect() }
    }

    /// The file and line of a place.
    fn place(&self, span: Span) -> Option<(&'a str, usize)> {
        let file = span.file.0 as usize;
        let before = self.ends.get(file)?.partition_point(|end| *end < span.start as usize);
        Some((self.input.shown.get(file)?, before + 1))
    }
}

impl<'a> Changes<'a> {
    /// A comparison of these versions.
    pub(crate) fn new(comparison: &'a Comparison, old: &'a Input, new: &'a Input) -> Self {
        Self { comparison, old: Texts::new(old), new: Texts::new(new) }
    }

    /// For people: each owner, which of its requests, and what becomes of them otherwise.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        let mut owner = None;
        // Writing into a string does not fail.
        for change in &self.comparison.changes {
            if owner != Some(&change.owner) {
                let _ = writeln!(out, "{}{}", if out.is_empty() { "" } else { "\n" }, change.owner);
                owner = Some(&change.owner);
            }
            self.change(change, &mut out);
        }
        if !self.comparison.gaps.is_empty() {
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}not compared, so that a difference may be missed:");
        }
        for Gap { owner, title, reason, old, new } in &self.comparison.gaps {
            let _ = writeln!(out, "  {title} of {owner}{}: {reason}", self.places(*old, *new));
        }
        out
    }

    fn change(&self, change: &Change, out: &mut String) {
        for Class { title, old_title, example, old, new } in change.classes.iter().take(MOST) {
            let before = old_title.as_ref().map(|old| format!(" (before: {old})")).unwrap_or_default();
            let example = example.as_ref().map(|example| format!(", as {example}")).unwrap_or_default();
            let _ = writeln!(out, "  {title}{before}{example}{}", self.places(*old, *new));
        }
        if let Some(more @ 1..) = change.classes.len().checked_sub(MOST) {
            let _ = writeln!(out, "  … and {more} more");
        }
        for Changed { name, old, new } in &change.facts {
            let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
            let _ = writeln!(out, "    {name}: {} → {}", word(old), word(new));
        }
    }

    /// Where the rules stand in both versions.
    fn places(&self, old: Option<Span>, new: Option<Span>) -> String {
        let place = |texts: &Texts<'_>, span: Option<Span>| {
            let (file, line) = texts.place(span?)?;
            Some(format!("{file}:{line}"))
        };
        match (place(&self.old, old), place(&self.new, new)) {
            (Some(old), Some(new)) => format!("  ({old} → {new})"),
            (Some(only), None) | (None, Some(only)) => format!("  ({only})"),
            (None, None) => String::new(),
        }
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        let at = |texts: &Texts<'_>, span: Option<Span>| {
            span.and_then(|span| texts.place(span)).map(|(file, line)| json!({"file": file, "line": line}))
        };
        let class = |class: &Class| {
            json!({
                "requests": class.title,
                "before": class.old_title,
                "example": class.example.as_ref().map(|example| json!({
                    "text": example.to_string(),
                    "method": example.method,
                    "path": example.path,
                    "host": example.host,
                    "headers": example.headers,
                    "cookies": example.cookies,
                })),
                "old": at(&self.old, class.old),
                "new": at(&self.new, class.new),
            })
        };
        let change = |change: &Change| {
            let facts = change.facts.iter().map(|f| json!({"what": f.name, "old": f.old, "new": f.new}));
            json!({
                "owner": change.owner,
                "facts": facts.collect::<Vec<_>>(),
                "classes": change.classes.iter().map(class).collect::<Vec<_>>(),
            })
        };
        let gap = |gap: &Gap| {
            json!({
                "owner": gap.owner,
                "requests": gap.title,
                "reason": gap.reason,
                "old": at(&self.old, gap.old),
                "new": at(&self.new, gap.new),
            })
        };
        json!({
            "changes": self.comparison.changes.iter().map(change).collect::<Vec<_>>(),
            "not_compared": self.comparison.gaps.iter().map(gap).collect::<Vec<_>>(),
        })
    }
}
