//! `test` blocks of the tree → tests: who takes the requests, and the names in what is expected.

use super::{Aspect, Case, Expectation, Expected, Kind, Named, Test};
use crate::clause::upstream::{UpstreamSettings, Written};
use crate::clause::{
    accesslog, client_address, cors, headers, mirror, ratelimit, redirect, retry, split, sticky, timeout,
};
use crate::evaluate::{Entry, Request};
use crate::ir::{Program, Traffic, Upstream};
use crate::name::{self, PortText, ServiceName};
use crate::resolve::declarations::{Placed, in_namespace, refuse_duplicate};
use crate::resolve::destination::{Owner, Upstreams};
use crate::resolve::{Cx, Env};
use meshc_dsl::clause::{Clause, Destination, DestinationKind, Direction, Single};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::suggest::nearest;
use meshc_dsl::testing::{self as tree, Carrier, TestBlock};
use meshc_dsl::value::{Portion, Value, count};
use meshc_dsl::{Diagnostic, Severity, Span};
use std::collections::BTreeMap;

/// What takes requests, in the order of [`crate::evaluate::Plan::sites`].
#[derive(Clone, Copy)]
struct Site<'p> {
    entry: Entry<'p>,
    /// The route or listener that it is of.
    declaration: usize,
    /// Whether its route has further services.
    shared: bool,
    namespace: &'p str,
    traffic: &'p Traffic,
    upstreams: &'p [Upstream],
}

fn sites(program: &Program) -> Vec<Site<'_>> {
    let mut sites = Vec::new();
    for (declaration, route) in program.routes.iter().enumerate() {
        sites.extend(route.steered.iter().map(|s| Site {
            entry: Entry::Service(&s.service),
            declaration,
            shared: route.steered.len() > 1,
            namespace: &s.service.service.namespace,
            traffic: &s.traffic,
            upstreams: &s.upstreams,
        }));
    }
    sites.extend(program.listens.iter().enumerate().map(|(at, l)| Site {
        entry: Entry::Listen(&l.name),
        declaration: program.routes.len() + at,
        shared: false,
        namespace: &l.namespace,
        traffic: &l.traffic,
        upstreams: &l.upstreams,
    }));
    sites
}

/// Resolves the tests of a program that has no errors.
pub(crate) fn resolve<'a>(
    blocks: &[Placed<'a, TestBlock>],
    program: &Program,
    env: &'a Env<'a>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Test> {
    let sites = sites(program);
    let mut cx = Cx::new(env);
    let mut names = BTreeMap::new();
    let mut tests = Vec::with_capacity(blocks.len());
    for block in blocks {
        refuse_duplicate("test", &block.node.name, &mut names, &mut cx.diagnostics);
        let mut test = Test { name: block.node.name.text.clone(), span: block.node.span, cases: Vec::new() };
        if block.node.cases.is_empty() && !block.node.malformed {
            let message = "this test sends no request, and so holds whatever the policy says";
            let diagnostic = Diagnostic::new(codes::EMPTY_TEST, block.node.name.span, message)
                .help("write what must hold: `GET / => to v1`");
            cx.report(diagnostic);
        }
        let asked = entries(block, &sites, &mut cx);
        for node in &block.node.cases {
            let cases = asked.iter().filter_map(|at| Some((*at, sites.get(*at)?)));
            test.cases.extend(cases.filter_map(|(at, site)| case(node, at, site, &mut cx)));
        }
        tests.push(test);
    }
    // What a destination is warned about is said where a rule names it.
    let own = |d: &Diagnostic| d.severity() == Severity::Error || d.code == codes::EMPTY_TEST;
    diagnostics.extend(cx.diagnostics.into_iter().filter(own));
    tests
}

/// Who takes the requests of a test; nobody where that was reported.
fn entries(block: &Placed<'_, TestBlock>, sites: &[Site<'_>], cx: &mut Cx<'_>) -> Vec<usize> {
    let found: Vec<usize> = match &block.node.entry {
        None => return only(block.node.name.span, sites, cx),
        Some(tree::Entry::Listen(name)) => {
            positions(sites, |site| matches!(site.entry, Entry::Listen(known) if known == name.text))
        }
        Some(tree::Entry::Service(name)) => match name::service(&name.text) {
            Ok(text) if text.version.is_none() => {
                let service = in_namespace(&text, &block.namespace);
                positions(sites, |site| is_service(site, &service, text.port.as_ref()))
            }
            Ok(_) => Vec::new(),
            Err(e) => {
                cx.error(e.code, name.span, e.message, e.help);
                return Vec::new();
            }
        },
    };
    let (Some(tree::Entry::Service(name) | tree::Entry::Listen(name)), [] | [_, _, ..]) =
        (&block.node.entry, found.as_slice())
    else {
        return found;
    };
    if found.is_empty() {
        not_steered(name, sites, cx);
    } else {
        let message = format!("several ports of `{}` are steered", name.text);
        let list = listed(found.iter().filter_map(|at| sites.get(*at)));
        cx.error(codes::TEST_NEEDS_ENTRY, name.span, message, format!("write one of {list}"));
    }
    Vec::new()
}

