//! `envoy.config.route.v3`.

use super::{
    Empty, HeaderValueOption, LocalRateLimit, ProtoDuration, RegexMatchAndSubstitute, RegexMatcher, RouteRateLimit,
    RuntimeFractionalPercent, Str, StringMatcher, unset,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `route.v3.RouteConfiguration`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteConfiguration {
    /// Its fully qualified name.
    pub name: String,
    /// Its virtual hosts.
    pub virtual_hosts: Vec<VirtualHost>,
    /// The largest body of a direct response, where Envoy's 4096 bytes do not suffice.
    #[serde(default, skip_serializing_if = "unset")]
    pub max_direct_response_body_size_bytes: Option<u32>,
}

/// `route.v3.VirtualHost`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VirtualHost {
    /// Its fully qualified name.
    pub name: String,
    /// Its hosts.
    pub domains: Vec<Str>,
    /// Its routes; the first that matches is taken.
    pub routes: Vec<Route>,
    /// Filter settings of all its routes.
    #[serde(default, skip_serializing_if = "unset")]
    pub typed_per_filter_config: BTreeMap<Str, PerFilterConfig>,
}

/// `route.v3.Route`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// The rule it came from, as access logs show it.
    pub name: Str,
    /// Which requests.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// What happens to them.
    #[serde(flatten)]
    pub action: RouteActionKind,
    /// Headers added to the request.
    #[serde(default, skip_serializing_if = "unset")]
    pub request_headers_to_add: Vec<HeaderValueOption>,
    /// Headers taken from the request.
    #[serde(default, skip_serializing_if = "unset")]
    pub request_headers_to_remove: Vec<String>,
    /// Headers added to the response.
    #[serde(default, skip_serializing_if = "unset")]
    pub response_headers_to_add: Vec<HeaderValueOption>,
    /// Headers taken from the response.
    #[serde(default, skip_serializing_if = "unset")]
    pub response_headers_to_remove: Vec<String>,
    /// Filter settings of this route.
    #[serde(default, skip_serializing_if = "unset")]
    pub typed_per_filter_config: BTreeMap<Str, PerFilterConfig>,
}

/// The `action` oneof of a route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteActionKind {
    /// To an upstream.
    Route(Box<RouteAction>),
    /// Elsewhere.
    Redirect(RedirectAction),
    /// The proxy answers.
    DirectResponse(DirectResponseAction),
}

/// `route.v3.RouteMatch`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RouteMatch {
    /// The path.
    #[serde(flatten)]
    pub path: PathSpecifier,
    /// The headers, all of which must match.
    #[serde(default, skip_serializing_if = "unset")]
    pub headers: Vec<HeaderMatcher>,
    /// The query parameters, all of which must match.
    #[serde(default, skip_serializing_if = "unset")]
    pub query_parameters: Vec<QueryParameterMatcher>,
    /// The cookies, all of which must match.
    #[serde(default, skip_serializing_if = "unset")]
    pub cookies: Vec<CookieMatcher>,
    /// Whether only gRPC calls match.
    #[serde(default, skip_serializing_if = "unset")]
    pub grpc: Option<Empty>,
}

/// `route.v3.QueryParameterMatcher`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryParameterMatcher {
    /// The parameter.
    pub name: String,
    /// What its first value must be.
    #[serde(flatten)]
    pub matches: QueryParameterMatch,
}

/// The `query_parameter_match_specifier` oneof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryParameterMatch {
    /// Its text.
    StringMatch(StringMatcher),
    /// It is there.
    PresentMatch(bool),
}

/// `route.v3.CookieMatcher`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CookieMatcher {
    /// The cookie.
    pub name: String,
    /// What its first value must be.
    pub string_match: StringMatcher,
    /// Whether it must not; a missing cookie satisfies that.
    #[serde(default, skip_serializing_if = "unset")]
    pub invert_match: bool,
}

/// The `path_specifier` oneof; every form leaves the query out of account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathSpecifier {
    /// Its beginning.
    Prefix(Str),
    /// The whole path.
    Path(String),
    /// A pattern for the whole path.
    SafeRegex(RegexMatcher),
    /// Its first segments.
    PathSeparatedPrefix(String),
    /// Its segments.
    PathMatchPolicy(PathMatchPolicy),
}

