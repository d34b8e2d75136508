//! A user's pattern held against RE2: what it refuses, what it reads differently than it looks, and
//! what is too large for Envoy.

use super::re2::{self, Oddity, OddityKind, Parsed, Problem};
use super::shrink;
use crate::resolve::Cx;
use meshc_dsl::diagnostic::{Diagnostic, codes};
use meshc_dsl::value::{Value, ValueKind};
use meshc_dsl::{Code, Span};
use std::ops::Range;

/// What a pattern is for.
pub(crate) struct Use<'a> {
    /// The patterns that Envoy is given for it.
    pub(crate) given: &'a dyn Fn(&str) -> Vec<String>,
    /// Whether several patterns may stand in its place.
    pub(crate) listed: bool,
    /// What the texts never have unescaped characters in, if they have not.
    pub(crate) escaped: Option<&'static str>,
}

impl Use<'_> {
    /// The size of the largest program for a pattern; `None` where RE2 refuses one.
    pub(super) fn size(&self, pattern: &str) -> Option<usize> {
        self.largest(pattern, |given| re2::parse(given).ok().map(|p| re2::size(&p.tree)))
    }

    /// The same for one that was parsed already, and may be given to Envoy as it is.
    fn size_of(&self, pattern: &str, parsed: &Parsed) -> Option<usize> {
        self.largest(&parsed.text, |given| match given == pattern {
            true => Some(re2::size(&parsed.tree)),
            false => re2::parse(given).ok().map(|p| re2::size(&p.tree)),
        })
    }

    fn largest(&self, pattern: &str, size: impl Fn(&str) -> Option<usize>) -> Option<usize> {
        let sizes = (self.given)(pattern).into_iter().map(|given| size(&given));
        sizes.collect::<Option<Vec<usize>>>().map(|sizes| sizes.into_iter().max().unwrap_or(0))
    }
}

/// Something worth saying of a pattern.
pub(crate) struct Remark {
    pub(crate) code: Code,
    /// Which bytes of the pattern it is about.
    pub(crate) at: Range<usize>,
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) help: String,
}

impl Remark {
    fn new(code: Code, at: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Remark { code, at, message: message.into(), help: help.into() }
    }
}

/// Checks a pattern whose program may have a size up to `limit`, and gives it in the form that every
/// engine reads alike. `None` where one of the remarks is an error.
pub(crate) fn inspect(pattern: &str, usage: &Use<'_>, limit: usize, remarks: &mut Vec<Remark>) -> Option<String> {
    if pattern.contains(['\n', '\r', '\0']) {
        let help = "patterns have RE2's syntax, for example `^/v[0-9]+/`";
        remarks.push(Remark::new(codes::BAD_REGEX, 0..pattern.len(), "a pattern stands on one line", help));
        return None;
    }
    match re2::parse(pattern) {
        Ok(parsed) => {
            odd(pattern, &parsed, usage, remarks);
            match unfit(pattern, &parsed, usage, limit) {
                None => Some(parsed.text),
                Some(remark) => {
                    remarks.push(remark);
                    None
                }
            }
        }
        Err(Problem { at, what, help }) => {
            remarks.push(Remark::new(codes::BAD_REGEX, at, what, help));
            None
        }
    }
}

/// Checks a pattern of a policy, as [`inspect`] does. `None` when it was reported.
pub(crate) fn check(pattern: &str, value: &Value, usage: &Use<'_>, cx: &mut Cx<'_>) -> Option<String> {
    let mut remarks = Vec::new();
    let own = inspect(pattern, usage, cx.env.max_regex_program, &mut remarks);
    for remark in remarks {
        report(remark, value, cx);
    }
    own
}

/// Checks the size of a pattern's second form, if that `used`. What else is wrong with the pattern
/// was reported before.
pub(crate) fn check_second(
    pattern: &str,
    value: &Value,
    usage: &Use<'_>,
    used: &dyn Fn(&str) -> bool,
    cx: &mut Cx<'_>,
) -> Option<()> {
    let Ok(parsed) = re2::parse(pattern) else { return Some(()) };
    if !used(&parsed.text) {
        return Some(());
    }
    match unfit(pattern, &parsed, usage, cx.env.max_regex_program) {
        None => Some(()),
        Some(remark) => {
            report(remark, value, cx);
            None
        }
    }
}

/// Why Envoy does not take what a pattern becomes.
fn unfit(pattern: &str, parsed: &Parsed, usage: &Use<'_>, limit: usize) -> Option<Remark> {
    let Some(size) = usage.size_of(pattern, parsed) else {
        let help = "write it without what RE2 may not find in a longer pattern, or as several tests";
        return Some(Remark::new(codes::BAD_REGEX, 0..pattern.len(), "RE2 refuses what this pattern becomes", help));
    };
    if size <= limit {
        return None;
    }
    let shown = if size >= re2::LARGEST { format!("more than {}", re2::LARGEST) } else { size.to_string() };
    let message = format!("the program of this pattern has size {shown}, and Envoy takes {limit}");
    let raise = "or give `--max-regex-program N` where the clusters raise Envoy's limit";
    let help = match shrink::smaller(pattern, parsed, usage, limit) {
        Some(smaller) => format!("{smaller}; {raise}"),
        None => format!("make it shorter, or several tests of it; {raise}"),
    };
    Some(Remark::new(codes::REGEX_TOO_LARGE, 0..pattern.len(), message, help))
}

