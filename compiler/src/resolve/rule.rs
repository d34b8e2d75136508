//! A rule before its destinations are known: clauses read, and what it takes over from the fallback.

use super::condition;
use super::parts::{Answer, Parts, Place, Slot};
use super::{Cx, Env};
use crate::clause::cors::{self, Cors};
use crate::clause::headers::{self, HeaderChanges};
use crate::clause::key::Key;
use crate::clause::ratelimit::{self, RateLimit};
use crate::clause::redirect::{self, Redirect};
use crate::clause::respond::{self, Respond};
use crate::clause::retry::{self, Retry};
use crate::clause::rewrite::{self, PathRewrite, Rewrite};
use crate::clause::sticky;
use crate::clause::timeout;
use crate::clause::upstream;
use crate::ir::{Condition, Subject};
use meshc_dsl::clause::{self, Direction, Split, When};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::{Diagnostic, Span};
use std::time::Duration;

/// A setting of a rule: its own, taken away, or the fallback's.
#[derive(Debug, Clone)]
pub(crate) enum Taken<T> {
    Unset,
    No(Span),
    Set(T),
}

impl<T: Clone> Taken<T> {
    fn over(self, fallback: &Taken<T>, what: &str, cx: &mut Cx<'_>) -> Taken<T> {
        match (self, fallback) {
            (Taken::Unset, fallback) => fallback.clone(),
            (Taken::No(span), Taken::Unset | Taken::No(_)) => {
                let message = format!("there is no `{what}` to take away");
                cx.error(
                    codes::NOTHING_TO_TAKE_AWAY,
                    span,
                    message,
                    format!("`no {what}` takes the fallback's `{what}` from a rule"),
                );
                Taken::No(span)
            }
            (own, _) => own,
        }
    }

    fn set(self) -> Option<T> {
        match self {
            Taken::Set(value) => Some(value),
            _ => None,
        }
    }
}

/// What a rule does with its requests.
#[derive(Debug, Clone)]
pub(crate) enum Deed<'a> {
    /// Nothing is written: the routed service, or what the fallback does.
    Unset,
    Forward(&'a Split),
    Redirect(Redirect),
    Respond(Respond),
}

/// A rule whose destinations are still names.
#[derive(Debug, Clone)]
pub(crate) struct Draft<'a> {
    pub(crate) span: Span,
    pub(crate) condition: Option<Condition>,
    /// The condition as written.
    pub(crate) written: Option<&'a meshc_dsl::condition::Condition>,
    pub(crate) deed: Deed<'a>,
    pub(crate) path: Option<PathRewrite>,
    pub(crate) host: Option<String>,
    timeout: Taken<(Option<Duration>, Span)>,
    idle_timeout: Taken<Option<Duration>>,
    retry: Taken<Retry>,
    limit: Taken<RateLimit>,
    sticky: Taken<Key>,
    sticky_place: Option<Span>,
    cors: Taken<Cors>,
    mirrors: Taken<Vec<&'a clause::Mirror>>,
    /// Which of the cookies that the route issues this rule goes by.
    pub(crate) cookie: usize,
    pub(crate) request_headers: HeaderChanges,
    pub(crate) response_headers: HeaderChanges,
    /// What is written here of the way to an upstream, where no destination is written beside it.
    on_the_way: Vec<Span>,
}

impl<'a> Draft<'a> {
    /// Reads the clauses of a body.
    pub(crate) fn read(parts: &Parts<'a>, span: Span, cx: &mut Cx<'a>) -> Self {
        let rewrites = [parts.path, parts.host].into_iter().flatten().filter_map(|c| rewrite::resolve(c, cx));
        let (mut path, mut host) = (None, None);
        for rewrite in rewrites {
            match rewrite {
                Rewrite::Path(rewrite) => path = Some(rewrite),
                Rewrite::Host(name) => host = Some(name),
            }
        }
        let draft = Self {
            span,
            condition: None,
            written: None,
            deed: deed(parts, cx),
            path,
            host,
            timeout: read(&parts.timeout, cx, |c, cx| Some((timeout::resolve(c, cx)?, c.span))),
            idle_timeout: read(&parts.idle_timeout, cx, timeout::resolve),
            retry: read(&parts.retry, cx, retry::resolve),
            limit: read(&parts.limit, cx, ratelimit::resolve),
            sticky: read(&parts.sticky, cx, sticky::resolve),
            sticky_place: place(&parts.sticky, |c| c.span),
            cors: read(&parts.cors, cx, cors::resolve),
            mirrors: match parts.no_mirror {
                Some(span) => Taken::No(span),
                None if parts.mirrors.is_empty() => Taken::Unset,
                None => Taken::Set(parts.mirrors.clone()),
            },
            cookie: 0,
            request_headers: headers::resolve(&parts.headers, Direction::Request, cx),
            response_headers: headers::resolve(&parts.headers, Direction::Response, cx),
            on_the_way: match parts.action() {
                Some(_) => Vec::new(),
                // That nothing is split for `sticky` is said of it anyway.
                None => rewrites_of(parts).chain(on_the_way(parts, false)).collect(),
            },
        };
        Self::check_answer(parts, cx);
        draft
    }

