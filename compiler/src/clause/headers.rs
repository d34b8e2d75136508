//! `request header set|add|remove`, `response header …`.
//!
//! Within a rule Envoy removes before it adds; `%` begins a command in a value, so it is doubled.

use crate::envoy;
use crate::resolve::Cx;
use meshc_dsl::Span;
use meshc_dsl::clause::{Direction, HeaderChange, HeaderOperation};
use meshc_dsl::diagnostic::{Diagnostic, codes};
use meshc_dsl::value::Value;

/// The changes of one message's headers: removals first, then the rest in the order written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Lower-case names with the place that removes them.
    pub remove: Vec<(String, Span)>,
    /// What is set or added.
    pub write: Vec<HeaderWrite>,
}

/// A header that is set or added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderWrite {
    /// The lower-case name.
    pub name: String,
    /// The literal value.
    pub value: String,
    /// Whether it comes beside what is there, not in its place.
    pub append: bool,
    /// Where it is written.
    pub span: Span,
}

/// Reads a header name: an HTTP token, in lower case.
pub(crate) fn name<'a>(value: &'a Value, cx: &mut Cx<'a>) -> Option<String> {
    let text = cx.bare_or_text(value)?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.starts_with(':') {
        let help = "use `path`, `method` or `host` instead";
        cx.error(codes::BAD_HEADER, value.span, format!("`{text}` is a pseudo header"), help);
        return None;
    }
    if text.is_empty() || !text.bytes().all(token) || text.len() > 256 {
        let help = "header names are letters, digits and `-`, for example `x-user`";
        cx.error(codes::BAD_HEADER, value.span, format!("`{text}` is not a header name"), help);
        return None;
    }
    Some(text.to_ascii_lowercase())
}

/// Reads a header value: what may stand in one line of HTTP (Envoy's rule: at most 16 KiB).
pub(crate) fn value<'a>(value: &'a Value, cx: &mut Cx<'a>) -> Option<String> {
    let text = cx.text(value)?;
    let bad = |c: char| c.is_control() && c != '\t';
    if text.chars().any(bad) || text.len() > 16384 {
        let help = "header values are one line of at most 16384 bytes";
        cx.error(codes::BAD_HEADER, value.span, "this cannot stand in a header", help);
        return None;
    }
    Some(text.to_owned())
}

/// What is wrong with blanks at the ends of a header's value. Over HTTP/1 they are no part of it, and over
/// HTTP/2 no value may have them (RFC 9110, section 5.5; RFC 9113, section 8.2.1).
pub(crate) const BLANK_AT_END: &str = "the value of a header has no blanks at its ends: HTTP takes them away";

/// What to write instead of a text with blanks at its ends, as far as they count: `begins` and `ends`.
pub(crate) fn blank_at_end(text: &str, (begins, ends): (bool, bool)) -> Option<String> {
    let blank = |c: char| c == ' ' || c == '\t';
    let rest = if begins { text.trim_start_matches(blank) } else { text };
    let rest = if ends { rest.trim_end_matches(blank) } else { rest };
    (rest.len() < text.len()).then(|| match rest {
        "" => "take them away; nothing is left of the value then".to_owned(),
        rest => format!("write `\"{rest}\"`"),
    })
}

/// Warns of blanks at the ends of a header's value.
pub(crate) fn warn_of_blanks(value: &Value, text: &str, counts: (bool, bool), cx: &mut Cx<'_>) {
    if let Some(help) = blank_at_end(text, counts) {
        cx.report(Diagnostic::new(codes::BLANK_AT_END, value.span, BLANK_AT_END).help(help));
    }
}

/// Headers that say how long a message is; a wrong one lets a request be read as two.
const FRAMING: &[&str] = &["content-length", "transfer-encoding"];
/// Headers between two neighbours (RFC 9110, section 7.6.1), which Envoy writes or drops for each hop.
const HOP_BY_HOP: &[&str] = &["connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"];

/// Reports changes of headers that are the proxy's own. `None` for an error.
fn between_neighbours(name: &str, place: Span, cx: &mut Cx<'_>) -> Option<()> {
    if FRAMING.contains(&name) {
        let help = "take it away: the proxy writes it for the body that it sends";
        cx.error(codes::FRAMING_HEADER, place, format!("`{name}` says where the message ends"), help);
        return None;
    }
    if HOP_BY_HOP.contains(&name) {
        let message = format!("`{name}` concerns one connection alone, and Envoy writes it for each");
        let help = "take it away; whether a connection is kept or upgraded is not a matter of headers here";
        cx.report(Diagnostic::new(codes::HOP_BY_HOP_HEADER, place, message).help(help));
    }
    Some(())
}

