//! What depends on the request: a rewrite shows only where it applies. A probe is a condition under
//! which an effect may show; a request that fulfils none of an effect's probes does not notice it.

use crate::clause::redirect::Redirect;
use crate::clause::rewrite::PathRewrite;
use crate::ir::{Action, Condition, Pattern, Rule, Subject, Test};

/// A condition under which an effect may show.
#[derive(Debug)]
pub(super) struct Probe {
    /// The name of the fact.
    pub(super) name: String,
    pub(super) condition: Condition,
}

/// The probes of a rule.
pub(super) fn probes(rule: &Rule) -> Vec<Probe> {
    let mut probes = Vec::new();
    let mut put = |name: &str, condition| probes.push(Probe { name: name.to_owned(), condition });
    match &rule.action {
        Action::Forward(forward) => {
            if let Some(rewrite) = &forward.path {
                put("path", rewritten(rewrite));
            }
            if let Some(host) = &forward.host {
                put("host", not(test(Subject::Host, Pattern::Equals(host.to_ascii_lowercase()))));
            }
        }
        Action::Redirect(redirect) => redirected(redirect).into_iter().for_each(|c| put("redirect", c)),
        Action::Respond(_) => {}
    }
    let changes = &rule.request_headers;
    for (name, _) in &changes.remove {
        put(&fact(name), test(Subject::Header(name.clone()), Pattern::Exists));
    }
    for write in &changes.write {
        let there = test(Subject::Header(write.name.clone()), Pattern::Exists);
        put(&fact(&write.name), not(there.clone()));
        let as_written = test(Subject::Header(write.name.clone()), Pattern::Equals(write.value.clone()));
        let other = if write.append { there } else { Condition::And(vec![there, not(as_written)]) };
        put(&fact(&write.name), other);
    }
    probes
}

/// The name of the fact of a request's header.
pub(super) fn fact(header: &str) -> String {
    format!("request header {header}")
}

fn test(subject: Subject, pattern: Pattern) -> Condition {
    Condition::Test(Test { subject, patterns: vec![pattern] })
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

/// Where a rewrite changes the path.
fn rewritten(rewrite: &PathRewrite) -> Condition {
    match rewrite {
        PathRewrite::Path(to) => not(test(Subject::Path, Pattern::Equals(to.clone()))),
        PathRewrite::Prefix { from, .. } => test(Subject::Path, Pattern::Prefix(from.clone())),
        PathRewrite::Regex { pattern, .. } => test(Subject::Path, Pattern::Regex(pattern.clone())),
    }
}

/// Where a redirect leads elsewhere than one that keeps the path or the host.
fn redirected(redirect: &Redirect) -> Vec<Condition> {
    let path = redirect.path.as_ref().map(|path| path.split('?').next().unwrap_or_default().to_owned());
    let path = path.map(|path| not(test(Subject::Path, Pattern::Equals(path))));
    let host = redirect.host.as_ref().map(|host| not(test(Subject::Host, Pattern::Equals(host.clone()))));
    let plain = test(Subject::Path, Pattern::Prefix("/".to_owned()));
    path.into_iter().chain(host).chain([plain]).collect()
}
