//! Rules in the order written → conjunctions in the order in which Envoy tries them.
//!
//! The two orders are the same but for one thing: no route match can deny a query parameter. So
//! the requests that such a denial keeps away from a rule are routed before it, to what follows.

use super::matches::{self, Conjunction, Literal};
use crate::ir::Rule;
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::codes;

/// The most routes that denials of query parameters may add to one service.
const MAX_ADDED: usize = 4096;

/// One alternative of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Item<'a> {
    /// The rule's place in the list.
    pub(crate) rule: usize,
    /// What must hold, beside what was routed before.
    pub(crate) literals: Conjunction<'a>,
}

/// The alternatives of all rules, in Envoy's order.
pub(crate) fn items<'a>(rules: &'a [Rule], diagnostics: &mut Vec<Diagnostic>) -> Vec<Item<'a>> {
    let mut all = Vec::with_capacity(rules.len());
    for (at, rule) in rules.iter().enumerate() {
        match matches::of(rule.condition.as_ref()) {
            Some(alternatives) => all.extend(alternatives.into_iter().map(|literals| Item { rule: at, literals })),
            None => {
                let message = format!("this condition has more than {} alternatives", matches::MAX_ALTERNATIVES);
                diagnostics.push(
                    Diagnostic::new(codes::TOO_MANY_ALTERNATIVES, rule.span, message)
                        .help("split it into several rules, or use a regular expression"),
                );
            }
        }
    }
    if !all.iter().flat_map(|i| &i.literals).any(Literal::has_no_form) {
        return all;
    }
    let mut ordered = Vec::with_capacity(all.len() * 2);
    if let Err(rule) = put(&all, &Vec::new(), all.len() + MAX_ADDED, &mut ordered)
        && let Some(rule) = rules.get(rule)
    {
        let message = format!("with this rule, denials of query parameters become more than {MAX_ADDED} routes");
        diagnostics.push(
            Diagnostic::new(codes::TOO_MANY_ALTERNATIVES, rule.span, message)
                .help("put a rule for the requests that have the parameter first, and leave the `not` away"),
        );
    }
    ordered
}

/// Adds items for requests for which `given` holds. Fails with the rule that is too much.
fn put<'a>(items: &[Item<'a>], given: &Conjunction<'a>, most: usize, ordered: &mut Vec<Item<'a>>) -> Result<(), usize> {
    for (at, item) in items.iter().enumerate() {
        if item.literals.iter().any(|l| given.contains(&l.denied())) {
            continue;
        }
        let new = item.literals.iter().filter(|l| !given.contains(l)).cloned();
        let (denials, plain): (Vec<_>, Vec<_>) = new.partition(Literal::has_no_form);
        let held: Conjunction<'a> = given.iter().cloned().chain(plain).collect();
        for denial in denials {
            let kept_away = held.iter().cloned().chain([denial.denied()]).collect();
            put(items.get(at + 1..).unwrap_or(&[]), &kept_away, most, ordered)?;
        }
        if ordered.len() >= most {
            return Err(item.rule);
        }
        ordered.push(Item { rule: item.rule, literals: held });
    }
    Ok(())
}
