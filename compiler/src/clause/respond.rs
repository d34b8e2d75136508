//! `respond 503 "down for repair"` → `Route.direct_response`.

use crate::envoy;
use crate::resolve::Cx;
use meshc_dsl::Span;
use meshc_dsl::clause;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::count;

/// The longest body without `max_direct_response_body_size_bytes`, in bytes (Envoy's default).
pub const PLAIN_BODY: usize = 4096;
/// The longest body that is accepted, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// An answer from the proxy itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Respond {
    /// The status.
    pub status: u32,
    /// The body.
    pub body: Option<String>,
    /// Where it is written.
    pub span: Span,
}

pub(crate) fn resolve<'a>(clause: &'a clause::Respond, cx: &mut Cx<'a>) -> Option<Respond> {
    // Envoy's field rule for DirectResponseAction.status.
    let status = cx.word(&clause.status, |w| count(w, "a status", 200, 599));
    let body = match &clause.body {
        None => None,
        Some(value) => {
            let text = cx.text(value)?;
            if text.len() > MAX_BODY {
                let message = format!("the body has {} bytes", text.len());
                cx.error(codes::OUT_OF_RANGE, value.span, message, format!("it may have at most {MAX_BODY}"));
            }
            Some(text.to_owned())
        }
    };
    Some(Respond { status: status?, body, span: clause.span })
}

impl Respond {
    /// The direct response of a route.
    pub(crate) fn lower(&self) -> envoy::DirectResponseAction {
        envoy::DirectResponseAction {
            status: self.status,
            body: self.body.clone().map(|inline_string| envoy::DataSource { inline_string }),
        }
    }
}
