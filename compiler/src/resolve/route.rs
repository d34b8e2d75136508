//! `route` and `listen`: bodies → rules with destinations.

use super::declarations::{Declarations, Placed, in_namespace};
use super::destination::{self, Owner, Upstreams};
use super::parts::{Parts, Place};
use super::ports::{self, Use};
use super::reach;
use super::rule::{Deed, Draft};
use super::services::socket_address;
use super::{Cx, Env, cookies, shares, tcp};
use crate::clause::accesslog::{self, AccessLog};
use crate::clause::client_address::{self, ClientAddress};
use crate::clause::key::Key;
use crate::clause::mirror::{self, Mirror};
use crate::clause::patch::{self, Part, Patch, WrittenPart};
use crate::clause::protocol::Protocol;
use crate::clause::respond::Respond;
use crate::clause::sticky::Sticky;
use crate::clause::upstream;
use crate::ir::{Action, Endpoint, Forward, Listen, Route, Rule, Scope, Share, Steered, Tcp, Traffic, Upstream};
use crate::name::{self, ServiceName, ServicePort};
use crate::target::{self, Target};
use meshc_dsl::clause::{self, DestinationKind};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::parallel::map_parts;
use meshc_dsl::source::Name;
use meshc_dsl::syntax;
use meshc_dsl::value;
use meshc_dsl::{Diagnostic, Span};

/// How many routes make a thread worth its start.
const LEAST: usize = 64;

pub(crate) fn resolve_all<'a>(
    declarations: &Declarations<'a>,
    env: &Env<'a>,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<Route>, Vec<Listen>) {
    let parts = map_parts(&declarations.routes, LEAST, |part| {
        let mut cx = Cx::new(env);
        let routes: Vec<Route> = part.iter().filter_map(|placed| route(placed, &mut cx)).collect();
        (routes, cx.diagnostics)
    });
    let mut routes = Vec::with_capacity(declarations.routes.len());
    for (mut resolved, mut problems) in parts {
        routes.append(&mut resolved);
        diagnostics.append(&mut problems);
    }
    let mut listens = Vec::with_capacity(declarations.listens.len());
    for placed in &declarations.listens {
        let mut cx = Cx::new(env);
        listens.extend(listen(placed, &mut cx));
        diagnostics.append(&mut cx.diagnostics);
    }
    (routes, listens)
}

/// What a body says of the whole route or listener.
pub(crate) struct Edge<'a> {
    client_address: ClientAddress,
    access_log: Option<AccessLog>,
    patches: Vec<patch::Written<'a>>,
}

pub(crate) fn read_edge<'a>(parts: &Parts<'a>, cx: &mut Cx<'a>) -> Edge<'a> {
    let client_address = parts.client_address.and_then(|c| client_address::resolve(c, cx).map(|a| (a, c.span)));
    let keeps = cx.env.target.is_cilium() && !cx.env.target.has(&target::ORIGINAL_SOURCE_LABEL);
    if let Some((ClientAddress::Hide, span)) = client_address.filter(|_| keeps) {
        let message = format!("{} always keeps the client's address", cx.env.target);
        cx.report(
            Diagnostic::new(codes::KEEPS_CLIENT_ADDRESS, span, message).help("it can be hidden from cilium-1.15 on"),
        );
    }
    let written = client_address.map(|(a, _)| a).unwrap_or_default();
    Edge {
        client_address: if keeps { ClientAddress::Keep } else { written },
        access_log: parts.accesslog.and_then(|c| accesslog::resolve(c, cx)),
        patches: parts.patches.iter().filter_map(|c| patch::resolve(c, cx)).collect(),
    }
}

/// The patches for one service or listener; one that has nothing to change is reported.
fn patches<'a>(drafts: &Drafts<'a>, upstreams: &mut Upstreams<'_>, cx: &mut Cx<'a>) -> Vec<Patch> {
    let mut patches = Vec::new();
    for written in &drafts.edge.patches {
        let (part, nothing, help) = match written.part {
            WrittenPart::Cluster(destination) => match upstreams.find(destination, cx) {
                None => continue,
                Some(found) => {
                    let help =
                        "name a destination of a rule here, or the routed service itself where no rule names one";
                    (found.map(Part::Cluster), "no rule sends traffic to this destination", help)
                }
            },
            WrittenPart::Known(Part::Route | Part::Http) if drafts.tcp => {
                (None, "connections have no HTTP", "use `patch listener` or `patch cluster`")
            }
            WrittenPart::Known(part) => (Some(part), "", ""),
        };
        match part {
            Some(part) => patches.push(written.of(part)),
            None => {
                let message = format!("this patch changes nothing: {nothing}");
                cx.error(codes::PATCHES_NOTHING, written.span(), message, help);
            }
        }
    }
    patches
}

