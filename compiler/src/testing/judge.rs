//! Whether an answer is what a test expects, and if not, what it is.

use super::{Aspect, Case, Expectation, Expected, Kind, Named, refusal};
use crate::clause::headers::HeaderChanges;
use crate::clause::key::Key;
use crate::clause::ratelimit::RateLimit;
use crate::clause::retry::Retry;
use crate::clause::sticky::Sticky;
use crate::clause::upstream::UpstreamSettings;
use crate::evaluate::{Answer, Forwarded, Outcome, Site};
use crate::ir::{Program, Share, Traffic, Upstream};
use crate::words;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::Portion;
use meshc_dsl::{Diagnostic, Sources};
use std::time::Duration;

/// A request of a test with its answer.
pub(super) struct Asked<'a> {
    pub(super) case: &'a Case,
    pub(super) site: &'a Site<'a>,
    pub(super) answer: &'a Answer<'a>,
    pub(super) program: &'a Program,
    pub(super) sources: &'a Sources,
}

/// What became of the request instead, in words that follow it; `Ok` where the expectation holds.
type Verdict = Result<(), String>;

fn holds(condition: bool, instead: impl FnOnce() -> String) -> Verdict {
    if condition { Ok(()) } else { Err(instead()) }
}

impl Asked<'_> {
    /// A diagnostic for each expectation that does not hold.
    pub(super) fn failures(&self, test: &str) -> Vec<Diagnostic> {
        self.case.expected.iter().filter_map(|e| Some(self.failure(test, e, self.verdict(e).err()?))).collect()
    }

    fn failure(&self, test: &str, expected: &Expected, instead: String) -> Diagnostic {
        let sent = match &self.case.request {
            Some(request) => format!("{} {}", request.method, request.path),
            None => "connection".to_owned(),
        };
        let diagnostic = Diagnostic::new(codes::TEST_FAILED, expected.span, format!("`{sent}` {instead}"))
            .label("this was expected")
            .help(format!("in the test `{test}`, for `{}`", self.site.entry));
        match self.answer.rule {
            Some(won) => diagnostic.also(won.rule.span, "this rule won"),
            None => diagnostic,
        }
    }

    /// The request on its way; else what became of it.
    fn forwarded(&self) -> Result<&Forwarded<'_>, String> {
        self.answer.forwarded().ok_or_else(|| self.answered())
    }

    /// How the proxy answered by itself.
    fn answered(&self) -> String {
        let outcome = &self.answer.outcome;
        if let Some(words) = refusal(outcome) {
            return words;
        }
        match outcome {
            Outcome::Redirect { status, location } => format!("is redirected with {status} to `{location}`"),
            Outcome::Respond { status, body } => {
                let body = body.map(|text| format!(" {}", words::quoted(text))).unwrap_or_default();
                format!("is answered with {status}{body}")
            }
            Outcome::Preflight(_) => "is answered with 200, as what a browser asks before a call".to_owned(),
            _ => format!("goes to {}", words::split(&self.split())),
        }
    }

    fn verdict(&self, expected: &Expected) -> Verdict {
        match &expected.kind {
            Expectation::Split(shares) => self.splits(shares),
            Expectation::NotTo(named) => {
                let there = |(p, u): &(Portion, &Upstream)| p.0 > 0 && self.is(named, u);
                holds(!self.split().iter().any(there), || self.answered())
            }
            Expectation::Path(path) => {
                let seen = &self.forwarded()?.path;
                holds(seen == path, || format!("reaches the upstream with the path `{seen}`"))
            }
            Expectation::Host(host) => self.sends_host(host),
            Expectation::RequestHeader(name, value) => self.sends_header(name, value.as_deref()),
            Expectation::ResponseHeader(name, value) => self.answers_header(name, value.as_deref()),
            Expectation::Status(status, text) => {
                let body = if let Outcome::Respond { body, .. } = self.answer.outcome { body } else { None };
                let same = text.as_deref().is_none_or(|text| body == Some(text));
                holds(same && self.answer.status() == Some(*status), || self.answered())
            }
            Expectation::Redirect(status, target) => self.redirects(*status, target),
            Expectation::Timeout(time) => is_time("timeout", self.forwarded()?.forward.timeout, *time),
            Expectation::IdleTimeout(time) => is_time("idle-timeout", self.idle_timeout()?, *time),
            Expectation::Retry(retry, whole) => self.retries(retry, *whole),
            Expectation::Limit(limit, whole) => self.is_limited(limit, *whole),
            Expectation::Mirror(portion, named) => self.mirrors(*portion, named),
            Expectation::Sticky(key) => self.keeps_side(key),
            Expectation::Cors(cors) => {
                let seen = self.answer.rule.and_then(|won| won.rule.cors.as_ref());
                holds(seen == Some(cors), || {
                    seen.map_or("has no cors".to_owned(), |c| format!("has {}", words::cors(c)))
                })
            }
            Expectation::Upstream(aspect, settings) => self.settings(*aspect, settings),
            Expectation::AccessLog(log) => {
                let seen = self.edge().and_then(|(log, _)| log);
                holds(seen == Some(log), || {
                    seen.map_or("has no accesslog".to_owned(), |l| format!("has {}", words::access_log(l)))
                })
            }
            Expectation::ClientAddress(address) => {
                let seen = self.edge().map(|(_, address)| address).unwrap_or_default();
                holds(seen == *address, || format!("has {}", words::client_address(seen)))
            }
            Expectation::No(kind) => self.lacks(*kind),
            Expectation::Line(line) => {
                let Some(won) = self.answer.rule else { return Err(self.answered()) };
                let seen = self.sources.position(won.rule.span.file, won.rule.span.start).line;
                holds(seen == *line as usize, || format!("is taken by the rule of line {seen}"))
            }
        }
    }

    /// Where the request goes, each destination with its part.
    fn split(&self) -> Vec<(Portion, &Upstream)> {
        match &self.answer.outcome {
            Outcome::Forward(forwarded) => forwarded.destinations().map(|d| (d.portion, d.upstream)).collect(),
            Outcome::Tcp { split, upstreams } => {
                let one = |share: &Share| Some((share.portion, upstreams.get(share.upstream)?));
                split.iter().filter_map(one).collect()
            }
            _ => Vec::new(),
        }
    }

    fn is(&self, named: &Named, upstream: &Upstream) -> bool {
        let named = named.upstream.and_then(|at| self.site.upstreams().get(at));
        named.is_some_and(|n| n.endpoint == upstream.endpoint)
    }

    fn splits(&self, shares: &[(Portion, Named)]) -> Verdict {
        let seen = self.split();
        let wanted = |upstream: &Upstream| {
            let part = shares.iter().find(|(_, named)| self.is(named, upstream));
            part.map_or(0, |(portion, _)| portion.0)
        };
        let every = seen.iter().all(|(portion, upstream)| portion.0 == wanted(upstream));
        let known = |named: &Named| seen.iter().any(|(_, upstream)| self.is(named, upstream));
        let none_else = shares.iter().all(|(portion, named)| portion.0 == 0 || known(named));
        holds(!seen.is_empty() && every && none_else, || self.answered())
    }

    fn sends_host(&self, host: &str) -> Verdict {
        let forwarded = self.forwarded()?;
        let other = forwarded.destinations().map(|d| forwarded.host(d.upstream)).find(|seen| *seen != host);
        other.map_or(Ok(()), |seen| Err(format!("reaches the upstream with the host `{seen}`")))
    }

    fn sends_header(&self, name: &str, value: Option<&str>) -> Verdict {
        self.forwarded()?;
        let sent = self.case.request.iter().flat_map(|r| &r.headers).filter(|(n, _)| n == name);
        let sent: Vec<&str> = sent.map(|(_, value)| value.as_str()).collect();
        let changes = self.answer.rule.map(|won| &won.rule.request_headers);
        let seen = changes.map_or(sent.clone(), |c| changed(c, name, sent));
        is_header("reaches the upstream", name, &seen, value)
    }

    /// What the proxy writes; what an upstream answers with is not known here.
    fn answers_header(&self, name: &str, value: Option<&str>) -> Verdict {
        let changes = self.answer.rule.map(|won| &won.rule.response_headers);
        let removed = changes.is_some_and(|c| c.remove.iter().any(|(n, _)| n == name));
        let seen = changes.map_or(Vec::new(), |c| changed(c, name, Vec::new()));
        if value.is_none() && seen.is_empty() && !removed && self.answer.status().is_none() {
            return Err(format!("is answered with whatever `{name}` the upstream sends"));
        }
        is_header("is answered", name, &seen, value)
    }

    fn redirects(&self, status: Option<u32>, target: &str) -> Verdict {
        let Outcome::Redirect { status: seen, location } = &self.answer.outcome else { return Err(self.answered()) };
        let path = location.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
        let there = location == target || path == Some(target);
        holds(there && status.is_none_or(|status| status == *seen), || self.answered())
    }

    fn idle_timeout(&self) -> Result<Option<Duration>, String> {
        match self.site.traffic() {
            Traffic::Tcp(tcp) => Ok(tcp.idle_timeout),
            Traffic::Http(_) => Ok(self.forwarded()?.forward.idle_timeout),
        }
    }

    fn retries(&self, wanted: &Retry, whole: bool) -> Verdict {
        self.forwarded()?;
        let Some(seen) = self.answer.retry() else { return Err("is not tried again".to_owned()) };
        let same = Retry { span: wanted.span, ..seen.clone() } == *wanted;
        holds(if whole { same } else { seen.count == wanted.count }, || format!("has {}", words::retry(seen)))
    }

    fn is_limited(&self, wanted: &RateLimit, whole: bool) -> Verdict {
        let Some(seen) = self.answer.limit() else { return Err("is not limited".to_owned()) };
        let same = RateLimit { span: wanted.span, ..seen.clone() } == *wanted;
        holds(if whole { same } else { seen.rate == wanted.rate }, || format!("is limited to {}", words::limit(seen)))
    }

    fn mirrors(&self, portion: Portion, named: &Named) -> Verdict {
        let mirrors = &self.forwarded()?.forward.mirrors;
        let upstreams = self.site.upstreams();
        let there = |at: usize| upstreams.get(at).is_some_and(|u| self.is(named, u));
        let copies = || words::mirrors(mirrors, upstreams).unwrap_or("no mirror".to_owned());
        holds(mirrors.iter().any(|m| m.portion == portion && there(m.upstream)), || format!("has {}", copies()))
    }

    fn keeps_side(&self, key: &Key) -> Verdict {
        let seen = self.forwarded()?.forward.sticky.as_ref();
        let same = match (seen, key) {
            (Some(Sticky::IssuedCookie(_)), Key::IssuedCookie(None)) => true,
            (Some(Sticky::IssuedCookie(name)), Key::IssuedCookie(Some(wanted))) => name == wanted,
            (Some(Sticky::Hash(seen)), wanted) => seen == wanted,
            _ => false,
        };
        holds(same, || seen.map_or("is not sticky".to_owned(), |s| format!("is {}", words::sticky(s))))
    }

    fn settings(&self, aspect: Aspect, wanted: &UpstreamSettings) -> Verdict {
        let split = self.split();
        if split.is_empty() {
            return Err(self.answered());
        }
        let other = split.iter().find(|(_, upstream)| !same(aspect, &upstream.settings, wanted));
        other.map_or(Ok(()), |(_, u)| {
            Err(format!("goes to {} with {}", u.endpoint, words::setting(aspect, &u.settings)))
        })
    }

    /// What holds for the whole route or listener.
    fn edge(
        &self,
    ) -> Option<(Option<&crate::clause::accesslog::AccessLog>, crate::clause::client_address::ClientAddress)> {
        let route = self.program.routes.iter().find(|r| r.steered.iter().any(|s| s.span == self.site.span));
        let listen = self.program.listens.iter().find(|l| l.span == self.site.span);
        let of_route = route.map(|r| (r.access_log.as_ref(), r.client_address));
        of_route.or(listen.map(|l| (l.access_log.as_ref(), l.client_address)))
    }

    fn lacks(&self, kind: Kind) -> Verdict {
        let forward = self.answer.forwarded().map(|f| f.forward);
        let seen = match kind {
            Kind::Timeout => forward.and_then(|f| f.timeout).map(words::timeout),
            Kind::IdleTimeout => self.idle_timeout()?.map(words::idle_timeout),
            Kind::Retry => self.answer.retry().map(words::retry),
            Kind::Limit => self.answer.limit().map(|l| format!("ratelimit {}", words::limit(l))),
            Kind::Mirror => forward.and_then(|f| words::mirrors(&f.mirrors, self.site.upstreams())),
            Kind::Sticky => forward.and_then(|f| f.sticky.as_ref()).map(words::sticky),
            Kind::Cors => self.answer.rule.and_then(|won| won.rule.cors.as_ref()).map(words::cors),
        };
        seen.map_or(Ok(()), |words| Err(format!("has {words}")))
    }
}

