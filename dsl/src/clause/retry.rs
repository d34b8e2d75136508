//! `retry 3 on 5xx, connect-failure per-try 1s backoff 25ms..250ms`

use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// How often, and when, a request is tried again.
#[derive(Debug)]
pub struct Retry {
    /// The clause.
    pub span: Span,
    /// How often at most.
    pub count: Value,
    /// On which failures; empty when not written.
    pub on: Vec<Value>,
    /// How long each try may take.
    pub per_try: Option<Value>,
    /// `MIN..MAX` between tries.
    pub backoff: Option<Value>,
}

impl Retry {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let count = cx.value(inner.next()?);
        let mut retry = Self { span, count, on: Vec::new(), per_try: None, backoff: None };
        for option in inner {
            let place = cx.span(&option);
            match option.as_rule() {
                Rule::retry_on | Rule::expected_on => {
                    cx.refuse_second(!retry.on.is_empty(), "on", place);
                    retry.on = option.into_inner().map(|p| cx.value(p)).collect();
                }
                Rule::per_try => cx.set_once(&mut retry.per_try, option, "per-try"),
                _ => cx.set_once(&mut retry.backoff, option, "backoff"),
            }
        }
        Some(retry)
    }
}