/// Remarks on what means something else than it seems to.
fn odd(pattern: &str, parsed: &Parsed, usage: &Use<'_>, remarks: &mut Vec<Remark>) {
    let first = |kind| parsed.oddities.iter().find(|o: &&Oddity| o.kind == kind);
    let shown = |oddity: &Oddity| pattern.get(oddity.at.clone()).unwrap_or("").to_owned();
    if let Some(oddity) = first(OddityKind::SetOperator).or_else(|| first(OddityKind::NestedClass)) {
        let message = format!("`{}` in a class is read as plain characters", shown(oddity));
        let help =
            r"RE2 has no operators of classes: write out the characters, or `\` in front of these if they are meant";
        remarks.push(Remark::new(codes::CLASS_OPERATOR, oddity.at.clone(), message, help));
    }
    for oddity in &parsed.oddities {
        let piece = shown(oddity);
        let help = match oddity.kind {
            OddityKind::Angle => r"RE2 has `\b` for the edge of a word".to_owned(),
            OddityKind::Braces => braces(&piece),
            _ => continue,
        };
        let message = format!("`{piece}` is read as plain characters");
        remarks.push(Remark::new(codes::READ_AS_TEXT, oddity.at.clone(), message, help));
    }
    let Some(beyond) = first(OddityKind::BeyondAscii) else { return };
    if let Some(what) = usage.escaped {
        let piece = shown(beyond);
        let escaped: String = piece.bytes().map(|b| format!("%{b:02X}")).collect();
        let message = format!("no {what} has `{piece}` as such");
        let help = format!("requests escape it: write it as they do, for example `{escaped}`");
        remarks.push(Remark::new(codes::NEVER_UNESCAPED, beyond.at.clone(), message, help));
    } else if let Some(ascii) = first(OddityKind::AsciiOnly) {
        let message = format!("`{}` knows ASCII alone, and the pattern has more than that", shown(ascii));
        let help = r"for letters and digits of every script write `\pL` and `\pN`";
        remarks.push(Remark::new(codes::ASCII_CLASS, ascii.at.clone(), message, help));
    }
}

/// What may have been meant by braces that count nothing.
fn braces(piece: &str) -> String {
    let inner = piece.trim_start_matches('{').trim_end_matches('}');
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let compact: String = inner.chars().filter(|c| !c.is_whitespace()).collect();
    match compact.split_once(',') {
        Some(("", most)) if !most.is_empty() && digits(most) => format!("a repetition has a beginning: `{{0,{most}}}`"),
        Some((low, high)) if !low.is_empty() && digits(low) && digits(high) => {
            format!("a repetition is written without blanks: `{{{compact}}}`")
        }
        None if !compact.is_empty() && digits(&compact) => {
            format!(
                "a repetition is written without blanks and leading zeros: `{{{}}}`",
                compact.trim_start_matches('0')
            )
        }
        _ => {
            r"for one segment of a path write `[^/]+`, or use `path template`; for the character write `\{`".to_owned()
        }
    }
}

fn report(remark: Remark, value: &Value, cx: &mut Cx<'_>) {
    let Remark { code, at, message, help } = remark;
    let mut diagnostic = Diagnostic::new(code, place(at, value, cx), message).help(help);
    if let ValueKind::Param(name) = &value.kind
        && let Some(source) = cx.env.params.get(name)
    {
        diagnostic = diagnostic.also(source.span, format!("`${name}` has its value here"));
    }
    cx.report(diagnostic);
}

/// Where bytes of a pattern stand in its file; the whole value where that is a parameter.
fn place(at: Range<usize>, value: &Value, cx: &Cx<'_>) -> Span {
    let written = cx.env.sources.text(value.span);
    let start = value.span.start as usize + 1;
    let whole = |text: &str| at == (0..text.len()) || at.is_empty();
    match (&value.kind, written.chars().next()) {
        (ValueKind::Text(text), Some('`' | '"')) if whole(text) => value.span,
        (ValueKind::Text(_), Some('`')) => Span::new(value.span.file, start + at.start, start + at.end),
        (ValueKind::Text(_), Some('"')) => {
            let inner = written.get(1..).unwrap_or("");
            Span::new(value.span.file, start + before(inner, at.start), start + before(inner, at.end))
        }
        _ => value.span,
    }
}

/// How much of a quoted text stands for so many bytes of its value.
fn before(quoted: &str, bytes: usize) -> usize {
    let (mut at, mut value) = (0, 0);
    while value < bytes {
        let rest = quoted.get(at..).unwrap_or("");
        let mut chars = rest.chars();
        match (chars.next(), chars.next()) {
            (Some('\\'), Some('u')) => {
                let length = rest.find('}').map_or(rest.len(), |end| end + 1);
                let digits = rest.get(3..length.saturating_sub(1)).unwrap_or("");
                let c = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                (at, value) = (at + length, value + c.map_or(1, char::len_utf8));
            }
            (Some('\\'), Some(_)) => (at, value) = (at + 2, value + 1),
            (Some(c), _) => (at, value) = (at + c.len_utf8(), value + c.len_utf8()),
            (None, _) => break,
        }
    }
    at
}
