//! Request → the rule that wins and what becomes of the request: what Envoy does with the compiled
//! policy, without Envoy. It works on the IR and does no IO.
//!
//! [`Plan::new`] prepares a program; [`Site::answer`] borrows from the plan and the request.

mod answer;
mod check;
mod explain;
mod index;
mod path;
mod preflight;
mod redirect;
mod request;
mod sticky;

pub use answer::{Answer, Destination, Forwarded, Outcome, Winner};
pub use explain::Miss;
pub use request::Request;

use crate::clause::cors::Cors;
use crate::clause::rewrite::PathRewrite;
use crate::ir::{Action, Forward, Program, Rule, Traffic, Upstream};
use crate::name::{ServiceName, ServicePort};
use crate::regex::matcher;
use check::Check;
use index::Index;
use meshc_dsl::Span;
use preflight::Origins;
use regex::bytes::Regex;
use request::View;
use std::fmt;

/// A pattern that the engine does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern `{pattern}` is too large")]
pub struct BadPattern {
    /// The pattern.
    pub pattern: String,
    /// The rule that has it.
    pub span: Span,
}

/// A program made ready for requests.
#[derive(Debug)]
pub struct Plan<'p> {
    sites: Vec<Site<'p>>,
}

/// What takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry<'p> {
    /// A steered service.
    Service(&'p ServicePort),
    /// A listener by its name.
    Listen(&'p str),
}

/// The rules of one steered service or listener.
#[derive(Debug)]
pub struct Site<'p> {
    /// What takes the requests.
    pub entry: Entry<'p>,
    /// Where the policy names it.
    pub span: Span,
    traffic: &'p Traffic,
    upstreams: &'p [Upstream],
    rules: Vec<Ready<'p>>,
    index: Index<'p>,
}

/// A rule with its patterns compiled.
#[derive(Debug)]
struct Ready<'p> {
    rule: &'p Rule,
    check: Option<Check<'p>>,
    rewrite: Option<Regex>,
    origins: Option<Origins<'p>>,
}

/// As what a rule takes a request.
#[derive(Clone, Copy)]
enum Claim<'p> {
    /// As what a browser asks before a call.
    Question(&'p Cors),
    /// As what it is.
    Request,
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Service(service) => service.fmt(f),
            Entry::Listen(name) => write!(f, "listen {name}"),
        }
    }
}

impl<'p> Plan<'p> {
    /// Prepares a program that resolved without errors.
    ///
    /// # Errors
    /// When a pattern is so large that the engine refuses it; Envoy would too.
    pub fn new(program: &'p Program) -> Result<Self, BadPattern> {
        let steered = program.routes.iter().flat_map(|route| &route.steered);
        let services = steered.map(|s| Site::new(Entry::Service(&s.service), s.span, &s.traffic, &s.upstreams));
        let listens = program.listens.iter();
        let listens = listens.map(|l| Site::new(Entry::Listen(&l.name), l.span, &l.traffic, &l.upstreams));
        Ok(Self { sites: services.chain(listens).collect::<Result<_, _>>()? })
    }

    /// Everything that takes requests, in the program's order.
    pub fn sites(&self) -> &[Site<'p>] {
        &self.sites
    }

    /// A steered service; by the port too where one is given.
    pub fn service(&self, name: &ServiceName, port: Option<u16>) -> impl Iterator<Item = &Site<'p>> {
        self.sites.iter().filter(move |site| match site.entry {
            Entry::Service(service) => service.service == *name && (port.is_none() || service.port == port),
            Entry::Listen(_) => false,
        })
    }

    /// A listener by its name.
    pub fn listen(&self, name: &str) -> Option<&Site<'p>> {
        self.sites.iter().find(|site| site.entry == Entry::Listen(name))
    }
}

impl<'p> Site<'p> {
    fn new(entry: Entry<'p>, span: Span, traffic: &'p Traffic, upstreams: &'p [Upstream]) -> Result<Self, BadPattern> {
        let rules = traffic.rules().iter().map(Ready::new).collect::<Result<_, _>>()?;
        let index = Index::new(traffic.rules());
        Ok(Self { entry, span, traffic, upstreams, rules, index })
    }