fn name_to_write<'a>(word: &'a Value, direction: Direction, cx: &mut Cx<'a>) -> Option<String> {
    let name = name(word, cx)?;
    between_neighbours(&name, word.span, cx)?;
    let help = match (direction, name.as_str()) {
        (Direction::Request, "host") => "write `rewrite host \"NAME\"`",
        (Direction::Response, "server" | "date") => "Envoy writes this header itself, after all rules",
        _ => return Some(name),
    };
    cx.error(codes::BAD_HEADER, word.span, format!("`{name}` cannot be changed like this"), help);
    None
}

/// Resolves the header clauses of one rule.
pub(crate) fn resolve<'a>(clauses: &[&'a HeaderOperation], direction: Direction, cx: &mut Cx<'a>) -> HeaderChanges {
    let mut changes = HeaderChanges::default();
    for clause in clauses.iter().filter(|c| c.direction == direction) {
        match &clause.change {
            HeaderChange::Remove(names) => {
                for word in names {
                    let name = name_to_write(word, direction, cx);
                    changes.remove.extend(name.map(|n| (n, word.span)));
                }
            }
            HeaderChange::Set(word, text) | HeaderChange::Add(word, text) => {
                let append = matches!(clause.change, HeaderChange::Add(..));
                let (name, value) = (name_to_write(word, direction, cx), value(text, cx));
                if let (Some(name), Some(value)) = (name, value) {
                    warn_of_blanks(text, &value, (true, true), cx);
                    changes.write.push(HeaderWrite { name, value, append, span: clause.span });
                }
            }
        }
    }
    changes.check(cx);
    changes
}

impl HeaderChanges {
    /// One header both removed and written, or set twice, in one rule has no clear meaning.
    fn check(&self, cx: &mut Cx<'_>) {
        for (at, write) in self.write.iter().enumerate() {
            let removed = self.remove.iter().find(|(name, _)| *name == write.name).map(|(_, span)| *span);
            let earlier = self.write.iter().take(at).find(|w| w.name == write.name && !(w.append && write.append));
            if let Some(other) = removed.or(earlier.map(|w| w.span)) {
                let message = format!("`{}` is changed twice in one rule", write.name);
                let diagnostic = Diagnostic::new(codes::HEADER_CHANGED_TWICE, write.span, message)
                    .also(other, "also changed here")
                    .help("`set` alone replaces what is there; keep one of the two");
                cx.report(diagnostic);
            }
        }
    }

    /// These changes with those of the fallback that concern other headers.
    pub(crate) fn over(mut self, fallback: &HeaderChanges) -> HeaderChanges {
        let own: Vec<String> =
            self.remove.iter().map(|(n, _)| n).chain(self.write.iter().map(|w| &w.name)).cloned().collect();
        let foreign = |name: &String| !own.contains(name);
        let mut remove: Vec<_> = fallback.remove.iter().filter(|(n, _)| foreign(n)).cloned().collect();
        let mut write: Vec<_> = fallback.write.iter().filter(|w| foreign(&w.name)).cloned().collect();
        remove.append(&mut self.remove);
        write.append(&mut self.write);
        HeaderChanges { remove, write }
    }

    /// The lists to add and to remove.
    pub(crate) fn lower(&self) -> (Vec<envoy::HeaderValueOption>, Vec<String>) {
        let add = self.write.iter().map(|w| option(&w.name, &w.value, w.append)).collect();
        (add, self.remove.iter().map(|(name, _)| name.clone()).collect())
    }
}

/// A header to write, its value taken literally.
pub(crate) fn option(name: &str, value: &str, append: bool) -> envoy::HeaderValueOption {
    envoy::HeaderValueOption {
        header: envoy::HeaderValue { key: name.to_owned().into(), value: value.replace('%', "%%") },
        append_action: if append {
            envoy::AppendAction::AppendIfExistsOrAdd
        } else {
            envoy::AppendAction::OverwriteIfExistsOrAdd
        },
        // Envoy takes an empty value for no header at all otherwise.
        keep_empty_value: value.is_empty(),
    }
}