/// `core.v3.TypedExtensionConfig` of a path matcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathMatchPolicy {
    /// The extension.
    pub name: Str,
    /// Its configuration.
    pub typed_config: UriTemplateMatch,
}

/// The path matchers that the compiler emits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "@type")]
pub enum UriTemplateMatch {
    /// Templates.
    #[serde(rename = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig")]
    Config(UriTemplateMatchConfig),
}

/// `path.match.uri_template.v3.UriTemplateMatchConfig`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UriTemplateMatchConfig {
    /// The template.
    pub path_template: String,
}

impl Default for PathSpecifier {
    fn default() -> Self {
        PathSpecifier::Prefix(Str::Borrowed("/"))
    }
}

/// `route.v3.HeaderMatcher`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderMatcher {
    /// The header.
    pub name: Str,
    /// What it must be.
    #[serde(flatten)]
    pub matches: HeaderMatch,
    /// Whether it must not.
    #[serde(default, skip_serializing_if = "unset")]
    pub invert_match: bool,
    /// Whether a missing header is an empty one.
    #[serde(default, skip_serializing_if = "unset")]
    pub treat_missing_header_as_empty: bool,
}

/// The `header_match_specifier` oneof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderMatch {
    /// Its text.
    StringMatch(StringMatcher),
    /// Whether it is there.
    PresentMatch(bool),
}

/// `route.v3.RouteAction`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteAction {
    /// The one cluster.
    #[serde(default, skip_serializing_if = "unset")]
    pub cluster: Option<String>,
    /// A split.
    #[serde(default, skip_serializing_if = "unset")]
    pub weighted_clusters: Option<WeightedClusters>,
    /// A change of the path.
    #[serde(default, skip_serializing_if = "unset")]
    pub regex_rewrite: Option<RegexMatchAndSubstitute>,
    /// The host that the upstream sees.
    #[serde(default, skip_serializing_if = "unset")]
    pub host_rewrite_literal: Option<String>,
    /// Whether the upstream sees the DNS name of its endpoint as host.
    #[serde(default, skip_serializing_if = "unset")]
    pub auto_host_rewrite: Option<bool>,
    /// The time for all tries; zero for no limit.
    pub timeout: ProtoDuration,
    /// The time without bytes; zero for no limit.
    pub idle_timeout: ProtoDuration,
    /// Further tries.
    #[serde(default, skip_serializing_if = "unset")]
    pub retry_policy: Option<RetryPolicy>,
    /// What is hashed, for sticky splits and for clusters that balance by a hash.
    #[serde(default, skip_serializing_if = "unset")]
    pub hash_policy: Vec<HashPolicy>,
    /// Where copies go.
    #[serde(default, skip_serializing_if = "unset")]
    pub request_mirror_policies: Vec<MirrorPolicy>,
    /// Which rate-limit descriptors its requests have.
    #[serde(default, skip_serializing_if = "unset")]
    pub rate_limits: Vec<RouteRateLimit>,
}

/// `route.v3.WeightedCluster`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeightedClusters {
    /// The parts of the split.
    pub clusters: Vec<ClusterWeight>,
    /// Whether the route's hash draws the part.
    #[serde(default, skip_serializing_if = "unset")]
    pub use_hash_policy: Option<bool>,
}

/// `route.v3.RouteAction.HashPolicy`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashPolicy {
    /// A header.
    Header {
        /// Its name.
        header_name: String,
    },
    /// A cookie, which is not made where it is missing.
    Cookie {
        /// Its name.
        name: String,
    },
    /// The connection.
    ConnectionProperties {
        /// Its peer's address.
        source_ip: bool,
    },
}

/// `route.v3.RouteAction.RequestMirrorPolicy`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MirrorPolicy {
    /// Where the copies go.
    pub cluster: String,
    /// How many requests are copied.
    #[serde(default, skip_serializing_if = "unset")]
    pub runtime_fraction: Option<RuntimeFractionalPercent>,
    /// Whether the copy has the Host of the request.
    #[serde(default, skip_serializing_if = "unset")]
    pub disable_shadow_host_suffix_append: bool,
}

