//! `circuit-breaker max-connections 1024 max-pending 1 max-requests 2 max-retries 3`.

use super::protocol::Protocol;
use crate::resolve::Cx;
use meshc_dsl::clause::Settings;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::count;
use meshc_dsl::{Diagnostic, Span};

/// How much may be under way to a destination, on each node and for each steered service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// Connections.
    pub connections: u32,
    /// Requests that wait for a connection.
    pub pending: u32,
    /// Requests under way.
    pub requests: u32,
    /// Retries under way.
    pub retries: u32,
}

/// The settings that are written; the rest comes from further out, or from the defaults.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    connections: Option<u32>,
    pending: Option<u32>,
    requests: Option<u32>,
    retries: Option<u32>,
}

const NAMES: &[&str] = &["max-connections", "max-pending", "max-requests", "max-retries"];

impl Written {
    pub(crate) fn read<'a>(clause: &'a Settings, cx: &mut Cx<'a>) -> Self {
        let mut written = Self::default();
        for setting in &clause.settings {
            // Envoy answers every request with 503 at a limit of 0; only retries may be 0.
            let (slot, min) = match setting.name.text.as_str() {
                "max-connections" => (&mut written.connections, 1),
                "max-pending" => (&mut written.pending, 1),
                "max-requests" => (&mut written.requests, 1),
                "max-retries" => (&mut written.retries, 0),
                other => {
                    cx.unknown_word(setting.name.span, other, "a limit of a circuit breaker", NAMES.iter().copied());
                    continue;
                }
            };
            super::upstream::refuse_second(slot.is_some(), setting, cx);
            *slot = cx.word(&setting.value, |w| count(w, "this limit", min, u32::MAX));
        }
        written
    }

    /// Whether a limit is written that counts requests, not connections.
    pub(crate) fn counts_requests(&self) -> bool {
        self.pending.or(self.requests).or(self.retries).is_some()
    }

    /// Over HTTP/1 a connection carries one request at a time.
    pub(crate) fn warn(self, protocol: Option<Protocol>, span: Span, cx: &mut Cx<'_>) {
        let (Some(requests), Some(Protocol::Http1)) = (self.requests, protocol) else { return };
        let connections = self.finish().connections;
        if requests > connections {
            let message = format!("{requests} requests are never under way over at most {connections} connections");
            let help = "with `protocol http1` a connection carries one request: lower `max-requests`, or raise `max-connections`";
            cx.report(Diagnostic::new(codes::LIMIT_OUT_OF_REACH, span, message).help(help));
        }
    }

    pub(crate) fn over(self, outer: Self) -> Self {
        Self {
            connections: self.connections.or(outer.connections),
            pending: self.pending.or(outer.pending),
            requests: self.requests.or(outer.requests),
            retries: self.retries.or(outer.retries),
        }
    }

    /// The limits, with Cilium's own defaults where nothing is written.
    pub(crate) fn finish(self) -> CircuitBreaker {
        CircuitBreaker {
            connections: self.connections.unwrap_or(1024),
            pending: self.pending.unwrap_or(1024),
            requests: self.requests.unwrap_or(1024),
            retries: self.retries.unwrap_or(128),
        }
    }
}
