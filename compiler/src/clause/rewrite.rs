//! `rewrite path | prefix | regex | host`.
//!
//! Every path rewrite becomes a `regex_rewrite`: `prefix_rewrite` is right only under an exact
//! path, and turns `/api/x` into `//x` when the prefix goes to `/`.

use crate::envoy;
use crate::regex::{self, Use};
use crate::resolve::{Cx, wildcard};
use meshc_dsl::clause::{self, RewriteKind};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::Value;

/// A change of the request's path; the query is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathRewrite {
    /// The whole path becomes this.
    Path(String),
    /// The first segments become these; other paths stay.
    Prefix {
        /// The segments taken away.
        from: String,
        /// What stands in their place.
        to: String,
    },
    /// Every match becomes this, in which `\1` is the first group.
    Regex {
        /// The pattern.
        pattern: String,
        /// What stands in place of each match.
        to: String,
    },
}

/// A change of the path, or of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rewrite {
    Path(PathRewrite),
    Host(String),
}

pub(crate) fn resolve<'a>(clause: &'a clause::Rewrite, cx: &mut Cx<'a>) -> Option<Rewrite> {
    Some(match &clause.kind {
        RewriteKind::Path(to) => Rewrite::Path(PathRewrite::Path(path(to, cx)?)),
        RewriteKind::Prefix { from, to } => {
            let (taken, to) = (path(from, cx), path(to, cx));
            let taken = taken?;
            wildcard::check_rewritten(&taken, from, cx);
            Rewrite::Path(PathRewrite::Prefix { from: taken, to: to? })
        }
        RewriteKind::Regex { pattern, to } => {
            let text = cx.text(pattern)?;
            // A rewrite searches as it is.
            let usage = Use { given: &|text| vec![text.to_owned()], listed: false, escaped: Some("path") };
            let checked = regex::check(text, pattern, &usage, cx)?;
            let to = cx.text(to).map(|t| (t, to))?;
            substitution(to.0, &checked, to.1, cx)?;
            Rewrite::Path(PathRewrite::Regex { pattern: checked, to: to.0.to_owned() })
        }
        RewriteKind::Host(host) => Rewrite::Host(self::host(host, cx)?),
    })
}

/// A path as it may stand in a rewrite: absolute, and without query or fragment.
fn path<'a>(value: &'a Value, cx: &mut Cx<'a>) -> Option<String> {
    let text = cx.text(value)?;
    let help = "a path begins with `/`, and has neither a query nor a fragment";
    if !text.starts_with('/') || text.contains(['?', '#']) || text.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        cx.error(codes::BAD_PATH, value.span, format!("`{text}` is not a path"), help);
        return None;
    }
    Some(text.to_owned())
}

/// Checks that `\N` names a group that the pattern has.
fn substitution(text: &str, pattern: &str, value: &Value, cx: &mut Cx<'_>) -> Option<()> {
    let groups = regex::groups(pattern).unwrap_or(0);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            continue;
        }
        match chars.next() {
            Some('\\') => {}
            Some(digit) if digit.to_digit(10).is_some_and(|n| n as usize <= groups) => {}
            Some(digit) if digit.is_ascii_digit() => {
                let message = format!("`\\{digit}` names a group that the pattern does not have");
                let help = format!("the pattern has {groups}; groups are written `( )`");
                cx.error(codes::BAD_REGEX, value.span, message, help);
                return None;
            }
            _ => {
                let message = format!("a lone `\\` in `{text}`");
                cx.error(
                    codes::BAD_REGEX,
                    value.span,
                    message,
                    r"write `\\` for a backslash, `\1` for the first group",
                );
                return None;
            }
        }
    }
    if text.contains(['\n', '\r', '\0']) {
        cx.error(codes::BAD_PATH, value.span, "a path cannot have line ends", "write it on one line");
        return None;
    }
    Some(())
}

fn host<'a>(value: &'a Value, cx: &mut Cx<'a>) -> Option<String> {
    let text = cx.text(value)?;
    let good = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if text.is_empty() || !text.chars().all(good) {
        let message = format!("`{text}` is not a host");
        cx.error(
            codes::BAD_HOST,
            value.span,
            message,
            "a host is written `\"api.internal\"` or `\"api.internal:8080\"`",
        );
        return None;
    }
    Some(text.to_owned())
}

impl PathRewrite {
    /// The regex rewrite of a route. In a substitution Envoy reads `\`; paths of ours have none.
    pub(crate) fn lower(&self) -> envoy::RegexMatchAndSubstitute {
        let (regex, substitution) = match self {
            PathRewrite::Path(to) => ("^.*$".to_owned(), escape(to)),
            PathRewrite::Regex { pattern, to } => (pattern.clone(), to.clone()),
            PathRewrite::Prefix { from, to } => prefix(from, to),
        };
        envoy::RegexMatchAndSubstitute { pattern: envoy::RegexMatcher { regex }, substitution }
    }
}

fn escape(path: &str) -> String {
    path.replace('\\', r"\\")
}

/// `/api` goes with the slash behind it where the new prefix ends in one, and keeps it elsewhere.
fn prefix(from: &str, to: &str) -> (String, String) {
    let literal = regex::quote(from);
    let to_slash = to.ends_with('/');
    match (from.ends_with('/'), to_slash) {
        (true, true) => (format!("^{literal}"), escape(to)),
        (true, false) => (format!("^{literal}"), format!("{}/", escape(to))),
        (false, true) => (format!("^{literal}(?:/|$)"), escape(to)),
        (false, false) => (format!("^{literal}(/|$)"), format!("{}\\1", escape(to))),
    }
}