/// `route.v3.WeightedCluster.ClusterWeight`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterWeight {
    /// The cluster.
    pub name: String,
    /// Its weight among the sum of all.
    pub weight: u32,
    /// The host that it sees.
    #[serde(default, skip_serializing_if = "unset")]
    pub host_rewrite_literal: Option<String>,
    /// Headers added to responses from it.
    #[serde(default, skip_serializing_if = "unset")]
    pub response_headers_to_add: Vec<HeaderValueOption>,
}

/// `route.v3.RetryPolicy`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// The conditions, joined with commas.
    pub retry_on: String,
    /// How often at most.
    pub num_retries: u32,
    /// The time for each try.
    #[serde(default, skip_serializing_if = "unset")]
    pub per_try_timeout: Option<ProtoDuration>,
    /// The statuses of `retriable-status-codes`.
    #[serde(default, skip_serializing_if = "unset")]
    pub retriable_status_codes: Vec<u32>,
    /// The pause between tries.
    #[serde(default, skip_serializing_if = "unset")]
    pub retry_back_off: Option<RetryBackOff>,
}

/// `route.v3.RetryPolicy.RetryBackOff`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryBackOff {
    /// The first pause at most.
    pub base_interval: ProtoDuration,
    /// Every pause at most.
    pub max_interval: ProtoDuration,
}

/// `route.v3.RedirectAction`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RedirectAction {
    /// Another scheme.
    #[serde(default, skip_serializing_if = "unset")]
    pub scheme_redirect: Option<String>,
    /// Another host.
    #[serde(default, skip_serializing_if = "unset")]
    pub host_redirect: Option<String>,
    /// Another port.
    #[serde(default, skip_serializing_if = "unset")]
    pub port_redirect: Option<u16>,
    /// Another path, with its query.
    #[serde(default, skip_serializing_if = "unset")]
    pub path_redirect: Option<String>,
    /// The status.
    pub response_code: RedirectCode,
}

/// `route.v3.RedirectAction.RedirectResponseCode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RedirectCode {
    /// 301
    MovedPermanently,
    /// 302
    #[default]
    Found,
    /// 303
    SeeOther,
    /// 307
    TemporaryRedirect,
    /// 308
    PermanentRedirect,
}

/// `route.v3.DirectResponseAction`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectResponseAction {
    /// The status.
    pub status: u32,
    /// The body.
    #[serde(default, skip_serializing_if = "unset")]
    pub body: Option<DataSource>,
}

/// `core.v3.DataSource`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSource {
    /// The text itself.
    pub inline_string: String,
}

/// The filter settings that a route or virtual host carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "@type")]
pub enum PerFilterConfig {
    /// A limit of this route or virtual host alone.
    #[serde(rename = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit")]
    LocalRateLimit(Box<LocalRateLimit>),
    /// Which pages may call.
    #[serde(rename = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy")]
    Cors(Box<CorsPolicy>),
    /// Turns on a filter that is off elsewhere.
    #[serde(rename = "type.googleapis.com/envoy.config.route.v3.FilterConfig")]
    Enabled {
        /// The filter's own settings are kept.
        config: Empty,
    },
}

/// `filters.http.cors.v3.CorsPolicy`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorsPolicy {
    /// The origins.
    pub allow_origin_string_match: Vec<StringMatcher>,
    /// The methods, joined with commas.
    #[serde(default, skip_serializing_if = "unset")]
    pub allow_methods: Option<String>,
    /// The headers that a page may send, joined with commas.
    #[serde(default, skip_serializing_if = "unset")]
    pub allow_headers: Option<String>,
    /// The headers that a page may read, joined with commas.
    #[serde(default, skip_serializing_if = "unset")]
    pub expose_headers: Option<String>,
    /// How long the answer to a preflight holds, in seconds.
    #[serde(default, skip_serializing_if = "unset")]
    pub max_age: Option<String>,
    /// Whether the user's cookies may come along.
    #[serde(default, skip_serializing_if = "unset")]
    pub allow_credentials: Option<bool>,
}