fn is_time(what: &str, seen: Option<Duration>, wanted: Option<Duration>) -> Verdict {
    holds(seen == wanted, || match seen {
        Some(time) => format!("has {what} {}", meshc_dsl::value::print_duration(time)),
        None => format!("has no {what}"),
    })
}

/// The values of a header behind the changes of a rule: removals come first.
fn changed<'a>(changes: &'a HeaderChanges, name: &str, sent: Vec<&'a str>) -> Vec<&'a str> {
    let mut values = if changes.remove.iter().any(|(n, _)| n == name) { Vec::new() } else { sent };
    for write in changes.write.iter().filter(|w| w.name == name) {
        if !write.append {
            values.clear();
        }
        values.push(&write.value);
    }
    values
}

fn is_header(where_to: &str, name: &str, seen: &[&str], wanted: Option<&str>) -> Verdict {
    let seen = (!seen.is_empty()).then(|| seen.join(","));
    holds(seen.as_deref() == wanted, || match seen {
        Some(seen) => format!("{where_to} with `{name}: {seen}`"),
        None => format!("{where_to} without the header `{name}`"),
    })
}

fn same(aspect: Aspect, seen: &UpstreamSettings, wanted: &UpstreamSettings) -> bool {
    match aspect {
        Aspect::CircuitBreaker => seen.circuit_breaker == wanted.circuit_breaker,
        Aspect::Outlier => seen.outlier == wanted.outlier,
        Aspect::Balance => seen.balance == wanted.balance,
        Aspect::ConnectTimeout => seen.connect_timeout == wanted.connect_timeout,
        Aspect::Protocol => seen.protocol == wanted.protocol,
        // Two checks that differ only in where they are written are the same.
        Aspect::HealthCheck => match (&seen.health_check, &wanted.health_check) {
            (Some(seen), Some(wanted)) => {
                crate::clause::health_check::HealthCheck { span: wanted.span, ..seen.clone() } == *wanted
            }
            (seen, wanted) => seen.is_none() && wanted.is_none(),
        },
    }
}
