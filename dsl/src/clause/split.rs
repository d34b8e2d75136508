//! Where traffic goes: `90% v1, 10% v2`, `10% v2, rest v1`, `to v1`.

use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::source::Span;
use crate::value::Value;
use std::fmt;

/// A split over destinations; `to X` is a split of one.
#[derive(Debug)]
pub struct Split {
    /// The clause.
    pub span: Span,
    /// Its parts in the order written; at least one.
    pub shares: Vec<Share>,
}

/// One part of a split.
#[derive(Debug)]
pub struct Share {
    /// How much.
    pub portion: Portioning,
    /// Where to.
    pub destination: Destination,
    /// The part.
    pub span: Span,
}

/// How much of the traffic a part gets.
#[derive(Debug)]
pub enum Portioning {
    /// `90%`
    Part(Value),
    /// `rest`, or `to`, which is all.
    Rest,
}

/// A destination as written.
#[derive(Debug)]
pub struct Destination {
    /// What it is.
    pub kind: DestinationKind,
    /// Where it stands.
    pub span: Span,
}

/// The forms of a destination.
#[derive(Debug)]
pub enum DestinationKind {
    /// A version or a service.
    Named(Value),
    /// `address 10.0.0.55:5000`
    Address(Value),
    /// `dns api.example.com:80`
    Dns(Value),
    /// `envoy-admin`, `envoy-admin writable`
    EnvoyAdmin {
        /// Whether more than GET and HEAD is let through.
        writable: bool,
    },
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DestinationKind::Named(value) => f.write_str(value.as_str()),
            DestinationKind::Address(value) => write!(f, "address {}", value.as_str()),
            DestinationKind::Dns(value) => write!(f, "dns {}", value.as_str()),
            DestinationKind::EnvoyAdmin { .. } => f.write_str("envoy-admin"),
        }
    }
}

impl Split {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let shares = if pair.as_rule() == Rule::to {
            let destination = Destination::read(pair.into_inner().next()?, cx)?;
            vec![Share { portion: Portioning::Rest, destination, span }]
        } else {
            pair.into_inner().map(|share| Share::read(share, cx)).collect::<Option<_>>()?
        };
        Some(Self { span, shares })
    }
}

impl Share {
    fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let first = inner.next()?;
        let (portion, destination) = match first.as_rule() {
            Rule::destination => (Portioning::Rest, first),
            _ => (Portioning::Part(cx.value(first)), inner.next()?),
        };
        Some(Self { portion, destination: Destination::read(destination, cx)?, span })
    }
}

impl Destination {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let first = pair.into_inner().next();
        let kind = match first.as_ref().map(Pair::as_rule) {
            None => DestinationKind::EnvoyAdmin { writable: false },
            Some(Rule::writable) => DestinationKind::EnvoyAdmin { writable: true },
            Some(Rule::address) => DestinationKind::Address(cx.value(first?)),
            Some(Rule::dns) => DestinationKind::Dns(cx.value(first?)),
            Some(_) => DestinationKind::Named(cx.value(first?)),
        };
        Some(Self { kind, span })
    }
}
