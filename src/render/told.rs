//! What becomes of a request, for people and as JSON.

use meshc_compiler::clause::headers::HeaderChanges;
use meshc_compiler::evaluate::{Answer, Miss, Outcome, Site};
use meshc_dsl::value::print_duration;
use meshc_dsl::{Sources, Span};
use serde_json::{Value, json};
use std::fmt::Write;

/// The answer to one request, with what is needed to tell it.
pub(crate) struct Told<'a> {
    pub(crate) site: &'a Site<'a>,
    pub(crate) answer: Answer<'a>,
    pub(crate) misses: Vec<Miss<'a>>,
    pub(crate) sources: &'a Sources,
    /// The file and line of a place.
    pub(crate) place: &'a dyn Fn(Span) -> (&'a str, usize),
}

/// Something that holds for the request: its name, its value, and where it is written.
struct Fact {
    name: &'static str,
    value: String,
    span: Option<Span>,
}

impl Told<'_> {
    /// For people.
    pub(crate) fn human(&self) -> String {
        let mut out = format!("{}\n", self.head());
        for fact in self.facts() {
            let place = fact.span.map(|span| format!("  ({})", self.line(span))).unwrap_or_default();
            let _ = writeln!(out, "  {:<16} {}{place}", fact.name, fact.value);
        }
        if !self.misses.is_empty() {
            out.push_str("rules that do not match:\n");
        }
        for miss in &self.misses {
            let _ = writeln!(out, "  {} {}", self.line(miss.rule.span), self.first_line(miss.rule.span));
            for reason in &miss.reasons {
                let _ = writeln!(out, "    {reason}");
            }
        }
        out
    }

    fn head(&self) -> String {
        let rule = match self.answer.rule {
            Some(won) => format!("{} {}", self.line(won.rule.span), self.first_line(won.rule.span)),
            None => "no rule".to_owned(),
        };
        format!("{}: {rule}", self.site.entry)
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        let place = |span: Span| {
            let (file, line) = (self.place)(span);
            json!({"file": file, "line": line})
        };
        let fact = |fact: Fact| json!({"name": fact.name, "value": fact.value, "place": fact.span.map(place)});
        let miss =
            |miss: &Miss<'_>| json!({"rule": miss.index + 1, "place": place(miss.rule.span), "reasons": miss.reasons});
        json!({
            "entry": self.site.entry.to_string(),
            "rule": self.answer.rule.map(|won| json!({"rule": won.index + 1, "place": place(won.rule.span)})),
            "status": self.answer.status(),
            "destinations": self.destinations().iter().map(|(share, name)| json!({"share": share, "to": name})).collect::<Vec<_>>(),
            "facts": self.facts().into_iter().map(fact).collect::<Vec<_>>(),
            "misses": self.misses.iter().map(miss).collect::<Vec<_>>(),
        })
    }

    /// The shares and names of the destinations.
    fn destinations(&self) -> Vec<(String, String)> {
        match &self.answer.outcome {
            Outcome::Forward(forwarded) => {
                forwarded.destinations().map(|d| (d.portion.to_string(), d.upstream.endpoint.to_string())).collect()
            }
            Outcome::Tcp { split, upstreams } => {
                let one = |share: &meshc_compiler::ir::Share| {
                    Some((share.portion.to_string(), upstreams.get(share.upstream)?.endpoint.to_string()))
                };
                split.iter().filter_map(one).collect()
            }
            _ => Vec::new(),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut put = |name, value, span| facts.push(Fact { name, value, span });
        for (share, name) in self.destinations() {
            put("to", format!("{share} {name}"), None);
        }
        match &self.answer.outcome {
            Outcome::Redirect { status, location } => put("redirect", format!("{status} to {location}"), None),
            Outcome::Respond { status, body } => {
                let body = body.map(|body| format!(" {body:?}")).unwrap_or_default();
                put("respond", format!("{status}{body}"), None);
            }
            Outcome::Preflight(_) => put("respond", "200, as what a browser asks before a call".to_owned(), None),
            Outcome::ReadOnly => {
                put("respond", "405: only GET and HEAD may pass to the administration interface".to_owned(), None)
            }
            Outcome::NoRoute => put("respond", "404: no rule is for it".to_owned(), None),
            Outcome::Refused { status, reason } => {
                put("respond", format!("{status}: the proxy refuses {reason}"), None)
            }
            Outcome::Forward(_) | Outcome::Tcp { .. } => {}
        }
        if let (Some(status), true) = (self.answer.status(), self.answer.grpc) {
            put("grpc", format!("the caller sees HTTP 200 with a `grpc-status` in place of {status}"), None);
        }
        self.forwarded(&mut facts);
        self.policies(&mut facts);
        facts
    }

    /// What the upstream sees.
    fn forwarded(&self, facts: &mut Vec<Fact>) {
        let Some(forwarded) = self.answer.forwarded() else { return };
        let mut put = |name, value| facts.push(Fact { name, value, span: None });
        if forwarded.kept.is_some() {
            put("sticky", "the client keeps this side".to_owned());
        }
        let query = self.answer.query.map(|query| format!("?{query}")).unwrap_or_default();
        put("path", format!("{}{query}", forwarded.path));
        let mut hosts: Vec<&str> = forwarded.destinations().map(|d| forwarded.host(d.upstream)).collect();
        hosts.dedup();
        put("host", hosts.join(" or "));
        for mirror in &forwarded.forward.mirrors {
            if let Some(upstream) = forwarded.upstreams.get(mirror.upstream) {
                put("mirror", format!("{} to {}", mirror.portion, upstream.endpoint));
            }
        }
    }

    /// The policies in force, as written.
    fn policies(&self, facts: &mut Vec<Fact>) {
        let Some(won) = self.answer.rule else { return };
        headers("request header", &won.rule.request_headers, facts);
        headers("response header", &won.rule.response_headers, facts);
        let mut written = |name, span: Span| facts.push(Fact { name, value: self.text(name, span), span: Some(span) });
        if let Some(limit) = self.answer.limit() {
            written("ratelimit", limit.span);
        }
        let Some(forwarded) = self.answer.forwarded() else { return };
        if let Some(span) = forwarded.forward.timeout_span {
            written("timeout", span);
        }
        if let Some(retry) = &forwarded.forward.retry {
            written("retry", retry.span);
        }
        let mut breakers: Vec<Span> =
            forwarded.destinations().filter_map(|d| d.upstream.settings.circuit_breaker_span).collect();
        breakers.dedup();
        breakers.into_iter().for_each(|span| written("circuit-breaker", span));
        if forwarded.forward.timeout.is_none() {
            facts.push(Fact { name: "timeout", value: "none".to_owned(), span: None });
        }
        if let Some(idle) = forwarded.forward.idle_timeout {
            facts.push(Fact { name: "idle-timeout", value: print_duration(idle), span: None });
        }
    }

    /// A clause as written, without the word that begins it.
    fn text(&self, word: &str, span: Span) -> String {
        let text: Vec<&str> = self.sources.text(span).split_whitespace().collect();
        let text = text.join(" ");
        text.strip_prefix(word).map_or(text.clone(), |rest| rest.trim_start().to_owned())
    }

    fn line(&self, span: Span) -> String {
        let (file, line) = (self.place)(span);
        format!("{file}:{line}")
    }

    /// The first line of what stands at a place, up to its body.
    fn first_line(&self, span: Span) -> &str {
        let line = self.sources.text(span).lines().next().unwrap_or("");
        line.split(" {").next().unwrap_or(line).trim_end()
    }
}

fn headers(name: &'static str, changes: &HeaderChanges, facts: &mut Vec<Fact>) {
    for (header, span) in &changes.remove {
        facts.push(Fact { name, value: format!("remove {header}"), span: Some(*span) });
    }
    for write in &changes.write {
        let how = if write.append { "add" } else { "set" };
        facts.push(Fact { name, value: format!("{how} {} {:?}", write.name, write.value), span: Some(write.span) });
    }
}
