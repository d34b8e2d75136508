//! `health-check http "/healthz" every 5s timeout 1s` → `Cluster.health_checks`.
//!
//! Envoy would probe only once a minute without traffic, and send to unhealthy endpoints where few
//! are healthy; both are set so that probes decide.

use super::protocol::Protocol;
use super::timeout::positive;
use crate::envoy::{CodecClientType, Empty, GrpcHealthCheck, HealthCheckKind, HttpHealthCheck, ProtoDuration};
use crate::resolve::Cx;
use meshc_dsl::clause;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::{Value, count};
use meshc_dsl::{Diagnostic, Span};
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(1);
const NAMES: &[&str] = &["every", "timeout", "healthy", "unhealthy", "service"];

/// Probes that every node sends to every endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What a probe is.
    pub probe: Probe,
    /// The time between two.
    pub every: Duration,
    /// The time for an answer.
    pub timeout: Duration,
    /// How many good ones in a row make an endpoint healthy.
    pub healthy: u32,
    /// How many bad ones in a row make it unhealthy.
    pub unhealthy: u32,
    /// Where it is written.
    pub span: Span,
}

/// What a probe is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A request for this path, answered by 200.
    Http(String),
    /// A connection.
    Tcp,
    /// `grpc.health.v1.Health/Check`, for this service where one is named.
    Grpc(Option<String>),
}

pub(crate) fn resolve<'a>(clause: &'a clause::HealthCheck, cx: &mut Cx<'a>) -> Option<HealthCheck> {
    let kinds = [("http", Kind::Http), ("tcp", Kind::Tcp), ("grpc", Kind::Grpc)];
    let kind = cx.one_of(&clause.kind, "a kind of probe", &kinds)?;
    let mut check = HealthCheck {
        probe: probe(kind, clause, cx)?,
        every: EVERY,
        timeout: TIMEOUT,
        healthy: 1,
        unhealthy: 3,
        span: clause.span,
    };
    let mut seen: Vec<&str> = Vec::new();
    for setting in &clause.settings {
        let name = setting.name.text.as_str();
        super::upstream::refuse_second(seen.contains(&name), setting, cx);
        seen.push(name);
        let number = |cx: &mut Cx<'a>| cx.word(&setting.value, |w| count(w, "this count", 1, 100));
        match name {
            "every" => check.every = positive(&setting.value, "the time between probes", cx)?,
            "timeout" => check.timeout = positive(&setting.value, "the time for an answer", cx)?,
            "healthy" => check.healthy = number(cx)?,
            "unhealthy" => check.unhealthy = number(cx)?,
            "service" if kind == Kind::Grpc => check.probe = Probe::Grpc(Some(service(&setting.value, cx)?)),
            other => cx.unknown_word(setting.name.span, other, "a setting of a health check", NAMES.iter().copied()),
        }
    }
    Some(check)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Tcp,
    Grpc,
}

fn probe<'a>(kind: Kind, clause: &'a clause::HealthCheck, cx: &mut Cx<'a>) -> Option<Probe> {
    match (kind, &clause.path) {
        (Kind::Tcp, None) => Some(Probe::Tcp),
        (Kind::Grpc, None) => Some(Probe::Grpc(None)),
        (Kind::Http, Some(value)) => {
            let path = cx.text(value)?;
            if !path.starts_with('/') || path.chars().any(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
                let help = "write it as a request has it, for example `\"/healthz\"`";
                cx.error(codes::BAD_PATH, value.span, format!("`{path}` is not a path"), help);
                return None;
            }
            Some(Probe::Http(path.to_owned()))
        }
        (Kind::Http, None) => {
            let help = "write it: `health-check http \"/healthz\"`";
            cx.error(codes::NEEDS, clause.span, "an HTTP probe needs a path", help);
            None
        }
        (Kind::Tcp | Kind::Grpc, Some(path)) => {
            cx.error(
                codes::CONFLICTING,
                path.span,
                "this probe has no path",
                "take it away, or write `health-check http`",
            );
            None
        }
    }
}

fn service<'a>(value: &'a Value, cx: &mut Cx<'a>) -> Option<String> {
    cx.bare_or_text(value).map(str::to_owned)
}

impl HealthCheck {
    /// Warns where a probe has less time than its connection alone may take.
    pub(crate) fn warn_of_connect(&self, connect: Duration, cx: &mut Cx<'_>) {
        if self.timeout < connect {
            let message = "a probe gives up before its connection has had its time";
            let help = "endpoints that are slow to connect count as unhealthy: raise the probe's `timeout`, or lower `connect-timeout`";
            cx.report(Diagnostic::new(codes::PROBE_UNDER_CONNECT, self.span, message).help(help));
        }
    }

    /// Envoy's probes; `host` is what HTTP and gRPC ones ask for, `protocol` the destination's.
    pub(crate) fn lower(&self, host: &str, protocol: Protocol) -> crate::envoy::HealthCheck {
        let every = ProtoDuration(self.every);
        crate::envoy::HealthCheck {
            timeout: ProtoDuration(self.timeout),
            interval: every,
            no_traffic_interval: every,
            unhealthy_threshold: self.unhealthy,
            healthy_threshold: self.healthy,
            kind: match &self.probe {
                Probe::Http(path) => HealthCheckKind::HttpHealthCheck(HttpHealthCheck {
                    host: host.to_owned(),
                    path: path.clone(),
                    codec_client_type: matches!(protocol, Protocol::Http2 | Protocol::Grpc)
                        .then_some(CodecClientType::Http2),
                }),
                Probe::Tcp => HealthCheckKind::TcpHealthCheck(Empty {}),
                Probe::Grpc(service) => HealthCheckKind::GrpcHealthCheck(GrpcHealthCheck {
                    service_name: service.clone(),
                    authority: host.to_owned(),
                }),
            },
        }
    }
}
