//! Paths with what other tools read as wildcards, and this language as plain characters.

use super::Cx;
use meshc_dsl::condition::Operator;
use meshc_dsl::diagnostic::{Diagnostic, codes};
use meshc_dsl::value::Value;

/// What a template is for, where no more can be said.
const TEMPLATES: &str =
    "in `path template` stands `*` for one segment and `**` for any number; the rest is for `path regex`";

/// Warns of a `*`, `{id}` or `:id` that a condition would compare as it is.
pub(crate) fn check(text: &str, operator: Operator, value: &Value, cx: &mut Cx<'_>) {
    let Some((piece, help)) = meant(text, operator) else { return };
    warn(piece, &help, value, cx);
}

/// Warns of the same in the prefix that a rewrite takes away.
pub(crate) fn check_rewritten(text: &str, value: &Value, cx: &mut Cx<'_>) {
    if let Some(before) = text.strip_suffix('*') {
        let prefix = if before.len() > 1 { before.trim_end_matches('/') } else { before };
        warn("*", &format!("a prefix takes all below it: `rewrite prefix \"{prefix}\" to …`"), value, cx);
    }
}

fn warn(piece: &str, help: &str, value: &Value, cx: &mut Cx<'_>) {
    let message = format!("`{piece}` in this path stands for itself alone");
    cx.report(Diagnostic::new(codes::PLAIN_WILDCARD, value.span, message).help(help));
}

/// The first such piece, and what to write for what it was probably to mean.
fn meant(text: &str, operator: Operator) -> Option<(&str, String)> {
    let variable = text.split('/').find(|segment| is_variable(segment));
    match (operator, variable) {
        (Operator::Template, variable) => Some((variable.filter(|v| v.starts_with(':'))?, template(text))),
        (Operator::Equals, Some(variable)) => Some((variable, template(text))),
        (_, Some(variable)) => Some((variable, TEMPLATES.to_owned())),
        (_, None) => star(text, operator),
    }
}

/// `{id}` and `:id`.
fn is_variable(segment: &str) -> bool {
    let word = |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic());
    let braces = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    braces.or_else(|| segment.strip_prefix(':')).is_some_and(word)
}

/// The path as a template.
fn template(text: &str) -> String {
    let segment = |segment: &str| match segment.strip_prefix(':').filter(|_| is_variable(segment)) {
        Some(name) => format!("{{{name}}}"),
        None => segment.to_owned(),
    };
    let segments: Vec<String> = text.split('/').map(segment).collect();
    format!("a segment of any text is for templates: `path template \"{}\"`", segments.join("/"))
}

fn star(text: &str, operator: Operator) -> Option<(&'static str, String)> {
    let first = text.find('*')?;
    let whole = text.trim_matches('*');
    let help = match operator {
        _ if whole.contains('*') => TEMPLATES.to_owned(),
        Operator::Equals | Operator::Prefix if first == whole.len() && whole.ends_with('/') => {
            format!("for every path below it write `path prefix \"{whole}\"`")
        }
        Operator::Equals | Operator::Prefix if first == whole.len() => {
            format!("for every path that begins so write `path regex `^{whole}``")
        }
        Operator::Suffix if !text.ends_with('*') => format!("write `path suffix \"{whole}\"`"),
        Operator::Contains => format!("it is looked for anywhere: write `path contains \"{whole}\"`"),
        _ => TEMPLATES.to_owned(),
    };
    Some(("*", help)).filter(|_| !whole.is_empty() || operator == Operator::Contains)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        let cases = [
            ("/api/*", Operator::Equals, "path prefix \"/api/\""),
            ("/api/**", Operator::Prefix, "path prefix \"/api/\""),
            ("/api*", Operator::Equals, "path regex `^/api`"),
            ("*.png", Operator::Suffix, "path suffix \".png\""),
            ("*img*", Operator::Contains, "path contains \"img\""),
            ("/a/*/b", Operator::Equals, "path template"),
            ("/users/:id", Operator::Equals, "path template \"/users/{id}\""),
            ("/users/:id/*", Operator::Template, "path template \"/users/{id}/*\""),
            ("/x/{id}", Operator::Prefix, "path template"),
        ];
        for (text, operator, help) in cases {
            assert!(
                meant(text, operator).is_some_and(|(_, said)| said.contains(help)),
                "{text}: {:?}",
                meant(text, operator)
            );
        }
        for (text, operator) in [
            ("/v1/x:verb", Operator::Equals),
            ("/a/:", Operator::Prefix),
            ("/u/{id}", Operator::Template),
            ("/a/*", Operator::Template),
        ] {
            assert_eq!(meant(text, operator), None, "{text}");
        }
    }
}