/// The rules of a body before their destinations are looked up.
struct Drafts<'a> {
    rules: Vec<Draft<'a>>,
    /// Whether connections are routed, not requests.
    tcp: bool,
    settings: upstream::Written,
    edge: Edge<'a>,
    /// Whether the body says anything about requests that no `when` takes.
    fallback_written: bool,
}

/// `services` are those whose declarations may say that they speak TCP.
fn drafts<'a>(
    body: &'a syntax::Body,
    place: Place,
    span: Span,
    services: &[(ServicePort, Span)],
    cx: &mut Cx<'a>,
) -> Drafts<'a> {
    let parts = Parts::collect(body, place, cx);
    let settings = upstream::Written::read(&parts.upstream, cx);
    let tcp = speaks_tcp(&settings, services, cx);
    if tcp {
        tcp::check(&parts, cx);
    }
    settings.note_per_node(cx);
    let edge = read_edge(&parts, cx);
    let fallback = fallback(&parts, span, cx);
    let mut rules: Vec<Draft<'a>> = parts.whens.iter().filter_map(|when| Draft::when(when, &fallback, cx)).collect();
    let fallback_written = parts.first.is_some() || parts.otherwise.is_some();
    if place == Place::Listen && !tcp {
        Draft::warn_of_nowhere(&rules, &fallback, cx);
    }
    reach::check(&rules, Some(&fallback).filter(|_| fallback_written && !tcp), cx);
    rules.push(fallback);
    cookies::check(&rules, cx);
    cookies::number(&mut rules, cx);
    Drafts { rules, tcp, settings, edge, fallback_written }
}

/// Whether a body is for connections: it says so, or the services that it steers do.
fn speaks_tcp(settings: &upstream::Written, services: &[(ServicePort, Span)], cx: &mut Cx<'_>) -> bool {
    if let Some(protocol) = settings.protocol() {
        return protocol == Protocol::Tcp;
    }
    let env = cx.env;
    let declared = |service: &ServicePort| env.services.get(&service.service).and_then(|info| info.upstream.protocol());
    let (tcp, http): (Vec<_>, Vec<_>) = services.iter().partition(|(s, _)| declared(s) == Some(Protocol::Tcp));
    if let (Some((first, place)), Some((other, span))) = (tcp.first(), http.first()) {
        let message = format!("`{}` speaks TCP and `{}` does not", first.service, other.service);
        let diagnostic = Diagnostic::new(codes::PROTOCOLS_DIFFER, *span, message)
            .also(*place, "this one does")
            .help("write a route for each");
        cx.report(diagnostic);
    }
    !tcp.is_empty()
}

/// The clauses outside every `when`, or those of `otherwise`.
fn fallback<'a>(parts: &Parts<'a>, span: Span, cx: &mut Cx<'a>) -> Draft<'a> {
    let Some((otherwise, body)) = parts.otherwise else {
        return Draft::read(parts, parts.first.unwrap_or(span), cx);
    };
    if let Some(first) = parts.first {
        let diagnostic = Diagnostic::new(codes::TWO_FALLBACKS, otherwise, "there are two fallbacks")
            .also(first, "this is outside every `when`, and so the fallback too")
            .help("put all of the fallback into `otherwise`, or all of it outside");
        cx.report(diagnostic);
    }
    let inner = Parts::collect(body, Place::Otherwise, cx);
    Draft::read(&inner, otherwise, cx)
}

fn route<'a>(placed: &Placed<'a, syntax::Route>, cx: &mut Cx<'a>) -> Option<Route> {
    let node = placed.node;
    let subjects: Vec<(ServicePort, Span)> = node.subjects.iter().filter_map(|s| subject(s, placed, cx)).collect();
    let drafts = drafts(&node.body, Place::Route, node.span, &subjects, cx);
    one_namespace(&subjects, placed, cx);
    let shared = node.subjects.len() > 1;
    let steered = subjects.iter().map(|(service, span)| steer(service, *span, &drafts, shared, cx)).collect::<Vec<_>>();
    // The rules are the same for every service.
    steered.first().into_iter().for_each(|first| reach::neighbours(first.traffic.rules(), cx));
    let written: Vec<&str> = node.subjects.iter().map(|s| s.text.as_str()).collect();
    Some(Route {
        origin: placed.origin(format!("route {}", written.join(", "))),
        span: subjects.first().map(|(_, span)| *span)?,
        scope: placed.scope,
        steered,
        client_address: drafts.edge.client_address,
        access_log: drafts.edge.access_log,
    })
}

