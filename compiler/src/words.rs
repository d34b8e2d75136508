//! What a program has, in the words of the language.

use crate::clause::accesslog::AccessLog;
use crate::clause::balance::Balance;
use crate::clause::client_address::ClientAddress;
use crate::clause::cors::{Cors, Origin};
use crate::clause::health_check::{HealthCheck, Probe};
use crate::clause::key::Key;
use crate::clause::mirror::Mirror;
use crate::clause::outlier::Outlier;
use crate::clause::protocol::Protocol;
use crate::clause::ratelimit::RateLimit;
use crate::clause::retry::Retry;
use crate::clause::sticky::Sticky;
use crate::clause::upstream::UpstreamSettings;
use crate::ir::{Condition, Pattern, Subject, Test, Upstream};
use crate::testing::Aspect;
use meshc_dsl::value::{Portion, print_duration};
use std::time::Duration;

pub(crate) fn split(shares: &[(Portion, &Upstream)]) -> String {
    match shares {
        [] => "nothing".to_owned(),
        [(_, only)] => only.endpoint.to_string(),
        _ => shares.iter().map(|(portion, u)| format!("{} {portion}", u.endpoint)).collect::<Vec<_>>().join(", "),
    }
}

pub(crate) fn timeout(time: Duration) -> String {
    format!("timeout {}", print_duration(time))
}

pub(crate) fn idle_timeout(time: Duration) -> String {
    format!("idle-timeout {}", print_duration(time))
}

pub(crate) fn retry(retry: &Retry) -> String {
    let statuses = retry.statuses.iter().map(u32::to_string);
    let on: Vec<String> = retry.on.iter().cloned().chain(statuses).collect();
    let mut text = format!("retry {} on {}", retry.count, on.join(", "));
    if let Some(time) = retry.per_try {
        text.push_str(&format!(" per-try {}", print_duration(time)));
    }
    if let Some((min, max)) = retry.backoff {
        text.push_str(&format!(" backoff {}..{}", print_duration(min), print_duration(max)));
    }
    text
}

pub(crate) fn limit(limit: &RateLimit) -> String {
    let mut text = limit.rate.to_string();
    if limit.burst != limit.rate.events {
        text.push_str(&format!(" burst {}", limit.burst));
    }
    if let Some((by, keys)) = &limit.by {
        text.push_str(&format!(" by {} keys {keys}", key(by)));
    }
    if limit.status != 429 {
        text.push_str(&format!(" status {}", limit.status));
    }
    if let Some((name, value)) = &limit.header {
        text.push_str(&format!(" header {name} {}", quoted(value)));
    }
    if limit.shadow {
        text.push_str(" shadow");
    }
    text
}

fn key(key: &Key) -> String {
    match key {
        Key::Header(name) => format!("header {name}"),
        Key::Cookie(name) => format!("cookie {name}"),
        Key::IssuedCookie(Some(name)) => format!("issued-cookie {name}"),
        Key::IssuedCookie(None) => "issued-cookie".to_owned(),
        Key::SourceIp => "source-ip".to_owned(),
        Key::Path => "path".to_owned(),
    }
}

/// `None` where there is no copy.
pub(crate) fn mirrors(mirrors: &[Mirror], upstreams: &[Upstream]) -> Option<String> {
    let one = |m: &Mirror| {
        let endpoint = upstreams.get(m.upstream).map(|u| u.endpoint.to_string()).unwrap_or_default();
        format!("mirror {} to {endpoint}", m.portion)
    };
    (!mirrors.is_empty()).then(|| mirrors.iter().map(one).collect::<Vec<_>>().join(", "))
}

pub(crate) fn sticky(sticky: &Sticky) -> String {
    match sticky {
        Sticky::IssuedCookie(name) => format!("sticky by issued-cookie {name}"),
        Sticky::Hash(by) => format!("sticky by {}", key(by)),
    }
}

pub(crate) fn cors(cors: &Cors) -> String {
    let origin = |origin: &Origin| match origin {
        Origin::Any => "\"*\"".to_owned(),
        Origin::Exact(text) => quoted(text),
        Origin::Below(scheme, rest) => quoted(&format!("{scheme}*{rest}")),
        Origin::Pattern(pattern) => format!("regex {}", raw(pattern)),
    };
    let mut text = format!("cors origin {}", cors.origins.iter().map(origin).collect::<Vec<_>>().join(", "));
    for (word, names) in [("methods", &cors.methods), ("headers", &cors.headers), ("expose", &cors.expose)] {
        if !names.is_empty() {
            text.push_str(&format!(" {word} {}", names.join(", ")));
        }
    }
    if cors.credentials {
        text.push_str(" credentials");
    }
    if let Some(age) = cors.max_age {
        text.push_str(&format!(" max-age {}", print_duration(age)));
    }
    text
}

pub(crate) fn access_log(log: &AccessLog) -> String {
    match log {
        AccessLog::Json => "accesslog stdout json".to_owned(),
        AccessLog::Text(text) => format!("accesslog stdout {}", quoted(text)),
    }
}

pub(crate) fn client_address(address: ClientAddress) -> &'static str {
    match address {
        ClientAddress::Hide => "client-address hide",
        ClientAddress::Keep => "client-address keep",
    }
}

