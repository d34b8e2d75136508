//! What was pasted from elsewhere: documents of other tools, and text in their quotes.
//!
//! A document is reported once and passed over; read as policy it would give an error a line.

use crate::diagnostic::{Diagnostic, codes};
use crate::layout::DECLARATIONS;
use crate::source::{FileId, Span};

/// The keys that such a document has at its top.
const KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "static_resources",
    "resources",
    "virtual_hosts",
    "listeners",
    "clusters",
    "http",
];

/// Kinds of objects, each with how its meaning is written as policy.
const KINDS: &[(&str, &str)] = &[
    (
        "VirtualService",
        "a VirtualService is written as a route: `route SERVICE:PORT { 90% v1, 10% v2; timeout 10s; retry 3 on 5xx }`",
    ),
    (
        "DestinationRule",
        "its subsets are written as versions: `service NAME:PORT { selector app=NAME; version v1; version v2 }`; limits as `circuit-breaker …` and `outlier …`",
    ),
    (
        "HTTPRoute",
        "an HTTPRoute is written as a route: `route SERVICE:PORT { when path prefix \"/api\" { to other }; 90% v1, 10% v2 }`",
    ),
    (
        "GRPCRoute",
        "a GRPCRoute is written as a route: `route SERVICE:PORT { when grpc shop.Cart/Add { to other }; to v1 }`",
    ),
    ("CiliumEnvoyConfig", RAW),
    ("CiliumClusterwideEnvoyConfig", RAW),
    ("Service", "Services stand in a file of their own, which `--catalog FILE.yaml` names"),
];

const RAW: &str = "save it as a `.yaml` file, and name that: `meshc check FILE.yaml`; or write what it does as a route: `route SERVICE:PORT { 90% v1, 10% v2 }`";
const ANY: &str = "a policy file holds declarations such as `route SERVICE:PORT { 90% v1, 10% v2; timeout 10s }`";

/// Whether a text begins with a document of another tool.
pub(crate) fn begins(text: &str) -> bool {
    let line = text.lines().next().unwrap_or("");
    match line.split_once(':') {
        Some((key, rest)) => KEYS.contains(&key) && rest.chars().next().is_none_or(char::is_whitespace),
        None => line.trim_end() == "---" || (line.starts_with('{') && text.lines().take(3).any(|l| l.contains("\"apiVersion\""))),
    }
}

/// How many bytes of a text that begins with such a document belong to it.
pub(crate) fn length(text: &str) -> usize {
    let json = text.starts_with('{');
    let mut length = 0;
    for line in text.split_inclusive('\n') {
        if length > 0 && ends(line, json) {
            break;
        }
        length += line.len();
    }
    length
}

fn ends(line: &str, json: bool) -> bool {
    let end = line.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    (DECLARATIONS.contains(&word) && rest.starts_with([' ', '\t'])) || (!json && line.starts_with('}'))
}

/// What to say of a document that begins at `at`.
pub(crate) fn document(file: FileId, at: usize, text: &str) -> Diagnostic {
    let kind = field(text, "kind");
    let (start, shown) = kind.or_else(|| field(text, "apiVersion")).unwrap_or_else(|| first_line(text));
    let place = Span::new(file, at + start, at + start + shown.len());
    let name = kind.map_or("", |(_, line)| value(line));
    let known = KINDS.iter().find(|(kind, _)| *kind == name);
    let help = known.map_or(ANY, |(_, help)| help);
    let message = format!("this is {}, and no policy", what(text));
    Diagnostic::new(codes::FOREIGN_YAML, place, message).help(help)
}

/// What a document is, in the words of those who paste it.
fn what(text: &str) -> &'static str {
    let version = field(text, "apiVersion").map_or("", |(_, line)| value(line));
    match version.split_once('/').map_or("", |(group, _)| group) {
        group if group.ends_with("istio.io") => "YAML of Istio",
        "gateway.networking.k8s.io" => "YAML of the Gateway API",
        "cilium.io" => "YAML of Cilium",
        _ if !version.is_empty() => "YAML of Kubernetes",
        _ if text.starts_with('{') => "JSON",
        _ if field(text, "static_resources").is_some() => "YAML of Envoy",
        _ => "YAML",
    }
}

/// The first line with a key in its first column, with its place.
fn field<'t>(text: &'t str, key: &str) -> Option<(usize, &'t str)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')) {
            return Some((at, line.trim_end()));
        }
        at += line.len();
    }
    None
}

fn value(line: &str) -> &str {
    line.split_once(':').map_or("", |(_, value)| value.trim().trim_matches(['"', '\'']))
}

fn first_line(text: &str) -> (usize, &str) {
    (0, text.lines().next().unwrap_or("").trim_end())
}

/// Where text that such a quote opens ends in its line, and with which quote.
pub(crate) fn closing_quote(opening: char, line: &str) -> Option<(usize, char)> {
    let closing: &[char] = match opening {
        '\u{201c}' | '\u{201d}' | '\u{201e}' => &['\u{201c}', '\u{201d}', '"'],
        '\u{2018}' | '\u{2019}' | '\u{201a}' => &['\u{2018}', '\u{2019}', '\''],
        '\u{ab}' => &['\u{bb}'],
        '\'' => &['\''],
        // A plain quote that nothing plain closes.
        '"' => &['\u{201c}', '\u{201d}'],
        _ => return None,
    };
    line.char_indices().find(|(_, c)| closing.contains(c))
}

/// What to say of text in quotes of another kind.
pub(crate) fn quotes(span: Span, opening: char, closing: char, content: &str) -> Diagnostic {
    let kind = if opening == '\'' { "single" } else { "typographic" };
    let message = format!("`{opening}{content}{closing}` stands in {kind} quotes");
    let help = "text stands in plain double quotes: `\"…\"`";
    let diagnostic = Diagnostic::new(codes::FOREIGN_QUOTES, span, message);
    if content.contains(['"', '\\']) {
        return diagnostic.help(help);
    }
    diagnostic.help(format!("write `\"{content}\"`")).fix(span, format!("\"{content}\""))
}