    /// Reads a `when`: its condition, its clauses, and what it takes over.
    pub(crate) fn when(when: &'a When, fallback: &Draft<'a>, cx: &mut Cx<'a>) -> Option<Self> {
        let parts = Parts::collect(&when.body, Place::When, cx);
        let mut draft = Draft::read(&parts, when.span, cx).over(fallback, cx);
        // A condition that was reported has no rule; its body was checked all the same.
        draft.written = when.condition.as_ref();
        draft.condition = condition::resolve(when.condition.as_ref()?, cx);
        if draft.condition.is_none() {
            let help = "this is a bug of meshc; please report it with the policy";
            cx.error(codes::INTERNAL, when.span, "the compiler lost this rule", help);
            return None;
        }
        Some(draft)
    }

    /// This rule with what the fallback has and it leaves open.
    fn over(mut self, fallback: &Draft<'a>, cx: &mut Cx<'a>) -> Self {
        if let (Deed::Unset, Deed::Forward(split)) = (&self.deed, &fallback.deed) {
            self.deed = Deed::Forward(split);
        }
        self.timeout = self.timeout.over(&fallback.timeout, "timeout", cx);
        self.idle_timeout = self.idle_timeout.over(&fallback.idle_timeout, "idle-timeout", cx);
        self.retry = self.retry.over(&fallback.retry, "retry", cx);
        self.limit = self.limit.over(&fallback.limit, "ratelimit", cx);
        self.sticky = self.sticky.over(&fallback.sticky, "sticky", cx);
        self.cors = self.cors.over(&fallback.cors, "cors", cx);
        self.mirrors = self.mirrors.over(&fallback.mirrors, "mirror", cx);
        self.request_headers = self.request_headers.over(&fallback.request_headers);
        self.response_headers = self.response_headers.over(&fallback.response_headers);
        self
    }

    /// A redirect or response never reaches an upstream: what concerns one says nothing there.
    fn check_answer(parts: &Parts<'a>, cx: &mut Cx<'a>) {
        let (Some(answer), false) = (parts.action(), parts.answer.is_none()) else { return };
        for rewrite in rewrites_of(parts) {
            let diagnostic = Diagnostic::new(
                codes::REWRITES_NOTHING,
                rewrite,
                "a rewrite changes what an upstream gets, and this rule has none",
            )
            .also(answer, "the proxy answers by itself here")
            .help("take the rewrite away");
            cx.report(diagnostic);
        }
        for span in on_the_way(parts, true) {
            let diagnostic =
                Diagnostic::new(codes::NO_EFFECT, span, "this has no effect: no upstream gets the request")
                    .also(answer, "the proxy answers by itself here")
                    .help("take it away");
            cx.report(diagnostic);
        }
    }

