//! What to say of text that the grammar does not take.

use crate::clause::KEYWORDS;
use crate::diagnostic::{Diagnostic, codes};
use crate::grammar::{Mesh, Rule};
use crate::layout::DECLARATIONS;
use crate::parse::Builder;
use crate::slip::{self, Mend, Slip};
use crate::source::{FileId, Span};
use crate::suggest::nearest;
use pest::Parser;
use pest::error::{Error, ErrorVariant, InputLocation};

/// The form of each declaration, for help lines.
const FORMS: &[(&str, &str)] = &[
    ("namespace", "namespace NAME"),
    ("scope", "scope cluster"),
    ("param", "param NAME = VALUE"),
    ("policy", "policy NAME { CLAUSES }"),
    ("service", "service [NAMESPACE/]NAME[:PORT] { CLAUSES }"),
    ("route", "route [NAMESPACE/]SERVICE[:PORT], … { CLAUSES }"),
    ("listen", "listen NAME ADDRESS:PORT { CLAUSES }"),
];

/// The furthest place that a rule got to.
fn reached(error: &Error<Rule>) -> usize {
    match error.location {
        InputLocation::Pos(at) => at,
        InputLocation::Span((start, _)) => start,
    }
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

/// The text in quotes, or the run of text to the next blank, separator or quote, that stands at
/// `at`; at least one character.
fn piece(text: &str, at: usize) -> &str {
    let rest = text.get(at..).unwrap_or("");
    let Some(first) = rest.chars().next() else { return rest };
    let others = rest.get(first.len_utf8()..).unwrap_or("");
    let length = match first {
        '"' | '`' => others.find(first).map_or(others.len(), |i| i + 1),
        first if separates(first) => 0,
        _ => others.find(|c: char| c.is_whitespace() || separates(c)).unwrap_or(others.len()),
    };
    rest.get(..first.len_utf8() + length).unwrap_or(rest)
}

fn separates(c: char) -> bool {
    matches!(c, ';' | '{' | '}' | '(' | ')' | ',' | '"' | '`')
}

/// A declaration that does not parse at all: an unknown first word, or a bad head.
pub(crate) fn declaration(cx: &mut Builder<'_>, text: &str, error: &Error<Rule>) {
    if let ErrorVariant::CustomError { .. } = &error.variant {
        return too_complex(cx, text);
    }
    let word = first_word(text);
    let Some((_, form)) = FORMS.iter().find(|(w, _)| *w == word) else {
        return unknown_declaration(cx, text);
    };
    let form = format!("the form is `{form}`");
    misfit(cx, Text { text, at: cx.base, name: word, form: &form, rule: Rule::one_declaration }, reached(error));
}

/// pest gave up: the text took more steps than any sane text of its size.
fn too_complex(cx: &mut Builder<'_>, text: &str) {
    let place = Span::new(cx.file, cx.base, cx.base + piece(text, 0).len());
    let message = "this declaration takes too many steps to parse";
    cx.report(Diagnostic::new(codes::TOO_COMPLEX, place, message).help("split it into several declarations"));
}

fn unknown_declaration(cx: &mut Builder<'_>, text: &str) {
    let shown = piece(text, 0);
    let place = Span::new(cx.file, cx.base, cx.base + shown.len());
    let word = first_word(text);
    let mut diagnostic = if KEYWORDS.iter().any(|k| k.word == word) {
        Diagnostic::new(
            codes::UNKNOWN_DECLARATION,
            place,
            format!("the clause `{word}` stands outside every declaration"),
        )
        .help(format!("put it into a route: `route SERVICE {{ {word} … }}`"))
    } else {
        Diagnostic::new(codes::UNKNOWN_DECLARATION, place, format!("`{shown}` begins no declaration")).help(format!(
            "a declaration begins with {}",
            alternatives(DECLARATIONS.iter().copied().filter(|w| *w != "test"))
        ))
    };
    if let Some(near) = nearest(word, DECLARATIONS.iter().copied()) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    } else if let Some(help) = slip::declaration(word) {
        diagnostic = diagnostic.help(help);
    }
    cx.report(diagnostic);
}