fn positions(sites: &[Site<'_>], wanted: impl Fn(&Site<'_>) -> bool) -> Vec<usize> {
    sites.iter().enumerate().filter(|(_, site)| wanted(site)).map(|(at, _)| at).collect()
}

fn is_service(site: &Site<'_>, service: &ServiceName, port: Option<&PortText>) -> bool {
    let Entry::Service(known) = site.entry else { return false };
    let fits = match port {
        Some(PortText::Number(port)) => known.port == Some(*port),
        // A port's name was resolved in the route; here it only says which service is meant.
        Some(PortText::Name(_)) | None => true,
    };
    known.service == *service && fits
}

/// All services of the program's only route, or its only listener.
fn only(place: Span, sites: &[Site<'_>], cx: &mut Cx<'_>) -> Vec<usize> {
    let first = sites.first().map(|site| site.declaration);
    if first.is_none() {
        let help = "write a `route` or a `listen`; a test asks what becomes of a request there";
        cx.error(codes::UNKNOWN_ENTRY, place, "the program has no route and no listener to test", help);
    } else if sites.iter().any(|site| Some(site.declaration) != first) {
        let message = "this test does not say who takes its requests";
        let help = format!("write `test \"…\" for` one of {}", listed(sites.iter()));
        cx.error(codes::TEST_NEEDS_ENTRY, place, message, help);
    } else {
        return (0..sites.len()).collect();
    }
    Vec::new()
}

/// How an entry is written behind `for`.
fn written(entry: Entry<'_>) -> String {
    match entry {
        Entry::Service(service) => service.to_string(),
        Entry::Listen(name) => format!("listen {name}"),
    }
}

fn listed<'s>(sites: impl Iterator<Item = &'s Site<'s>>) -> String {
    sites.map(|site| format!("`{}`", written(site.entry))).collect::<Vec<_>>().join(", ")
}

fn not_steered(name: &meshc_dsl::source::Name, sites: &[Site<'_>], cx: &mut Cx<'_>) {
    let names = || {
        sites.iter().map(|site| match site.entry {
            Entry::Service(service) => service.service.name.as_str(),
            Entry::Listen(name) => name,
        })
    };
    let message = format!("nothing takes requests for `{}`", name.text);
    let diagnostic = Diagnostic::new(codes::UNKNOWN_ENTRY, name.span, message);
    cx.report(match nearest(&name.text, names()) {
        Some(near) if near != name.text => diagnostic.help(format!("did you mean `{near}`?")),
        _ if sites.is_empty() => diagnostic.help("the program has no route and no listener"),
        _ => diagnostic.help(format!("there are {}", listed(sites.iter()))),
    });
}

fn case<'a>(node: &'a tree::TestCase, at: usize, site: &Site<'_>, cx: &mut Cx<'a>) -> Option<Case> {
    let connections = matches!(site.traffic, Traffic::Tcp(_));
    if connections != node.sent.target.is_none() {
        let (message, help) = if connections {
            ("connections are routed here, not requests", "write `connection => …`")
        } else {
            ("requests are routed here, not connections", "write a request: `GET / => …`")
        };
        cx.error(codes::CONFLICTING, node.sent.span, message, help);
        return None;
    }
    let request = match &node.sent.target {
        Some((method, path)) => Some(request(&method.text, path, &node.sent.with, site, cx)?),
        None => None,
    };
    let owner = Owner {
        service: match site.entry {
            Entry::Service(service) => Some(service),
            Entry::Listen(_) => None,
        },
        namespace: site.namespace,
        shared: site.shared,
        tcp: connections,
    };
    let settings = Written::default();
    let mut names = Names {
        known: site.upstreams.len(),
        upstreams: Upstreams { owner, settings: &settings, list: site.upstreams.to_vec() },
    };
    let expected: Vec<_> = node.expected.iter().map(|e| expected(e, &mut names, cx)).collect();
    Some(Case { site: at, request, span: node.span, expected: expected.into_iter().collect::<Option<_>>()? })
}

