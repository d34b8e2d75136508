//! `cors origin … [methods …] [headers …] [expose …] [credentials] [max-age …]` → the CORS filter
//! (from cilium-1.20, and 1.18.9 and 1.19.3), in front of the rate limit, so that a refusal can be
//! read by the page too.

use super::headers;
use super::timeout::positive;
use crate::envoy::{CorsPolicy, RegexMatcher, StringMatcher};
use crate::regex::{self, Use};
use crate::resolve::{Cx, condition};
use crate::target;
use meshc_dsl::clause;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::Value;
use std::time::Duration;

/// Which pages of other origins may call, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// The origins; never empty.
    pub origins: Vec<Origin>,
    /// The methods; those of a form where empty.
    pub methods: Vec<String>,
    /// The headers that a page may send.
    pub headers: Vec<String>,
    /// The headers that a page may read.
    pub expose: Vec<String>,
    /// Whether the page may send the user's cookies.
    pub credentials: bool,
    /// How long a browser remembers the answer.
    pub max_age: Option<Duration>,
}

/// Where a page may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Anywhere.
    Any,
    /// Just this origin.
    Exact(String),
    /// Any host below: scheme with `://`, and the rest behind the `*`.
    Below(String, String),
    /// Where this is found.
    Pattern(String),
}

pub(crate) fn resolve<'a>(clause: &'a clause::Cors, cx: &mut Cx<'a>) -> Option<Cors> {
    let mut origins: Vec<Option<Origin>> = clause.origins.iter().map(|v| origin(v, cx)).collect();
    origins.extend(clause.patterns.iter().map(|v| pattern(v, cx)));
    let names = |values: &'a [Value], cx: &mut Cx<'a>| -> Vec<String> {
        values.iter().filter_map(|v| headers::name(v, cx)).collect()
    };
    let max_age = clause.max_age.as_ref().map(|v| positive(v, "the time that a browser remembers", cx));
    let cors = Cors {
        methods: clause.methods.iter().filter_map(|v| cx.word(v, condition::method)).collect(),
        headers: names(&clause.headers, cx),
        expose: names(&clause.expose, cx),
        credentials: clause.credentials,
        max_age: max_age.flatten(),
        origins: origins.into_iter().collect::<Option<_>>()?,
    };
    if cors.origins.is_empty() {
        cx.error(
            codes::NEEDS,
            clause.span,
            "`cors` needs an origin",
            "write `cors origin \"https://shop.example.com\"`",
        );
        return None;
    }
    if cors.credentials && cors.origins.contains(&Origin::Any) {
        let help = "name the origins: with any, every page could call in the user's name";
        cx.error(codes::CONFLICTING, clause.span, "`credentials` does not go with the origin `*`", help);
        return None;
    }
    cx.needs(&target::CORS, clause.span, "`cors`").then_some(cors)
}

fn origin<'a>(value: &'a Value, cx: &mut Cx<'a>) -> Option<Origin> {
    let text = cx.text(value)?;
    if text == "*" {
        return Some(Origin::Any);
    }
    let good = |host: &str| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._:[]".contains(c))
    };
    match text.split_once("://") {
        Some((scheme, host)) if !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_lowercase()) => {
            match host.strip_prefix("*.") {
                Some(rest) if good(rest) => return Some(Origin::Below(format!("{scheme}://"), format!(".{rest}"))),
                None if good(host) => return Some(Origin::Exact(text.to_owned())),
                _ => {}
            }
        }
        _ => {}
    }
    let help = "an origin is a scheme and a host in lower case, as browsers send it: `\"https://shop.example.com\"`, `\"https://*.example.com\"` or `\"*\"`";
    cx.error(codes::BAD_ORIGIN, value.span, format!("`{text}` is not an origin"), help);
    None
}

fn pattern<'a>(value: &'a Value, cx: &mut Cx<'a>) -> Option<Origin> {
    let text = cx.text(value)?;
    let given = |text: &str| vec![regex::search(text)];
    let usage = Use { given: &given, listed: true, escaped: Some("origin") };
    regex::check(text, value, &usage, cx).map(Origin::Pattern)
}

impl Cors {
    /// What an `origin` header must be: any of these.
    pub(crate) fn allowed(&self) -> Vec<StringMatcher> {
        let regex = |regex| StringMatcher::SafeRegex(RegexMatcher { regex });
        let origin = |origin: &Origin| match origin {
            Origin::Any => regex(".*".to_owned()),
            Origin::Exact(text) => StringMatcher::Exact(text.clone()),
            Origin::Below(scheme, rest) => regex(format!("{}.+{}", regex::quote(scheme), regex::quote(rest))),
            Origin::Pattern(pattern) => regex(regex::search(pattern)),
        };
        self.origins.iter().map(origin).collect()
    }

    /// The filter's settings for a route.
    pub(crate) fn lower(&self) -> CorsPolicy {
        let list = |names: &[String]| Some(names.join(", ")).filter(|n| !n.is_empty());
        CorsPolicy {
            allow_origin_string_match: self.allowed(),
            allow_methods: list(&self.methods),
            allow_headers: list(&self.headers),
            expose_headers: list(&self.expose),
            max_age: self.max_age.map(|d| d.as_secs().to_string()),
            allow_credentials: self.credentials.then_some(true),
        }
    }
}
