//! Clauses of named settings: `circuit-breaker max-requests 2 max-pending 1`, `outlier …`.

use crate::parse::{Builder, Pair};
use crate::source::{Name, Span};
use crate::value::Value;

/// A clause of named settings, in the order written.
#[derive(Debug)]
pub struct Settings {
    /// The clause.
    pub span: Span,
    /// Its settings.
    pub settings: Vec<Setting>,
}

/// One named setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: Value,
}

impl Settings {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut settings = Vec::new();
        for setting in pair.into_inner() {
            settings.push(Setting::read(setting, cx)?);
        }
        Some(Self { span, settings })
    }
}

impl Setting {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let mut inner = pair.into_inner();
        Some(Self { name: cx.name(&inner.next()?), value: cx.value(inner.next()?) })
    }
}
