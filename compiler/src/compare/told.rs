//! What holds for requests, as facts: names and values. Two rules with the same effect answer every
//! request alike; two answers with the same facts are alike.

use super::probe;
use super::step::Kind;
use crate::clause::cors::Cors;
use crate::clause::headers::HeaderChanges;
use crate::clause::redirect::Redirect;
use crate::clause::retry::Retry;
use crate::clause::rewrite::PathRewrite;
use crate::clause::sticky::Sticky;
use crate::clause::timeout::DEFAULT_IDLE;
use crate::evaluate::{Answer, Forwarded, Outcome, Request};
use crate::ir::{Action, Forward, Rule, Share, Tcp, Upstream};
use crate::words;
use meshc_dsl::value::{Portion, print_duration};
use std::collections::BTreeMap;

/// Facts by their names, each once.
pub(super) type Facts = Vec<(String, String)>;

fn put(facts: &mut Facts, name: impl Into<String>, value: impl Into<String>) {
    facts.push((name.into(), value.into()));
}

/// The facts of a step that do not depend on the request; in place of those that do, what is written.
pub(super) fn effect(kind: Kind, rule: &Rule, upstreams: &[Upstream]) -> Facts {
    let mut facts = Vec::new();
    match (kind, &rule.cors) {
        (Kind::Preflight, Some(cors)) => {
            put(&mut facts, "preflight", self::cors(cors));
            return facts;
        }
        (Kind::ReadOnly, _) => put(&mut facts, "respond", READ_ONLY),
        _ => match &rule.action {
            Action::Forward(forward) => {
                on_the_way(forward, upstreams, &mut facts);
                written(forward, &mut facts);
                headers(&rule.request_headers, probe::fact, &mut facts);
            }
            Action::Redirect(to) => put(&mut facts, "redirect", redirect(to)),
            Action::Respond(to) => put(&mut facts, "respond", respond(to.status, to.body.as_deref())),
        },
    }
    in_force(rule, &mut facts);
    facts
}

const READ_ONLY: &str = "405, since only GET and HEAD may pass";

/// What is answered where no rule is for a request.
pub(super) fn no_route() -> Facts {
    vec![("respond".to_owned(), "404, since no rule is for it".to_owned())]
}

/// The facts of an answer.
pub(super) fn answer(answer: &Answer<'_>, request: &Request, upstreams: &[Upstream]) -> Facts {
    let mut facts = Vec::new();
    match &answer.outcome {
        Outcome::Preflight(cors) => {
            put(&mut facts, "preflight", self::cors(cors));
            return facts;
        }
        Outcome::NoRoute => return no_route(),
        Outcome::Tcp { .. } => return facts,
        Outcome::Refused { status, reason } => {
            put(&mut facts, "respond", format!("{status}: {reason}"));
            return facts;
        }
        Outcome::ReadOnly => put(&mut facts, "respond", READ_ONLY),
        Outcome::Respond { status, body } => put(&mut facts, "respond", respond(*status, *body)),
        Outcome::Redirect { status, location } => put(&mut facts, "redirect", format!("{status} to {location}")),
        Outcome::Forward(forwarded) => {
            on_the_way(forwarded.forward, upstreams, &mut facts);
            seen(forwarded, answer, request, &mut facts);
        }
    }
    if let Some(won) = &answer.rule {
        if answer.forwarded().is_some() {
            sent(&won.rule.request_headers, request, &mut facts);
        }
        in_force(won.rule, &mut facts);
    }
    facts
}

/// Facts of connections.
pub(super) fn tcp(tcp: &Tcp, upstreams: &[Upstream]) -> Facts {
    let mut facts = vec![("traffic".to_owned(), "connections".to_owned())];
    shares(&tcp.split, upstreams, &mut facts);
    if let Some(time) = tcp.idle_timeout {
        put(&mut facts, "idle-timeout", print_duration(time));
    }
    facts
}

/// Where requests go, without what gets nothing.
fn shares(split: &[Share], upstreams: &[Upstream], facts: &mut Facts) {
    let parts = split.iter().filter(|share| share.portion.0 > 0).map(|share| (share.upstream, share.portion));
    for (name, portion) in summed(parts, upstreams) {
        put(facts, format!("to {name}"), portion.to_string());
    }
}

/// The portions of each destination, by name.
fn summed(parts: impl Iterator<Item = (usize, Portion)>, upstreams: &[Upstream]) -> BTreeMap<String, Portion> {
    let mut sums = BTreeMap::new();
    for (upstream, portion) in parts {
        let name = upstreams.get(upstream).map(|u| u.endpoint.to_string()).unwrap_or_default();
        sums.entry(name).or_insert(Portion(0)).0 += portion.0;
    }
    sums
}

