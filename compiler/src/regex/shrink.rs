//! Smaller patterns in place of one that is too large.

use super::check::Use;
use super::re2::Parsed;
use regex_syntax::ast::{Ast, parse::Parser};

/// The most patterns that are written out in a help.
const SHOWN: usize = 3;
/// The longest pattern that is written out in a help.
const LONGEST_SHOWN: usize = 120;

/// What to write instead, if something fits the limit.
pub(super) fn smaller(pattern: &str, parsed: &Parsed, usage: &Use<'_>, limit: usize) -> Option<String> {
    let fits = |text: &str| usage.size(text).is_some_and(|size| size <= limit);
    if let Some(shorter) = uncounted(pattern, parsed).into_iter().find(|text| fits(text)) {
        return Some(format!(
            "write `{shorter}`, which takes other lengths too, and has size {}",
            usage.size(&shorter)?
        ));
    }
    if usage.listed
        && let Some(parts) = alternatives(&parsed.text, &fits)
    {
        let list: Vec<String> = parts.iter().map(|part| format!("`{part}`")).collect();
        return Some(match list.len() <= SHOWN && list.iter().all(|part| part.len() <= LONGEST_SHOWN) {
            true => format!("write a list: {}", list.join(", ")),
            false => format!("split its alternatives over a list of {} patterns", list.len()),
        });
    }
    let anchored = format!("^{pattern}");
    if pattern.starts_with('/') && fits(&anchored) {
        return Some(
            "begin it with `^` if it is the beginning: what stands behind that as plain text is not counted".into(),
        );
    }
    let wide = ["\\p", "\\P"].iter().any(|class| pattern.contains(class));
    wide.then(|| "classes of Unicode are large: write the ranges that are wanted, such as `[A-Za-z]`".to_owned())
}

/// The pattern with one count made a `+` or `*`, for each of them, and with all of them.
fn uncounted(pattern: &str, parsed: &Parsed) -> Vec<String> {
    let without = |only: Option<usize>| {
        let mut out = String::with_capacity(pattern.len());
        let mut at = 0;
        for (number, (range, least)) in parsed.counts.iter().enumerate() {
            if only.is_some_and(|only| only != number) {
                continue;
            }
            out.push_str(pattern.get(at..range.start).unwrap_or(""));
            out.push(if *least == 0 { '*' } else { '+' });
            if pattern.get(range.clone()).is_some_and(|count| count.ends_with('?')) {
                out.push('?');
            }
            at = range.end;
        }
        out.push_str(pattern.get(at..).unwrap_or(""));
        out
    };
    match parsed.counts.len() {
        0 => Vec::new(),
        count => {
            (0..count.min(8)).map(Some).chain([None]).map(without).filter(|text| text.len() <= LONGEST_SHOWN).collect()
        }
    }
}

/// The alternatives of a pattern, packed into as few patterns as fit.
fn alternatives(text: &str, fits: &dyn Fn(&str) -> bool) -> Option<Vec<String>> {
    let (before, parts, after) = split(text)?;
    if parts.len() > 256 {
        return None;
    }
    let join = |parts: &[&str]| match parts {
        [only] if !only.contains('|') => format!("{before}{only}{after}"),
        _ => format!("{before}(?:{}){after}", parts.join("|")),
    };
    let mut out = Vec::new();
    let mut pack: Vec<&str> = Vec::new();
    for part in parts {
        pack.push(part);
        if fits(&join(&pack)) {
            continue;
        }
        pack.pop();
        if !pack.is_empty() {
            out.push(join(&pack));
        }
        pack = vec![part];
        if !fits(&join(&pack)) {
            return None;
        }
    }
    out.push(join(&pack));
    Some(out)
}

/// What is in front of the first alternatives, they themselves, and what is behind.
fn split(text: &str) -> Option<(&str, Vec<&str>, &str)> {
    let slice = |start: usize, end: usize| text.get(start..end).unwrap_or("");
    let of = |ast: &Ast| slice(ast.span().start.offset, ast.span().end.offset);
    let tree = Parser::new().parse(text).ok()?;
    let parts = match &tree {
        Ast::Alternation(all) => return Some(("", all.asts.iter().map(of).collect(), "")),
        Ast::Concat(all) => all.asts.as_slice(),
        one => std::slice::from_ref(one),
    };
    parts.iter().find_map(|part| match part {
        Ast::Group(group) => match group.ast.as_ref() {
            Ast::Alternation(all) => {
                let (start, end) = (group.span.start.offset, group.span.end.offset);
                Some((slice(0, start), all.asts.iter().map(of).collect(), slice(end, text.len())))
            }
            _ => None,
        },
        _ => None,
    })
}
