//! What to say of text that the grammar does not take.

use crate::behind;
use crate::clause::KEYWORDS;
use crate::condition::SUBJECTS;
use crate::diagnostic::{Diagnostic, Fix, codes};
use crate::grammar::{Mesh, Rule};
use crate::layout::DECLARATIONS;
use crate::parse::{Builder, Pair};
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
    ("test", "test \"NAME\" [for SERVICE | for listen NAME] { METHOD PATH => EXPECTATIONS }"),
];

/// How many slips of one clause or condition are told of at once.
const MOST_SLIPS: usize = 8;

/// The furthest place that a rule got to.
fn reached(error: &Error<Rule>) -> usize {
    match error.location {
        InputLocation::Pos(at) => at,
        InputLocation::Span((start, _)) => start,
    }
}

pub(crate) fn first_word(text: &str) -> &str {
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
    // What is lacking was swallowed by a quote that is reported.
    if cx.lost(cx.base, cx.base + text.len()) && reached(error).max(word.len()) >= text.trim_end().len() {
        return;
    }
    let part = Text { text, at: cx.base, name: word, form: &form, rule: Rule::one_declaration };
    misfit(cx, part, reached(error), MOST_SLIPS);
    if word != "test" {
        behind::block(cx, text);
    }
}

/// A port that stands beside its service: reported, and read as if it were joined to it.
pub(crate) fn port_apart(cx: &mut Builder<'_>, text: &str) -> Option<String> {
    let (end, port) = slip::port_apart(text)?;
    let place = Span::new(cx.file, cx.base + port.start, cx.base + port.end);
    let number = text.get(port.clone()).unwrap_or("");
    let blank = Span::new(cx.file, cx.base + end, cx.base + port.start);
    let service = slip::last_word(text.get(..end)?).map_or("", |(_, word)| word);
    let diagnostic =
        Diagnostic::new(codes::MALFORMED, place, format!("the port `{number}` stands apart from its service"));
    cx.report(diagnostic.help(format!("a colon joins the two: `{service}:{number}`")).fix(blank, ":"));
    let mut joined = text.to_owned();
    // As long as it was, so that what is behind it keeps its place.
    joined.replace_range(end..port.end, &format!(":{number}{}", " ".repeat(port.start - end - 1)));
    Some(joined)
}

/// `route to cart:8080`: reported, and read as if the `to` were not there.
pub(crate) fn route_to(cx: &mut Builder<'_>, text: &str) -> Option<String> {
    let rest = text.strip_prefix("route to ")?;
    let word = rest.split(|c: char| c.is_whitespace() || matches!(c, '{' | ',' | ';')).next()?;
    let known = |word: &str| KEYWORDS.iter().any(|k| k.word == word) || DECLARATIONS.contains(&word);
    let named = word.starts_with(|c: char| c.is_ascii_lowercase()) && !known(first_word(word));
    if !named || nearest(word, KEYWORDS.iter().map(|k| k.word)).is_some() {
        return None;
    }
    let (start, end) = ("route ".len(), "route to".len());
    let place = Span::new(cx.file, cx.base + start, cx.base + end);
    let help = format!("a route names the service whose requests it steers: `route {word} to OTHER`");
    cx.report(Diagnostic::new(codes::MALFORMED, place, "`to` does not fit here in `route`").help(help));
    let mut without = text.to_owned();
    without.replace_range(start..end, "  ");
    Some(without)
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
        Diagnostic::new(codes::UNKNOWN_DECLARATION, place, format!("`{shown}` begins no declaration"))
            .help(format!("a declaration begins with {}", alternatives(DECLARATIONS.iter().copied())))
    };
    let near = nearest(word, DECLARATIONS.iter().copied());
    if let Some(near) = near {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    } else if let Some(help) = slip::declaration(word) {
        diagnostic = diagnostic.help(help);
    }
    cx.report(diagnostic);
    if near.is_some_and(|near| matches!(near, "policy" | "service" | "route" | "listen")) {
        behind::block(cx, text);
    }
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
    bad_clause(cx, text, at, MOST_SLIPS);
}

/// The same with as many slips told of as are left to tell.
fn bad_clause(cx: &mut Builder<'_>, text: &str, at: usize, left: usize) {
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
        misfit(cx, Text { text, at, name, form: &form, rule: keyword.rule }, reached, left);
    }
}