/// A subject of a route: a service that exists, with a port, as far as anything knows it.
fn subject(name: &Name, placed: &Placed<'_, syntax::Route>, cx: &mut Cx<'_>) -> Option<(ServicePort, Span)> {
    let text = match name::service(&name.text) {
        Ok(text) => text,
        Err(e) => {
            cx.error(e.code, name.span, e.message, e.help);
            return None;
        }
    };
    if text.version.is_some() {
        cx.error(
            codes::BAD_NAME,
            name.span,
            "a route steers a service, not a version of it",
            "write the service; versions are its destinations",
        );
        return None;
    }
    let service = in_namespace(&text, &placed.namespace);
    if cx.env.catalog.given && cx.env.catalog.get(&service).is_none() {
        destination::unknown_service(&service, codes::UNKNOWN_SERVICE, name.span, cx);
        return None;
    }
    if !ports::fit(&service, Use::Steered, name.span, cx) {
        return None;
    }
    let port = ports::resolve(&service, text.port.as_ref(), name.span, cx)?;
    if port.is_none() {
        unknown_port(&service, name, cx)?;
    }
    steers_all_ports(&service, port, name, cx);
    Some((ServicePort { service, port }, name.span))
}

fn unknown_port(service: &ServiceName, name: &Name, cx: &mut Cx<'_>) -> Option<()> {
    let help = format!("write `route {}:PORT`, or give the Services by `--catalog`", name.text);
    if cx.env.target == Target::Envoy {
        cx.error(codes::PORT_NEEDED, name.span, format!("nothing knows the port of `{service}`"), help);
        return None;
    }
    let message = format!("nothing knows the port of `{service}`, so every port of it is steered as HTTP");
    cx.report(Diagnostic::new(codes::UNKNOWN_PORT_SWEPT, name.span, message).help(help));
    Some(())
}

/// Before `services[].ports` Cilium steers a service as a whole.
fn steers_all_ports(service: &ServiceName, port: Option<u16>, name: &Name, cx: &mut Cx<'_>) {
    let env = cx.env;
    if port.is_none() || env.target.has(&target::SERVICE_PORTS) {
        return;
    }
    match env.catalog.get(service) {
        Some(known) if known.ports.len() > 1 => {
            let message = format!("{} steers every port of `{service}`, and it has {}", env.target, known.ports.len());
            cx.error(codes::TARGET_CANNOT, name.span, message, "single ports are steered from cilium-1.16 on");
        }
        Some(_) => {}
        None => {
            let message = format!("{} steers every port of `{service}`", env.target);
            cx.report(Diagnostic::new(codes::STEERS_ALL_PORTS, name.span, message).help("single ports are steered from cilium-1.16 on; give the Services by `--catalog` to check that it has but one"));
        }
    }
}

/// A namespaced object steers only services of its own namespace.
fn one_namespace(subjects: &[(ServicePort, Span)], placed: &Placed<'_, syntax::Route>, cx: &mut Cx<'_>) {
    let Some((first, first_span)) = subjects.first().filter(|_| placed.scope == Scope::Namespace) else { return };
    for (other, span) in subjects.iter().filter(|(s, _)| s.service.namespace != first.service.namespace) {
        let message = format!("`{}` is in another namespace than `{}`", other.service, first.service);
        let diagnostic = Diagnostic::new(codes::FOREIGN_NAMESPACE, *span, message)
            .also(*first_span, "the object is in this one's namespace")
            .help("write a route for each, or `scope cluster` at the head of the file");
        cx.report(diagnostic);
    }
}

fn steer<'a>(service: &ServicePort, span: Span, drafts: &Drafts<'a>, shared: bool, cx: &mut Cx<'a>) -> Steered {
    let owner = Owner { service: Some(service), namespace: &service.service.namespace, shared, tcp: drafts.tcp };
    let mut upstreams = Upstreams { owner, settings: &drafts.settings, list: Vec::new() };
    let traffic = traffic(drafts, &service.service.name, &mut upstreams, cx);
    let patches = patches(drafts, &mut upstreams, cx);
    let upstreams = upstreams.list;
    warn_never_ejected(&drafts.settings, span, cx);
    let own = |u: &Upstream| matches!(&u.endpoint, Endpoint::Service { service: own, .. } if own == service);
    if upstreams.iter().any(own) {
        ports::warn_of_node_local(&service.service, span, cx);
    }
    let at = cx.env.services.get(&service.service).map(|info| info.at.settled()).unwrap_or_default();
    Steered { service: service.clone(), span, traffic, upstreams, patches, at }
}