/// What holds on the way to an upstream whatever the request is.
fn on_the_way(forward: &Forward, upstreams: &[Upstream], facts: &mut Facts) {
    shares(&forward.split, upstreams, facts);
    if let Some(time) = forward.timeout {
        put(facts, "timeout", print_duration(time));
    }
    let default = if forward.timeout.is_some() { None } else { Some(DEFAULT_IDLE) };
    if forward.idle_timeout != default {
        put(facts, "idle-timeout", forward.idle_timeout.map_or("none".to_owned(), print_duration));
    }
    if let Some(retry) = &forward.retry {
        let mut sorted = Retry { on: retry.on.clone(), statuses: retry.statuses.clone(), ..retry.clone() };
        sorted.on.sort();
        sorted.statuses.sort_unstable();
        put(facts, "retry", words::retry(&sorted).trim_start_matches("retry "));
    }
    if let Some(sticky) = &forward.sticky {
        put(facts, "sticky", words::sticky(sticky).trim_start_matches("sticky "));
        if matches!(sticky, Sticky::Hash(_)) {
            // A hash falls on the sides in their order.
            let named = forward.split.iter().filter(|share| share.portion.0 > 0);
            let names = named.filter_map(|share| upstreams.get(share.upstream)).map(|u| u.endpoint.to_string());
            put(facts, "order of the sides", names.collect::<Vec<_>>().join(", "));
        }
    }
    let copies = forward.mirrors.iter().filter(|m| m.portion.0 > 0).map(|m| (m.upstream, m.portion));
    for (name, portion) in summed(copies, upstreams) {
        put(facts, format!("mirror to {name}"), portion.to_string());
    }
}

/// The rewrites as they are written.
fn written(forward: &Forward, facts: &mut Facts) {
    match &forward.path {
        Some(PathRewrite::Path(to)) => put(facts, "path", words::quoted(to)),
        Some(PathRewrite::Prefix { from, to }) => {
            put(facts, "path", format!("prefix {} to {}", words::quoted(from), words::quoted(to)));
        }
        Some(PathRewrite::Regex { pattern, to }) => {
            put(facts, "path", format!("regex {} to {}", words::raw(pattern), words::quoted(to)));
        }
        None => {}
    }
    if let Some(host) = &forward.host {
        put(facts, "host", words::quoted(host));
    }
}

/// What of path and host the upstream sees otherwise than sent.
fn seen(forwarded: &Forwarded<'_>, answer: &Answer<'_>, request: &Request, facts: &mut Facts) {
    if forwarded.path != answer.path {
        put(facts, "path", forwarded.path.as_ref());
    }
    // Where the name of a destination is its host, the share says so.
    if let Some(host) = &forwarded.forward.host
        && *host != request.host
    {
        put(facts, "host", host.as_str());
    }
}

/// What holds for every answer of a rule.
fn in_force(rule: &Rule, facts: &mut Facts) {
    if let Some(limit) = &rule.limit {
        put(facts, "ratelimit", words::limit(limit));
    }
    if let Some(cors) = &rule.cors {
        put(facts, "cors", self::cors(cors));
    }
    headers(&rule.response_headers, |name| format!("response header {name}"), facts);
}

/// Changes of headers, by name.
fn headers(changes: &HeaderChanges, name: impl Fn(&str) -> String, facts: &mut Facts) {
    let mut named: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (header, _) in &changes.remove {
        named.entry(header).or_default().push("remove".to_owned());
    }
    for write in &changes.write {
        let word = if write.append { "add" } else { "set" };
        named.entry(&write.name).or_default().push(format!("{word} {}", words::quoted(&write.value)));
    }
    for (header, changes) in named {
        put(facts, name(header), changes.join(", "));
    }
}

/// The request's headers that the upstream sees otherwise than sent.
fn sent(changes: &HeaderChanges, request: &Request, facts: &mut Facts) {
    let after = changes.applied(&request.headers);
    let of = |headers: &[(String, String)], wanted: &str| -> Vec<String> {
        let named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.map(|(_, value)| words::quoted(value)).collect()
    };
    let removed = changes.remove.iter().map(|(name, _)| name.as_str());
    let mut names: Vec<&str> = removed.chain(changes.write.iter().map(|write| write.name.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (before, after) = (of(&request.headers, name), of(&after, name));
        if before != after {
            put(facts, probe::fact(name), if after.is_empty() { "removed".to_owned() } else { after.join(", ") });
        }
    }
}

fn respond(status: u32, body: Option<&str>) -> String {
    let body = body.map(|text| format!(" {}", words::quoted(text))).unwrap_or_default();
    format!("{status}{body}")
}

fn redirect(to: &Redirect) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "…".to_owned());
    let port = to.port.map(|port| format!(":{port}")).unwrap_or_default();
    let scheme = to.scheme.as_deref().unwrap_or("http");
    format!("{} to {scheme}://{}{port}{}", to.status, part(&to.host), part(&to.path))
}

/// Which pages may call, in an order that their wording does not decide.
fn cors(cors: &Cors) -> String {
    let mut sorted = cors.clone();
    sorted.origins.sort_by_key(|origin| format!("{origin:?}"));
    for list in [&mut sorted.methods, &mut sorted.headers, &mut sorted.expose] {
        list.sort();
    }
    words::cors(&sorted).trim_start_matches("cors ").to_owned()
}