/// `a`, `b` or `c`, each in backticks.
pub(crate) fn alternatives<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|w| format!("`{w}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// A clause that has not its form, or none.
pub(crate) fn clause(cx: &mut Builder<'_>, text: &str, at: usize) {
    let lost = cx.lost(at, at + text.len());
    let text = text.trim_end();
    let word = first_word(text);
    if slip::is_yaml(text, cx.yaml) {
        return yaml(cx, text, at);
    }
    let by_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '$');
    let split = by_number.then_some("rest");
    let Some(keyword) = KEYWORDS.iter().find(|k| k.word == split.unwrap_or(word)) else {
        return unknown_clause(cx, text, at);
    };
    if word == "when" && !text.contains('{') {
        return without_block(cx, text, at);
    }
    let name = if by_number { "a split" } else { word };
    let form = format!("the form is `{}`", keyword.form);
    // `90/10` could be a share whose unit is wrong, but what follows it shows that it is not.
    let reached = if slip::is_ratio(piece(text, 0)) { 0 } else { furthest(keyword.rule, text) };
    // What is lacking was swallowed by a quote that is reported.
    if !(lost && reached >= text.len()) {
        misfit(cx, Text { text, at, name, form: &form, rule: keyword.rule }, reached);
    }
}

/// A `when` that is followed by no block.
fn without_block(cx: &mut Builder<'_>, text: &str, at: usize) {
    let place = Span::new(cx.file, at, at + text.len());
    let help = "what happens to such requests stands in braces: `when CONDITION { to v2 }`";
    cx.report(Diagnostic::new(codes::MALFORMED, place, "this `when` has no block").help(help));
}

/// How far a rule takes a text.
fn furthest(rule: Rule, text: &str) -> usize {
    match Mesh::parse(rule, text) {
        Err(error) => reached(&error),
        Ok(pairs) => pairs.as_str().trim_end().len(),
    }
}

/// A clause that is YAML: said once a declaration, since every line of it is wrong alike.
fn yaml(cx: &mut Builder<'_>, text: &str, at: usize) {
    let shown = text.lines().next().unwrap_or("").trim_end();
    if !std::mem::replace(&mut cx.yaml, true) {
        let place = Span::new(cx.file, at, at + shown.len());
        let known = slip::clause(first_word(text.trim_start_matches(['-', ' '])));
        let help = known.unwrap_or("clauses are written `90% v1, 10% v2`, `to v1`, `timeout 10s`, `retry 3 on 5xx`; each stands on a line of its own, or ends with `;`");
        let message = format!("`{shown}` is YAML, and no clause");
        cx.report(Diagnostic::new(codes::FOREIGN_YAML, place, message).help(help));
    }
}

fn unknown_clause(cx: &mut Builder<'_>, text: &str, at: usize) {
    let word = first_word(text);
    let shown = if word.is_empty() { piece(text, 0) } else { word };
    let place = Span::new(cx.file, at, at + shown.len());
    let diagnostic = Diagnostic::new(codes::UNKNOWN_CLAUSE, place, format!("`{shown}` begins no clause"));
    if let Some(rest) = slip::after_bullet(text) {
        let bullet = Span::new(cx.file, at, at + text.len() - rest.len());
        return cx.report(diagnostic.help("clauses stand without a `-` before them").fix(bullet, ""));
    }
    if let Some(slip) = slip::joined(text).or_else(|| slip::find(text, 0, piece(text, 0)).filter(|_| word.is_empty())) {
        let rule = KEYWORDS.iter().find(|k| slip.mend.as_ref().is_some_and(|m| m.replacement.trim() == k.word));
        let place = Place { file: cx.file, at, text, rule: rule.map_or(Rule::malformed, |k| k.rule) };
        return cx.report(mend(diagnostic, slip, place));
    }
    let near = nearest(word, KEYWORDS.iter().map(|k| k.word));
    let target = piece(text, 0);
    cx.report(match (slip::clause(word), near) {
        (Some(help), _) => diagnostic.help(help),
        (None, Some(near)) => diagnostic.help(format!("did you mean `{near}`?")),
        (None, None) if matches!(shown, "(" | "[" | "<") => diagnostic.help("a block stands in braces: `{ … }`"),
        (None, None) if slip::is_destination(target) => {
            diagnostic.help(format!("a destination is written `to {target}`"))
        }
        (None, None) => {
            diagnostic.help("clauses are, for example, `90% v1, 10% v2`, `to v1`, `timeout 10s`, `retry 3 on 5xx`")
        }
    });
}

