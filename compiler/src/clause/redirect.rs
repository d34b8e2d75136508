//! `redirect 308 to "https://shop.example.com/new"` → `Route.redirect`.
//!
//! Envoy appends the client's query to the new path unless that has a query of its own, and keeps
//! the old path where none is given.

use crate::envoy;
use crate::resolve::Cx;
use meshc_dsl::Span;
use meshc_dsl::clause;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::{Value, ValueError};

/// An answer that sends the client elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The status: 301, 302, 303, 307 or 308.
    pub status: u32,
    /// Another scheme.
    pub scheme: Option<String>,
    /// Another host.
    pub host: Option<String>,
    /// Another port.
    pub port: Option<u16>,
    /// Another path, with its query.
    pub path: Option<String>,
    /// Where it is written.
    pub span: Span,
}

const HELP: &str = "a redirect goes to a URL such as `\"https://shop.example.com/new\"` or a path such as `\"/new\"`";

pub(crate) fn resolve<'a>(clause: &'a clause::Redirect, cx: &mut Cx<'a>) -> Option<Redirect> {
    let status = match &clause.status {
        None => Some(302),
        Some(value) => cx.word(value, status),
    };
    let text = cx.text(&clause.target)?;
    let mut redirect = target(text, &clause.target, cx)?;
    redirect.status = status?;
    redirect.span = clause.span;
    Some(redirect)
}

fn status(word: &str) -> Result<u32, ValueError> {
    match word.parse() {
        Ok(status @ (301 | 302 | 303 | 307 | 308)) => Ok(status),
        _ => Err(ValueError {
            code: codes::BAD_STATUS,
            message: format!("`{word}` is not a redirect status"),
            help: "it is 301, 302, 303, 307 or 308".into(),
        }),
    }
}

fn target(text: &str, value: &Value, cx: &mut Cx<'_>) -> Option<Redirect> {
    let mut redirect = Redirect { status: 0, scheme: None, host: None, port: None, path: None, span: value.span };
    let mut refuse = |message: String| {
        cx.error(codes::BAD_URL, value.span, message, HELP);
        None
    };
    if text.contains('#') {
        return refuse(format!("`{text}` has a fragment, which a server does not send"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        return refuse(format!("`{text}` has characters that a URL must escape"));
    }
    let rest = match text.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            redirect.scheme = Some(scheme.to_owned());
            rest
        }
        Some((scheme, _)) => return refuse(format!("`{scheme}` is not a scheme of HTTP")),
        None if text.starts_with('/') && !text.starts_with("//") => {
            redirect.path = Some(text.to_owned());
            return Some(redirect);
        }
        None => return refuse(format!("`{text}` is neither a URL nor a path")),
    };
    let (authority, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    if authority.contains('?') {
        return refuse(format!("`{text}` has a query but no path"));
    }
    let Some((host, port)) = host_and_port(authority) else {
        return refuse(format!("`{authority}` is not a host"));
    };
    redirect.host = Some(host.to_owned());
    redirect.port = port;
    redirect.path = (!path.is_empty()).then(|| path.to_owned());
    Some(redirect)
}

/// Splits `shop.example.com:8443`, `[fd00::1]:80`.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_host = authority.rfind(']').map_or(0, |at| at + 1);
    let colon = authority.get(after_host..)?.find(':').map(|at| after_host + at);
    let (host, port) = match colon.and_then(|at| authority.split_at_checked(at)) {
        Some((host, port)) => (host, Some(port.strip_prefix(':')?.parse::<u16>().ok().filter(|p| *p > 0)?)),
        None => (authority, None),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    (!host.is_empty() && host.chars().all(good)).then_some((host, port))
}

impl Redirect {
    /// The redirect action of a route.
    pub(crate) fn lower(&self) -> envoy::RedirectAction {
        envoy::RedirectAction {
            scheme_redirect: self.scheme.clone(),
            host_redirect: self.host.clone(),
            port_redirect: self.port,
            path_redirect: self.path.clone(),
            response_code: match self.status {
                301 => envoy::RedirectCode::MovedPermanently,
                303 => envoy::RedirectCode::SeeOther,
                307 => envoy::RedirectCode::TemporaryRedirect,
                308 => envoy::RedirectCode::PermanentRedirect,
                _ => envoy::RedirectCode::Found,
            },
        }
    }
}
