//! Patterns for a part of a text: the path before a query, the host before a port, one cookie of
//! a header. Envoy matches the whole text, so what stands around the part is written out, and no
//! piece of the pattern may reach beyond the part's end.

use super::{ends_anchored, leading_flags};
use regex_syntax::ast::{self, Ast, Visitor, parse::Parser};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// Where a part stands in the text that Envoy matches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// The characters that end the part, and so cannot be in it.
    stops: &'static [char],
    /// A pattern for any text within the part.
    any: &'static str,
    /// A pattern for what follows it.
    after: &'static str,
    /// What the start of the text is in it: RE2 does not count a literal behind `^` as program.
    start: &'static str,
}

/// The path, before the query.
pub(crate) const PATH: Part = Part { stops: &['?'], any: "[^?]*", after: r"(?:\?.*)?", start: "^" };
/// The host, before the port.
pub(crate) const HOST: Part = Part { stops: &[':'], any: "[^:]*", after: "(?::[0-9]+)?", start: "^" };
/// The value of a cookie, in quotes or not, before the next cookie. Several `cookie` headers of a
/// request are joined with commas.
pub(crate) const COOKIE: Part =
    Part { stops: &['"', ',', ';'], any: "[^\",;]*", after: "\"?(?:\\s*[;,].*)?", start: "" };

/// A class of no character.
const NOTHING: &str = "[^\\x00-\\x{10ffff}]";

impl Part {
    /// A pattern for a part that is just this.
    pub(crate) fn equals(&self, text: &str) -> String {
        format!("{}{}", super::quote(text), self.after)
    }

    /// A pattern for a part that begins with this.
    pub(crate) fn prefix(&self, text: &str) -> String {
        format!("{}{}{}", super::quote(text), self.any, self.after)
    }

    /// A pattern for a part that ends with this.
    pub(crate) fn suffix(&self, text: &str) -> String {
        format!("{}{}{}", self.any, super::quote(text), self.after)
    }

    /// A pattern for a part that contains this.
    pub(crate) fn contains(&self, text: &str) -> String {
        format!("{}{}{}{}", self.any, super::quote(text), self.any, self.after)
    }

    /// A pattern for a part in which `pattern` is found.
    pub(crate) fn search(&self, pattern: &str) -> String {
        let (flags, body) = leading_flags(pattern);
        let parts: Vec<String> = outermost_alternatives(body).into_iter().map(|a| self.alternative(a)).collect();
        let joined = if parts.len() == 1 { parts.concat() } else { format!("(?:{})", parts.join("|")) };
        match flags.strip_prefix("(?").and_then(|f| f.strip_suffix(')')) {
            Some(flags) => format!("(?{flags}:{joined}){}", self.after),
            None => format!("{joined}{}", self.after),
        }
    }

    fn alternative(&self, body: &str) -> String {
        let (start, body) = match body.strip_prefix('^') {
            Some(rest) => (self.start, rest),
            None => (self.any, body),
        };
        let (body, end) = match body.strip_suffix('$').filter(|_| ends_anchored(body)) {
            Some(rest) => (rest, ""),
            None => (body, self.any),
        };
        format!("{start}{}{end}", self.confined(body))
    }

    /// The pattern with everything that could match a stop made not to, and inner `$` made to
    /// mean the end of the part.
    fn confined(&self, body: &str) -> String {
        let Ok(tree) = Parser::new().parse(body) else { return body.to_owned() };
        let Ok(edits) = ast::visit(&tree, Edits { part: self, text: body, edits: Vec::new() }) else {
            return body.to_owned();
        };
        let mut out = String::with_capacity(body.len() + 16);
        let mut at = 0;
        for (start, end, replacement) in edits {
            out.push_str(body.get(at..start).unwrap_or(""));
            out.push_str(&replacement);
            at = end;
        }
        out.push_str(body.get(at..).unwrap_or(""));
        out
    }

    /// A class without the stops, as a bracketed class.
    fn class(&self, class: &str) -> Option<String> {
        let mut parsed = match regex_syntax::Parser::new().parse(&ascii(class)).ok()?.into_kind() {
            HirKind::Class(Class::Unicode(class)) => class,
            // A class of one character.
            HirKind::Literal(text) => {
                let c = std::str::from_utf8(&text.0).ok()?.chars().next()?;
                ClassUnicode::new([ClassUnicodeRange::new(c, c)])
            }
            _ => return None,
        };
        parsed.difference(&ClassUnicode::new(self.stops.iter().map(|c| ClassUnicodeRange::new(*c, *c))));
        let most = parsed.iter().any(|r| r.end() == char::MAX);
        if most {
            parsed.negate();
        }
        let show = |c: char| match c {
            '\\' | ']' | '[' | '^' | '-' => format!("\\{c}"),
            _ if c.is_ascii_graphic() => c.to_string(),
            _ => format!("\\x{{{:x}}}", u32::from(c)),
        };
        let range = |r: &ClassUnicodeRange| match (r.start(), r.end()) {
            (low, high) if low == high => show(low),
            (low, high) => format!("{}-{}", show(low), show(high)),
        };
        let ranges: String = parsed.iter().map(range).collect();
        Some(match (most, ranges.is_empty()) {
            (false, true) => NOTHING.to_owned(),
            (false, false) => format!("[{ranges}]"),
            (true, _) => format!("[^{ranges}]"),
        })
    }
}

