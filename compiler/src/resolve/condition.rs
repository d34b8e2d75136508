//! Conditions of the tree → conditions of the program.

use super::{Cx, wildcard};
use crate::clause::headers;
use crate::ir::{Condition, Pattern, Subject, Test};
use crate::lower::matches;
use crate::regex::{self, Use, within};
use crate::target;
use crate::template::Template;
use meshc_dsl::condition as tree;
use meshc_dsl::condition::Operator;
use meshc_dsl::diagnostic::{Diagnostic, codes};
use meshc_dsl::value::{Value, ValueError, ValueKind};

/// The longest text that the compiler puts into a pattern, which keeps its program below Envoy's
/// limit of 100 (`re2.max_program_size.error_level`). A text behind `^` does not count there, but
/// one whose case is ignored does.
const LONGEST_IN_PATTERN: usize = 64;
/// The same for a cookie's name and value, around which the pattern for the header is larger.
const LONGEST_COOKIE: usize = 32;

/// Resolves a condition; `None` when a part of it was reported.
pub(crate) fn resolve<'a>(condition: &'a tree::Condition, cx: &mut Cx<'a>) -> Option<Condition> {
    let resolved = part(condition, false, cx)?;
    second_patterns(condition, &resolved, cx)?;
    Some(resolved)
}

/// A pattern for a path is larger where it stands beside another one, since only one of them can
/// be for the path alone and the rest see the query too. Checks those.
fn second_patterns<'a>(condition: &'a tree::Condition, resolved: &Condition, cx: &mut Cx<'a>) -> Option<()> {
    let mut paths = Vec::new();
    path_patterns(condition, &mut paths);
    if paths.len() < 2 && !resolved.denies_query(false) {
        return Some(());
    }
    let given = matches::regexes_of(resolved, cx.env.target);
    for value in paths.into_iter().filter(|value| matches!(value.kind, ValueKind::Text(_) | ValueKind::Param(_))) {
        let text = cx.text(value)?;
        let larger = |text: &str| vec![within::PATH.search(text)];
        let used = |checked: &str| resolved.denies_query(false) || larger(checked).iter().all(|p| given.contains(p));
        regex::check_second(text, value, &Use { given: &larger, listed: false, escaped: Some("path") }, &used, cx)?;
    }
    Some(())
}

/// The patterns and templates that paths are tested by.
fn path_patterns<'a>(condition: &'a tree::Condition, found: &mut Vec<&'a Value>) {
    match condition {
        tree::Condition::And(parts) | tree::Condition::Or(parts) => {
            parts.iter().for_each(|part| path_patterns(part, found));
        }
        tree::Condition::Not(part) => path_patterns(part, found),
        tree::Condition::Test(test) => {
            let larger = matches!(test.operator, Operator::Regex | Operator::Template);
            if larger && matches!(test.subject, tree::Subject::Path) {
                found.extend(&test.values);
            }
        }
    }
}

fn part<'a>(condition: &'a tree::Condition, negated: bool, cx: &mut Cx<'a>) -> Option<Condition> {
    let all = |parts: &'a [tree::Condition], cx: &mut Cx<'a>| -> Option<Vec<Condition>> {
        let resolved: Vec<_> = parts.iter().map(|one| part(one, negated, cx)).collect();
        resolved.into_iter().collect()
    };
    match condition {
        tree::Condition::And(parts) => all(parts, cx).map(Condition::And),
        tree::Condition::Or(parts) => all(parts, cx).map(Condition::Or),
        tree::Condition::Not(inner) => part(inner, !negated, cx).map(|inner| Condition::Not(Box::new(inner))),
        tree::Condition::Test(test) => self::test(test, negated, cx),
    }
}

