//! The settings of a destination: what its `service`, and over that the route, writes.

use super::balance::{self, Balance};
use super::circuit_breaker::{self, CircuitBreaker};
use super::health_check::{self, HealthCheck, Probe};
use super::key::Key;
use super::outlier::{self, Outlier};
use super::protocol::{self, Protocol};
use super::timeout;
use crate::resolve::Cx;
use meshc_dsl::clause::{Clause, Setting};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::{Diagnostic, Span};
use std::time::Duration;

/// How a destination is talked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// How much may be under way.
    pub circuit_breaker: CircuitBreaker,
    /// When an endpoint is left out.
    pub outlier: Option<Outlier>,
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// The time to connect.
    pub connect_timeout: Duration,
    /// What it speaks.
    pub protocol: Protocol,
    /// How its endpoints are probed.
    pub health_check: Option<HealthCheck>,
}

/// What is written in one place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    circuit_breaker: Option<(circuit_breaker::Written, Span)>,
    outlier: Option<(outlier::Written, Span)>,
    balance: Option<(Balance, Span)>,
    connect_timeout: Option<Duration>,
    protocol: Option<Protocol>,
    health_check: Option<HealthCheck>,
}

impl Written {
    /// Reads the upstream clauses among `clauses`; each stands at most once.
    pub(crate) fn read<'a>(clauses: &[&'a Clause], cx: &mut Cx<'a>) -> Self {
        let mut written = Self::default();
        for clause in clauses {
            match clause {
                Clause::CircuitBreaker(c) => {
                    written.circuit_breaker = Some((circuit_breaker::Written::read(c, cx), c.span));
                }
                Clause::Outlier(c) => written.outlier = Some((outlier::Written::read(c, cx), c.span)),
                Clause::Balance(c) => written.balance = balance::resolve(c, cx).map(|b| (b, c.span)),
                Clause::HealthCheck(c) => written.health_check = health_check::resolve(c, cx),
                Clause::ConnectTimeout(c) => {
                    written.connect_timeout = timeout::positive(&c.value, "the time to connect", cx);
                }
                Clause::Protocol(c) => written.protocol = protocol::resolve(c, cx),
                _ => {}
            }
        }
        written
    }

    /// This place's settings over those of a place further out, setting by setting.
    pub(crate) fn over(&self, outer: &Self) -> Self {
        let breaker = self.circuit_breaker.map(|(own, span)| match outer.circuit_breaker {
            Some((other, _)) => (own.over(other), span),
            None => (own, span),
        });
        let outlier = self.outlier.map(|(own, span)| match outer.outlier {
            Some((other, _)) => (own.over(other), span),
            None => (own, span),
        });
        Self {
            circuit_breaker: breaker.or(outer.circuit_breaker),
            outlier: outlier.or(outer.outlier),
            balance: self.balance.clone().or_else(|| outer.balance.clone()),
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
            protocol: self.protocol.or(outer.protocol),
            health_check: self.health_check.clone().or_else(|| outer.health_check.clone()),
        }
    }

    /// The protocol that is written.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// The settings, with the language's defaults where nothing is written.
    pub(crate) fn finish(&self) -> UpstreamSettings {
        UpstreamSettings {
            circuit_breaker: self.circuit_breaker.map(|(written, _)| written).unwrap_or_default().finish(),
            outlier: self.outlier.map(|(written, _)| written.finish()),
            balance: self.balance.clone().map(|(balance, _)| balance).unwrap_or_default(),
            connect_timeout: self.connect_timeout.unwrap_or(timeout::DEFAULT_CONNECT),
            protocol: self.protocol.unwrap_or(if self.probes_grpc() { Protocol::Grpc } else { Protocol::default() }),
            health_check: self.health_check.clone(),
        }
    }

    /// The destination's connections are routed, whatever it declares.
    pub(crate) fn speak_tcp(&mut self) {
        self.protocol = Some(Protocol::Tcp);
    }

    fn probes_grpc(&self) -> bool {
        self.health_check.as_ref().is_some_and(|check| matches!(check.probe, Probe::Grpc(_)))
    }

    /// Reports settings that do not go with the protocol.
    pub(crate) fn check(&self, cx: &mut Cx<'_>) {
        let other = self.protocol.filter(|p| !matches!(p, Protocol::Http2 | Protocol::Grpc));
        if let (true, Some(_), Some(check)) = (self.probes_grpc(), other, &self.health_check) {
            let help = "a gRPC probe needs `protocol grpc` or `protocol http2`; take one of the two away";
            cx.error(
                codes::PROTOCOLS_DIFFER,
                check.span,
                "a gRPC probe does not go with this destination's protocol",
                help,
            );
        }
        self.warn(cx);
        if self.protocol != Some(Protocol::Tcp) {
            return;
        }
        if let Some((_, span)) = self.circuit_breaker.filter(|(b, _)| b.counts_requests()) {
            let help = "connections are counted by `max-connections`";
            cx.error(codes::NOT_FOR_TCP, span, "this counts requests, and `protocol tcp` has none", help);
        }
        if let Some((balance, span)) = &self.balance
            && matches!(balance.key(), Some(Key::Header(_) | Key::Cookie(_)))
        {
            let help = "balance by `source-ip`";
            cx.error(codes::NOT_FOR_TCP, *span, "this looks at requests, and `protocol tcp` has none", help);
        }
    }

    /// Warns of settings that have no effect beside each other, or too much of it.
    fn warn(&self, cx: &mut Cx<'_>) {
        if let Some((breaker, span)) = self.circuit_breaker {
            breaker.warn(self.protocol, span, cx);
        }
        if let Some((outlier, span)) = self.outlier {
            outlier.finish().warn(span, cx);
        }
        if let (Some(check), Some(connect)) = (&self.health_check, self.connect_timeout) {
            check.warn_of_connect(connect, cx);
        }
    }

    /// Where outlier detection is written, if it is.
    pub(crate) fn outlier_place(&self) -> Option<Span> {
        self.outlier.map(|(_, span)| span)
    }

    /// Says where a limit stands that counts on each node by itself.
    pub(crate) fn note_per_node(&self, cx: &mut Cx<'_>) {
        if let Some(place) = self.circuit_breaker.map(|(_, span)| span).or(self.outlier_place()) {
            let message = "circuit breakers and outlier detection count on each node by itself, for each steered service and destination";
            cx.report(Diagnostic::new(codes::PER_NODE_NOTE, place, message));
        }
    }
}

/// Reports a setting that was already written in the same clause.
pub(crate) fn refuse_second(before: bool, setting: &Setting, cx: &mut Cx<'_>) {
    if before {
        let message = format!("`{}` is written twice", setting.name.text);
        cx.error(codes::WRITTEN_TWICE, setting.name.span, message, "take one of the two away");
    }
}
