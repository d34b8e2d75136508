//! `envoy.extensions.filters.http.local_ratelimit.v3`.

use super::{Empty, HeaderValueOption, ProtoDuration, RuntimeFractionalPercent, Str, unset};
use serde::{Deserialize, Serialize};

/// `LocalRateLimit`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LocalRateLimit {
    /// The prefix of its counters.
    pub stat_prefix: Str,
    /// The status of refusals.
    #[serde(default, skip_serializing_if = "unset")]
    pub status: Option<HttpStatus>,
    /// The bucket of requests that no descriptor names.
    #[serde(default, skip_serializing_if = "unset")]
    pub token_bucket: Option<TokenBucket>,
    /// For how many requests the limit is looked at.
    #[serde(default, skip_serializing_if = "unset")]
    pub filter_enabled: Option<RuntimeFractionalPercent>,
    /// For how many requests it is enforced.
    #[serde(default, skip_serializing_if = "unset")]
    pub filter_enforced: Option<RuntimeFractionalPercent>,
    /// Headers on refusals.
    #[serde(default, skip_serializing_if = "unset")]
    pub response_headers_to_add: Vec<HeaderValueOption>,
    /// Further buckets by descriptor.
    #[serde(default, skip_serializing_if = "unset")]
    pub descriptors: Vec<LocalRateLimitDescriptor>,
    /// Which descriptors a request has; in place of the route's.
    #[serde(default, skip_serializing_if = "unset")]
    pub rate_limits: Vec<RouteRateLimit>,
    /// How many buckets are kept for descriptors whose values requests bring.
    #[serde(default, skip_serializing_if = "unset")]
    pub max_dynamic_descriptors: Option<u32>,
    /// Whether requests with a descriptor take from the bucket of those without too.
    #[serde(default, skip_serializing_if = "unset")]
    pub always_consume_default_token_bucket: Option<bool>,
}

/// `type.v3.HttpStatus`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpStatus {
    /// `type.v3.StatusCode`, by number.
    pub code: u32,
}

/// `type.v3.TokenBucket`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TokenBucket {
    /// How many tokens it holds at most, and at first.
    pub max_tokens: u32,
    /// How many are added …
    pub tokens_per_fill: u32,
    /// … each time this has passed.
    pub fill_interval: ProtoDuration,
}

/// `common.ratelimit.v3.LocalRateLimitDescriptor`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalRateLimitDescriptor {
    /// What a request's descriptor must be.
    pub entries: Vec<DescriptorEntry>,
    /// Its bucket.
    pub token_bucket: TokenBucket,
}

/// `common.ratelimit.v3.RateLimitDescriptor.Entry`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DescriptorEntry {
    /// The entry's key.
    pub key: Str,
    /// The entry's value; any where unset.
    #[serde(default, skip_serializing_if = "unset")]
    pub value: Option<String>,
}

/// `route.v3.RateLimit`: which descriptor a route's requests have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteRateLimit {
    /// What the descriptor is made of.
    pub actions: Vec<RateLimitAction>,
}

/// `route.v3.RateLimit.Action`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateLimitAction {
    /// A fixed entry, with the key `generic_key`.
    GenericKey(GenericKey),
    /// A header's value.
    RequestHeaders {
        /// The header.
        header_name: String,
        /// The entry's key.
        descriptor_key: Str,
    },
    /// The peer's address, with the key `remote_address`.
    RemoteAddress(Empty),
    /// What an extension makes of the request.
    Extension {
        /// Its name.
        name: Str,
        /// Its configuration.
        typed_config: DescriptorExtension,
    },
}

/// The descriptor extensions that the compiler emits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "@type")]
pub enum DescriptorExtension {
    /// The value of a CEL expression.
    #[serde(rename = "type.googleapis.com/envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor")]
    Expr {
        /// The entry's key.
        descriptor_key: Str,
        /// The expression.
        text: Str,
    },
}

/// `route.v3.RateLimit.Action.GenericKey`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenericKey {
    /// The entry's value.
    pub descriptor_value: String,
}
