//! Conditions of the tree → conditions of the program.

use super::Cx;
use crate::clause::headers;
use crate::ir::{Condition, Pattern, Subject, Test};
use crate::regex;
use meshc_dsl::condition as tree;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::{Value, ValueError};

/// Resolves a condition; `None` when a part of it was reported.
pub(crate) fn resolve<'a>(condition: &'a tree::Condition, cx: &mut Cx<'a>) -> Option<Condition> {
    let all = |parts: &'a [tree::Condition], cx: &mut Cx<'a>| -> Option<Vec<Condition>> {
        let resolved: Vec<_> = parts.iter().map(|part| resolve(part, cx)).collect();
        resolved.into_iter().collect()
    };
    match condition {
        tree::Condition::And(parts) => all(parts, cx).map(Condition::And),
        tree::Condition::Or(parts) => all(parts, cx).map(Condition::Or),
        tree::Condition::Not(part) => resolve(part, cx).map(|part| Condition::Not(Box::new(part))),
        tree::Condition::Test(test) => self::test(test, cx).map(Condition::Test),
    }
}

fn test<'a>(test: &'a tree::Test, cx: &mut Cx<'a>) -> Option<Test> {
    let subject = match &test.subject {
        tree::Subject::Path => Subject::Path,
        tree::Subject::Method => Subject::Method,
        tree::Subject::Header(name) => Subject::Header(headers::name(name, cx)?),
    };
    if test.operator == tree::Operator::Exists {
        return Some(Test { subject, patterns: vec![Pattern::Exists] });
    }
    let patterns: Vec<_> = test.values.iter().map(|value| pattern(&subject, test.operator, value, cx)).collect();
    Some(Test { subject, patterns: patterns.into_iter().collect::<Option<_>>()? })
}

fn pattern<'a>(subject: &Subject, operator: tree::Operator, value: &'a Value, cx: &mut Cx<'a>) -> Option<Pattern> {
    if *subject == Subject::Method {
        return cx.word(value, method).map(Pattern::Equals);
    }
    let text = cx.text(value)?;
    if operator == tree::Operator::Regex {
        regex::check(text, value.span, cx)?;
        return Some(Pattern::Regex(text.to_owned()));
    }
    match subject {
        Subject::Path => path(text, value, cx)?,
        _ => {
            headers::value(value, cx)?;
        }
    }
    Some(match operator {
        tree::Operator::Prefix => Pattern::Prefix(text.to_owned()),
        _ => Pattern::Equals(text.to_owned()),
    })
}

/// A path that some request can have: it begins with a slash and has no query.
fn path(text: &str, value: &Value, cx: &mut Cx<'_>) -> Option<()> {
    let problem = if !text.starts_with('/') {
        "does not begin with `/`"
    } else if text.contains(['?', '#']) {
        "has a query or fragment, which `path` never sees"
    } else if text.contains("//") || text.split('/').any(|s| s == "." || s == "..") {
        "is never seen: doubled slashes and dot segments are gone before rules are tried"
    } else if text.chars().any(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
        "has characters that a request escapes"
    } else {
        return Some(());
    };
    cx.error(
        codes::BAD_VALUE,
        value.span,
        format!("the path `{text}` {problem}"),
        "write it as the request has it, for example `\"/api/v1\"` or `\"/a%20b\"`",
    );
    None
}

fn method(word: &str) -> Result<String, ValueError> {
    if !word.is_empty() && word.len() <= 32 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
        return Ok(word.to_owned());
    }
    let upper = word.to_ascii_uppercase();
    let help = if upper.bytes().all(|b| b.is_ascii_uppercase()) {
        format!("methods are written in capitals: `{upper}`")
    } else {
        "methods are, for example, `GET` and `POST`".to_owned()
    };
    Err(ValueError { code: codes::BAD_VALUE, message: format!("`{word}` is not a method"), help })
}
