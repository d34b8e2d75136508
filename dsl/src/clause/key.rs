//! What tells clients apart: `by header x-user`, `by cookie cart`, `by source-ip`, `by path`,
//! `by issued-cookie`.

use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;

/// What is looked at to tell clients or requests apart.
#[derive(Debug)]
pub struct Key {
    /// What it is.
    pub kind: KeyKind,
    /// Where it stands.
    pub span: Span,
}

/// The forms of a key.
#[derive(Debug)]
pub enum KeyKind {
    /// `header x-user`
    Header(Value),
    /// `cookie cart`
    Cookie(Value),
    /// `issued-cookie [NAME]`: one that the proxy hands out.
    IssuedCookie(Option<Value>),
    /// `source-ip`, `path`
    Word(Value),
}

impl Key {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let form = pair.into_inner().next()?;
        let rule = form.as_rule();
        let value = form.into_inner().next().map(|p| cx.value(p));
        let kind = match rule {
            Rule::key_issued => KeyKind::IssuedCookie(value),
            Rule::key_header => KeyKind::Header(value?),
            Rule::key_cookie => KeyKind::Cookie(value?),
            _ => KeyKind::Word(value?),
        };
        Some(Self { kind, span })
    }
}
