//! `retry 3 on 5xx per-try 1s backoff 25ms..250ms` → `RouteAction.retry_policy`.
//!
//! Envoy passes over condition words that it does not know, and a bare status code, in silence;
//! so the words are checked here and codes become `retriable-status-codes`.

use super::circuit_breaker::CircuitBreaker;
use crate::envoy;
use crate::resolve::Cx;
use meshc_dsl::Span;
use meshc_dsl::clause;
use meshc_dsl::diagnostic::{Diagnostic, codes};
use meshc_dsl::value::{Value, ValueError, count, duration};
use std::time::Duration;

/// Further tries of a failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How often at most.
    pub count: u32,
    /// The failures, as Envoy's words, in the order written.
    pub on: Vec<String>,
    /// The statuses that count as failures.
    pub statuses: Vec<u32>,
    /// The time for each try.
    pub per_try: Option<Duration>,
    /// The first and the longest pause between tries.
    pub backoff: Option<(Duration, Duration)>,
    /// Where it is written.
    pub span: Span,
}

/// Envoy's retry conditions (`x-envoy-retry-on` and `x-envoy-retry-grpc-on`), known since 1.25.
const CONDITIONS: &[&str] = &[
    "5xx",
    "gateway-error",
    "reset",
    "connect-failure",
    "refused-stream",
    "retriable-4xx",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// What is retried where no condition is written: failures in which the upstream did not begin.
const DEFAULT: &[&str] = &["connect-failure", "refused-stream", "unavailable", "cancelled"];

pub(crate) fn resolve<'a>(clause: &'a clause::Retry, cx: &mut Cx<'a>) -> Option<Retry> {
    let times = cx.word(&clause.count, |w| count(w, "the number of retries", 1, 100));
    let mut retry =
        Retry { count: 0, on: Vec::new(), statuses: Vec::new(), per_try: None, backoff: None, span: clause.span };
    for word in &clause.on {
        condition(word, &mut retry, cx);
    }
    if clause.on.is_empty() {
        retry.on = DEFAULT.iter().map(|w| (*w).to_owned()).collect();
    }
    if let Some(value) = &clause.per_try {
        retry.per_try = super::timeout::positive(value, "the time for a try", cx);
        needs_failed_try(value, &retry, cx);
    }
    if let Some(value) = &clause.backoff {
        retry.backoff = cx.word(value, backoff);
    }
    retry.count = times?;
    Some(retry)
}

fn condition<'a>(value: &'a Value, retry: &mut Retry, cx: &mut Cx<'a>) {
    let Some(word) = cx.word(value, |w| Ok(w.to_owned())) else { return };
    if word.bytes().all(|b| b.is_ascii_digit()) {
        match count(&word, "a status", 100, 599) {
            Ok(status) => retry.statuses.push(status),
            Err(e) => cx.error(e.code, value.span, e.message, e.help),
        }
    } else if CONDITIONS.contains(&word.as_str()) {
        retry.on.push(word);
    } else {
        cx.unknown_word(value.span, &word, "a failure that can be retried", CONDITIONS.iter().copied());
    }
}

/// A try that ran out of time is retried only by these two conditions.
fn needs_failed_try(value: &Value, retry: &Retry, cx: &mut Cx<'_>) {
    if !retry.on.iter().any(|c| c == "5xx" || c == "gateway-error") {
        let message = "a try that runs out of time would not be tried again";
        cx.error(codes::NEEDS, value.span, message, "`per-try` needs `on 5xx` or `on gateway-error`");
    }
}

fn backoff(text: &str) -> Result<(Duration, Duration), ValueError> {
    let bad = |message: String| ValueError {
        code: codes::BAD_VALUE,
        message,
        help: "a backoff is written `25ms..250ms`".into(),
    };
    let (base, max) = text.split_once("..").ok_or_else(|| bad(format!("`{text}` is not a backoff")))?;
    let (base, max) = (duration(base)?, duration(max)?);
    if base.is_zero() {
        return Err(bad(format!("`{text}` begins at no time at all")));
    }
    if max < base {
        return Err(bad(format!("`{text}` ends before it begins")));
    }
    Ok((base, max))
}

impl Retry {
    /// Warns where requests that change something are retried after the upstream had them.
    pub(crate) fn warn_of_writes(&self, cx: &mut Cx<'_>) {
        if self.on.iter().any(|c| c == "5xx") {
            let message = "requests other than GET are tried again too, although the upstream may have acted on them";
            let diagnostic = Diagnostic::new(codes::RETRIES_WRITES, self.span, message)
                .help("retry only where the method is safe (`when method GET, HEAD { retry … }`), or only on `connect-failure, refused-stream`");
            cx.report(diagnostic);
        }
    }

    /// Warns where the tries do not fit into the time for all of them.
    pub(crate) fn warn_of_timeout(&self, timeout: Option<Duration>, cx: &mut Cx<'_>) {
        let (Some(per_try), Some(timeout)) = (self.per_try, timeout) else { return };
        let fitting = timeout.as_nanos().div_ceil(per_try.as_nanos().max(1));
        let tries = u128::from(self.count) + 1;
        if fitting >= tries {
            return;
        }
        let message = format!("of {tries} tries that time out only {fitting} fit into the timeout");
        let help = "`timeout` bounds all tries together: raise it, or lower the count or `per-try`";
        cx.report(Diagnostic::new(codes::TRIES_OVER_TIMEOUT, self.span, message).help(help));
    }

    /// Warns where the destinations' circuit breakers let no retry through.
    pub(crate) fn warn_of_breakers<'b>(&self, mut breakers: impl Iterator<Item = &'b CircuitBreaker>, cx: &mut Cx<'_>) {
        if breakers.all(|breaker| breaker.retries == 0) {
            let message = "no retry is ever made: the circuit breaker allows none";
            let help = "take `max-retries 0` away, or this `retry`";
            cx.report(Diagnostic::new(codes::RETRIES_OFF, self.span, message).help(help));
        }
    }

    /// The retry policy of a route.
    pub(crate) fn lower(&self) -> envoy::RetryPolicy {
        let by_status = (!self.statuses.is_empty()).then_some("retriable-status-codes");
        let words: Vec<&str> = self.on.iter().map(String::as_str).chain(by_status).collect();
        envoy::RetryPolicy {
            retry_on: words.join(","),
            num_retries: self.count,
            per_try_timeout: self.per_try.map(envoy::ProtoDuration),
            retriable_status_codes: self.statuses.clone(),
            retry_back_off: self.backoff.map(|(base, max)| envoy::RetryBackOff {
                base_interval: envoy::ProtoDuration(base),
                max_interval: envoy::ProtoDuration(max),
            }),
        }
    }
}
