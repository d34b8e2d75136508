//! `patch cluster D | route | http | listener `YAML``: the way out, held against the Envoy API like
//! everything else.

use crate::resolve::Cx;
use crate::yaml::{Kind, Node};
use meshc_dsl::clause::{self, PatchTarget};
use meshc_dsl::diagnostic::{Diagnostic, codes};
use meshc_dsl::value::{Value, ValueKind};
use meshc_dsl::{Span, source};
use std::ops::Range;

/// A JSON merge patch of something that the compiler makes.
#[derive(Debug, Clone)]
pub struct Patch {
    /// What it changes.
    pub part: Part,
    /// The changes.
    pub changes: Node,
    /// The clause.
    pub span: Span,
    /// Where the text stands, quotes included.
    pub text: Span,
    /// Whether a byte of the text is a byte of the file.
    pub literal: bool,
    /// The text as YAML.
    pub yaml: String,
    /// The largest program of a pattern that Envoy takes.
    pub max_regex_program: usize,
}

/// What a patch changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The cluster of a destination: an index into the list beside the rules.
    Cluster(usize),
    /// Every route.
    Route,
    /// The HTTP connection manager.
    Http,
    /// The listener.
    Listener,
}

/// A patch whose destination is still a name.
#[derive(Debug, Clone)]
pub(crate) struct Written<'a> {
    pub(crate) part: WrittenPart<'a>,
    changes: Node,
    span: Span,
    text: Span,
    literal: bool,
    yaml: &'a str,
    max_regex_program: usize,
}

/// What a patch changes, as written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WrittenPart<'a> {
    Cluster(&'a clause::Destination),
    Known(Part),
}

const PARTS: &[(&str, Part)] = &[("route", Part::Route), ("http", Part::Http), ("listener", Part::Listener)];

pub(crate) fn resolve<'a>(patch: &'a clause::Patch, cx: &mut Cx<'a>) -> Option<Written<'a>> {
    let part = match &patch.target {
        PatchTarget::Cluster(destination) => WrittenPart::Cluster(destination),
        PatchTarget::Word(word) => WrittenPart::Known(cx.one_of(word, "something to patch", PARTS)?),
    };
    let text = cx.text(&patch.text)?;
    let literal = is_literal(&patch.text, text);
    let changes = match Node::read(text) {
        Ok(node) if matches!(node.kind, Kind::Map(_)) => node,
        Ok(_) => {
            cx.error(
                codes::BAD_YAML,
                patch.text.span,
                "a patch is a map of fields",
                "write, for example, `` `per_connection_buffer_limit_bytes: 32768` ``",
            );
            return None;
        }
        Err(broken) => {
            let span = place(patch.text.span, literal, &broken.at);
            let message = format!("this is not YAML: {}", broken.message);
            cx.report(
                Diagnostic::new(codes::BAD_YAML, span, message).help("a patch is a map of fields, in YAML or JSON"),
            );
            return None;
        }
    };
    let max_regex_program = cx.env.max_regex_program;
    Some(Written { part, changes, span: patch.span, text: patch.text.span, literal, yaml: text, max_regex_program })
}

impl Written<'_> {
    /// The patch, once its destination is known.
    pub(crate) fn of(&self, part: Part) -> Patch {
        Patch {
            part,
            changes: self.changes.clone(),
            span: self.span,
            text: self.text,
            literal: self.literal,
            yaml: self.yaml.to_owned(),
            max_regex_program: self.max_regex_program,
        }
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }
}

/// Whether the text stands in the file as it is, but for its quotes.
fn is_literal(value: &Value, text: &str) -> bool {
    let Span { start, end, .. } = value.span;
    matches!(value.kind, ValueKind::Text(_))
        && usize::try_from(end - start).is_ok_and(|length| length == text.len() + 2)
}

/// The place in the file of a range of a patch's text; the whole text where that is not known.
pub(crate) fn place(text: Span, literal: bool, range: &Range<usize>) -> Span {
    if !literal || range.is_empty() {
        return text;
    }
    let start = text.start as usize + 1;
    source::Span::new(text.file, start + range.start, (start + range.end).min(text.end as usize))
}
