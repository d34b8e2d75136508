//! What to say of text that the grammar does not take.

use crate::clause::KEYWORDS;
use crate::condition::SUBJECTS;
use crate::diagnostic::{Diagnostic, codes};
use crate::grammar::{Mesh, Rule};
use crate::layout::DECLARATIONS;
use crate::parse::Builder;
use crate::slip;
use crate::source::Span;
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
    misfit(cx, Text { text, at: cx.base, name: word, form: &form }, reached(error));
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
        Diagnostic::new(codes::CLAUSE_OUTSIDE, place, format!("the clause `{word}` stands outside every declaration"))
            .help(format!("put it into a route: `route SERVICE {{ {word} … }}`"))
    } else {
        Diagnostic::new(codes::UNKNOWN_DECLARATION, place, format!("`{shown}` begins no declaration")).help(format!(
            "a declaration begins with {}",
            alternatives(DECLARATIONS.iter().copied().filter(|w| *w != "test"))
        ))
    };
    if let Some(near) = nearest(word, DECLARATIONS.iter().copied()) {
        diagnostic = diagnostic
            .help(format!("did you mean `{near}`?"))
            .fix(Span::new(cx.file, cx.base, cx.base + word.len()), near);
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
    let text = text.trim_end();
    let word = first_word(text);
    let by_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '$');
    let split = by_number.then_some("rest");
    let Some(keyword) = KEYWORDS.iter().find(|k| k.word == split.unwrap_or(word)) else {
        return unknown_clause(cx, text, at);
    };
    let name = if by_number { "a split" } else { word };
    let form = format!("the form is `{}`", keyword.form);
    let reached = match Mesh::parse(keyword.rule, text) {
        // `90/10` could be a share whose unit is wrong, but what follows it shows that it is not.
        _ if slip::is_ratio(piece(text, 0)) => 0,
        Err(error) => reached(&error),
        Ok(pairs) => pairs.as_str().trim_end().len(),
    };
    misfit(cx, Text { text, at, name, form: &form }, reached);
}

fn unknown_clause(cx: &mut Builder<'_>, text: &str, at: usize) {
    let word = first_word(text);
    let shown = if word.is_empty() { piece(text, 0) } else { word };
    let place = Span::new(cx.file, at, at + shown.len());
    let diagnostic = Diagnostic::new(codes::UNKNOWN_CLAUSE, place, format!("`{shown}` begins no clause"));
    let near = nearest(word, KEYWORDS.iter().map(|k| k.word));
    cx.report(match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(place, near),
        None if word == "where" || word == "if" => diagnostic.help("conditions are written `when CONDITION { … }`"),
        None => diagnostic.help("clauses are, for example, `90% v1, 10% v2`, `to v1`, `timeout 10s`, `retry 3 on 5xx`"),
    });
}

/// A condition that has not its form.
pub(crate) fn condition(cx: &mut Builder<'_>, text: &str, at: usize, keyword: Span) {
    const FORM: &str = "conditions are, for example, `path = \"/x\"`, `path prefix \"/api\"`, `header x-user exists`, `method GET, POST`, joined by `and`, `or`, `not` and parentheses";
    const OPERATOR: &str =
        "an operator stands before a text, and commas between several: `path prefix \"/api\"`, `path = \"/x\", \"/y\"`";
    let trimmed = text.trim_end();
    if trimmed.is_empty() {
        let message = "`when` needs a condition";
        cx.report(Diagnostic::new(codes::INCOMPLETE, keyword, message).help(FORM));
        return;
    }
    let reached = match Mesh::parse(Rule::condition, trimmed) {
        Err(error) => reached(&error),
        Ok(pairs) => pairs.as_str().trim_end().len(),
    };
    let (start, shown) = pointed(trimmed, reached);
    let place = Span::new(cx.file, at + start, at + start + shown.len());
    let bare = shown.starts_with(|c: char| c.is_ascii_alphanumeric());
    let last = trimmed.len() == start + shown.len();
    let hint = slip::hint(trimmed, start, shown);
    let (code, message) = if last && matches!(shown, "and" | "or" | "not" | ",") {
        (codes::INCOMPLETE, format!("nothing follows the `{shown}`"))
    } else {
        let code = if hint.is_some() { codes::FOREIGN_SYNTAX } else { codes::BAD_CONDITION };
        (code, format!("`{shown}` does not fit here in a condition"))
    };
    let form = if shown.starts_with('"') { OPERATOR } else { FORM };
    let mut diagnostic = Diagnostic::new(code, place, message).help(hint.unwrap_or(form));
    if bare && let Some(near) = nearest(shown, SUBJECTS.iter().copied()).filter(|near| *near != shown) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(place, near);
    }
    cx.report(diagnostic);
}

struct Text<'a> {
    text: &'a str,
    at: usize,
    name: &'a str,
    form: &'a str,
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
    let Text { text, at, name, form } = part;
    let whole = text.trim_end();
    // pest does not count a keyword that stands without what must follow it as progress.
    let reached = reached.max(if text.starts_with(name) { name.len() } else { 0 });
    let quoted = if name.contains(' ') { name.to_owned() } else { format!("`{name}`") };
    if reached >= whole.len() {
        let place = Span::new(cx.file, at, at + whole.len());
        let message = format!("{quoted} is not complete");
        cx.report(Diagnostic::new(codes::INCOMPLETE, place, message).help(form));
        return;
    }
    let (start, shown) = pointed(whole, reached);
    let place = Span::new(cx.file, at + start, at + start + shown.len());
    let last = whole.len() == start + shown.len();
    let hint = slip::hint(whole, start, shown);
    let clause = KEYWORDS.iter().any(|k| k.word == shown) && !form.contains(shown);
    let separate = clause.then(|| format!("a `;` or a new line stands between clauses: write `; {shown} …`"));
    let (code, message) = if last && shown == "," {
        (codes::INCOMPLETE, "nothing follows the `,`".to_owned())
    } else if last && lacks_more(form, shown) {
        (codes::INCOMPLETE, format!("`{shown}` is not complete"))
    } else {
        let code = if hint.is_some() { codes::FOREIGN_SYNTAX } else { codes::MALFORMED };
        (code, format!("`{shown}` does not fit here in {quoted}"))
    };
    let help = hint.or(separate.as_deref()).unwrap_or(form);
    cx.report(Diagnostic::new(code, place, message).help(help));
}
