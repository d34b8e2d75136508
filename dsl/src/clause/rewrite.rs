//! `rewrite path "/x"`, `rewrite prefix "/api" to "/"`, `` rewrite regex `^/foo.*$` to "/" ``,
//! `rewrite host "api.internal"`

use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// A change of the request's path or host on its way to the upstream.
#[derive(Debug)]
pub struct Rewrite {
    /// The clause.
    pub span: Span,
    /// What is changed.
    pub kind: RewriteKind,
}

/// The forms of a rewrite.
#[derive(Debug)]
pub enum RewriteKind {
    /// The whole path.
    Path(Value),
    /// The first segments of the path.
    Prefix {
        /// The segments taken away.
        from: Value,
        /// What stands in their place.
        to: Value,
    },
    /// Every match of a pattern in the path.
    Regex {
        /// The pattern.
        pattern: Value,
        /// What stands in place of each match.
        to: Value,
    },
    /// The host.
    Host(Value),
}

impl Rewrite {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let form = pair.into_inner().next()?;
        let rule = form.as_rule();
        let mut inner = form.into_inner();
        let first = cx.value(inner.next()?);
        let kind = match rule {
            Rule::rewrite_path => RewriteKind::Path(first),
            Rule::rewrite_prefix => RewriteKind::Prefix { from: first, to: cx.value(inner.next()?) },
            Rule::rewrite_regex => RewriteKind::Regex { pattern: first, to: cx.value(inner.next()?) },
            _ => RewriteKind::Host(first),
        };
        Some(Self { span, kind })
    }
}
