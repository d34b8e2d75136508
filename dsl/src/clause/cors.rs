//! `cors origin "https://shop.example.com" methods GET, PUT credentials max-age 10m`

use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// Which pages of other origins may call.
#[derive(Debug)]
pub struct Cors {
    /// The clause.
    pub span: Span,
    /// The origins, as texts.
    pub origins: Vec<Value>,
    /// The origins, as patterns.
    pub patterns: Vec<Value>,
    /// The methods.
    pub methods: Vec<Value>,
    /// The headers that a page may send.
    pub headers: Vec<Value>,
    /// The headers that a page may read.
    pub expose: Vec<Value>,
    /// Whether the page may send the user's cookies.
    pub credentials: bool,
    /// How long a browser remembers the answer.
    pub max_age: Option<Value>,
}

impl Cors {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let mut cors = Self {
            span: cx.span(&pair),
            origins: Vec::new(),
            patterns: Vec::new(),
            methods: Vec::new(),
            headers: Vec::new(),
            expose: Vec::new(),
            credentials: false,
            max_age: None,
        };
        for option in pair.into_inner() {
            let place = cx.span(&option);
            let (list, name) = match option.as_rule() {
                Rule::cors_origin => {
                    let pattern = option.clone().into_inner().any(|p| p.as_rule() == Rule::cors_regex);
                    (if pattern { &mut cors.patterns } else { &mut cors.origins }, "origin")
                }
                Rule::cors_methods => (&mut cors.methods, "methods"),
                Rule::cors_headers => (&mut cors.headers, "headers"),
                Rule::cors_expose => (&mut cors.expose, "expose"),
                Rule::cors_max_age => {
                    cx.set_once(&mut cors.max_age, option, "max-age");
                    continue;
                }
                _ => {
                    cx.refuse_second(cors.credentials, "credentials", place);
                    cors.credentials = true;
                    continue;
                }
            };
            cx.refuse_second(!list.is_empty(), name, place);
            let values = option.into_inner().filter(|p| p.as_rule() != Rule::cors_regex);
            *list = values.map(|p| cx.value(p)).collect();
        }
        Some(cors)
    }
}