/// What happens to the traffic of a service or listener of this name.
fn traffic<'a>(drafts: &Drafts<'a>, name: &str, upstreams: &mut Upstreams<'_>, cx: &mut Cx<'a>) -> Traffic {
    if !drafts.tcp {
        return Traffic::Http(drafts.rules.iter().filter_map(|draft| rule(draft, name, upstreams, cx)).collect());
    }
    let nowhere = Tcp { split: Vec::new(), idle_timeout: None };
    let Some(fallback) = drafts.rules.last() else { return Traffic::Tcp(nowhere) };
    let split = match (&fallback.deed, upstreams.owner.service) {
        (Deed::Forward(split), _) => upstreams.split(split, cx),
        (_, Some(service)) => Some(upstreams.routed(service, cx)),
        (_, None) => {
            let message = "connections to this listener have no destination";
            cx.error(codes::NEEDS, fallback.span, message, "write where they go: `to SERVICE`");
            None
        }
    };
    if let Some(admin) = upstreams.list.iter().position(|u| u.endpoint == Endpoint::EnvoyAdmin)
        && split.iter().flatten().any(|s| s.upstream == admin)
    {
        let help = "leave `protocol tcp` away, so that only GET and HEAD pass";
        cx.error(codes::ADMIN_MISUSED, fallback.span, "the administration interface speaks HTTP", help);
    }
    let (_, idle_timeout) = fallback.timeouts();
    Traffic::Tcp(Tcp { split: split.unwrap_or_default(), idle_timeout })
}

/// Before `always_eject_one_host` the percentage protects the last endpoints.
fn warn_never_ejected(settings: &upstream::Written, span: Span, cx: &mut Cx<'_>) {
    let Some(outlier) = settings.finish().outlier else { return };
    if cx.env.target.has(&target::ALWAYS_EJECT) {
        return;
    }
    let few = outlier.never_ejected();
    if few == 0 {
        return;
    }
    let place = settings.outlier_place().unwrap_or(span);
    let message = format!("on {} none of {few} or fewer endpoints is ever ejected", cx.env.target);
    let help = "raise `max-ejected`; from cilium-1.17 on one endpoint can always be ejected";
    cx.report(Diagnostic::new(codes::NEVER_EJECTED, place, message).help(help));
}

/// A rule with its destinations; `None` when they were reported. `name` is the service's or listener's.
fn rule<'a>(draft: &Draft<'a>, name: &str, upstreams: &mut Upstreams<'_>, cx: &mut Cx<'a>) -> Option<Rule> {
    let action = match &draft.deed {
        Deed::Redirect(redirect) => Action::Redirect(redirect.clone()),
        Deed::Respond(respond) => Action::Respond(respond.clone()),
        Deed::Forward(split) => {
            let read_only = is_read_only(split);
            let written = split;
            let split = upstreams.split(written, cx);
            shares::check(written, split.as_deref().unwrap_or(&[]), draft.limit().as_ref(), cx);
            let mirrors = mirrors(draft, split.as_deref(), upstreams, cx);
            forward(draft, name, (split?, mirrors?), read_only, upstreams, cx)
        }
        Deed::Unset => match upstreams.owner.service {
            Some(service) => {
                let split = upstreams.routed(service, cx);
                let mirrors = mirrors(draft, Some(&split), upstreams, cx)?;
                forward(draft, name, (split, mirrors), false, upstreams, cx)
            }
            None => Action::Respond(Respond { status: 404, body: None, span: draft.span }),
        },
    };
    let forwarded = matches!(action, Action::Forward(_));
    Some(Rule {
        span: draft.span,
        condition: draft.condition.clone(),
        action,
        cors: draft.cors(),
        limit: draft.limit(),
        request_headers: if forwarded { draft.request_headers.clone() } else { Default::default() },
        response_headers: draft.response_headers.clone(),
    })
}

/// Where copies of a rule's requests go. `split` is where the requests themselves go, if that is known.
fn mirrors<'a>(
    draft: &Draft<'a>,
    split: Option<&[Share]>,
    upstreams: &mut Upstreams<'_>,
    cx: &mut Cx<'a>,
) -> Option<Vec<Mirror>> {
    let one = |clause: &'a clause::Mirror| {
        if let DestinationKind::EnvoyAdmin { .. } = clause.destination.kind {
            let help = "mirror to a service";
            cx.error(codes::ADMIN_MISUSED, clause.span, "the administration interface wants no copies", help);
            return None;
        }
        let portion = mirror::share(clause, cx);
        let upstream = upstreams.destination(&clause.destination, cx)?;
        if split.is_some_and(|split| split.iter().all(|s| s.upstream == upstream || s.portion.0 == 0)) {
            mirror::warn_of_itself(clause, cx);
        }
        Some(Mirror { portion: portion?, upstream })
    };
    let all: Vec<Option<Mirror>> = draft.mirrors().into_iter().map(one).collect();
    all.into_iter().collect()
}

