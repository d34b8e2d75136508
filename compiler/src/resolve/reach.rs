//! Rules that no request can reach, as far as can be told by looking at their conditions: the same
//! condition again, or a path under a prefix that an earlier rule takes whole.

use super::Cx;
use super::rule::Draft;
use crate::ir::{Condition, Pattern, Subject};
use meshc_dsl::Span;
use meshc_dsl::diagnostic::{Diagnostic, codes};
use std::collections::BTreeMap;

/// Reports rules that an earlier one hides. Linear in the number of rules.
pub(crate) fn check(rules: &[Draft<'_>], cx: &mut Cx<'_>) {
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut prefixes: BTreeMap<String, Span> = BTreeMap::new();
    for rule in rules {
        let Some(condition) = &rule.condition else { continue };
        let hidden = seen.get(&format!("{condition:?}")).or_else(|| covering(condition, &prefixes));
        if let Some(earlier) = hidden {
            let diagnostic = Diagnostic::new(codes::UNREACHABLE, rule.span, "no request reaches this rule")
                .also(*earlier, "this rule takes them all before")
                .help("put the narrower condition first, or take the rule away");
            cx.report(diagnostic);
            continue;
        }
        seen.insert(format!("{condition:?}"), rule.span);
        if let Condition::Test(test) = condition
            && test.subject == Subject::Path
        {
            let whole = test.patterns.iter().filter_map(|p| match p {
                Pattern::Prefix(prefix) => Some((prefix.clone(), rule.span)),
                _ => None,
            });
            prefixes.extend(whole);
        }
    }
}

/// The earlier prefix that takes every path of a condition.
fn covering<'p>(condition: &Condition, prefixes: &'p BTreeMap<String, Span>) -> Option<&'p Span> {
    match condition {
        Condition::And(parts) => parts.iter().find_map(|part| covering(part, prefixes)),
        Condition::Or(parts) => {
            let found: Option<Vec<_>> = parts.iter().map(|part| covering(part, prefixes)).collect();
            found?.into_iter().next()
        }
        Condition::Not(_) => None,
        Condition::Test(test) if test.subject == Subject::Path => {
            let found: Option<Vec<_>> = test.patterns.iter().map(|p| covering_path(p, prefixes)).collect();
            found?.into_iter().next()
        }
        Condition::Test(_) => None,
    }
}

fn covering_path<'p>(pattern: &Pattern, prefixes: &'p BTreeMap<String, Span>) -> Option<&'p Span> {
    let path = match pattern {
        Pattern::Equals(path) | Pattern::Prefix(path) => path.as_str(),
        _ => return None,
    };
    // Every prefix that could cover the path is the path cut behind or before one of its slashes.
    let cuts = path.match_indices('/').flat_map(|(at, _)| [at, at + 1]).chain([path.len()]);
    cuts.filter_map(|at| path.get(..at)).find_map(|cut| prefixes.get(cut))
}
