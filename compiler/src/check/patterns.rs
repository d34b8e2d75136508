//! The patterns in Envoy's own messages, wherever they stand, held against RE2 and against Envoy's
//! limit: those of CiliumEnvoyConfigs written by hand, and those of patches.

use super::raw::{entry, field};
use crate::regex::{self, Remark, Use};
use crate::schema;
use crate::yaml::{Kind, Node};
use meshc_dsl::Code;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::parallel::map_parts;
use prost_reflect::MessageDescriptor;
use std::ops::Range;

const ROUTE_MATCH: &str = "envoy.config.route.v3.RouteMatch";
const SUBSTITUTE: &str = "envoy.type.matcher.v3.RegexMatchAndSubstitute";
const MATCHERS: [&str; 2] = ["envoy.type.matcher.v3.RegexMatcher", "xds.type.matcher.v3.RegexMatcher"];

/// How many patterns make a thread worth its start.
const LEAST: usize = 128;

/// Something worth saying of a pattern, at its place in the text.
pub(crate) struct Finding {
    pub(crate) code: Code,
    /// Which bytes of the text.
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) help: String,
}

/// Where there is something to look at.
enum Place<'n> {
    Pattern { matcher: &'n Node, escaped: Option<&'static str>, message: &'n MessageDescriptor },
    Substitution(&'n Node),
}

/// What patterns are held against.
#[derive(Clone, Copy)]
pub(crate) struct Patterns<'t> {
    /// The text that they stand in.
    pub(crate) text: &'t str,
    /// The largest program that Envoy takes.
    pub(crate) limit: usize,
}

impl Patterns<'_> {
    /// Everything worth saying of the patterns among messages, of which those within another one come
    /// behind it. What has no place was not written by hand, and is passed over.
    pub(crate) fn check(&self, messages: &[(&Node, MessageDescriptor)]) -> Vec<Finding> {
        let mut places = Vec::new();
        // The matcher of a path, once its route was met.
        let mut path: Option<&Node> = None;
        for (node, message) in messages {
            match message.full_name() {
                ROUTE_MATCH => path = field(node, "safe_regex"),
                SUBSTITUTE => places.push(Place::Substitution(node)),
                name if MATCHERS.contains(&name) => {
                    let of_path = path.is_some_and(|path| std::ptr::eq(path, *node));
                    places.push(Place::Pattern { matcher: node, escaped: of_path.then_some("path"), message });
                }
                _ => {}
            }
        }
        let parts = map_parts(&places, LEAST, |part| part.iter().flat_map(|place| self.at(place)).collect::<Vec<_>>());
        parts.into_iter().flatten().collect()
    }

    fn at(&self, place: &Place<'_>) -> Vec<Finding> {
        match place {
            Place::Substitution(node) => substitution(node).into_iter().collect(),
            Place::Pattern { matcher, escaped, message } => self.pattern(matcher, *escaped, message),
        }
    }

    /// A pattern of Envoy is given to RE2 as it stands, whether it is to match a whole text or to be
    /// looked for in it.
    fn pattern(&self, matcher: &Node, escaped: Option<&'static str>, message: &MessageDescriptor) -> Vec<Finding> {
        let Some((key, value)) = entry(matcher, "regex") else { return Vec::new() };
        let whole = schema::place(key, value);
        let Some(pattern) = value.as_text().filter(|_| !whole.is_empty()) else { return Vec::new() };
        let limit = own_limit(matcher, message).unwrap_or(self.limit);
        let usage = Use { given: &|text| vec![text.to_owned()], listed: false, escaped };
        let mut remarks = Vec::new();
        regex::inspect(pattern, &usage, limit, &mut remarks);
        let finding = |remark: Remark| Finding {
            code: remark.code,
            range: self.place_of(&remark.at, pattern, whole.clone()),
            help: help(&remark),
            message: remark.message,
        };
        remarks.into_iter().map(finding).collect()
    }

    /// Where bytes of a pattern stand in the text, where it stands there as it is; else the place of
    /// the whole value.
    fn place_of(&self, at: &Range<usize>, pattern: &str, whole: Range<usize>) -> Range<usize> {
        let quoted = usize::from(whole.len() == pattern.len() + 2);
        let start = whole.start + quoted;
        match self.text.get(start..start + pattern.len()) {
            Some(written) if written == pattern && at.len() < pattern.len() && !at.is_empty() => {
                start + at.start..start + at.end
            }
            _ => whole,
        }
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

/// Where a group is not there, RE2 substitutes nothing and Envoy says nothing.
fn substitution(node: &Node) -> Option<Finding> {
    let (key, to) = entry(node, "substitution")?;
    let (of_pattern, pattern) = entry(field(node, "pattern")?, "regex")?;
    let places = [schema::place(key, to), schema::place(of_pattern, pattern)];
    let range = places.into_iter().find(|place| !place.is_empty())?;
    let groups = regex::groups(pattern.as_text().filter(|pattern| !pattern.is_empty())?)?;
    let digit = regex::missing_group(to.as_text()?, groups)?;
    Some(Finding {
        code: codes::NO_SUCH_GROUP,
        range,
        message: format!("`\\{digit}` names a group that the pattern does not have, so nothing is rewritten"),
        help: format!("the pattern has {groups}; groups are written `( )`"),
    })
}
