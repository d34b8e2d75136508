//! What tells clients or requests apart: in `sticky by`, `balance … by` and `ratelimit … by`.

use super::headers;
use crate::envoy;
use crate::resolve::{Cx, condition};
use meshc_dsl::clause::{self, KeyKind};
use meshc_dsl::diagnostic::codes;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The value of a header, by its lower-case name.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// A cookie that the proxy hands out, by its name where one is written.
    IssuedCookie(Option<String>),
    /// The address of the connection's peer.
    SourceIp,
    /// The path without the query.
    Path,
}

impl Key {
    /// The word that begins its form.
    fn word(&self) -> &'static str {
        match self {
            Key::Header(_) => "header",
            Key::Cookie(_) => "cookie",
            Key::IssuedCookie(_) => "issued-cookie",
            Key::SourceIp => "source-ip",
            Key::Path => "path",
        }
    }

    /// How a request is hashed. `None` for what cannot be hashed.
    pub(crate) fn hash_policy(&self) -> Option<envoy::HashPolicy> {
        Some(match self {
            Key::Header(name) => envoy::HashPolicy::Header { header_name: name.clone() },
            Key::Cookie(name) => envoy::HashPolicy::Cookie { name: name.clone() },
            Key::SourceIp => envoy::HashPolicy::ConnectionProperties { source_ip: true },
            Key::IssuedCookie(_) | Key::Path => return None,
        })
    }
}

/// Reads a key that is one of the forms that `allowed` names.
pub(crate) fn resolve<'a>(key: &'a clause::Key, allowed: &[&'static str], cx: &mut Cx<'a>) -> Option<Key> {
    let read = match &key.kind {
        KeyKind::Header(name) => Key::Header(headers::name(name, cx)?),
        KeyKind::Cookie(name) => Key::Cookie(condition::cookie_name(name, cx)?),
        KeyKind::IssuedCookie(None) => Key::IssuedCookie(None),
        KeyKind::IssuedCookie(Some(name)) => Key::IssuedCookie(Some(condition::cookie_name(name, cx)?)),
        KeyKind::Word(word) => {
            let words = [("source-ip", Key::SourceIp), ("path", Key::Path)];
            match cx.word(word, |w| Ok(w.to_owned()))? {
                known if words.iter().any(|(w, _)| *w == known) => {
                    words.into_iter().find(|(w, _)| *w == known).map(|(_, key)| key)?
                }
                other => {
                    cx.unknown_word(key.span, &other, "something to tell requests apart by", allowed.iter().copied());
                    return None;
                }
            }
        }
    };
    if !allowed.contains(&read.word()) {
        let message = format!("`{}` cannot be the key here", read.word());
        let list: Vec<String> = allowed.iter().map(|w| format!("`{w}`")).collect();
        cx.error(codes::UNKNOWN_WORD, key.span, message, format!("it is one of {}", list.join(", ")));
        return None;
    }
    Some(read)
}