/// What stands behind the sign in place of which a `;` was to be: a clause of its own.
fn behind_separator(cx: &mut Builder<'_>, rest: &str, at: usize, left: usize) {
    let text = rest.trim();
    let at = at + rest.len() - rest.trim_start().len();
    let keyword = KEYWORDS.iter().find(|k| k.word == first_word(text));
    let good = keyword.is_some_and(|keyword| furthest(keyword.rule, text) >= text.len());
    if left > 0 && !good {
        bad_clause(cx, text, at, left);
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
    let shown = cx.own_text(at, text.lines().next().unwrap_or("")).trim_end();
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
    let is_word = word.contains(|c: char| c.is_ascii_alphanumeric());
    let shown = if is_word { word } else { piece(text, 0) };
    let place = Span::new(cx.file, at, at + shown.len());
    let diagnostic = Diagnostic::new(codes::UNKNOWN_CLAUSE, place, format!("`{shown}` begins no clause"));
    if let Some(rest) = slip::after_bullet(text) {
        let bullet = Span::new(cx.file, at, at + text.len() - rest.len());
        return cx.report(diagnostic.help("clauses stand without a `-` before them").fix(bullet, ""));
    }
    if let Some(slip) = slip::joined(text).or_else(|| slip::find(text, 0, shown).filter(|_| !is_word)) {
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
        (None, None) if !is_word && shown == text => diagnostic.help(format!("take the `{shown}` away")),
        (None, None) if slip::is_destination(target) => {
            diagnostic.help(format!("a destination is written `to {target}`"))
        }
        (None, None) => {
            diagnostic.help("clauses are, for example, `90% v1, 10% v2`, `to v1`, `timeout 10s`, `retry 3 on 5xx`")
        }
    });
}

/// A request of a test, or what is expected of it, that has not its form.
pub(crate) fn test_case(cx: &mut Builder<'_>, pair: &Pair<'_>) {
    const FORM: &str = "the form is `METHOD PATH [with header NAME = \"VALUE\", …] => EXPECTATION, …`";
    const EXPECTATIONS: &str = "expectations are, for example, `90% v1, 10% v2`, `to v1`, `not to v2`, `path \"/x\"`, `header x-env = \"prod\"`, `status 403`, `timeout 5s`, `limited to 2/5s`";
    let text = pair.as_str().trim_end();
    let at = cx.base + pair.as_span().start();
    if !text.contains("=>") {
        let place = Span::new(cx.file, at, at + text.len());
        let message = "nothing is expected of this request";
        return cx.report(Diagnostic::new(codes::MALFORMED, place, message).help(FORM));
    }
    let reached = furthest(Rule::test_case, text);
    let behind = text.find("=>").is_some_and(|arrow| reached > arrow);
    let (name, form) = if behind { ("an expectation", EXPECTATIONS) } else { ("a request", FORM) };
    misfit(cx, Text { text, at, name, form, rule: Rule::test_case }, reached, MOST_SLIPS);
}

/// A condition that has not its form.
pub(crate) fn condition(cx: &mut Builder<'_>, text: &str, at: usize, keyword: Span) {
    const FORM: &str = "conditions are, for example, `path = \"/x\"`, `path prefix \"/api\"`, `header x-user exists`, `method GET, POST`, joined by `and`, `or`, `not` and parentheses";
    let trimmed = text.trim_end();
    if trimmed.is_empty() {
        let message = "`when` needs a condition";
        cx.report(Diagnostic::new(codes::INCOMPLETE, keyword, message).help(FORM));
        return;
    }
    let (mut text, mut at) = (trimmed.to_owned(), at);
    for _ in 0..MOST_SLIPS {
        let diagnostic = bad_condition(cx.file, &text, at, FORM);
        let (fix, place) = (diagnostic.fix.clone(), diagnostic.place());
        cx.report(diagnostic);
        // Behind a slip that can be mended there may be another one, and in a test that stands for itself.
        let next = match fix {
            Some(fix) => mended(&text, at, &fix),
            None => rest(&text, at, place, behind::test),
        };
        match next {
            Some(next) if furthest(Rule::whole_condition, &next.0) < next.0.len() => (text, at) = next,
            _ => return,
        }
    }
}

/// A mended text, and where it would begin in its file for what stands behind the mend to keep its
/// place.
fn mended(text: &str, at: usize, fix: &Fix) -> Option<(String, usize)> {
    let (start, end) = (fix.span.start as usize, fix.span.end as usize);
    let (before, after) = text.get(..start.checked_sub(at)?).zip(text.get(end.checked_sub(at)?..))?;
    let shifted = (at + end - start).checked_sub(fix.replacement.len())?;
    Some((format!("{before}{}{after}", fix.replacement), shifted))
}

/// What to say of a text without an operator before it.
const OPERATOR: &str =
    "an operator stands before a text, and commas between several: `path prefix \"/api\"`, `path = \"/x\", \"/y\"`";

