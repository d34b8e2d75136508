//! `test "NAME" [for SERVICE | for listen NAME] { REQUEST => EXPECTATIONS … }`

use crate::clause::{Clause, Destination, Direction, Ratelimit, Retry};
use crate::grammar::Rule;
use crate::parse::{Builder, Pair};
use crate::recover;
use crate::source::{Name, Span};
use crate::value::{Value, ValueKind};

/// Requests with what must become of them.
#[derive(Debug)]
pub struct TestBlock {
    /// What it is called.
    pub name: Name,
    /// Who takes the requests, where it is written.
    pub entry: Option<Entry>,
    /// The requests.
    pub cases: Vec<TestCase>,
    /// Whether there are more, which were reported as malformed.
    pub malformed: bool,
    /// `test` and the name.
    pub span: Span,
}

/// Who takes the requests of a test.
#[derive(Debug)]
pub enum Entry {
    /// A steered service, as written.
    Service(Name),
    /// A listener.
    Listen(Name),
}

/// One request with what must become of it.
#[derive(Debug)]
pub struct TestCase {
    /// The request.
    pub sent: Sent,
    /// What must hold, all of it.
    pub expected: Vec<Expected>,
    /// The whole line.
    pub span: Span,
}

/// What a client sends.
#[derive(Debug)]
pub struct Sent {
    /// Method and path; `None` for a connection.
    pub target: Option<(Name, Value)>,
    /// What comes with it.
    pub with: Vec<Carried>,
    /// The request.
    pub span: Span,
}

/// What comes with a request.
#[derive(Debug)]
pub struct Carried {
    /// What it is.
    pub carrier: Carrier,
    /// Its value.
    pub value: Value,
}

/// What of a request a value is.
#[derive(Debug)]
pub enum Carrier {
    /// `header NAME`
    Header(Value),
    /// `query NAME`
    Query(Value),
    /// `cookie NAME`
    Cookie(Value),
    /// `host`
    Host,
}

/// One thing that must hold.
#[derive(Debug)]
pub struct Expected {
    /// Where it is written.
    pub span: Span,
    /// What it is.
    pub kind: Expectation,
}

/// What must hold.
#[derive(Debug)]
pub enum Expectation {
    /// What a rule has that says it by this clause; `limited to` is a `ratelimit`.
    Clause(Box<Clause>),
    /// `not to v2`
    NotTo(Destination),
    /// `path "/x"`
    Path(Value),
    /// `host "api.internal"`
    Host(Value),
    /// `header NAME = "x"`, `response header NAME = "x"`, `no header NAME`
    Header {
        /// Whose.
        direction: Direction,
        /// Which.
        name: Value,
        /// What it must be; `None` for none at all.
        value: Option<Value>,
    },
    /// `status 403`, `status 403 "staff only"`
    Status(Value, Option<Value>),
    /// `line 12`
    Line(Value),
}

impl TestBlock {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let keyword = cx.keyword_span(&pair, "test");
        let mut inner = pair.into_inner();
        let name = inner.next()?;
        let span = keyword.to(cx.span(&name));
        let name = Name { span: cx.span(&name), text: text_of(cx.value(name.into_inner().next()?)) };
        let mut block = Self { name, entry: None, cases: Vec::new(), malformed: false, span };
        for part in inner {
            match part.as_rule() {
                Rule::subject => block.entry = Some(Entry::Service(cx.name(&part))),
                Rule::test_listen => {
                    let name = part.into_inner().next()?;
                    block.entry = Some(Entry::Listen(cx.name(&name)));
                }
                Rule::test_case => block.cases.extend(TestCase::read(part, cx)),
                _ => {
                    block.malformed = true;
                    recover::test_case(cx, &part);
                }
            }
        }
        Some(block)
    }
}

fn text_of(value: Value) -> String {
    match value.kind {
        ValueKind::Text(text) | ValueKind::Word(text) | ValueKind::Param(text) => text,
    }
}

impl TestCase {
    fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let mut inner = pair.into_inner();
        let sent = Sent::read(inner.next()?, cx)?;
        let expected = inner.map(|part| Expected::read(part, cx)).collect::<Option<_>>()?;
        Some(Self { sent, expected, span })
    }
}

impl Sent {
    pub(crate) fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let mut sent = Self { target: None, with: Vec::new(), span: cx.span(&pair) };
        let mut method = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::sent_method => method = Some(cx.name(&part)),
                Rule::sent_path => sent.target = Some((method.take()?, path(part, cx)?)),
                Rule::sent_host => {
                    let value = cx.value(part.into_inner().next()?);
                    sent.with.push(Carried { carrier: Carrier::Host, value });
                }
                Rule::sent_named => sent.with.push(Carried::read(part, cx)?),
                _ => {}
            }
        }
        Some(sent)
    }
}

/// A path, which needs no quotes.
fn path(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Value> {
    let inner = pair.into_inner().next()?;
    if inner.as_rule() != Rule::bare_path {
        return Some(cx.value(inner));
    }
    Some(Value { span: cx.span(&inner), kind: ValueKind::Text(inner.as_str().to_owned()) })
}

impl Carried {
    fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let mut inner = pair.into_inner();
        let carrier = inner.next()?;
        let name = cx.value(inner.next()?);
        let value = cx.value(inner.next()?);
        let carrier = match carrier.as_str() {
            "query" => Carrier::Query(name),
            "cookie" => Carrier::Cookie(name),
            _ => Carrier::Header(name),
        };
        Some(Self { carrier, value })
    }
}

impl Expected {
    fn read(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Self> {
        let span = cx.span(&pair);
        let kind = match pair.as_rule() {
            Rule::expected_not_to => Expectation::NotTo(Destination::read(pair.into_inner().next()?, cx)?),
            Rule::expected_path => Expectation::Path(cx.value(pair.into_inner().next()?)),
            Rule::expected_host => Expectation::Host(cx.value(pair.into_inner().next()?)),
            Rule::expected_status => {
                let mut inner = pair.into_inner();
                Expectation::Status(cx.value(inner.next()?), inner.next().map(|p| cx.value(p)))
            }
            Rule::expected_line => Expectation::Line(cx.value(pair.into_inner().next()?)),
            Rule::expected_header | Rule::expected_no_header => header(pair, cx)?,
            Rule::expected_retry => Expectation::Clause(Box::new(Clause::Retry(Retry::read(pair, cx)?))),
            Rule::limited => Expectation::Clause(Box::new(Clause::Ratelimit(Ratelimit::read(pair, cx)?))),
            _ => Expectation::Clause(Box::new(Clause::read(pair, cx)?)),
        };
        Some(Self { span, kind })
    }
}

fn header(pair: Pair<'_>, cx: &mut Builder<'_>) -> Option<Expectation> {
    let mut inner = pair.into_inner().peekable();
    let direction = match inner.next_if(|p| p.as_rule() == Rule::direction) {
        Some(word) if word.as_str() == "response" => Direction::Response,
        _ => Direction::Request,
    };
    let name = cx.value(inner.next()?);
    Some(Expectation::Header { direction, name, value: inner.next().map(|p| cx.value(p)) })
}
