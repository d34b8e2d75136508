//! `envoy.config.core.v3`, `envoy.type.v3` and `envoy.type.matcher.v3`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Text that is often a constant.
pub type Str = Cow<'static, str>;

/// Whether a field has its default and is left out.
pub(crate) fn unset<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `google.protobuf.Duration`: `5s`, `0.250s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProtoDuration(pub Duration);

impl Serialize for ProtoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        if millis == 0 {
            serializer.collect_str(&format_args!("{seconds}s"))
        } else {
            serializer.collect_str(&format_args!("{seconds}.{millis:03}s"))
        }
    }
}

impl<'de> Deserialize<'de> for ProtoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let seconds = text.strip_suffix('s').and_then(|t| t.parse::<f64>().ok());
        let duration = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
        let rounded =
            duration.map(|d| Duration::from_millis(u64::try_from((d.as_micros() + 500) / 1000).unwrap_or(u64::MAX)));
        rounded.map(ProtoDuration).ok_or_else(|| de::Error::custom("not a duration"))
    }
}

/// A message without fields set: its presence is what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Empty {}

/// `core.v3.Address`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// An IP address or host name and a port.
    SocketAddress(SocketAddress),
    /// A Unix socket.
    Pipe(Pipe),
}

/// `core.v3.SocketAddress`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SocketAddress {
    /// IP address or, for DNS clusters, host name.
    pub address: String,
    /// The port.
    pub port_value: u16,
    /// Whether an IPv6 wildcard takes IPv4 connections too.
    #[serde(default, skip_serializing_if = "unset")]
    pub ipv4_compat: bool,
}

/// `core.v3.Pipe`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pipe {
    /// The socket's path.
    pub path: Str,
    /// Its permission bits.
    #[serde(default, skip_serializing_if = "unset")]
    pub mode: u32,
}

/// `core.v3.Metadata`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// Facts by the name of who reads them.
    pub filter_metadata: BTreeMap<Str, BTreeMap<Str, String>>,
}

/// `core.v3.HeaderValueOption`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeaderValueOption {
    /// The header.
    pub header: HeaderValue,
    /// What happens when it is there already.
    pub append_action: AppendAction,
    /// Whether an empty value makes a header too.
    #[serde(default, skip_serializing_if = "unset")]
    pub keep_empty_value: bool,
}

/// `core.v3.HeaderValue`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeaderValue {
    /// The name.
    pub key: Str,
    /// The value, in which `%` begins a command.
    pub value: String,
}

/// `core.v3.HeaderValueOption.HeaderAppendAction`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AppendAction {
    /// Added to what is there.
    AppendIfExistsOrAdd,
    /// In place of what is there.
    OverwriteIfExistsOrAdd,
}

/// `core.v3.RuntimeFractionalPercent`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuntimeFractionalPercent {
    /// The fraction where no runtime key says another.
    pub default_value: FractionalPercent,
}

/// `type.v3.FractionalPercent`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FractionalPercent {
    /// So many …
    pub numerator: u32,
    /// … of so many.
    pub denominator: Denominator,
}

/// `type.v3.FractionalPercent.DenominatorType`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Denominator {
    /// Percent.
    Hundred,
    /// Hundredths of a percent.
    TenThousand,
    /// Millionths.
    Million,
}

/// `type.matcher.v3.StringMatcher`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StringMatcher {
    /// The whole text.
    Exact(String),
    /// Its beginning.
    Prefix(String),
    /// Its end.
    Suffix(String),
    /// Some part of it.
    Contains(String),
    /// A pattern for the whole text.
    SafeRegex(RegexMatcher),
}

/// `type.matcher.v3.RegexMatcher`: RE2, for the whole text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegexMatcher {
    /// The pattern.
    pub regex: String,
}

/// `type.matcher.v3.RegexMatchAndSubstitute`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegexMatchAndSubstitute {
    /// What is searched.
    pub pattern: RegexMatcher,
    /// What stands in place of each match.
    pub substitution: String,
}