/// The request that a test sends; its host is the service's name where none is written.
fn request<'a>(
    method: &str,
    path: &'a Value,
    with: &'a [tree::Carried],
    site: &Site<'_>,
    cx: &mut Cx<'a>,
) -> Option<Request> {
    let host = match site.entry {
        Entry::Service(service) => service.service.name.as_str(),
        Entry::Listen(_) => "localhost",
    };
    let mut request = Request::new(method, cx.text(path)?, host);
    let mut cookies: Vec<String> = Vec::new();
    for part in with {
        let value = cx.text(&part.value)?.to_owned();
        match &part.carrier {
            Carrier::Host => request.host = value,
            Carrier::Header(name) => match headers::name(name, cx)? {
                host if host == "host" => request.host = value,
                name => request.headers.push((name, value)),
            },
            Carrier::Query(name) => {
                let separator = if request.path.contains('?') { '&' } else { '?' };
                request.path.push_str(&format!("{separator}{}={value}", cx.bare_or_text(name)?));
            }
            Carrier::Cookie(name) => cookies.push(format!("{}={value}", cx.bare_or_text(name)?)),
        }
    }
    if !cookies.is_empty() {
        request.headers.push(("cookie".to_owned(), cookies.join("; ")));
    }
    Some(request)
}

/// The destinations of a site, by name.
struct Names<'s> {
    /// How many of them some rule names.
    known: usize,
    upstreams: Upstreams<'s>,
}

impl Names<'_> {
    fn find<'a>(&mut self, destination: &'a Destination, cx: &mut Cx<'a>) -> Option<Named> {
        let at = self.upstreams.destination(destination, cx)?;
        let text = self.upstreams.list.get(at).map(|u| u.endpoint.to_string())?;
        Some(Named { upstream: Some(at).filter(|at| *at < self.known), text })
    }
}

fn expected<'a>(node: &'a tree::Expected, names: &mut Names<'_>, cx: &mut Cx<'a>) -> Option<Expected> {
    let kind = match &node.kind {
        tree::Expectation::Clause(clause) => of_clause(clause, names, cx)?,
        tree::Expectation::NotTo(destination) => Expectation::NotTo(names.find(destination, cx)?),
        tree::Expectation::Path(path) => Expectation::Path(cx.text(path)?.to_owned()),
        tree::Expectation::Host(host) => Expectation::Host(cx.text(host)?.to_owned()),
        tree::Expectation::Header { direction, name, value } => {
            let name = headers::name(name, cx)?;
            let value = match value {
                Some(value) => Some(cx.text(value)?.to_owned()),
                None => None,
            };
            match direction {
                Direction::Request => Expectation::RequestHeader(name, value),
                Direction::Response => Expectation::ResponseHeader(name, value),
            }
        }
        tree::Expectation::Status(status, body) => {
            let body = match body {
                Some(body) => Some(cx.text(body)?.to_owned()),
                None => None,
            };
            Expectation::Status(cx.word(status, |w| count(w, "a status", 100, 599))?, body)
        }
        tree::Expectation::Line(line) => Expectation::Line(cx.word(line, |w| count(w, "a line", 1, u32::MAX))?),
    };
    Some(Expected { span: node.span, kind })
}

