//! The clauses of a `service`: `selector`, `version`, `endpoints`, `at`.

use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::{Name, Span};
use crate::value::Value;

/// `selector app=helloworld, tier=web`
#[derive(Debug)]
pub struct Selector {
    /// The clause.
    pub span: Span,
    /// Its labels.
    pub labels: Vec<Label>,
}

/// `app=helloworld`
#[derive(Debug)]
pub struct Label {
    /// The label's key.
    pub key: Value,
    /// The label's value.
    pub value: Value,
}

/// `version v1 = hw-stable where track=stable`
#[derive(Debug)]
pub struct Version {
    /// The clause.
    pub span: Span,
    /// The version's name.
    pub name: Name,
    /// The Service behind it, if it is not `<service>-<version>`.
    pub service: Option<Value>,
    /// The labels that its Service selects, if not `version=<version>`.
    pub labels: Option<Vec<Label>>,
    /// Its endpoints where there is no cluster.
    pub endpoints: Vec<Value>,
}

/// `endpoints 127.0.0.1:9001, …` and `at 10.96.0.10, …`
#[derive(Debug)]
pub struct Endpoints {
    /// The clause.
    pub span: Span,
    /// The addresses as written.
    pub addresses: Vec<Value>,
}

impl Selector {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Self {
        Self { span: cx.span(&pair), labels: labels(pair, cx) }
    }
}

fn labels(pair: Pair<'_>, cx: &mut Builder<'_>) -> Vec<Label> {
    let label = |pair: Pair<'_>, cx: &mut Builder<'_>| {
        let mut inner = pair.into_inner();
        Some(Label { key: cx.value(inner.next()?), value: cx.value(inner.next()?) })
    };
    pair.into_inner().filter_map(|pair| label(pair, cx)).collect()
}

impl Version {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let name = cx.name(&inner.next()?);
        let mut version = Self { span, name, service: None, labels: None, endpoints: Vec::new() };
        for part in inner {
            match part.as_rule() {
                Rule::version_service => version.service = part.into_inner().next().map(|p| cx.value(p)),
                Rule::version_where => version.labels = Some(labels(part, cx)),
                _ => version.endpoints = Endpoints::read(part, cx).addresses,
            }
        }
        Some(version)
    }
}

impl Endpoints {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Self {
        let span = cx.span(&pair);
        Self { span, addresses: pair.into_inner().map(|p| cx.value(p)).collect() }
    }
}