    /// The rules, in the order in which they are tried.
    pub fn rules(&self) -> &'p [Rule] {
        self.traffic.rules()
    }

    /// What happens to its traffic.
    pub fn traffic(&self) -> &'p Traffic {
        self.traffic
    }

    /// What the shares of the rules name.
    pub fn upstreams(&self) -> &'p [Upstream] {
        self.upstreams
    }

    /// What becomes of a request.
    pub fn answer<'a>(&'a self, request: &'a Request) -> Answer<'a> {
        if let Traffic::Tcp(tcp) = self.traffic {
            return Answer::bare(request, Outcome::Tcp { split: &tcp.split, upstreams: self.upstreams });
        }
        let refused = |reason| Answer::bare(request, Outcome::Refused { status: 400, reason });
        if let Some(reason) = request::refusal(request) {
            return refused(reason);
        }
        let Some(view) = View::of(request) else { return refused("a path with an escaped NUL") };
        let (rule, outcome) = self.outcome(&view);
        let grpc = view.is_grpc();
        Answer { rule, path: view.path, query: view.query, grpc, outcome }
    }

    fn outcome<'a>(&'a self, view: &View<'a>) -> (Option<Winner<'a>>, Outcome<'a>) {
        let found = self.index.first(view, |number| {
            let ready = self.rules.get(number as usize)?;
            ready.claim(view).map(|claim| (ready, claim))
        });
        let Some((number, (ready, claim))) = found else { return (None, Outcome::NoRoute) };
        let outcome = match claim {
            Claim::Question(cors) => Outcome::Preflight(cors),
            Claim::Request => self.act(ready, view),
        };
        (Some(Winner { index: number as usize, rule: ready.rule }), outcome)
    }

    fn act<'a>(&'a self, ready: &'a Ready<'p>, view: &View<'a>) -> Outcome<'a> {
        match &ready.rule.action {
            Action::Redirect(redirect) => {
                Outcome::Redirect { status: redirect.status, location: redirect::location(redirect, view) }
            }
            Action::Respond(respond) => Outcome::Respond { status: respond.status, body: respond.body.as_deref() },
            Action::Forward(forward)
                if forward.read_only && !matches!(view.request.method.as_str(), "GET" | "HEAD") =>
            {
                Outcome::ReadOnly
            }
            Action::Forward(forward) => Outcome::Forward(self.forward(forward, ready, view)),
        }
    }

    fn forward<'a>(&'a self, forward: &'a Forward, ready: &'a Ready<'p>, view: &View<'a>) -> Forwarded<'a> {
        let path = match &forward.path {
            Some(rewrite) => rewrite.apply(view.path.clone(), ready.rewrite.as_ref()),
            None => view.path.clone(),
        };
        let kept = sticky::kept(forward, self.upstreams, view);
        Forwarded { forward, upstreams: self.upstreams, path, kept, sent_host: &view.request.host }
    }
}

impl<'p> Ready<'p> {
    fn new(rule: &'p Rule) -> Result<Self, BadPattern> {
        let rewrite = match &rule.action {
            Action::Forward(forward) => match &forward.path {
                Some(PathRewrite::Regex { pattern, .. }) => {
                    let bad = |_| BadPattern { pattern: pattern.clone(), span: rule.span };
                    Some(matcher::compile(pattern).map_err(bad)?)
                }
                _ => None,
            },
            _ => None,
        };
        let check = rule.condition.as_ref().map(|condition| Check::new(condition, rule.span)).transpose()?;
        let origins = rule.cors.as_ref().map(Origins::new).transpose();
        let origins = origins.map_err(|error| BadPattern { pattern: error.to_string(), span: rule.span })?;
        Ok(Self { rule, check, rewrite, origins })
    }

    /// As what the rule takes a request, if it does.
    fn claim(&self, view: &View<'_>) -> Option<Claim<'p>> {
        match self.asked_before_call(view) {
            Some(cors) => Some(Claim::Question(cors)),
            None => self.takes(view, &view.request.method).then_some(Claim::Request),
        }
    }

    fn takes(&self, view: &View<'_>, method: &str) -> bool {
        self.check.as_ref().is_none_or(|check| check.holds(view, method))
    }
}

#[cfg(test)]
mod tests;
