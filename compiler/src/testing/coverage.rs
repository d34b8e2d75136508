//! Which rules, and which alternatives of their conditions, the requests of tests reach.
//!
//! An alternative is a part of an `or`, or one of several values. Whether a request takes it is
//! asked of a program made for that: a rule for each alternative, with the others left out.

use super::Case;
use crate::clause::respond::Respond;
use crate::evaluate::{Plan, Request};
use crate::ir::{Action, Condition, Origin, Program, Route, Rule, Scope, Steered, Test, Traffic};
use crate::name::{ServiceName, ServicePort};
use meshc_dsl::Span;
use meshc_dsl::clause::Clause;
use meshc_dsl::condition as tree;
use meshc_dsl::syntax::{Declaration, Policy};
use std::collections::BTreeMap;

/// Something that a request can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Where it stands.
    pub span: Span,
    /// Whether it is an alternative of a condition, not a rule.
    pub alternative: bool,
}

/// Which points the tests reached.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// How many there are.
    pub all: usize,
    /// Those that none reached, in the order of files and places.
    pub missed: Vec<Point>,
}

impl Coverage {
    /// How many were reached.
    pub fn reached(&self) -> usize {
        self.all - self.missed.len()
    }

    /// The same in whole percent, rounded down, so that 100 is all of them.
    pub fn percent(&self) -> usize {
        (self.reached() * 100).checked_div(self.all).unwrap_or(100)
    }
}

/// Everything that can be reached, with what asks whether it is.
pub(super) struct Probes {
    /// A route for each alternative.
    pub(super) program: Program,
    points: Vec<Point>,
    /// The point of a rule, and the first of its alternatives with their number.
    rules: BTreeMap<Span, (usize, Vec<usize>)>,
}

impl Probes {
    pub(super) fn new(program: &Program, trees: &[Policy]) -> Self {
        let conditions = conditions(trees);
        let mut probes = Self { program: Program::default(), points: Vec::new(), rules: BTreeMap::new() };
        let routes = program.routes.iter().flat_map(|r| r.steered.iter().map(|s| (s.span, &s.traffic)));
        let listens = program.listens.iter().map(|l| (l.span, &l.traffic));
        for (span, traffic) in routes.chain(listens) {
            match traffic {
                Traffic::Http(rules) => rules.iter().for_each(|rule| probes.rule(rule, &conditions)),
                Traffic::Tcp(_) => probes.point(span, false),
            }
        }
        probes
    }

    /// Several services share the rules of their route.
    fn rule(&mut self, rule: &Rule, conditions: &BTreeMap<Span, &tree::Condition>) {
        if self.rules.contains_key(&rule.span) {
            return;
        }
        let at = self.points.len();
        self.point(rule.span, false);
        let mut alternatives = Vec::new();
        if let (Some(condition), Some(tree)) = (&rule.condition, conditions.get(&rule.span)) {
            for (span, condition) in branches(condition, tree) {
                alternatives.push(self.points.len());
                self.point(span, true);
                // The place of a point is the place of its route.
                self.program.routes.resize_with(self.points.len() - 1, nothing);
                self.program.routes.push(probe(condition));
            }
        }
        self.rules.insert(rule.span, (at, alternatives));
    }

    fn point(&mut self, span: Span, alternative: bool) {
        self.points.push(Point { span, alternative });
    }

    /// The points that a request reaches.
    pub(super) fn reached(&self, case: &Case, plan: &Plan<'_>, probes: &Plan<'_>) -> Vec<usize> {
        let Some(site) = plan.sites().get(case.site) else { return Vec::new() };
        let Some(request) = &case.request else {
            return self.points.iter().position(|p| p.span == site.span).into_iter().collect();
        };
        let rule = site.answer(request).rule.and_then(|won| self.rules.get(&won.rule.span));
        let Some((at, alternatives)) = rule else { return Vec::new() };
        let takes = |at: &&usize| takes(probes, **at, request);
        std::iter::once(*at).chain(alternatives.iter().filter(takes).copied()).collect()
    }