fn test<'a>(test: &'a tree::Test, negated: bool, cx: &mut Cx<'a>) -> Option<Condition> {
    let subject = match &test.subject {
        tree::Subject::Path => Subject::Path,
        tree::Subject::Host => Subject::Host,
        tree::Subject::Method => Subject::Method,
        tree::Subject::Grpc => return grpc(test, cx),
        tree::Subject::Header(name) => Subject::Header(headers::name(name, cx)?),
        tree::Subject::Query(name) => Subject::Query(query_name(name, cx)?),
        tree::Subject::Cookie(name) => Subject::Cookie(cookie_name(name, cx)?),
    };
    if let (Subject::Host, Some(word)) = (&subject, test.values.iter().find(|v| is_exists(v))) {
        let help = "every request has a host; `exists` is for `header`, `query` and `cookie`";
        cx.error(codes::BAD_CONDITION, word.span, "`exists` does not fit here in a condition", help);
        return None;
    }
    if test.operator == Operator::Template && subject != Subject::Path {
        cx.error(codes::BAD_TEMPLATE, test.span, "a template is for paths", "use `regex`, `prefix` or `=`");
        return None;
    }
    if let (Subject::Cookie(name), false) = (&subject, cx.env.target.has(&target::COOKIE_MATCH)) {
        old_cookie(name, test, cx)?;
    }
    let patterns = if test.operator == Operator::Exists {
        vec![Pattern::Exists]
    } else {
        let read = |value| match test.operator {
            Operator::Regex if subject != Subject::Method => regex(&subject, value, negated, cx),
            operator => pattern(&subject, operator, value, cx),
        };
        let patterns: Vec<_> = test.values.iter().map(read).collect();
        patterns.into_iter().collect::<Option<_>>()?
    };
    Some(Condition::Test(Test { subject, patterns }))
}

/// Whether a value is the word `exists`, for which the place of a host has no operator.
fn is_exists(value: &Value) -> bool {
    matches!(&value.kind, ValueKind::Word(word) if word == "exists")
}

fn regex<'a>(subject: &Subject, value: &'a Value, negated: bool, cx: &mut Cx<'a>) -> Option<Pattern> {
    let text = cx.text(value)?;
    let target = cx.env.target;
    // No match denies a query parameter: routes that match it stand before those for the rest.
    let negated = negated && !matches!(subject, Subject::Query(_));
    let given = |text: &str| {
        let patterns = vec![Pattern::Regex(text.to_owned())];
        matches::regexes(&Test { subject: subject.clone(), patterns }, negated, target)
    };
    let escaped = match subject {
        Subject::Path => Some("path"),
        Subject::Host => Some("host"),
        Subject::Query(_) => Some("query"),
        _ => None,
    };
    let usage = Use { given: &given, listed: true, escaped };
    regex::check(text, value, &usage, cx).map(Pattern::Regex)
}

fn pattern<'a>(subject: &Subject, operator: Operator, value: &'a Value, cx: &mut Cx<'a>) -> Option<Pattern> {
    if *subject == Subject::Method {
        return cx.word(value, method).map(Pattern::Equals);
    }
    let text = cx.text(value)?;
    if operator == Operator::Template {
        wildcard::check(text, operator, value, cx);
        return template(text, value, cx);
    }
    let in_pattern = match subject {
        Subject::Path => {
            path(text, operator, value, cx)?;
            wildcard::check(text, operator, value, cx);
            matches!(operator, Operator::Suffix | Operator::Contains)
        }
        Subject::Host => {
            host(text, operator, value, cx)?;
            true
        }
        Subject::Query(_) => {
            query_value(text, value, cx)?;
            false
        }
        Subject::Cookie(_) => {
            cookie_value(text, value, cx)?;
            false
        }
        _ => {
            headers::value(value, cx)?;
            let counts = |edge| matches!(operator, Operator::Equals) || operator == edge;
            headers::warn_of_blanks(value, text, (counts(Operator::Prefix), counts(Operator::Suffix)), cx);
            false
        }
    };
    if in_pattern && text.len() > LONGEST_IN_PATTERN {
        let message = format!("this is longer than {LONGEST_IN_PATTERN} characters");
        let help = match subject {
            Subject::Host => {
                "hosts become patterns, whose size Envoy limits; test a part of it, for example by `prefix`"
            }
            _ => "it becomes a pattern, whose size Envoy limits; test the path by `=` or `prefix`",
        };
        cx.error(codes::OUT_OF_RANGE, value.span, message, help);
        return None;
    }
    let text = if *subject == Subject::Host { text.to_ascii_lowercase() } else { text.to_owned() };
    Some(match operator {
        Operator::Prefix => Pattern::Prefix(text),
        Operator::Suffix => Pattern::Suffix(text),
        Operator::Contains => Pattern::Contains(text),
        _ => Pattern::Equals(text),
    })
}

