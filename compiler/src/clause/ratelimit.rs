//! `ratelimit 2/5s [burst 4] [status 429] [header NAME "VALUE"] [shadow]` → Envoy's local rate limit.
//!
//! One bucket for each written clause and steered service, in each node's Envoy. How several
//! Envoy routes share it depends on the release; see [`crate::lower`].

use crate::envoy;
use crate::resolve::Cx;
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
    /// The status of refusals.
    pub status: u32,
    /// A header on refusals.
    pub header: Option<(String, String)>,
    /// Count, but let everything pass.
    pub shadow: bool,
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
    let status = clause.status.as_ref().map(|v| cx.word(v, status));
    let header = clause.header.as_ref().map(|(name, value)| {
        let (name, value) = (super::headers::name(name, cx), super::headers::value(value, cx));
        Some((name?, value?))
    });
    let rate = rate?;
    Some(RateLimit {
        burst: burst.unwrap_or(Some(rate.events))?,
        rate,
        status: status.unwrap_or(Some(429))?,
        header: match header {
            Some(header) => Some(header?),
            None => None,
        },
        shadow: clause.shadow,
        span: clause.span,
    })
}

fn status(word: &str) -> Result<u32, ValueError> {
    let status = count(word, "the status of a refusal", 400, 599)?;
    if STATUSES.contains(&status) {
        return Ok(status);
    }
    Err(ValueError {
        code: codes::OUT_OF_RANGE,
        message: format!("`{word}` is not a status that Envoy knows"),
        help: "use a registered one, for example 429 or 503".into(),
    })
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl RateLimit {
    /// The filter's settings for this limit alone.
    pub(crate) fn lower(&self) -> envoy::LocalRateLimit {
        envoy::LocalRateLimit { token_bucket: Some(self.bucket()), ..self.shell() }
    }

    /// The filter's settings for several limits that are told apart by descriptors. Requests
    /// without a descriptor have a bucket that never empties. `None` where the limits' periods
    /// have no common divisor that Envoy accepts.
    pub(crate) fn lower_shared(limits: &[(String, &RateLimit)]) -> Option<envoy::LocalRateLimit> {
        let (_, first) = limits.first()?;
        // Envoy wants every descriptor's period to be a multiple of the bucket's own.
        let period = limits.iter().map(|(_, l)| l.rate.period.as_millis()).fold(0, gcd);
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
            entries: vec![envoy::DescriptorEntry { key: "generic_key".into(), value: value.clone() }],
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
            tokens_per_fill: self.rate.events,
            fill_interval: envoy::ProtoDuration(self.rate.period),
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
            descriptors: Vec::new(),
        }
    }

    /// Whether refusals of both look the same, so that they can share one filter's settings.
    pub(crate) fn refuses_like(&self, other: &RateLimit) -> bool {
        (self.status, &self.header, self.shadow) == (other.status, &other.header, other.shadow)
    }
}