    /// Warns of what is written of the way to an upstream where nothing says which, in a `listen`, which
    /// has no service of its own. A fallback's is for the rules that take it over.
    pub(crate) fn warn_of_nowhere(rules: &[Draft<'_>], fallback: &Draft<'_>, cx: &mut Cx<'_>) {
        let goes = |draft: &Draft<'_>| matches!(draft.deed, Deed::Forward(_));
        let taken_over = rules.iter().any(goes);
        for draft in rules.iter().chain(Some(fallback).filter(|_| !taken_over)) {
            if !matches!(draft.deed, Deed::Unset) {
                continue;
            }
            for span in &draft.on_the_way {
                let message = "this has no effect: no destination gets the request";
                let diagnostic = Diagnostic::new(codes::NO_EFFECT, *span, message)
                    .help("a `listen` has no service of its own: write where requests go, `to SERVICE`; without it they are answered 404");
                cx.report(diagnostic);
            }
        }
    }

    /// Whether it does something, as a fallback, that none of the rules takes over.
    pub(crate) fn has_its_own(&self, rules: &[Draft<'_>]) -> bool {
        let taken_over = |split: &Split| {
            rules.iter().any(|rule| matches!(rule.deed, Deed::Forward(other) if std::ptr::eq(other, split)))
        };
        match self.deed {
            Deed::Redirect(_) | Deed::Respond(_) => true,
            Deed::Forward(split) if !taken_over(split) => true,
            _ => self.path.is_some() || self.host.is_some(),
        }
    }

    /// The limit of the rule.
    pub(crate) fn limit(&self) -> Option<RateLimit> {
        self.limit.clone().set()
    }

    /// Whose pages may call.
    pub(crate) fn cors(&self) -> Option<Cors> {
        self.cors.clone().set()
    }

    /// How a client keeps its side.
    pub(crate) fn sticky(&self) -> Option<Key> {
        self.sticky.clone().set()
    }

    /// What this rule itself writes of it, and where.
    pub(crate) fn own_sticky(&self) -> Option<(&Key, Span)> {
        match &self.sticky {
            Taken::Set(key) => Some((key, self.sticky_place?)),
            _ => None,
        }
    }

    /// Where copies go.
    pub(crate) fn mirrors(&self) -> Vec<&'a clause::Mirror> {
        self.mirrors.clone().set().unwrap_or_default()
    }

    /// Its retries, and a warning where they concern requests that change something.
    pub(crate) fn retry(&self, cx: &mut Cx<'_>) -> Option<Retry> {
        let retry = self.retry.clone().set()?;
        if !self.condition.as_ref().is_some_and(only_reads) {
            retry.warn_of_writes(cx);
        }
        Some(retry)
    }

    /// Where the timeout is written.
    pub(crate) fn timeout_span(&self) -> Option<Span> {
        self.timeout.clone().set().map(|(_, span)| span)
    }

    /// Timeout and idle timeout with the language's defaults.
    pub(crate) fn timeouts(&self) -> (Option<Duration>, Option<Duration>) {
        timeout::with_defaults(self.timeout.clone().set().map(|(time, _)| time), self.idle_timeout.clone().set())
    }
}

fn rewrites_of(parts: &Parts<'_>) -> impl Iterator<Item = Span> {
    [parts.path, parts.host].into_iter().flatten().map(|rewrite| rewrite.span)
}

/// The clauses of a body that concern the way to an upstream, but for rewrites.
fn on_the_way(parts: &Parts<'_>, sticky: bool) -> impl Iterator<Item = Span> {
    let places = [
        place(&parts.timeout, |c| c.span),
        place(&parts.idle_timeout, |c| c.span),
        place(&parts.retry, |c| c.span),
        place(&parts.sticky, |c| c.span).filter(|_| sticky),
    ];
    let headers = parts.headers.iter().filter(|c| c.direction == Direction::Request).map(|c| c.span);
    places.into_iter().flatten().chain(headers).chain(parts.mirrors.iter().map(|c| c.span))
}

fn place<T>(slot: &Slot<'_, T>, span: fn(&T) -> Span) -> Option<Span> {
    match slot {
        Slot::Set(clause) => Some(span(clause)),
        _ => None,
    }
}

fn read<'a, C, T>(slot: &Slot<'a, C>, cx: &mut Cx<'a>, resolve: fn(&'a C, &mut Cx<'a>) -> Option<T>) -> Taken<T> {
    match slot {
        Slot::Unset => Taken::Unset,
        Slot::No(span) => Taken::No(*span),
        Slot::Set(clause) => resolve(clause, cx).map_or(Taken::Unset, Taken::Set),
    }
}

fn deed<'a>(parts: &Parts<'a>, cx: &mut Cx<'a>) -> Deed<'a> {
    match (parts.answer, parts.split) {
        (Some(Answer::Redirect(c)), _) => redirect::resolve(c, cx).map_or(Deed::Unset, Deed::Redirect),
        (Some(Answer::Respond(c)), _) => respond::resolve(c, cx).map_or(Deed::Unset, Deed::Respond),
        (None, Some(split)) => Deed::Forward(split),
        (None, None) => Deed::Unset,
    }
}

/// Whether a condition lets only GET and HEAD through.
fn only_reads(condition: &Condition) -> bool {
    match condition {
        Condition::And(parts) => parts.iter().any(only_reads),
        Condition::Or(parts) => parts.iter().all(only_reads),
        Condition::Not(_) => false,
        Condition::Test(test) => {
            test.subject == Subject::Method
                && test.patterns.iter().all(|p| matches!(p, crate::ir::Pattern::Equals(m) if m == "GET" || m == "HEAD"))
        }
    }
}

/// Reads every policy by itself, so that mistakes in unused ones are found too.
pub(crate) fn check_bundles(env: &Env<'_>) -> Vec<Diagnostic> {
    let mut cx = Cx::new(env);
    for bundle in env.bundles.values() {
        let parts = Parts::collect(&bundle.body, Place::Bundle, &mut cx);
        Draft::read(&parts, bundle.name.span, &mut cx);
        upstream::Written::read(&parts.upstream, &mut cx);
        super::route::read_edge(&parts, &mut cx);
    }
    cx.diagnostics
}
