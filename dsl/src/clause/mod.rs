//! The clauses of the language as they stand in the tree, one file for each with a shape of its
//! own. Adding a clause touches its own file, the grammar, and the lists in this one.

mod accesslog;
mod balance;
mod cors;
mod headers;
mod health_check;
mod key;
mod mirror;
mod patch;
mod ratelimit;
mod redirect;
mod respond;
mod retry;
mod rewrite;
mod service;
mod settings;
mod single;
mod split;
mod sticky;
mod when;

pub use accesslog::Accesslog;
pub use balance::Balance;
pub use cors::Cors;
pub use headers::{Direction, HeaderChange, HeaderOperation};
pub use health_check::HealthCheck;
pub use key::{Key, KeyKind};
pub use mirror::Mirror;
pub use patch::{Patch, PatchTarget};
pub use ratelimit::Ratelimit;
pub use redirect::Redirect;
pub use respond::Respond;
pub use retry::Retry;
pub use rewrite::{Rewrite, RewriteKind};
pub use service::{Endpoints, Label, Selector, Version};
pub use settings::{Setting, Settings};
pub use single::Single;
pub use split::{Destination, DestinationKind, Portioning, Share, Split};
pub use sticky::Sticky;
pub use when::When;

use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::syntax::Body;

/// A clause of a route, listener, service, policy or rule.
#[derive(Debug)]
pub enum Clause {
    /// `90% v1, 10% v2`, and `to v1` as a split of one.
    Split(Split),
    /// `redirect 308 to "…"`
    Redirect(Redirect),
    /// `respond 503 "…"`
    Respond(Respond),
    /// `when CONDITION { … }`
    When(When),
    /// `otherwise { … }`
    Otherwise(Span, Body),
    /// `rewrite …`
    Rewrite(Rewrite),
    /// `request header …`, `response header …`
    Header(HeaderOperation),
    /// `timeout 10s`
    Timeout(Single),
    /// `idle-timeout 5m`
    IdleTimeout(Single),
    /// `retry 3 on 5xx`
    Retry(Retry),
    /// `ratelimit 2/5s`
    Ratelimit(Ratelimit),
    /// `mirror 5% to v2`
    Mirror(Mirror),
    /// `sticky by issued-cookie`
    Sticky(Sticky),
    /// `cors origin "https://shop.example.com"`
    Cors(Cors),
    /// `no retry`
    No(Single),
    /// `use resilient`
    Use(Single),
    /// `circuit-breaker max-requests 2`
    CircuitBreaker(Settings),
    /// `outlier consecutive-5xx 5`
    Outlier(Settings),
    /// `balance round-robin`
    Balance(Balance),
    /// `health-check http "/healthz"`
    HealthCheck(HealthCheck),
    /// `connect-timeout 5s`
    ConnectTimeout(Single),
    /// `protocol http2`
    Protocol(Single),
    /// `accesslog stdout json`
    Accesslog(Accesslog),
    /// `client-address hide`
    ClientAddress(Single),
    /// `patch http `…``
    Patch(Patch),
    /// `selector app=helloworld`
    Selector(Selector),
    /// `target-port 8080`
    TargetPort(Single),
    /// `version v1`
    Version(Version),
    /// `endpoints 127.0.0.1:9001`
    Endpoints(Endpoints),
    /// `at 10.96.0.10`
    At(Endpoints),
    /// `on-failure direct`
    OnFailure(Single),
}

/// What is known of a clause by its keyword alone.
pub(crate) struct Keyword {
    /// The first word, as written.
    pub(crate) word: &'static str,
    /// The form of the whole clause, for help lines.
    pub(crate) form: &'static str,
    /// The grammar rule of the clause, to find where a malformed one goes wrong.
    pub(crate) rule: Rule,
}

const fn keyword(word: &'static str, rule: Rule, form: &'static str) -> Keyword {
    Keyword { word, form, rule }
}

