//! `host` → the `:authority` header. One virtual host holds all rules, since a virtual host for
//! each name would try them in another order than the written one.

use super::{matcher, pattern};
use crate::envoy::HeaderMatcher;
use crate::ir::Pattern;
use crate::regex::{quote, within::HOST};

pub(super) fn header(wanted: &Pattern, negated: bool) -> HeaderMatcher {
    let inner = match wanted {
        Pattern::Equals(host) => match host.strip_prefix('*') {
            Some(rest) => format!("[^:]+{}", with_port(rest)),
            None => with_port(host),
        },
        Pattern::Prefix(text) => HOST.prefix(text),
        Pattern::Suffix(text) => HOST.suffix(text),
        Pattern::Contains(text) => HOST.contains(text),
        Pattern::Regex(text) => HOST.search(text),
        Pattern::Exists | Pattern::Template(_) => ".*".to_owned(),
    };
    matcher(":authority", pattern(format!("(?i){inner}")), negated)
}

/// A host, with the port that it names or with any.
fn with_port(host: &str) -> String {
    // The colons of an IPv6 address stand in brackets.
    let port = host.rsplit_once(']').map_or(host, |(_, rest)| rest).contains(':');
    if port { quote(host) } else { HOST.equals(host) }
}
