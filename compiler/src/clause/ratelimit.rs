//! `ratelimit 2/5s [burst 4] [by header x-user [keys 10000]] [status 429] [header NAME "VALUE"] [shadow]` → Envoy's local rate limit.
//!
//! One bucket for each written clause and steered service, in each node's Envoy. How several
//! Envoy routes share it depends on the release; see [`crate::lower`].

use super::key::{self, Key};
use crate::envoy;
use crate::resolve::Cx;
use crate::target;
use meshc_dsl::Span;
use meshc_dsl::clause;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::{Rate, ValueError, count, rate};
use std::time::Duration;

/// The shortest time between two refills that Envoy accepts.
const MIN_FILL: Duration = Duration::from_millis(50);

/// The statuses from 400 on that Envoy's `StatusCode` names; it refuses any other.
const STATUSES: &[u32] = &[
    400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 426,
    428, 429, 431, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
];

/// A local rate limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// How many requests in how much time.
    pub rate: Rate,
    /// How many may pass at once.
    pub burst: u32,
    /// How many tokens come back at once, and how often: the rate, in parts no larger than the burst.
    pub fill: (u32, Duration),
    /// What has a bucket for each of its values, and how many of them are kept.
    pub by: Option<(Key, u32)>,
    /// The status of refusals.
    pub status: u32,
    /// A header on refusals.
    pub header: Option<(String, String)>,
    /// Count, but let everything pass.
    pub shadow: bool,
    /// Whether it is written that each node counts by itself.
    pub per_node: bool,
    /// Where it is written, which is the identity of its bucket.
    pub span: Span,
}

pub(crate) fn resolve<'a>(clause: &'a clause::Ratelimit, cx: &mut Cx<'a>) -> Option<RateLimit> {
    let rate = cx.word(&clause.rate, |word| {
        let read = rate(word)?;
        if read.period < MIN_FILL {
            let help = "Envoy refills a bucket at most every 50 ms; use a longer period with a larger count";
            return Err(ValueError {
                code: codes::OUT_OF_RANGE,
                message: format!("the period of `{word}` is too short"),
                help: help.into(),
            });
        }
        Ok(read)
    });
    let burst = clause.burst.as_ref().map(|v| cx.word(v, |w| count(w, "a burst", 1, u32::MAX)));
    let by = match &clause.by {
        Some(key) => Some(by(key, clause, cx)?),
        None => None,
    };
    let status = clause.status.as_ref().map(|v| cx.word(v, status));
    let header = clause.header.as_ref().map(|(name, value)| {
        let (name, value) = (super::headers::name(name, cx), super::headers::value(value, cx));
        Some((name?, value?))
    });
    let rate = rate?;
    let burst = burst.unwrap_or(Some(rate.events))?;
    let Some(fill) = fill(rate, burst) else {
        let message = format!("a bucket of {burst} cannot hold what comes back at once");
        let enough = smallest_burst(rate);
        let help = format!("refills are at least 50ms apart, and of equal size: write `burst {enough}` or more");
        cx.error(codes::OUT_OF_RANGE, clause.burst.as_ref().map_or(clause.span, |b| b.span), message, help);
        return None;
    };
    Some(RateLimit {
        burst,
        fill,
        by,
        rate,
        status: status.unwrap_or(Some(429))?,
        header: match header {
            Some(header) => Some(header?),
            None => None,
        },
        shadow: clause.shadow,
        per_node: clause.per_node,
        span: clause.span,
    })
}

/// How many buckets are kept where nothing is written. Envoy's own default is 20.
const KEYS: u32 = 10_000;

fn by<'a>(key: &'a clause::Key, clause: &'a clause::Ratelimit, cx: &mut Cx<'a>) -> Option<(Key, u32)> {
    let read = key::resolve(key, &["header", "path", "source-ip"], cx)?;
    let keys = clause.keys.as_ref().map(|v| cx.word(v, |w| count(w, "the number of keys", 1, 1_000_000)));
    cx.needs(&target::LIMIT_BY_KEY, key.span, "`ratelimit … by`").then_some((read, keys.unwrap_or(Some(KEYS))?))
}

fn status(word: &str) -> Result<u32, ValueError> {
    let status = count(word, "the status of a refusal", 400, 599)?;
    if STATUSES.contains(&status) {
        return Ok(status);
    }
    Err(ValueError {
        code: codes::BAD_STATUS,
        message: format!("`{word}` is not a status that Envoy knows"),
        help: "use a registered one, for example 429 or 503".into(),
    })
}

/// How a rate can be cut into equal parts of whole tokens and milliseconds: from the fewest parts
/// to the most that leave Envoy's least time between refills.
fn cuts(rate: Rate) -> impl DoubleEndedIterator<Item = u32> {
    let millis = rate.period.as_millis();
    let most = u32::try_from(millis / MIN_FILL.as_millis()).unwrap_or(u32::MAX).min(rate.events);
    (1..=most).filter(move |n| rate.events.is_multiple_of(*n) && millis.is_multiple_of(u128::from(*n)))
}

