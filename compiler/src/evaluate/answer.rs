//! What becomes of a request.

use super::{path, request::Request, sticky};
use crate::clause::cors::Cors;
use crate::clause::headers::HeaderChanges;
use crate::clause::ratelimit::RateLimit;
use crate::clause::retry::Retry;
use crate::clause::rewrite::PathRewrite;
use crate::ir::{Endpoint, Forward, Rule, Share, Upstream};
use meshc_dsl::value::Portion;
use std::borrow::Cow;
use std::time::Duration;

/// What becomes of a request; it borrows from the plan and the request.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The rule that won; `None` where none did.
    pub rule: Option<Winner<'a>>,
    /// The path without the query, as rules see it.
    pub path: Cow<'a, str>,
    /// The query, without its `?`.
    pub query: Option<&'a str>,
    /// Whether it is a gRPC call, which sees the proxy's own answers as a `grpc-status` under 200.
    pub grpc: bool,
    /// What happens.
    pub outcome: Outcome<'a>,
}

/// The rule that won.
#[derive(Debug, Clone, Copy)]
pub struct Winner<'a> {
    /// Its place among the rules of the site, from 0.
    pub index: usize,
    /// The rule.
    pub rule: &'a Rule,
}

/// What happens to a request.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// It goes to an upstream.
    Forward(Forwarded<'a>),
    /// The client is sent elsewhere.
    Redirect {
        /// The status.
        status: u32,
        /// The `location` header.
        location: String,
    },
    /// The proxy answers as the rule says.
    Respond {
        /// The status.
        status: u32,
        /// The body.
        body: Option<&'a str>,
    },
    /// The proxy answers what a browser asks before a call: 200.
    Preflight(&'a Cors),
    /// The rule leads to the administration interface, and the method may change something: 405.
    ReadOnly,
    /// No rule is for it: 404.
    NoRoute,
    /// The proxy refuses it before any rule is tried.
    Refused {
        /// The status.
        status: u32,
        /// Why, in words that follow "the proxy refuses".
        reason: &'static str,
    },
    /// Connections are routed, not requests.
    Tcp {
        /// The split.
        split: &'a [Share],
        /// What the shares name.
        upstreams: &'a [Upstream],
    },
}

/// A request on its way to an upstream.
#[derive(Debug)]
pub struct Forwarded<'a> {
    /// What the rule says of it.
    pub forward: &'a Forward,
    /// What the shares name.
    pub upstreams: &'a [Upstream],
    /// The path that the upstream sees, without the query.
    pub path: Cow<'a, str>,
    /// The share that a sticky client has for certain: its place in the split.
    pub kept: Option<usize>,
    /// The host as sent.
    pub(super) sent_host: &'a str,
}

/// A destination and how much of such requests it gets.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// How much.
    pub portion: Portion,
    /// Where to.
    pub upstream: &'a Upstream,
}

impl<'a> Answer<'a> {
    /// An answer before any rule was tried.
    pub(super) fn bare(request: &'a Request, outcome: Outcome<'a>) -> Self {
        let (path, query) = path::split(&request.path);
        Self { rule: None, path: path.into(), query, grpc: false, outcome }
    }

    /// The status where the proxy answers by itself.
    pub fn status(&self) -> Option<u32> {
        match &self.outcome {
            Outcome::Forward(_) | Outcome::Tcp { .. } => None,
            Outcome::Redirect { status, .. } | Outcome::Respond { status, .. } | Outcome::Refused { status, .. } => {
                Some(*status)
            }
            Outcome::Preflight(_) => Some(200),
            Outcome::ReadOnly => Some(405),
            Outcome::NoRoute => Some(404),
        }
    }

    /// The request on its way, if it goes to an upstream.
    pub fn forwarded(&self) -> Option<&Forwarded<'a>> {
        match &self.outcome {
            Outcome::Forward(forwarded) => Some(forwarded),
            _ => None,
        }
    }

    /// The limit that it counts against. What a browser asks before a call counts against none.
    pub fn limit(&self) -> Option<&'a RateLimit> {
        match self.outcome {
            Outcome::Preflight(_) => None,
            _ => self.rule.and_then(|won| won.rule.limit.as_ref()),
        }
    }

    /// The time for all tries together, where there is a limit.
    pub fn timeout(&self) -> Option<Duration> {
        self.forwarded().and_then(|f| f.forward.timeout)
    }

    /// Further tries.
    pub fn retry(&self) -> Option<&'a Retry> {
        self.forwarded().and_then(|f| f.forward.retry.as_ref())
    }
}

impl<'a> Forwarded<'a> {
    /// Where such requests go, each destination with its part. A client that keeps its side has one.
    pub fn destinations(&self) -> impl Iterator<Item = Destination<'a>> + use<'a> {
        let (upstreams, kept) = (self.upstreams, self.kept);
        self.forward.split.iter().enumerate().filter_map(move |(at, share)| {
            let portion = match kept {
                None => share.portion,
                Some(kept) if kept == at => Portion::WHOLE,
                Some(_) => return None,
            };
            Some(Destination { portion, upstream: upstreams.get(share.upstream)? })
        })
    }

