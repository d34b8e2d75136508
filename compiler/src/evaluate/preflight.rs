//! What a browser asks before a call: `OPTIONS` with an origin and the method of the call.

use super::Ready;
use super::request::View;
use crate::clause::cors::{Cors, Origin};
use crate::ir::Action;
use crate::regex::matcher;
use regex::bytes::Regex;

/// The origins of a rule, with their patterns compiled.
#[derive(Debug)]
pub(super) struct Origins<'p> {
    cors: &'p Cors,
    patterns: Vec<Regex>,
}

impl<'p> Origins<'p> {
    pub(super) fn new(cors: &'p Cors) -> Result<Self, regex::Error> {
        let patterns = cors.origins.iter().filter_map(|origin| match origin {
            Origin::Pattern(pattern) => Some(matcher::compile(pattern)),
            _ => None,
        });
        Ok(Self { cors, patterns: patterns.collect::<Result<_, _>>()? })
    }

    fn allow(&self, from: &str) -> bool {
        let fixed = self.cors.origins.iter().any(|origin| match origin {
            Origin::Any => true,
            Origin::Exact(text) => from == text,
            Origin::Below(scheme, rest) => from
                .strip_prefix(scheme.as_str())
                .and_then(|host| host.strip_suffix(rest.as_str()))
                .is_some_and(|name| !name.is_empty()),
            Origin::Pattern(_) => false,
        });
        fixed || self.patterns.iter().any(|pattern| pattern.is_match(from.as_bytes()))
    }
}

impl<'p> Ready<'p> {
    /// The rule's answer to what a browser asks before a call, if the request asks that of it.
    pub(super) fn asked_before_call(&self, view: &View<'_>) -> Option<&'p Cors> {
        let origins = self.origins.as_ref()?;
        if view.request.method != "OPTIONS" {
            return None;
        }
        let origin = view.header("origin").filter(|o| !o.is_empty())?;
        let call = view.header("access-control-request-method").filter(|m| !m.is_empty())?;
        if !origins.allow(&origin) {
            return None;
        }
        // Only on its way to an upstream is a question answered that the rule takes as it is.
        let forwards = matches!(&self.rule.action, Action::Forward(forward) if !forward.read_only);
        (self.takes(view, &call) || (forwards && self.takes(view, "OPTIONS"))).then_some(origins.cors)
    }
}