/// The fewest parts of which each fits into the burst: a larger refill would be cut to the burst,
/// and the rate with it. `None` where there are no such parts.
fn fill(rate: Rate, burst: u32) -> Option<(u32, Duration)> {
    let parts = cuts(rate).find(|parts| rate.events / parts <= burst)?;
    Some((rate.events / parts, rate.period / parts))
}

/// The smallest burst that some refill fits into; every larger one will do too.
fn smallest_burst(rate: Rate) -> u32 {
    cuts(rate).next_back().map_or(rate.events, |parts| rate.events / parts)
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The entry of a key's descriptor, and how a request comes by it. `None` for keys that no limit has.
fn descriptor(key: &Key) -> Option<(&'static str, envoy::RateLimitAction)> {
    Some(match key {
        Key::Path => {
            let name = "envoy.rate_limit_descriptors.expr";
            // `:path` would have the query.
            let typed_config =
                envoy::DescriptorExtension::Expr { descriptor_key: "path".into(), text: "request.url_path".into() };
            ("path", envoy::RateLimitAction::Extension { name: name.into(), typed_config })
        }
        Key::SourceIp => ("remote_address", envoy::RateLimitAction::RemoteAddress(envoy::Empty {})),
        Key::Header(name) => {
            let action =
                envoy::RateLimitAction::RequestHeaders { header_name: name.clone(), descriptor_key: "header".into() };
            ("header", action)
        }
        Key::Cookie(_) | Key::IssuedCookie(_) => return None,
    })
}

impl RateLimit {
    /// The filter's settings for this limit alone.
    pub(crate) fn lower(&self) -> envoy::LocalRateLimit {
        let mut limit = envoy::LocalRateLimit { token_bucket: Some(self.bucket()), ..self.shell() };
        if let Some((key, keys)) = &self.by {
            let Some((entry, action)) = descriptor(key) else { return limit };
            let entries = vec![envoy::DescriptorEntry { key: entry.into(), value: None }];
            limit.descriptors = vec![envoy::LocalRateLimitDescriptor { entries, token_bucket: self.bucket() }];
            limit.rate_limits = vec![envoy::RouteRateLimit { actions: vec![action] }];
            limit.max_dynamic_descriptors = Some(*keys);
            // Else every request would take a token of the bucket for those without the key too.
            limit.always_consume_default_token_bucket = Some(false);
        }
        limit
    }

    /// The filter's settings for several limits that are told apart by descriptors. Requests
    /// without a descriptor have a bucket that never empties. `None` where the limits' periods
    /// have no common divisor that Envoy accepts.
    pub(crate) fn lower_shared(limits: &[(String, &RateLimit)]) -> Option<envoy::LocalRateLimit> {
        let (_, first) = limits.first()?;
        // Envoy wants every descriptor's period to be a multiple of the bucket's own.
        let period = limits.iter().map(|(_, l)| l.fill.1.as_millis()).fold(0, gcd);
        let period = Duration::from_millis(u64::try_from(period).ok()?);
        if period < MIN_FILL {
            return None;
        }
        let boundless = envoy::TokenBucket {
            max_tokens: u32::MAX,
            tokens_per_fill: u32::MAX,
            fill_interval: envoy::ProtoDuration(period),
        };
        let descriptor = |(value, limit): &(String, &RateLimit)| envoy::LocalRateLimitDescriptor {
            entries: vec![envoy::DescriptorEntry { key: "generic_key".into(), value: Some(value.clone()) }],
            token_bucket: limit.bucket(),
        };
        Some(envoy::LocalRateLimit {
            token_bucket: Some(boundless),
            descriptors: limits.iter().map(descriptor).collect(),
            ..first.shell()
        })
    }

    fn bucket(&self) -> envoy::TokenBucket {
        envoy::TokenBucket {
            max_tokens: self.burst,
            tokens_per_fill: self.fill.0,
            fill_interval: envoy::ProtoDuration(self.fill.1),
        }
    }

    /// All but the buckets. Both fractions are 0 % by Envoy's default, which would be no limit.
    fn shell(&self) -> envoy::LocalRateLimit {
        let percent = |numerator| {
            Some(envoy::RuntimeFractionalPercent {
                default_value: envoy::FractionalPercent { numerator, denominator: envoy::Denominator::Hundred },
            })
        };
        let header = self.header.as_ref().map(|(name, value)| super::headers::option(name, value, false));
        envoy::LocalRateLimit {
            stat_prefix: "ratelimit".into(),
            status: Some(envoy::HttpStatus { code: self.status }),
            token_bucket: None,
            filter_enabled: percent(100),
            filter_enforced: percent(if self.shadow { 0 } else { 100 }),
            response_headers_to_add: header.into_iter().collect(),
            ..envoy::LocalRateLimit::default()
        }
    }

    /// Whether refusals of both look the same, so that they can share one filter's settings.
    pub(crate) fn refuses_like(&self, other: &RateLimit) -> bool {
        (self.status, &self.header, self.shadow) == (other.status, &other.header, other.shadow)
    }
}