fn template(text: &str, value: &Value, cx: &mut Cx<'_>) -> Option<Pattern> {
    if !cx.needs(&target::PATH_TEMPLATE, value.span, "`path template`") {
        return None;
    }
    match Template::parse(text) {
        Ok(template) => Some(Pattern::Template(template)),
        Err(problem) => {
            let help = "a template is, for example, `\"/users/{id}\"`, `\"/a/*/b\"` or `\"/files/{path=**}\"`";
            cx.error(codes::BAD_TEMPLATE, value.span, format!("the template `{text}` {problem}"), help);
            None
        }
    }
}

/// A path, or a part of one, that some request can have: a whole one begins with a slash; none has
/// a query.
fn path(text: &str, operator: Operator, value: &Value, cx: &mut Cx<'_>) -> Option<()> {
    let from_start = matches!(operator, Operator::Equals | Operator::Prefix);
    // What stands at the edge of a part may go on in the path.
    let mut inner = text.split('/').collect::<Vec<_>>();
    if !from_start {
        inner.pop();
        inner.drain(..inner.len().min(1));
    }
    let problem = if from_start && !text.starts_with('/') {
        "does not begin with `/`"
    } else if text.is_empty() {
        "is empty, which is part of every path"
    } else if text.contains(['?', '#']) {
        "has a query or fragment, which `path` never sees"
    } else if text.contains("//") || inner.iter().any(|s| matches!(*s, "." | "..")) {
        "is never seen: doubled slashes and dot segments are gone before rules are tried"
    } else if text.chars().any(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
        "has characters that a request escapes"
    } else {
        return Some(());
    };
    cx.error(
        codes::BAD_PATH,
        value.span,
        format!("the path `{text}` {problem}"),
        "write it as the request has it, for example `\"/api/v1\"` or `\"/a%20b\"`",
    );
    None
}

/// A host name or address, with a port or without; `*.` in front for any name below.
fn host(text: &str, operator: Operator, value: &Value, cx: &mut Cx<'_>) -> Option<()> {
    let whole = operator == Operator::Equals;
    let rest = if whole { text.strip_prefix("*.").unwrap_or(text) } else { text };
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (rest, None),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c) || (whole && "[]:".contains(c));
    let problem = if name.is_empty() {
        "is empty"
    } else if rest.contains('*') {
        "has a `*` elsewhere than in front, as in `*.example.com`"
    } else if port.is_some() && !whole {
        "has a port, which only `=` looks at"
    } else if port.is_some_and(|p| p.parse::<u16>().is_err()) {
        "has no good port"
    } else if !name.chars().all(good) {
        "has characters that no host has"
    } else {
        return Some(());
    };
    let help = "hosts are written `\"shop.example.com\"`, `\"*.example.com\"` or `\"shop.example.com:8080\"`";
    cx.error(codes::BAD_HOST, value.span, format!("the host `{text}` {problem}"), help);
    None
}

fn query_name<'a>(value: &'a Value, cx: &mut Cx<'a>) -> Option<String> {
    let name = cx.bare_or_text(value)?;
    if name.is_empty() || name.contains(['=', '&', '#', '?']) || !visible(name) {
        let message = format!("`{name}` is not the name of a query parameter");
        cx.error(codes::BAD_QUERY, value.span, message, "write it as the request has it, escapes and all");
        return None;
    }
    Some(name.to_owned())
}

fn query_value(text: &str, value: &Value, cx: &mut Cx<'_>) -> Option<()> {
    if text.contains(['&', '#']) || !visible(text) {
        let message = format!("no query parameter has the value `{text}`");
        cx.error(codes::BAD_QUERY, value.span, message, "write it as the request has it, for example `\"a%20b\"`");
        return None;
    }
    Some(())
}

