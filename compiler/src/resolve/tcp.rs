//! `protocol tcp`: connections are routed, not requests, so what looks at requests is refused.

use super::Cx;
use super::parts::{Parts, Slot};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::{Diagnostic, Span};

/// Reports every clause of a body that says something of requests.
pub(crate) fn check(parts: &Parts<'_>, cx: &mut Cx<'_>) {
    let mut places: Vec<Span> = parts.whens.iter().map(|when| when.span).collect();
    places.extend(parts.otherwise.map(|(span, _)| span));
    places.extend([parts.path, parts.host].into_iter().flatten().map(|c| c.span));
    places.extend(parts.answer.is_some().then(|| parts.action()).flatten());
    places.extend(parts.headers.iter().map(|c| c.span));
    places.extend(parts.mirrors.iter().map(|c| c.span));
    places.extend(set(&parts.timeout, |c| c.span));
    places.extend(set(&parts.retry, |c| c.span));
    places.extend(set(&parts.limit, |c| c.span));
    places.extend(set(&parts.sticky, |c| c.span));
    places.extend(set(&parts.cors, |c| c.span));
    for place in places {
        let diagnostic = Diagnostic::new(codes::NOT_FOR_TCP, place, "this looks at requests, and `protocol tcp` has none")
            .help("connections have destinations with shares, `idle-timeout`, `connect-timeout`, `circuit-breaker max-connections`, `outlier`, `balance`, `health-check` and `accesslog`");
        cx.report(diagnostic);
    }
}

fn set<T>(slot: &Slot<'_, T>, span: fn(&T) -> Span) -> Option<Span> {
    match slot {
        Slot::Set(clause) => Some(span(clause)),
        Slot::No(span) => Some(*span),
        Slot::Unset => None,
    }
}