/// What a rule has that has this clause.
fn of_clause<'a>(clause: &'a Clause, names: &mut Names<'_>, cx: &mut Cx<'a>) -> Option<Expectation> {
    Some(match clause {
        Clause::Split(node) => {
            let portions = split::portions(node, cx)?;
            let named: Vec<_> = node.shares.iter().map(|s| names.find(&s.destination, cx)).collect();
            Expectation::Split(portions.into_iter().zip(named).map(|(p, n)| Some((p, n?))).collect::<Option<_>>()?)
        }
        Clause::Redirect(node) => {
            let status = redirect::resolve(node, cx)?.status;
            Expectation::Redirect(node.status.as_ref().map(|_| status), cx.text(&node.target)?.to_owned())
        }
        Clause::Timeout(node) => Expectation::Timeout(timeout::resolve(node, cx)?),
        Clause::IdleTimeout(node) => Expectation::IdleTimeout(timeout::resolve(node, cx)?),
        Clause::Retry(node) => {
            let whole = !node.on.is_empty() || node.per_try.is_some() || node.backoff.is_some();
            Expectation::Retry(retry::resolve(node, cx)?, whole)
        }
        Clause::Ratelimit(node) => {
            let options = [&node.burst, &node.status, &node.keys].into_iter().any(Option::is_some);
            let whole = options || node.by.is_some() || node.header.is_some() || node.shadow;
            Expectation::Limit(ratelimit::resolve(node, cx)?, whole)
        }
        Clause::Mirror(node) => {
            if matches!(node.destination.kind, DestinationKind::EnvoyAdmin { .. }) {
                let help = "mirror to a service";
                cx.error(codes::CONFLICTING, node.span, "the administration interface wants no copies", help);
                return None;
            }
            let portion = mirror::share(node, cx).unwrap_or(Portion::WHOLE);
            Expectation::Mirror(portion, names.find(&node.destination, cx)?)
        }
        Clause::Sticky(node) => Expectation::Sticky(sticky::resolve(node, cx)?),
        Clause::Cors(node) => Expectation::Cors(cors::resolve(node, cx)?),
        Clause::Accesslog(node) => Expectation::AccessLog(accesslog::resolve(node, cx)?),
        Clause::ClientAddress(node) => Expectation::ClientAddress(client_address::resolve(node, cx)?),
        Clause::No(node) => Expectation::No(kind(node, cx)?),
        other => Expectation::Upstream(aspect(other)?, Box::new(upstream(other, cx)?)),
    })
}

fn kind<'a>(node: &'a Single, cx: &mut Cx<'a>) -> Option<Kind> {
    let words = [
        ("timeout", Kind::Timeout),
        ("idle-timeout", Kind::IdleTimeout),
        ("retry", Kind::Retry),
        ("ratelimit", Kind::Limit),
        ("mirror", Kind::Mirror),
        ("sticky", Kind::Sticky),
        ("cors", Kind::Cors),
    ];
    cx.one_of(&node.value, "something that a rule may do without", &words)
}

fn aspect(clause: &Clause) -> Option<Aspect> {
    Some(match clause {
        Clause::CircuitBreaker(_) => Aspect::CircuitBreaker,
        Clause::Outlier(_) => Aspect::Outlier,
        Clause::Balance(_) => Aspect::Balance,
        Clause::ConnectTimeout(_) => Aspect::ConnectTimeout,
        Clause::Protocol(_) => Aspect::Protocol,
        Clause::HealthCheck(_) => Aspect::HealthCheck,
        _ => return None,
    })
}

/// The settings of a destination that has just this clause; `None` when it was reported.
fn upstream<'a>(clause: &'a Clause, cx: &mut Cx<'a>) -> Option<UpstreamSettings> {
    let before = cx.diagnostics.len();
    let settings = Written::read(&[clause], cx).finish();
    (cx.diagnostics.len() == before).then_some(settings)
}