/// What to say of a condition that has not its form.
fn bad_condition(file: FileId, text: &str, at: usize, form: &str) -> Diagnostic {
    let (start, shown) = match pointed(text, furthest(Rule::whole_condition, text)) {
        (_, "") => slip::last_word(text).unwrap_or((0, text)),
        pointed => pointed,
    };
    let bare = shown.starts_with(|c: char| c.is_ascii_alphanumeric());
    let slip = slip::find(text, start, shown).or_else(|| slip::unjoined(text, start, shown));
    let (start, shown) = noticed(text, slip.as_ref(), (start, shown));
    let last = text.len() == start + shown.len();
    let place = Span::new(file, at + start, at + start + shown.len());
    let (code, message) = if last && matches!(shown, "and" | "or" | "not" | ",") {
        (codes::INCOMPLETE, format!("nothing follows the `{shown}`"))
    } else {
        let code = if slip.is_some() { codes::FOREIGN_SYNTAX } else { codes::BAD_CONDITION };
        (code, format!("`{shown}` does not fit here in a condition"))
    };
    let form = if shown.starts_with('"') { OPERATOR } else { form };
    let diagnostic = Diagnostic::new(code, place, message).help(form);
    if let Some(slip) = slip {
        return mend(diagnostic, slip, Place { file, at, text, rule: Rule::whole_condition });
    }
    match nearest(shown, SUBJECTS.iter().copied()).filter(|near| bare && *near != shown) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
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
        if replacement == ";" {
            return furthest(place.rule, before.trim_end()) >= before.trim_end().len();
        }
        let mended = format!("{before}{replacement}{after}");
        furthest(place.rule, &mended) > before.len() + replacement.len()
    });
    let span = Span::new(place.file, place.at + range.start, place.at + range.end);
    if taken { diagnostic.fix(span, replacement) } else { diagnostic }
}

#[derive(Clone, Copy)]
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

/// Reports what does not fit, and what does not behind a slip that can be mended.
fn misfit(cx: &mut Builder<'_>, part: Text<'_>, reached: usize, left: usize) {
    let (mut text, mut at, mut reached) = (part.text.trim_end().to_owned(), part.at, reached);
    for told in 1..=left {
        let diagnostic = bad_form(cx.file, &Text { text: &text, at, ..part }, reached);
        let (fix, place) = (diagnostic.fix.clone(), diagnostic.place());
        cx.report(diagnostic);
        let fix = fix.as_ref();
        if let Some(fix) = fix.filter(|fix| fix.replacement == ";") {
            let end = fix.span.end as usize;
            let rest = end.checked_sub(at).and_then(|behind| text.get(behind..)).unwrap_or("");
            return behind_separator(cx, rest, end, left - told);
        }
        let next = match fix {
            Some(fix) => mended(&text, at, fix),
            None if part.rule == Rule::split => rest(&text, at, place, behind::share),
            None => return,
        };
        match next {
            Some(next) => (text, at) = next,
            None => return,
        }
        reached = furthest(part.rule, &text);
        if reached >= text.len() {
            return;
        }
    }
}

/// The rest of a text from its next part on behind a place, and where that begins in its file.
fn rest(text: &str, at: usize, place: Option<Span>, next: fn(&str, usize) -> Option<usize>) -> Option<(String, usize)> {
    let start = next(text, (place?.end as usize).checked_sub(at)?)?;
    Some((text.get(start..)?.to_owned(), at + start))
}

/// What to say of a text that has not its form.
fn bad_form(file: FileId, part: &Text<'_>, reached: usize) -> Diagnostic {
    let Text { text, at, name, form, rule } = *part;
    // pest does not count a keyword that stands without what must follow it as progress.
    let reached = reached.max(if text.starts_with(name) { name.len() } else { 0 });
    let quoted = if name.contains(' ') { name.to_owned() } else { format!("`{name}`") };
    if reached >= text.len() {
        let place = Span::new(file, at, at + text.len());
        return Diagnostic::new(codes::INCOMPLETE, place, format!("{quoted} is not complete")).help(form);
    }
    let (start, shown) = pointed(text, reached);
    let slip = slip::find(text, start, shown);
    let (start, shown) = noticed(text, slip.as_ref(), (start, shown));
    let last = text.len() == start + shown.len();
    let place = Span::new(file, at + start, at + start + shown.len());
    let clause = KEYWORDS.iter().any(|k| k.word == shown) && !form.contains(shown);
    let separate = clause.then(|| format!("a `;` or a new line stands between clauses: write `; {shown} …`"));
    let (code, message) = if last && shown == "," {
        (codes::INCOMPLETE, "nothing follows the `,`".to_owned())
    } else if last && lacks_more(form, shown) {
        (codes::INCOMPLETE, format!("`{shown}` is not complete"))
    } else {
        let code = if slip.is_some() { codes::FOREIGN_SYNTAX } else { codes::MALFORMED };
        (code, format!("`{shown}` does not fit here in {quoted}"))
    };
    let diagnostic = Diagnostic::new(code, place, message).help(separate.as_deref().unwrap_or(form));
    match slip {
        Some(slip) => mend(diagnostic, slip, Place { file, at, text, rule }),
        None => diagnostic,
    }
}

/// Where a slip stands and how it reads, or the place where it was noticed.
fn noticed<'t>(text: &'t str, slip: Option<&Slip>, at: (usize, &'t str)) -> (usize, &'t str) {
    let own = slip.and_then(|slip| slip.at.clone());
    own.and_then(|range| Some((range.start, text.get(range)?))).unwrap_or(at)
}