/// A condition that has not its form.
pub(crate) fn condition(cx: &mut Builder<'_>, text: &str, at: usize, keyword: Span) {
    const FORM: &str = "conditions are, for example, `path = \"/x\"`, `path prefix \"/api\"`, `header x-user exists`, `method GET, POST`, joined by `and`, `or`, `not` and parentheses";
    let trimmed = text.trim_end();
    if trimmed.is_empty() {
        let message = "`when` needs a condition";
        cx.report(Diagnostic::new(codes::BAD_CONDITION, keyword, message).help(FORM));
        return;
    }
    let (start, shown) = pointed(trimmed, furthest(Rule::condition, trimmed));
    let place = Span::new(cx.file, at + start, at + start + shown.len());
    let bare = shown.starts_with(|c: char| c.is_ascii_alphanumeric());
    let subject = ["path", "host", "header", "query", "cookie", "method", "grpc"];
    let last = trimmed.len() == start + shown.len();
    let message = if last && matches!(shown, "and" | "or" | "not" | ",") {
        format!("nothing follows the `{shown}`")
    } else {
        format!("`{shown}` does not fit here in a condition")
    };
    let mut diagnostic = Diagnostic::new(codes::BAD_CONDITION, place, message).help(FORM);
    if let Some(slip) = slip::find(trimmed, start, shown) {
        diagnostic = mend(diagnostic, slip, Place { file: cx.file, at, text: trimmed, rule: Rule::condition });
    } else if bare && let Some(near) = nearest(shown, subject).filter(|near| *near != shown) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    }
    cx.report(diagnostic);
}

/// A text that a rule of the grammar should take, and where it begins in its file.
struct Place<'a> {
    file: FileId,
    at: usize,
    text: &'a str,
    rule: Rule,
}

/// Says what to write instead of a slip. A mend is certain only where the grammar takes it.
fn mend(diagnostic: Diagnostic, slip: Slip, place: Place<'_>) -> Diagnostic {
    let diagnostic = diagnostic.help(slip.help);
    let Some(Mend { range, replacement }) = slip.mend else { return diagnostic };
    let parts = place.text.get(..range.start).zip(place.text.get(range.end..));
    let taken = parts.is_some_and(|(before, after)| {
        let mended = format!("{before}{replacement}{after}");
        furthest(place.rule, &mended) > before.len() + replacement.len()
    });
    let span = Span::new(place.file, place.at + range.start, place.at + range.end);
    if taken { diagnostic.fix(span, replacement) } else { diagnostic }
}

struct Text<'a> {
    text: &'a str,
    at: usize,
    name: &'a str,
    form: &'a str,
    rule: Rule,
}

/// The piece at the furthest place reached, or, at the end of the text, the last piece before it.
fn pointed(text: &str, reached: usize) -> (usize, &str) {
    let rest = text.get(reached..).unwrap_or("");
    let skipped = rest.len() - rest.trim_start().len();
    // A furthest place inside a word means that the word as a whole does not fit.
    let before = text.get(..reached).unwrap_or("");
    let glued = rest.starts_with(|c: char| !c.is_whitespace() && !separates(c));
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_%:./$=!".contains(c);
    let back = if glued { before.len() - before.trim_end_matches(inside).len() } else { 0 };
    let start = (reached + skipped).saturating_sub(back);
    (start, piece(text, start))
}

/// Whether a word is a keyword of a form that something must follow, such as `per-try` in
/// `[per-try DURATION]`.
fn lacks_more(form: &str, word: &str) -> bool {
    form.split(['[', ']', '|', '`']).any(|option| option.split_once(' ').is_some_and(|(first, _)| first == word))
}

fn misfit(cx: &mut Builder<'_>, part: Text<'_>, reached: usize) {
    let Text { text, at, name, form, rule } = part;
    let whole = text.trim_end();
    // pest does not count a keyword that stands without what must follow it as progress.
    let reached = reached.max(if text.starts_with(name) { name.len() } else { 0 });
    let quoted = if name.contains(' ') { name.to_owned() } else { format!("`{name}`") };
    if reached >= whole.len() {
        let place = Span::new(cx.file, at, at + whole.len());
        let message = format!("{quoted} is not complete");
        cx.report(Diagnostic::new(codes::MALFORMED, place, message).help(form));
        return;
    }
    let (start, shown) = pointed(whole, reached);
    let place = Span::new(cx.file, at + start, at + start + shown.len());
    let last = whole.len() == start + shown.len();
    let message = if last && shown == "," {
        "nothing follows the `,`".to_owned()
    } else if last && lacks_more(form, shown) {
        format!("`{shown}` is not complete")
    } else {
        format!("`{shown}` does not fit here in {quoted}")
    };
    let diagnostic = Diagnostic::new(codes::MALFORMED, place, message).help(form);
    cx.report(match slip::find(whole, start, shown) {
        Some(slip) => mend(diagnostic, slip, Place { file: cx.file, at, text: whole, rule }),
        None => diagnostic,
    });
}