/// Every clause by its first word.
pub(crate) const KEYWORDS: &[Keyword] = &[
    keyword("to", Rule::to, "to SERVICE"),
    keyword("rest", Rule::split, "90% v1, rest v2"),
    keyword("when", Rule::when, "when CONDITION { CLAUSES }"),
    keyword("otherwise", Rule::otherwise, "otherwise { CLAUSES }"),
    keyword("redirect", Rule::redirect, "redirect [STATUS] to \"URL\""),
    keyword("respond", Rule::respond, "respond STATUS [\"TEXT\"]"),
    keyword(
        "rewrite",
        Rule::rewrite,
        "rewrite path \"/x\" | rewrite prefix \"/a\" to \"/b\" | rewrite regex `…` to \"…\" | rewrite host \"NAME\"",
    ),
    keyword("request", Rule::headers, "request header set|add NAME \"VALUE\" | request header remove NAME"),
    keyword("response", Rule::headers, "response header set|add NAME \"VALUE\" | response header remove NAME"),
    keyword("timeout", Rule::timeout, "timeout DURATION"),
    keyword("idle-timeout", Rule::idle_timeout, "idle-timeout DURATION"),
    keyword("retry", Rule::retry, "retry COUNT [on CONDITION, …] [per-try DURATION] [backoff MIN..MAX]"),
    keyword(
        "ratelimit",
        Rule::ratelimit,
        "ratelimit RATE [burst COUNT] [by header NAME|path|source-ip [keys COUNT]] [status CODE] [header NAME \"VALUE\"] [shadow] [per node]",
    ),
    keyword("mirror", Rule::mirror, "mirror SHARE to SERVICE"),
    keyword("sticky", Rule::sticky, "sticky by issued-cookie [NAME] | header NAME | cookie NAME | source-ip"),
    keyword(
        "cors",
        Rule::cors,
        "cors origin \"URL\", … [methods GET, …] [headers NAME, …] [expose NAME, …] [credentials] [max-age DURATION]",
    ),
    keyword("no", Rule::no, "no retry | no timeout | no ratelimit | no idle-timeout | no mirror | no sticky | no cors"),
    keyword("use", Rule::use_policy, "use POLICY"),
    keyword(
        "circuit-breaker",
        Rule::circuit_breaker,
        "circuit-breaker [max-connections N] [max-pending N] [max-requests N] [max-retries N]",
    ),
    keyword(
        "outlier",
        Rule::outlier,
        "outlier [consecutive-5xx N] [consecutive-local-origin N] [interval DURATION] [eject DURATION] [max-ejected SHARE]",
    ),
    keyword(
        "balance",
        Rule::balance,
        "balance round-robin | least-request | random | ring-hash by header NAME | maglev by cookie NAME",
    ),
    keyword(
        "health-check",
        Rule::health_check,
        "health-check http \"/PATH\" | tcp | grpc [every DURATION] [timeout DURATION] [healthy COUNT] [unhealthy COUNT]",
    ),
    keyword("connect-timeout", Rule::connect_timeout, "connect-timeout DURATION"),
    keyword("protocol", Rule::protocol, "protocol http1 | http2 | grpc | tcp"),
    keyword("accesslog", Rule::accesslog, "accesslog stdout json | accesslog stdout \"FORMAT\""),
    keyword("patch", Rule::patch, "patch cluster SERVICE `YAML` | patch route|http|listener `YAML`"),
    keyword("client-address", Rule::client_address, "client-address hide | keep"),
    keyword("selector", Rule::selector, "selector LABEL=VALUE, …"),
    keyword("target-port", Rule::target_port, "target-port PORT"),
    keyword("version", Rule::version, "version NAME [= SERVICE] [where LABEL=VALUE, …] [endpoints ADDRESS:PORT, …]"),
    keyword("endpoints", Rule::endpoints, "endpoints ADDRESS:PORT, …"),
    keyword("at", Rule::at_addresses, "at ADDRESS, …"),
    keyword("on-failure", Rule::on_failure, "on-failure direct | refuse"),
];

/// The first word of every clause, for documents and tools that must name them all.
pub fn words() -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().map(|keyword| keyword.word)
}

