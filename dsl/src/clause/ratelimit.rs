//! `ratelimit 2/5s [burst 4] [by header x-user [keys 10000]] [status 429] [header x-local-rate-limit "true"] [shadow] [per node]`

use super::Key;
use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// How many requests pass in how much time.
#[derive(Debug)]
pub struct Ratelimit {
    /// The clause; its place is also the identity of its bucket.
    pub span: Span,
    /// The rate.
    pub rate: Value,
    /// What has a bucket for each of its values.
    pub by: Option<Key>,
    /// How many such buckets are kept.
    pub keys: Option<Value>,
    /// How many may pass at once; the rate's events where not written.
    pub burst: Option<Value>,
    /// The status of refusals.
    pub status: Option<Value>,
    /// A header on refusals.
    pub header: Option<(Value, Value)>,
    /// Count, but let everything pass.
    pub shadow: bool,
    /// Whether it is written that each node counts by itself, as it does anyway.
    pub per_node: bool,
}

impl Ratelimit {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let rate = cx.value(inner.next()?);
        let (by, keys, burst, status, header) = (None, None, None, None, None);
        let mut limit = Self { span, rate, by, keys, burst, status, header, shadow: false, per_node: false };
        for option in inner {
            let place = cx.span(&option);
            match option.as_rule() {
                Rule::burst => cx.set_once(&mut limit.burst, option, "burst"),
                Rule::limit_by => {
                    cx.refuse_second(limit.by.is_some(), "by", place);
                    for part in option.into_inner() {
                        match part.as_rule() {
                            Rule::key => limit.by = Key::read(part, cx),
                            _ => limit.keys = part.into_inner().next().map(|p| cx.value(p)),
                        }
                    }
                }
                Rule::status => cx.set_once(&mut limit.status, option, "status"),
                Rule::limit_header => {
                    cx.refuse_second(limit.header.is_some(), "header", place);
                    let mut values = option.into_inner().map(|p| cx.value(p));
                    limit.header = Some((values.next()?, values.next()?));
                }
                Rule::shadow => limit.shadow = true,
                _ => limit.per_node = true,
            }
        }
        Some(limit)
    }
}
