//! `health-check http "/healthz" every 5s timeout 1s`

use super::Setting;
use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// Probes that every node sends to every endpoint.
#[derive(Debug)]
pub struct HealthCheck {
    /// The clause.
    pub span: Span,
    /// `http`, `tcp` or `grpc`.
    pub kind: Value,
    /// The path of an HTTP probe.
    pub path: Option<Value>,
    /// `every 5s` and the like, in the order written.
    pub settings: Vec<Setting>,
}

impl HealthCheck {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let kind = cx.value(inner.next()?);
        let mut check = Self { span, kind, path: None, settings: Vec::new() };
        for part in inner {
            match part.as_rule() {
                Rule::health_path => check.path = part.into_inner().next().map(|p| cx.value(p)),
                _ => check.settings.push(Setting::read(part, cx)?),
            }
        }
        Some(check)
    }
}