    pub(super) fn coverage(&self, reached: &[usize]) -> Coverage {
        let missed = self.points.iter().enumerate().filter(|(at, _)| !reached.contains(at));
        let mut missed: Vec<Point> = missed.map(|(_, point)| point.clone()).collect();
        missed.sort_by_key(|point| point.span);
        Coverage { all: self.points.len(), missed }
    }
}

fn takes(probes: &Plan<'_>, at: usize, request: &Request) -> bool {
    probes.sites().get(at).is_some_and(|site| site.answer(request).rule.is_some())
}

/// The conditions of all rules by their places.
fn conditions(trees: &[Policy]) -> BTreeMap<Span, &tree::Condition> {
    let bodies = trees.iter().flat_map(|tree| &tree.declarations).filter_map(|declaration| match declaration {
        Declaration::Route(route) => Some(&route.body),
        Declaration::Listen(listen) => Some(&listen.body),
        _ => None,
    });
    let whens = bodies.flat_map(|body| &body.clauses).filter_map(|clause| match clause {
        Clause::When(when) => Some((when.span, when.condition.as_ref()?)),
        _ => None,
    });
    whens.collect()
}

/// A route that takes just the requests of a condition.
fn probe(condition: Condition) -> Route {
    let mut route = nothing();
    let span = Span::default();
    let rule = Rule {
        span,
        condition: Some(condition),
        action: Action::Respond(Respond { status: 200, body: None, span }),
        cors: None,
        limit: None,
        request_headers: Default::default(),
        response_headers: Default::default(),
    };
    if let Some(steered) = route.steered.first_mut() {
        steered.traffic = Traffic::Http(vec![rule]);
    }
    route
}

/// A route that takes no request.
fn nothing() -> Route {
    let service = ServiceName { namespace: String::new(), name: String::new() };
    let steered = Steered {
        service: ServicePort { service, port: None },
        span: Span::default(),
        traffic: Traffic::Http(Vec::new()),
        upstreams: Vec::new(),
        patches: Vec::new(),
        at: Default::default(),
    };
    Route {
        origin: Origin { file: String::new(), declaration: String::new() },
        span: Span::default(),
        scope: Scope::Namespace,
        steered: vec![steered],
        client_address: Default::default(),
        access_log: None,
    }
}

/// Each alternative of a condition: its place, and the condition without the others. What a `not`
/// denies has none, since there all of them count at once.
fn branches(condition: &Condition, tree: &tree::Condition) -> Vec<(Span, Condition)> {
    match (condition, tree) {
        (Condition::Or(parts), tree::Condition::Or(trees)) => {
            let both = parts.iter().zip(trees);
            both.flat_map(|(part, tree)| std::iter::once((place(tree), part.clone())).chain(branches(part, tree)))
                .collect()
        }
        (Condition::And(parts), tree::Condition::And(trees)) => {
            let one = |(at, (part, tree)): (usize, (&Condition, &tree::Condition))| {
                let with = |part| {
                    let others = parts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, p)| p.clone());
                    Condition::And(std::iter::once(part).chain(others).collect())
                };
                branches(part, tree).into_iter().map(|(span, part)| (span, with(part))).collect::<Vec<_>>()
            };
            parts.iter().zip(trees).enumerate().flat_map(one).collect()
        }
        (Condition::Test(test), tree::Condition::Test(tree)) if test.patterns.len() == tree.values.len() => {
            if test.patterns.len() < 2 {
                return Vec::new();
            }
            let one = |pattern: &crate::ir::Pattern| {
                Condition::Test(Test { subject: test.subject.clone(), patterns: vec![pattern.clone()] })
            };
            tree.values.iter().zip(&test.patterns).map(|(value, pattern)| (value.span, one(pattern))).collect()
        }
        _ => Vec::new(),
    }
}

fn place(tree: &tree::Condition) -> Span {
    match tree {
        tree::Condition::And(parts) | tree::Condition::Or(parts) => {
            let spans = parts.iter().map(place);
            spans.reduce(Span::to).unwrap_or_default()
        }
        tree::Condition::Not(part) => place(part),
        tree::Condition::Test(test) => test.span,
    }
}