/// What the rule's clients keep their side by; nothing where there is one side only.
fn sticky(draft: &Draft<'_>, name: &str, split: &[Share]) -> Option<Sticky> {
    Some(match draft.sticky().filter(|_| split.len() > 1)? {
        Key::IssuedCookie(Some(cookie)) => Sticky::IssuedCookie(cookie),
        Key::IssuedCookie(None) if draft.cookie == 0 => Sticky::IssuedCookie(format!("sticky-{name}")),
        Key::IssuedCookie(None) => Sticky::IssuedCookie(format!("sticky-{name}-{}", draft.cookie + 1)),
        key => Sticky::Hash(key),
    })
}

fn forward<'a>(
    draft: &Draft<'a>,
    name: &str,
    (split, mirrors): (Vec<Share>, Vec<Mirror>),
    read_only: bool,
    upstreams: &Upstreams<'_>,
    cx: &mut Cx<'a>,
) -> Action {
    let (timeout, idle_timeout) = draft.timeouts();
    let retry = draft.retry(cx);
    if let Some(retry) = &retry {
        let sides = split.iter().filter_map(|s| upstreams.list.get(s.upstream));
        retry.warn_of_timeout(timeout, cx);
        retry.warn_of_breakers(sides.map(|u| &u.settings.circuit_breaker), cx);
    }
    Action::Forward(Box::new(Forward {
        sticky: sticky(draft, name, &split),
        mirrors,
        split,
        path: draft.path.clone(),
        host: draft.host.clone(),
        timeout,
        timeout_span: draft.timeout_span(),
        idle_timeout,
        retry,
        read_only,
    }))
}

/// Whether the split leads to the administration interface without `writable`.
fn is_read_only(split: &meshc_dsl::clause::Split) -> bool {
    split.shares.iter().any(|s| matches!(s.destination.kind, DestinationKind::EnvoyAdmin { writable: false }))
}

fn listen<'a>(placed: &Placed<'a, syntax::Listen>, cx: &mut Cx<'a>) -> Option<Listen> {
    let node = placed.node;
    if let Err(e) = value::name(&node.name.text) {
        cx.error(e.code, node.name.span, e.message, e.help);
    }
    let address = match socket_address(&node.address.text) {
        Ok(address) => Some(address),
        Err(e) => {
            cx.error(
                e.code,
                node.address.span,
                e.message,
                "a listener's address is written `[::]:9090` or `0.0.0.0:9090`",
            );
            None
        }
    };
    let drafts = drafts(&node.body, Place::Listen, node.name.span, &[], cx);
    let owner = Owner { service: None, namespace: &placed.namespace, shared: false, tcp: drafts.tcp };
    let mut upstreams = Upstreams { owner, settings: &drafts.settings, list: Vec::new() };
    let mut traffic = traffic(&drafts, &node.name.text, &mut upstreams, cx);
    if let Traffic::Http(rules) = &mut traffic {
        let needs_fallback = rules.iter().filter_map(|r| r.condition.as_ref()).any(|c| c.denies_query(false));
        if !drafts.fallback_written && !needs_fallback {
            // Envoy answers 404 by itself where no route matches.
            rules.pop();
        }
    }
    reach::neighbours(traffic.rules(), cx);
    let patches = patches(&drafts, &mut upstreams, cx);
    let upstreams = upstreams.list;
    Some(Listen {
        origin: placed.origin(format!("listen {}", node.name.text)),
        span: node.name.span.to(node.address.span),
        scope: placed.scope,
        namespace: placed.namespace.clone(),
        name: node.name.text.clone(),
        address: address?,
        traffic,
        upstreams,
        patches,
        client_address: drafts.edge.client_address,
        access_log: drafts.edge.access_log,
    })
}

/// The Services behind a list of upstreams, each with its port.
pub(crate) fn services_of(upstreams: &[crate::ir::Upstream]) -> impl Iterator<Item = &ServicePort> {
    upstreams.iter().filter_map(|u| match &u.endpoint {
        Endpoint::Service { service, .. } => Some(service),
        _ => None,
    })
}