pub(crate) fn cookie_name<'a>(value: &'a Value, cx: &mut Cx<'a>) -> Option<String> {
    let name = cx.bare_or_text(value)?;
    if name.is_empty() || !visible(name) || name.contains(|c| "()<>@,;:\\\"/[]?={}".contains(c)) {
        cx.error(
            codes::BAD_COOKIE,
            value.span,
            format!("`{name}` is not the name of a cookie"),
            "names are of letters, digits and `!#$%&'*+-.^_|~`",
        );
        return None;
    }
    Some(name.to_owned())
}

fn cookie_value(text: &str, value: &Value, cx: &mut Cx<'_>) -> Option<()> {
    if !visible(text) || text.contains(['"', ',', ';', '\\']) {
        let message = format!("no cookie has the value `{text}`");
        cx.error(codes::BAD_COOKIE, value.span, message, "values have no blank, quote, comma, semicolon or backslash");
        return None;
    }
    Some(())
}

fn visible(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic())
}

/// Before `RouteMatch.cookies` a cookie is found by a pattern for the whole header.
fn old_cookie(name: &str, test: &tree::Test, cx: &mut Cx<'_>) -> Option<()> {
    let first = target::COOKIE_MATCH.first();
    for value in &test.values {
        let text = match &value.kind {
            ValueKind::Text(text) => text.as_str(),
            _ => "",
        };
        let problem = if test.operator == Operator::Regex && within::inner_start(text) {
            "a `^` inside a pattern for a cookie"
        } else if test.operator != Operator::Regex && name.len() + text.len() > LONGEST_COOKIE {
            "a cookie's name and value of more than 32 characters together"
        } else {
            continue;
        };
        let message = format!("{problem} does not work on {}", cx.env.target);
        let help = format!("it works from {first} on: {}", target::COOKIE_MATCH.reason);
        cx.error(codes::TARGET_CANNOT, value.span, message, help);
        return None;
    }
    let message = format!("on {} `cookie` sees every value of that name, from {first} on the first", cx.env.target);
    cx.report(Diagnostic::new(codes::COOKIE_NOTE, test.span, message));
    Some(())
}

/// `grpc shop.Cart/Add` and `grpc shop.Cart` are tests of the path and of the content type.
fn grpc<'a>(test: &'a tree::Test, cx: &mut Cx<'a>) -> Option<Condition> {
    let paths: Vec<_> = test.values.iter().map(|value| cx.word(value, grpc_path)).collect();
    let call = Test { subject: Subject::Grpc, patterns: vec![Pattern::Exists] };
    let path = Test { subject: Subject::Path, patterns: paths.into_iter().collect::<Option<_>>()? };
    Some(Condition::And(vec![Condition::Test(path), Condition::Test(call)]))
}

fn grpc_path(word: &str) -> Result<Pattern, ValueError> {
    let name = |text: &str| {
        let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        first && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let (service, method) = word.split_once('/').map_or((word, None), |(s, m)| (s, Some(m)));
    if !service.split('.').all(name) || !method.is_none_or(name) {
        return Err(ValueError {
            code: codes::BAD_GRPC,
            message: format!("`{word}` is not a gRPC service or method"),
            help: "they are written `shop.Cart` and `shop.Cart/Add`".into(),
        });
    }
    Ok(match method {
        Some(_) => Pattern::Equals(format!("/{word}")),
        None => Pattern::Prefix(format!("/{word}/")),
    })
}

pub(crate) fn method(word: &str) -> Result<String, ValueError> {
    if !word.is_empty() && word.len() <= 32 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
        return Ok(word.to_owned());
    }
    let upper = word.to_ascii_uppercase();
    let help = if upper.bytes().all(|b| b.is_ascii_uppercase()) {
        format!("methods are written in capitals: `{upper}`")
    } else {
        "methods are, for example, `GET` and `POST`".to_owned()
    };
    Err(ValueError { code: codes::BAD_METHOD, message: format!("`{word}` is not a method"), help })
}
