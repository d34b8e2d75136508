//! Where a redirect sends a client, as Envoy puts it together.

use super::request::View;
use crate::clause::redirect::Redirect;

/// The scheme of requests to a steered service: TLS ends before or behind it.
const SCHEME: &str = "http";

/// The `location` header.
pub(super) fn location(redirect: &Redirect, view: &View<'_>) -> String {
    let scheme = redirect.scheme.as_deref().unwrap_or(SCHEME);
    let port = redirect.port.map(|port| format!(":{port}")).unwrap_or_default();
    let host = match &redirect.host {
        Some(host) => host,
        None => kept_host(&view.request.host, scheme, !port.is_empty()),
    };
    let path = redirect.path.as_deref().unwrap_or(&view.path);
    let query = match view.query {
        Some(query) if !path.contains('?') => format!("?{query}"),
        _ => String::new(),
    };
    format!("{scheme}://{host}{port}{path}{query}")
}

/// The host as sent, without a port that another one replaces, or that the old scheme implies.
fn kept_host<'a>(host: &'a str, scheme: &str, new_port: bool) -> &'a str {
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if !port.contains(']') => Some((bare, port)),
        _ => None,
    };
    match bare {
        Some((bare, port)) if new_port || (scheme != SCHEME && port == "80") => bare,
        _ => host,
    }
}