impl Clause {
    /// Builds the clause of a grammar pair; `None` when it was reported as malformed.
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Clause> {
        Some(match pair.as_rule() {
            Rule::split | Rule::to => Clause::Split(Split::read(pair, cx)?),
            Rule::redirect => Clause::Redirect(Redirect::read(pair, cx)?),
            Rule::respond => Clause::Respond(Respond::read(pair, cx)?),
            Rule::when => Clause::When(When::read(pair, cx)?),
            Rule::otherwise => Clause::Otherwise(cx.keyword_span(&pair, "otherwise"), cx.body(pair)),
            Rule::rewrite => Clause::Rewrite(Rewrite::read(pair, cx)?),
            Rule::headers => Clause::Header(HeaderOperation::read(pair, cx)?),
            Rule::timeout => Clause::Timeout(Single::read(pair, cx)?),
            Rule::idle_timeout => Clause::IdleTimeout(Single::read(pair, cx)?),
            Rule::retry => Clause::Retry(Retry::read(pair, cx)?),
            Rule::ratelimit => Clause::Ratelimit(Ratelimit::read(pair, cx)?),
            Rule::no => Clause::No(Single::read(pair, cx)?),
            Rule::use_policy => Clause::Use(Single::read(pair, cx)?),
            Rule::circuit_breaker => Clause::CircuitBreaker(Settings::read(pair, cx)?),
            Rule::outlier => Clause::Outlier(Settings::read(pair, cx)?),
            Rule::balance => Clause::Balance(Balance::read(pair, cx)?),
            Rule::health_check => Clause::HealthCheck(HealthCheck::read(pair, cx)?),
            Rule::mirror => Clause::Mirror(Mirror::read(pair, cx)?),
            Rule::sticky => Clause::Sticky(Sticky::read(pair, cx)?),
            Rule::cors => Clause::Cors(Cors::read(pair, cx)?),
            Rule::patch => Clause::Patch(Patch::read(pair, cx)?),
            Rule::connect_timeout => Clause::ConnectTimeout(Single::read(pair, cx)?),
            Rule::protocol => Clause::Protocol(Single::read(pair, cx)?),
            Rule::accesslog => Clause::Accesslog(Accesslog::read(pair, cx)?),
            Rule::client_address => Clause::ClientAddress(Single::read(pair, cx)?),
            Rule::selector => Clause::Selector(Selector::read(pair, cx)),
            Rule::target_port => Clause::TargetPort(Single::read(pair, cx)?),
            Rule::version => Clause::Version(Version::read(pair, cx)?),
            Rule::endpoints => Clause::Endpoints(Endpoints::read(pair, cx)),
            Rule::at_addresses => Clause::At(Endpoints::read(pair, cx)),
            Rule::on_failure => Clause::OnFailure(Single::read(pair, cx)?),
            _ => {
                cx.malformed_clause(&pair);
                return None;
            }
        })
    }

    /// Where the clause stands; for one with a block, its head.
    pub fn span(&self) -> Span {
        match self {
            Clause::Split(c) => c.span,
            Clause::Redirect(c) => c.span,
            Clause::Respond(c) => c.span,
            Clause::When(c) => c.span,
            Clause::Otherwise(span, _) => *span,
            Clause::Rewrite(c) => c.span,
            Clause::Header(c) => c.span,
            Clause::Retry(c) => c.span,
            Clause::Ratelimit(c) => c.span,
            Clause::CircuitBreaker(c) | Clause::Outlier(c) => c.span,
            Clause::Accesslog(c) => c.span,
            Clause::Mirror(c) => c.span,
            Clause::Sticky(c) => c.span,
            Clause::Cors(c) => c.span,
            Clause::Balance(c) => c.span,
            Clause::HealthCheck(c) => c.span,
            Clause::Patch(c) => c.span,
            Clause::Selector(c) => c.span,
            Clause::Version(c) => c.span,
            Clause::Endpoints(c) | Clause::At(c) => c.span,
            Clause::Timeout(c)
            | Clause::IdleTimeout(c)
            | Clause::No(c)
            | Clause::Use(c)
            | Clause::ConnectTimeout(c)
            | Clause::Protocol(c)
            | Clause::ClientAddress(c)
            | Clause::TargetPort(c)
            | Clause::OnFailure(c) => c.span,
        }
    }
}
