//! The evaluator's answer beside what Envoy did.

use crate::http::{Message, joined};
use meshc_compiler::clause::headers::HeaderChanges;
use meshc_compiler::evaluate::{Answer, Forwarded, Outcome, Request, Site};
use std::collections::BTreeMap;

/// How often each side of a split was drawn: by rule, then by cluster.
pub(crate) type Draws = BTreeMap<usize, BTreeMap<String, u64>>;

/// A site whose answers are held against Envoy's.
pub(crate) struct Judge<'a> {
    pub(crate) site: &'a Site<'a>,
    /// What the names of its clusters begin with.
    pub(crate) owner: String,
    pub(crate) draws: Draws,
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, seen: T) -> Result<(), String> {
    if expected == seen { Ok(()) } else { Err(format!("{what}: the evaluator says {expected:?}, Envoy did {seen:?}")) }
}

impl Judge<'_> {
    /// What they disagree in.
    pub(crate) fn judge(&mut self, request: &Request, seen: &Message) -> Result<(), String> {
        let answer = self.site.answer(request);
        let name = match answer.rule {
            None => None,
            Some(won) if won.rule.condition.is_none() => Some("fallback".to_owned()),
            Some(won) => Some(format!("rule-{}", won.index + 1)),
        };
        let route = seen.header("x-route").filter(|name| name != "-");
        if !matches!(answer.outcome, Outcome::Preflight(_)) || route.is_some() {
            same("the rule", name, route)?;
        }
        match &answer.outcome {
            Outcome::Forward(forwarded) => self.forwarded(request, &answer, forwarded, seen),
            _ => Self::answered(request, &answer, seen),
        }
    }

    fn answered(request: &Request, answer: &Answer<'_>, seen: &Message) -> Result<(), String> {
        same("whether an upstream had it", false, seen.echo().is_some())?;
        let preflight = matches!(answer.outcome, Outcome::Preflight(_));
        if let (Outcome::Refused { .. }, true) = (&answer.outcome, seen.header("grpc-status").is_some()) {
            // A refusal that comes late is told to gRPC callers in their way.
            return Ok(());
        }
        if answer.grpc && !preflight {
            same("whether there is a grpc-status", true, seen.header("grpc-status").is_some())?;
        } else {
            same("the status", answer.status(), Some(seen.status()))?;
        }
        match &answer.outcome {
            Outcome::Redirect { location, .. } => {
                same("the location", Some(location), seen.header("location").as_ref())?
            }
            Outcome::Respond { body, .. } if request.method != "HEAD" && !answer.grpc => {
                same("the body", body.unwrap_or(""), seen.body.as_str())?;
            }
            Outcome::Preflight(_) => {
                let origin = joined(&request.headers, "origin").filter(|origin| !origin.is_empty());
                same("the allowed origin", origin, seen.header("access-control-allow-origin"))?;
            }
            _ => {}
        }
        match answer.rule {
            Some(won) if !preflight => changed(&won.rule.response_headers, &[], &seen.headers, "the response's"),
            _ => Ok(()),
        }
    }

    fn forwarded(
        &mut self,
        request: &Request,
        answer: &Answer<'_>,
        forwarded: &Forwarded<'_>,
        seen: &Message,
    ) -> Result<(), String> {
        same("the status", 200, seen.status())?;
        let echo = seen.echo().ok_or("no upstream had it")?;
        let cluster = seen.header("x-cluster").unwrap_or_default();
        let name = |endpoint: &meshc_compiler::ir::Endpoint| match endpoint {
            meshc_compiler::ir::Endpoint::EnvoyAdmin => "envoy-admin".to_owned(),
            other => format!("{}/{other}", self.owner),
        };
        let sides: Vec<_> = forwarded.destinations().filter(|d| d.portion.0 > 0).collect();
        let Some(side) = sides.iter().find(|d| name(&d.upstream.endpoint) == cluster) else {
            let names: Vec<String> = sides.iter().map(|d| name(&d.upstream.endpoint)).collect();
            return Err(format!("the cluster: the evaluator says {names:?}, Envoy did {cluster}"));
        };
        if let (true, Some(won)) = (sides.len() > 1, answer.rule) {
            *self.draws.entry(won.index).or_default().entry(cluster).or_default() += 1;
        }
        let query = answer.query.map(|q| format!("?{q}")).unwrap_or_default();
        let path = format!("{}{query}", forwarded.path);
        same("the path", Some(path.as_str()), echo.start.split(' ').nth(1))?;
        same("the host", Some(forwarded.host(side.upstream)), echo.header("host").as_deref())?;
        let cookie = forwarded.issued_cookie(side.upstream);
        same("the cookie", cookie, seen.header("set-cookie"))?;
        let Some(won) = answer.rule else { return Ok(()) };
        changed(&won.rule.request_headers, &request.headers, &echo.headers, "the request's")?;
        let sent = [("x-powered-by".to_owned(), "server".to_owned())];
        changed(&won.rule.response_headers, &sent, &seen.headers, "the response's")
    }

    /// Splits that were drawn less or more often than chance allows.
    pub(crate) fn unlikely(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (index, counts) in &self.draws {
            let total: u64 = counts.values().sum();
            let Some(rule) = self.site.rules().get(*index) else { continue };
            let meshc_compiler::ir::Action::Forward(forward) = &rule.action else { continue };
            if total < 30 || forward.sticky.is_some() {
                continue;
            }
            for share in &forward.split {
                let Some(upstream) = self.site.upstreams().get(share.upstream) else { continue };
                let seen = counts.get(&format!("{}/{}", self.owner, upstream.endpoint)).copied().unwrap_or(0);
                let portion = f64::from(share.portion.0) / 1e6;
                let (wanted, spread) = (total as f64 * portion, (total as f64 * portion * (1.0 - portion)).sqrt());
                // Six standard deviations, and a little for shares so small that they are no bell.
                if (seen as f64 - wanted).abs() > 6.0 * spread + 4.0 {
                    found.push(format!("rule {}: {} of {total} to {}", index + 1, seen, upstream.endpoint));
                }
            }
        }
        found
    }
}

/// Holds the headers that a rule changes against those that came.
fn changed(
    changes: &HeaderChanges,
    sent: &[(String, String)],
    came: &[(String, String)],
    whose: &str,
) -> Result<(), String> {
    let expected = changes.applied(sent);
    let names = changes.remove.iter().map(|(name, _)| name).chain(changes.write.iter().map(|w| &w.name));
    for name in names {
        same(&format!("{whose} header `{name}`"), joined(&expected, name), joined(came, name))?;
    }
    Ok(())
}
