//! Every pattern, wherever it stands, held against RE2 and against Envoy's limit.

use super::cx::{Cx, entry, field, place, text};
use super::object::Config;
use crate::regex::{self, Remark, Use};
use crate::yaml::{Key, Kind, Node};
use meshc_dsl::diagnostic::codes;
use prost_reflect::MessageDescriptor;
use std::ops::Range;

const ROUTE_MATCH: &str = "envoy.config.route.v3.RouteMatch";
const SUBSTITUTE: &str = "envoy.type.matcher.v3.RegexMatchAndSubstitute";
const MATCHERS: [&str; 2] = ["envoy.type.matcher.v3.RegexMatcher", "xds.type.matcher.v3.RegexMatcher"];

pub(super) fn check(config: &Config<'_>, cx: &mut Cx<'_>) {
    // The matcher of a path, once its route was met: those within a message come behind it.
    let mut path: Option<&Node> = None;
    for (node, message) in config.resources.iter().flat_map(|r| &r.messages) {
        match message.full_name() {
            ROUTE_MATCH => path = field(node, "safe_regex"),
            SUBSTITUTE => substitution(node, cx),
            name if MATCHERS.contains(&name) => {
                let of_path = path.is_some_and(|path| std::ptr::eq(path, *node));
                pattern(node, of_path.then_some("path"), message, cx);
            }
            _ => {}
        }
    }
}

/// A pattern of Envoy is given to RE2 as it stands, whether it is to match a whole text or to be
/// looked for in it.
fn pattern(matcher: &Node, escaped: Option<&'static str>, message: &MessageDescriptor, cx: &mut Cx<'_>) {
    let Some((found, pattern)) = entry(matcher, "regex").and_then(|f| Some((f, f.1.as_text()?))) else { return };
    let limit = own_limit(matcher, message).unwrap_or(cx.max_regex_program);
    let usage = Use { given: &|text| vec![text.to_owned()], listed: false, escaped };
    let mut remarks = Vec::new();
    regex::inspect(pattern, &usage, limit, &mut remarks);
    for remark in remarks {
        let help = help(&remark);
        cx.report(remark.code, &place_of(&remark.at, pattern, found, cx), remark.message, help);
    }
}

/// The limit that a matcher has for itself, by a field that the API has given up.
fn own_limit(matcher: &Node, message: &MessageDescriptor) -> Option<usize> {
    message.get_field_by_name("google_re2")?;
    match &field(field(matcher, "google_re2")?, "max_program_size")?.kind {
        Kind::Number(number) => number.as_u64().and_then(|n| usize::try_from(n).ok()),
        _ => None,
    }
}

/// What to write instead, without words of the policy language.
fn help(remark: &Remark) -> String {
    match remark.message.as_str() {
        "RE2 has no look-around" => "let a route in front of this one take what shall not match".to_owned(),
        "RE2 has no comments in patterns" => "write it as a comment of the file, behind `#`".to_owned(),
        _ => remark.help.replace(", or use `path template`", ""),
    }
}

/// Where bytes of a pattern stand in the file, where it stands there as it is; else the place of
/// the whole value.
fn place_of(at: &Range<usize>, pattern: &str, found: (&Key, &Node), cx: &Cx<'_>) -> Range<usize> {
    let whole = place(found);
    let quoted = usize::from(whole.len() == pattern.len() + 2);
    let start = whole.start + quoted;
    match cx.text.get(start..start + pattern.len()) {
        Some(written) if written == pattern && at.len() < pattern.len() && !at.is_empty() => {
            start + at.start..start + at.end
        }
        _ => whole,
    }
}

/// Where a group is not there, RE2 substitutes nothing and Envoy says nothing.
fn substitution(node: &Node, cx: &mut Cx<'_>) {
    let Some(found) = entry(node, "substitution") else { return };
    let Some(pattern) = field(node, "pattern").and_then(|matcher| text(matcher, "regex")) else { return };
    let (Some(groups), Some(to)) = (regex::groups(pattern), found.1.as_text()) else { return };
    if let Some(digit) = regex::missing_group(to, groups) {
        let message = format!("`\\{digit}` names a group that the pattern does not have, so nothing is rewritten");
        let help = format!("the pattern has {groups}; groups are written `( )`");
        cx.report(codes::NO_SUCH_GROUP, &place(found), message, help);
    }
}