/// RE2's `\d`, `\s` and `\w` are of ASCII; the names of classes say that.
fn ascii(class: &str) -> String {
    let inside = class.starts_with('[');
    let mut out = String::with_capacity(class.len() + 8);
    let mut chars = class.chars();
    while let Some(c) = chars.next() {
        let name = match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('d')) => "[:digit:]",
            ('\\', Some('D')) => "[:^digit:]",
            ('\\', Some('s')) => "[:space:]",
            ('\\', Some('S')) => "[:^space:]",
            ('\\', Some('w')) => "[:word:]",
            ('\\', Some('W')) => "[:^word:]",
            ('\\', Some(other)) => {
                out.extend(['\\', other]);
                continue;
            }
            _ => {
                out.push(c);
                continue;
            }
        };
        out.push_str(name);
    }
    if inside { out } else { format!("[{out}]") }
}

/// The pieces of a pattern between the `|` of its outermost level.
fn outermost_alternatives(body: &str) -> Vec<&str> {
    let piece = |a: &Ast| body.get(a.span().start.offset..a.span().end.offset).unwrap_or("");
    match &Parser::new().parse(body) {
        Ok(Ast::Alternation(parts)) => parts.asts.iter().map(piece).collect(),
        _ => vec![body],
    }
}

/// Whether a pattern asks for the start of the text elsewhere than at the start of an outermost
/// alternative, where it can be left out.
pub(crate) fn inner_start(pattern: &str) -> bool {
    struct Starts(usize);
    impl Visitor for Starts {
        type Output = usize;
        type Err = ();
        fn finish(self) -> Result<usize, ()> {
            Ok(self.0)
        }
        fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
            if let Ast::Assertion(assertion) = ast
                && matches!(assertion.kind, ast::AssertionKind::StartLine | ast::AssertionKind::StartText)
            {
                self.0 += 1;
            }
            Ok(())
        }
    }
    let (_, body) = leading_flags(pattern);
    outermost_alternatives(body).into_iter().any(|part| {
        let part = part.strip_prefix('^').unwrap_or(part);
        Parser::new().parse(part).ok().and_then(|tree| ast::visit(&tree, Starts(0)).ok()).is_some_and(|n| n > 0)
    })
}

/// Replacements of pieces of a pattern: start, end, text; in order.
struct Edits<'a> {
    part: &'a Part,
    text: &'a str,
    edits: Vec<(usize, usize, String)>,
}

impl Visitor for Edits<'_> {
    type Output = Vec<(usize, usize, String)>;
    type Err = ();

    fn finish(self) -> Result<Self::Output, ()> {
        Ok(self.edits)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
        let span = ast.span();
        let (start, end) = (span.start.offset, span.end.offset);
        let text = self.text.get(start..end).unwrap_or("");
        let replacement = match ast {
            // Header values have no line ends, so any character is as good as any but those.
            Ast::Dot(_) => self.part.class("[\\x00-\\x{10ffff}]"),
            Ast::ClassPerl(_) | Ast::ClassBracketed(_) => self.part.class(text),
            Ast::Literal(literal) if self.part.stops.contains(&literal.c) => Some(NOTHING.to_owned()),
            Ast::Assertion(assertion)
                if matches!(assertion.kind, ast::AssertionKind::EndLine | ast::AssertionKind::EndText) =>
            {
                Some(format!("(?:$|{}$)", self.part.after))
            }
            _ => None,
        };
        self.edits.extend(replacement.map(|r| (start, end, r)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stays_inside_its_part() {
        assert_eq!(PATH.search("foo"), r"[^?]*foo[^?]*(?:\?.*)?");
        assert_eq!(PATH.search("^/a$"), r"^/a(?:\?.*)?");
        assert_eq!(PATH.search("^/a|b$"), r"(?:^/a[^?]*|[^?]*b)(?:\?.*)?");
        assert_eq!(HOST.search("(?i)^a"), "(?i:^a[^:]*)(?::[0-9]+)?");
        assert_eq!(PATH.search(r"^[\d?]$"), r"^[0-9](?:\?.*)?");
        assert_eq!(PATH.search(r"^\?$"), r"^[^\x00-\x{10ffff}](?:\?.*)?");
        assert_eq!(PATH.search("^(a$|b)$"), r"^(a(?:$|(?:\?.*)?$)|b)(?:\?.*)?");
    }

    /// What the patterns mean, by an engine of the same syntax.
    #[test]
    fn a_part_is_found_whatever_follows() {
        let cases = [
            (PATH, "^/a.*b$", &["/axb", "/axb?c", "/ab?"][..], &["/ax?b", "x/ab"][..]),
            (PATH, "^/[^/]+$", &["/a", "/a?b/c"], &["/a/b", "/?a"]),
            (PATH, r"^/a\z", &["/a", "/a?b"], &["/ab", "/ab?c"]),
            (PATH, r"\W\S$", &["/a", "/-?x"], &["aa", "/?a"]),
            (HOST, "^api[.]", &["api.x", "api.x:80"], &["xapi.x"]),
            (HOST, "8$", &["a8", "a8:80"], &["a:8", "a:88"]),
            (COOKIE, "^y|z$", &["y\"; a=1", "xz, b=2"], &["xy; z"]),
        ];
        for (part, pattern, hits, misses) in cases {
            let whole = regex::Regex::new(&format!("^(?:{})$", part.search(pattern))).unwrap();
            for text in hits {
                assert!(whole.is_match(text), "{pattern} in {text}: {whole}");
            }
            for text in misses {
                assert!(!whole.is_match(text), "{pattern} not in {text}: {whole}");
            }
        }
    }

    #[test]
    fn starts_that_cannot_be_left_out() {
        for yes in ["(^a|b)", "a^", "(?i)(^)"] {
            assert!(inner_start(yes), "{yes}");
        }
        for no in ["^a", "^a|^b", "a$", "[^a]", r"\^"] {
            assert!(!inner_start(no), "{no}");
        }
    }
}