/// A part of a destination's settings.
pub(crate) fn setting(aspect: Aspect, settings: &UpstreamSettings) -> String {
    match aspect {
        Aspect::CircuitBreaker => {
            let breaker = &settings.circuit_breaker;
            format!(
                "circuit-breaker max-connections {} max-pending {} max-requests {} max-retries {}",
                breaker.connections, breaker.pending, breaker.requests, breaker.retries
            )
        }
        Aspect::Outlier => settings.outlier.as_ref().map_or("no outlier".to_owned(), outlier),
        Aspect::Balance => balance(&settings.balance),
        Aspect::ConnectTimeout => format!("connect-timeout {}", print_duration(settings.connect_timeout)),
        Aspect::Protocol => match settings.protocol {
            Protocol::Client => "the client's protocol".to_owned(),
            Protocol::Http1 => "protocol http1".to_owned(),
            Protocol::Http2 => "protocol http2".to_owned(),
            Protocol::Grpc => "protocol grpc".to_owned(),
            Protocol::Tcp => "protocol tcp".to_owned(),
        },
        Aspect::HealthCheck => settings.health_check.as_ref().map_or("no health-check".to_owned(), health_check),
    }
}

fn outlier(outlier: &Outlier) -> String {
    let local = outlier.consecutive_local_origin.map(|n| format!(" consecutive-local-origin {n}")).unwrap_or_default();
    format!(
        "outlier consecutive-5xx {}{local} interval {} eject {} max-ejected {}%",
        outlier.consecutive_5xx,
        print_duration(outlier.interval),
        print_duration(outlier.eject),
        outlier.max_ejected
    )
}

fn balance(balance: &Balance) -> String {
    match balance {
        Balance::RoundRobin => "balance round-robin".to_owned(),
        Balance::LeastRequest => "balance least-request".to_owned(),
        Balance::Random => "balance random".to_owned(),
        Balance::RingHash(by) => format!("balance ring-hash by {}", key(by)),
        Balance::Maglev(by) => format!("balance maglev by {}", key(by)),
    }
}

fn health_check(check: &HealthCheck) -> String {
    let probe = match &check.probe {
        Probe::Http(path) => format!("http {}", quoted(path)),
        Probe::Tcp => "tcp".to_owned(),
        Probe::Grpc(Some(service)) => format!("grpc service {service}"),
        Probe::Grpc(None) => "grpc".to_owned(),
    };
    format!(
        "health-check {probe} every {} timeout {} healthy {} unhealthy {}",
        print_duration(check.every),
        print_duration(check.timeout),
        check.healthy,
        check.unhealthy
    )
}

/// A condition as it could be written.
pub(crate) fn condition(of: &Condition) -> String {
    let joined = |parts: &[Condition], word: &str| {
        let one = |part: &Condition| match part {
            Condition::Or(_) => format!("({})", condition(part)),
            _ => condition(part),
        };
        parts.iter().map(one).collect::<Vec<_>>().join(word)
    };
    match of {
        Condition::And(parts) => joined(parts, " and "),
        Condition::Or(parts) => joined(parts, " or "),
        Condition::Not(part) => match &**part {
            Condition::And(_) | Condition::Or(_) => format!("not ({})", condition(part)),
            _ => format!("not {}", condition(part)),
        },
        Condition::Test(test) => self::test(test),
    }
}

fn test(test: &Test) -> String {
    let subject = match &test.subject {
        Subject::Path => "path".to_owned(),
        Subject::Host => "host".to_owned(),
        Subject::Header(name) => format!("header {name}"),
        Subject::Query(name) => format!("query {name}"),
        Subject::Cookie(name) => format!("cookie {name}"),
        Subject::Grpc => return "grpc".to_owned(),
        Subject::Method => {
            let names: Vec<&str> = test.patterns.iter().filter_map(literal).collect();
            return format!("method {}", names.join(", "));
        }
    };
    let values: Vec<String> = test.patterns.iter().map(pattern).collect();
    let operator = test.patterns.first().map_or("exists", operator);
    format!("{subject} {operator} {}", values.join(", ")).trim_end().to_owned()
}

fn literal(pattern: &Pattern) -> Option<&str> {
    match pattern {
        Pattern::Equals(text) => Some(text),
        _ => None,
    }
}

fn operator(pattern: &Pattern) -> &'static str {
    match pattern {
        Pattern::Equals(_) => "=",
        Pattern::Prefix(_) => "prefix",
        Pattern::Suffix(_) => "suffix",
        Pattern::Contains(_) => "contains",
        Pattern::Regex(_) => "regex",
        Pattern::Template(_) => "template",
        Pattern::Exists => "exists",
    }
}

fn pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Equals(text) | Pattern::Prefix(text) | Pattern::Suffix(text) | Pattern::Contains(text) => quoted(text),
        Pattern::Regex(text) => raw(text),
        Pattern::Template(template) => quoted(&template.to_string()),
        Pattern::Exists => String::new(),
    }
}

/// A text in quotes, on one line.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A pattern as it is, where it can be.
pub(crate) fn raw(pattern: &str) -> String {
    if pattern.contains(['`', '\n']) { quoted(pattern) } else { format!("`{pattern}`") }
}