    /// The host that a destination sees.
    pub fn host(&self, upstream: &'a Upstream) -> &'a str {
        match (&self.forward.host, &upstream.endpoint) {
            (Some(host), _) => host,
            (None, Endpoint::Dns { host, .. }) => host,
            (None, _) => self.sent_host,
        }
    }

    /// The cookie by which the client keeps its side from now on: the `set-cookie` header of the
    /// answer that comes from this destination.
    pub fn issued_cookie(&self, upstream: &Upstream) -> Option<String> {
        self.kept.is_none().then(|| sticky::issued(self.forward, upstream)).flatten()
    }
}

impl HeaderChanges {
    /// Headers behind these changes, each name as it was sent or written.
    pub fn applied(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        let replaced = |name: &str| self.write.iter().any(|w| !w.append && w.name.eq_ignore_ascii_case(name));
        let removed = |name: &str| self.remove.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let kept = headers.iter().filter(|(name, _)| !removed(name) && !replaced(name)).cloned();
        kept.chain(self.write.iter().map(|w| (w.name.clone(), w.value.clone()))).collect()
    }
}

impl PathRewrite {
    /// The path behind the rewrite; `regex` is the pattern of a rewrite by one.
    pub(super) fn apply<'a>(&'a self, path: Cow<'a, str>, regex: Option<&regex::bytes::Regex>) -> Cow<'a, str> {
        match self {
            PathRewrite::Path(to) => Cow::Borrowed(to),
            PathRewrite::Prefix { from, to } => match prefixed(&path, from, to) {
                Some(changed) => Cow::Owned(changed),
                None => path,
            },
            PathRewrite::Regex { to, .. } => match regex.and_then(|regex| substituted(&path, regex, to)) {
                Some(changed) => Cow::Owned(changed),
                None => path,
            },
        }
    }
}

/// The path with its first segments changed; `None` where it does not begin with them.
fn prefixed(path: &str, from: &str, to: &str) -> Option<String> {
    let rest = path.strip_prefix(from)?;
    let rest = match (from.ends_with('/'), rest.strip_prefix('/')) {
        (true, _) => rest,
        (false, Some(rest)) => rest,
        (false, None) if rest.is_empty() => return Some(to.to_owned()),
        (false, None) => return None,
    };
    let slash = if to.ends_with('/') { "" } else { "/" };
    Some(format!("{to}{slash}{rest}"))
}

/// The path with every match replaced; `None` where there is none.
fn substituted(path: &str, regex: &regex::bytes::Regex, to: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len() + to.len());
    let mut at = 0;
    let mut changed = false;
    for found in regex.captures_iter(path.as_bytes()) {
        let Some(whole) = found.get(0) else { continue };
        changed = true;
        out.push_str(path.get(at..whole.start()).unwrap_or(""));
        let mut chars = to.chars();
        while let Some(c) = chars.next() {
            match (c, if c == '\\' { chars.next() } else { None }) {
                ('\\', Some(digit)) if digit.is_ascii_digit() => {
                    let group = digit.to_digit(10).and_then(|n| found.get(n as usize));
                    out.push_str(group.and_then(|g| path.get(g.range())).unwrap_or(""));
                }
                ('\\', Some(other)) => out.push(other),
                _ => out.push(c),
            }
        }
        at = whole.end();
    }
    out.push_str(path.get(at..).unwrap_or(""));
    changed.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_change_in_whole_segments() {
        let cases = [
            ("/api", "/api", "/", Some("/")),
            ("/api/x", "/api", "/", Some("/x")),
            ("/apix", "/api", "/", None),
            ("/api/x", "/api", "/v2", Some("/v2/x")),
            ("/api/", "/api", "/v2", Some("/v2/")),
            ("/api/x", "/api/", "/v2", Some("/v2/x")),
            ("/api/x", "/api/", "/v2/", Some("/v2/x")),
            ("/x", "/", "/v2", Some("/v2/x")),
        ];
        for (path, from, to, wanted) in cases {
            assert_eq!(prefixed(path, from, to).as_deref(), wanted, "{path}: {from} to {to}");
        }
    }

    #[test]
    fn every_match_is_replaced() {
        let regex = crate::regex::matcher::compile(r"/(\w+)/").unwrap();
        assert_eq!(substituted("/a/b/c", &regex, r"/\1-\\").as_deref(), Some("/a-\\b/c"));
        assert_eq!(substituted("/a", &regex, "/"), None);
        let regex = crate::regex::matcher::compile("b*").unwrap();
        assert_eq!(substituted("abbc", &regex, "-").as_deref(), Some("-a-c-"));
    }
}
