//! A request, and what rules see of it.

use super::path;
use std::borrow::Cow;
use std::net::IpAddr;

/// A request as a client sends it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path with its query, as sent.
    pub path: String,
    /// The host, with its port where it is sent.
    pub host: String,
    /// Further headers, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The address of the client, where it is known.
    pub source_ip: Option<IpAddr>,
}

impl Request {
    /// A request with nothing but these.
    pub fn new(method: impl Into<String>, path: impl Into<String>, host: impl Into<String>) -> Self {
        Self { method: method.into(), path: path.into(), host: host.into(), ..Self::default() }
    }

    /// This request with a further header.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What rules see of a request.
#[derive(Debug)]
pub(super) struct View<'r> {
    pub(super) request: &'r Request,
    /// The path as it is matched, without the query.
    pub(super) path: Cow<'r, str>,
    /// The query, without the `?`.
    pub(super) query: Option<&'r str>,
    /// The host in lower case.
    pub(super) host: Cow<'r, str>,
    /// The same without its port.
    bare: usize,
}

impl<'r> View<'r> {
    /// `None` for a path that Envoy refuses.
    pub(super) fn of(request: &'r Request) -> Option<Self> {
        let (sent, query) = path::split(&request.path);
        let host = lower(&request.host);
        let bare = without_port(&host);
        Some(Self { request, path: path::normal(sent)?, query, host, bare })
    }

    /// The host in lower case without its port.
    pub(super) fn bare_host(&self) -> &str {
        self.host.get(..self.bare).unwrap_or(&self.host)
    }

    /// The value of a header by its lower-case name; repeats are joined with commas.
    pub(super) fn header(&self, name: &str) -> Option<Cow<'r, str>> {
        if name == "host" {
            return Some(Cow::Borrowed(self.request.host.as_str()));
        }
        let mut values = self.values(name);
        let first = values.next()?;
        let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
        let mut joined = first.to_owned();
        let inline = INLINE.contains(&name);
        for value in std::iter::once(second).chain(values).filter(|value| !inline || !value.is_empty()) {
            if !inline || !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(value);
        }
        Some(Cow::Owned(joined))
    }

    /// The first value of a query parameter, not decoded.
    pub(super) fn query(&self, name: &str) -> Option<&'r str> {
        self.query?.split('&').find_map(|pair| match pair.split_once('=') {
            Some((key, value)) => (key == name).then_some(value),
            None => (pair == name).then_some(""),
        })
    }

    /// The values of a header by its lower-case name, as they came.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'r str> {
        let named = self.request.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| trim(value))
    }

    /// The first value of a cookie, without its quotes.
    pub(super) fn cookie(&self, name: &str) -> Option<&'r str> {
        self.values("cookie").find_map(|text| cookie(text, name))
    }

    /// Whether it is a gRPC call.
    pub(super) fn is_grpc(&self) -> bool {
        self.header("content-type").is_some_and(|value| {
            value.strip_prefix("application/grpc").is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
        })
    }
}

/// Headers that Envoy keeps in one piece: repeats are appended when they come, empty ones left out.
pub(super) const INLINE: &[&str] = &["accept", "content-type", "origin", "user-agent", "access-control-request-method"];

/// The methods that Envoy takes of an HTTP/1 client.
const METHODS: &[&str] = &[
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// Why Envoy answers 400 before any rule is tried, if it does.
pub(super) fn refusal(request: &Request) -> Option<&'static str> {
    if !METHODS.contains(&request.method.as_str()) {
        return Some("a method that HTTP does not have; methods are case-sensitive");
    }
    if request.host.is_empty() {
        return Some("a request without a host");
    }
    if !request.path.starts_with('/') {
        return Some("a path that does not begin with `/`");
    }
    if request.path.contains('#') {
        return Some("a path with a fragment");
    }
    let bad = |b: u8| b <= b' ' || b >= 0x7f;
    request.path.bytes().any(bad).then_some("a path with characters that a client must escape")
}

fn lower(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// A value without the blanks around it, which are no part of it.
fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

/// The length of a host without its port.
fn without_port(host: &str) -> usize {
    match host.rsplit_once(':') {
        Some((bare, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => bare.len(),
        _ => host.len(),
    }
}

fn cookie<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        (key.trim_start_matches(' ') == name).then_some(inner.unwrap_or(value))
    })
}
