//! The rules of a site as steps: each has one condition and does one thing. A rule with `cors` is two,
//! since it also answers what browsers ask before a call; so is one that lets only some methods pass.

use super::probe::{self, Probe};
use super::told::{self, Facts};
use crate::clause::cors::{Cors, Origin};
use crate::evaluate::Site;
use crate::ir::{Action, Condition, Pattern, Rule, Subject, Test, Traffic};
use crate::meaning;
use std::borrow::Cow;

/// What a step does with its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It answers what a browser asks before a call.
    Preflight,
    /// It refuses methods that may change something.
    ReadOnly,
    /// What its rule says.
    Rule,
    /// There is no rule: 404.
    NoRoute,
    /// It routes connections.
    Tcp,
    /// Nothing steers the requests.
    Absent,
}

/// A step.
#[derive(Debug)]
pub(super) struct Step<'p> {
    pub(super) kind: Kind,
    /// Its rule, and the place of that among the rules.
    pub(super) rule: Option<(usize, &'p Rule)>,
    /// Which requests reach it; `None` for all that are left.
    pub(super) condition: Option<Cow<'p, Condition>>,
    /// The condition in words.
    pub(super) title: String,
    /// What holds for its requests, as far as it does not depend on the request.
    pub(super) effect: Facts,
    /// Requests for which an effect that depends on the request shows.
    pub(super) probes: Vec<Probe>,
}

/// The steps of a site; one that steers nothing where there is none. Where the other version has none
/// (`alone`), that it is steered at all is a fact of each step.
pub(super) fn steps<'p>(site: Option<&Site<'p>>, alone: bool) -> Vec<Step<'p>> {
    let Some(site) = site else {
        return vec![bare(Kind::Absent, "any request", vec![("steered".to_owned(), "no".to_owned())])];
    };
    let mut steps = match site.traffic() {
        Traffic::Tcp(tcp) => vec![bare(Kind::Tcp, "any connection", told::tcp(tcp, site.upstreams()))],
        Traffic::Http(rules) => of_rules(rules, site),
    };
    if alone {
        steps.iter_mut().for_each(|step| step.effect.insert(0, ("steered".to_owned(), "yes".to_owned())));
    }
    steps
}

fn bare<'p>(kind: Kind, title: &str, effect: Facts) -> Step<'p> {
    Step { kind, rule: None, condition: None, title: title.to_owned(), effect, probes: Vec::new() }
}

fn of_rules<'p>(rules: &'p [Rule], site: &Site<'p>) -> Vec<Step<'p>> {
    let mut steps = Vec::with_capacity(rules.len() + 1);
    let only = rules.len() == 1;
    for (at, rule) in rules.iter().enumerate() {
        let title = meaning::title(rule, only);
        let mut push = |kind, condition, title| {
            let effect = told::effect(kind, rule, site.upstreams());
            let probes = if kind == Kind::Rule { probe::probes(rule) } else { Vec::new() };
            steps.push(Step { kind, rule: Some((at, rule)), condition, title, effect, probes });
        };
        if let Some(cors) = &rule.cors {
            let title = format!("what browsers ask before a call, {title}");
            push(Kind::Preflight, Some(Cow::Owned(question(cors, rule))), title);
        }
        if matches!(&rule.action, Action::Forward(forward) if forward.read_only) {
            let title = format!("{title}, by other methods than GET and HEAD");
            push(Kind::ReadOnly, Some(Cow::Owned(changing(rule.condition.as_ref()))), title);
        }
        push(Kind::Rule, rule.condition.as_ref().map(Cow::Borrowed), title);
    }
    if rules.iter().all(|rule| rule.condition.is_some()) {
        let title = if rules.is_empty() { "any request" } else { "any other request" };
        steps.push(bare(Kind::NoRoute, title, told::no_route()));
    }
    steps
}

fn test(subject: Subject, pattern: Pattern) -> Condition {
    Condition::Test(Test { subject, patterns: vec![pattern] })
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

fn equals(text: &str) -> Pattern {
    Pattern::Equals(text.to_owned())
}

/// Which requests a rule answers as what browsers ask before a call, as the evaluator has it.
fn question(cors: &Cors, rule: &Rule) -> Condition {
    let header = |name: &str| Subject::Header(name.to_owned());
    let call = "access-control-request-method";
    let mut parts = vec![test(Subject::Method, equals("OPTIONS"))];
    for name in ["origin", call] {
        parts.push(test(header(name), Pattern::Exists));
        parts.push(not(test(header(name), equals(""))));
    }
    if !cors.origins.contains(&Origin::Any) {
        parts.push(Condition::Or(cors.origins.iter().map(|origin| from(origin, header("origin"))).collect()));
    }
    if let Some(condition) = &rule.condition {
        let asked = with_method(condition, &header(call));
        let forwards = matches!(&rule.action, Action::Forward(forward) if !forward.read_only);
        parts.push(if forwards { Condition::Or(vec![asked, condition.clone()]) } else { asked });
    }
    Condition::And(parts)
}

/// Whether a page is of an origin.
fn from(origin: &Origin, header: Subject) -> Condition {
    match origin {
        Origin::Any => test(header, Pattern::Exists),
        Origin::Exact(text) => test(header, equals(text)),
        Origin::Below(scheme, rest) => Condition::And(vec![
            test(header.clone(), Pattern::Prefix(scheme.clone())),
            test(header.clone(), Pattern::Suffix(rest.clone())),
            not(test(header, equals(&format!("{scheme}{rest}")))),
        ]),
        Origin::Pattern(pattern) => test(header, Pattern::Regex(pattern.clone())),
    }
}

/// A condition that looks for the method elsewhere.
fn with_method(condition: &Condition, at: &Subject) -> Condition {
    let all = |parts: &[Condition]| parts.iter().map(|part| with_method(part, at)).collect();
    match condition {
        Condition::And(parts) => Condition::And(all(parts)),
        Condition::Or(parts) => Condition::Or(all(parts)),
        Condition::Not(part) => not(with_method(part, at)),
        Condition::Test(Test { subject: Subject::Method, patterns }) => {
            Condition::Test(Test { subject: at.clone(), patterns: patterns.clone() })
        }
        Condition::Test(test) => Condition::Test(test.clone()),
    }
}

/// The requests of a rule by methods that may change something.
fn changing(condition: Option<&Condition>) -> Condition {
    let reading = Condition::Test(Test { subject: Subject::Method, patterns: vec![equals("GET"), equals("HEAD")] });
    Condition::And(condition.cloned().into_iter().chain([not(reading)]).collect())
}
