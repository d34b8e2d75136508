//! What is said of rules that no request reaches: see [`crate::reach`].

use super::Cx;
use super::rule::Draft;
use crate::clause::redirect::Redirect;
use crate::ir::{self, Action, Rule};
use crate::reach::{Lost, Reach};
use crate::target;
use meshc_dsl::Span;
use meshc_dsl::condition::Condition;
use meshc_dsl::diagnostic::{Code, Diagnostic, codes};

/// The most rules that one diagnostic points at.
const MOST_LABELS: usize = 8;

/// Reports the rules and alternatives of a body that no request reaches, and its fallback if that
/// is written and none is left for it.
pub(crate) fn check(rules: &[Draft<'_>], fallback: Option<&Draft<'_>>, cx: &mut Cx<'_>) {
    if rules.is_empty() {
        return;
    }
    let mut reach = Reach::new(!cx.env.target.has(&target::COOKIE_MATCH));
    let mut before: Vec<Span> = Vec::with_capacity(rules.len());
    for rule in rules {
        let Some(condition) = &rule.condition else { continue };
        // A rule with `cors` also answers what browsers ask before a call, by another method.
        let answers_more = rule.cors().is_some() && !reach.lost_for_any_method(condition);
        if let Some(lost) = reach.lost(condition).filter(|_| !answers_more) {
            rule_lost(rule.span, &lost, &before, cx);
            continue;
        }
        for (place, lost) in reach.lost_alternatives(condition).into_iter().filter(|_| !answers_more) {
            let span = rule.written.and_then(|written| alternative(written, &place));
            alternative_lost(span.unwrap_or(rule.span), &lost, &before, cx);
        }
        reach.add(condition);
        before.push(rule.span);
    }
    if let Some(fallback) = fallback.filter(|fallback| fallback.has_its_own(rules))
        && let Some(lost) = reach.nothing_left()
    {
        let message = "no request is left for the fallback";
        let remedy = "take it away, or let fewer requests into the rules before it";
        taken(codes::FALLBACK_UNREACHABLE, fallback.span, message, remedy, &lost, &before, cx);
    }
}

fn rule_lost(span: Span, lost: &Lost, before: &[Span], cx: &mut Cx<'_>) {
    if *lost == Lost::Contradiction {
        let help = "its tests exclude each other; join them by `or`, or take one away";
        cx.error(codes::UNREACHABLE, span, "no request satisfies this condition", help);
        return;
    }
    let remedy = "put the narrower condition first, or take the rule away";
    taken(codes::UNREACHABLE, span, "no request reaches this rule", remedy, lost, before, cx);
}

fn alternative_lost(span: Span, lost: &Lost, before: &[Span], cx: &mut Cx<'_>) {
    if *lost == Lost::Contradiction {
        let diagnostic = Diagnostic::new(codes::DEAD_ALTERNATIVE, span, "no request satisfies this alternative")
            .help("it excludes itself or what stands beside it; take it away");
        cx.report(diagnostic);
        return;
    }
    let message = "no request reaches this rule by this alternative";
    taken(codes::DEAD_ALTERNATIVE, span, message, "take the alternative away", lost, before, cx);
}

/// Reports what earlier rules take, with an example.
fn taken(code: Code, span: Span, message: &str, remedy: &str, lost: &Lost, before: &[Span], cx: &mut Cx<'_>) {
    let Lost::Taken { by, example, taken_by } = lost else { return };
    let text = if by.len() == 1 { "this rule takes them all before" } else { "this rule takes some of them before" };
    let mut diagnostic = Diagnostic::new(code, span, message);
    for earlier in by.iter().filter_map(|rule| before.get(*rule)).take(MOST_LABELS) {
        diagnostic = diagnostic.also(*earlier, text);
    }
    let taker = before.get(*taken_by).copied().unwrap_or(span);
    let line = cx.env.sources.position(taker.file, taker.start).line;
    cx.report(diagnostic.help(format!("for example {example} goes to the rule at line {line}; {remedy}")));
}

/// Where an alternative is written, by the parts and values to go down by.
fn alternative(condition: &Condition, place: &[usize]) -> Option<Span> {
    match (condition, place) {
        (Condition::And(parts) | Condition::Or(parts), [at, place @ ..]) => alternative(parts.get(*at)?, place),
        // A test of gRPC is one of the path and another one inside.
        (Condition::Test(test), [.., at]) => test.values.get(*at).map(|value| value.span),
        (Condition::Not(part), _) => alternative(part, place),
        (condition, []) => whole(condition),
    }
}

/// From the first test of a condition to its last.
fn whole(condition: &Condition) -> Option<Span> {
    match condition {
        Condition::Test(test) => Some(test.span),
        Condition::Not(part) => whole(part),
        Condition::And(parts) | Condition::Or(parts) => Some(whole(parts.first()?)?.to(whole(parts.last()?)?)),
    }
}

/// Warns of rules that change nothing: the next one takes their requests too, and does the same.
pub(crate) fn neighbours(rules: &[Rule], cx: &mut Cx<'_>) {
    for (rule, next) in rules.iter().zip(rules.iter().skip(1)) {
        let Some(condition) = rule.condition.as_ref().filter(|_| does_the_same(rule, next)) else { continue };
        if next.condition.as_ref().is_none_or(|wider| takes_all_of(wider, condition, cx)) {
            let message = "this rule changes nothing: the next one takes its requests too, and does the same";
            let diagnostic = Diagnostic::new(codes::SAME_AS_NEXT, rule.span, message)
                .also(next.span, "this is the next one")
                .help("take the first of the two away");
            cx.report(diagnostic);
        }
    }
}

fn takes_all_of(wider: &ir::Condition, condition: &ir::Condition, cx: &Cx<'_>) -> bool {
    let mut reach = Reach::new(!cx.env.target.has(&target::COOKIE_MATCH));
    reach.add(wider);
    matches!(reach.lost(condition), Some(Lost::Taken { .. }))
}

/// Whether two rules do the same with a request, and count it against the same limit.
fn does_the_same(one: &Rule, other: &Rule) -> bool {
    let same_action = match (&one.action, &other.action) {
        (Action::Forward(one), Action::Forward(other)) => one == other,
        (Action::Redirect(one), Action::Redirect(other)) => {
            let plain = |redirect: &Redirect| Redirect { span: Span::default(), ..redirect.clone() };
            plain(one) == plain(other)
        }
        (Action::Respond(one), Action::Respond(other)) => (one.status, &one.body) == (other.status, &other.body),
        _ => false,
    };
    same_action
        && one.cors == other.cors
        && one.limit == other.limit
        && one.request_headers == other.request_headers
        && one.response_headers == other.response_headers
}
