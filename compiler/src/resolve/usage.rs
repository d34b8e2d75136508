//! What only shows when the whole program is seen: services steered twice, ports used both ways,
//! addresses taken twice; and the notes that are said once.

use super::Env;
use super::route::services_of;
use crate::clause::at;
use crate::clause::client_address::ClientAddress;
use crate::ir::{Program, Scope};
use crate::name::{ServiceName, ServicePort};
use crate::target;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::{Diagnostic, Span};
use std::collections::BTreeMap;
use std::net::SocketAddr;

pub(crate) fn check(program: &Program, env: &Env<'_>, diagnostics: &mut Vec<Diagnostic>) {
    steered_once(program, diagnostics);
    ports_alike(program, diagnostics);
    addresses_free(program, diagnostics);
    at::check(program, env, diagnostics);
    keeps_outside_clients(program, env, diagnostics);
    notes(program, env, diagnostics);
}

/// With the client's own address only pods of the node may be clients.
fn keeps_outside_clients(program: &Program, env: &Env<'_>, diagnostics: &mut Vec<Diagnostic>) {
    // Where addresses are always kept, that is said already.
    let decides = env.target.is_cilium() && env.target.has(&target::ORIGINAL_SOURCE_LABEL);
    let keeping = program.routes.iter().filter(|r| decides && r.client_address == ClientAddress::Keep);
    for steered in keeping.flat_map(|r| &r.steered) {
        let service = &steered.service.service;
        if env.catalog.get(service).is_some_and(|known| known.outside) {
            let message = format!("`{service}` is called from outside the cluster too, and those clients are refused");
            let diagnostic = Diagnostic::new(codes::KEEPS_OUTSIDE_CLIENTS, steered.span, message)
                .help("with `client-address keep` only pods of the node may be clients: write `client-address hide`");
            diagnostics.push(diagnostic);
        }
    }
}

fn steered_once(program: &Program, diagnostics: &mut Vec<Diagnostic>) {
    let mut steered: BTreeMap<&ServicePort, Span> = BTreeMap::new();
    let mut scopes: BTreeMap<&ServiceName, (Scope, Span)> = BTreeMap::new();
    for (route, subject) in program.routes.iter().flat_map(|r| r.steered.iter().map(move |s| (r, s))) {
        if let Some(first) = steered.insert(&subject.service, subject.span) {
            let message = format!("`{}` is steered twice", subject.service);
            let diagnostic = Diagnostic::new(codes::SERVICE_STEERED_TWICE, subject.span, message)
                .also(first, "first steered here")
                .help("put both into one route; rules for some of the requests are written `when CONDITION { … }`");
            diagnostics.push(diagnostic);
        }
        let (scope, first) = *scopes.entry(&subject.service.service).or_insert((route.scope, subject.span));
        if scope != route.scope {
            let message = format!("the routes of `{}` have different scopes", subject.service.service);
            let diagnostic = Diagnostic::new(codes::SCOPES_DIFFER, subject.span, message)
                .also(first, "this one")
                .help("all routes of one service become one object: write `scope cluster` in both files or in neither");
            diagnostics.push(diagnostic);
        }
    }
}

/// One ported use of a Service takes the endpoints of an unported one away.
fn ports_alike(program: &Program, diagnostics: &mut Vec<Diagnostic>) {
    let mut uses: BTreeMap<&ServiceName, [Option<Span>; 2]> = BTreeMap::new();
    let routed = program.routes.iter().flat_map(|r| &r.steered).flat_map(|steered| {
        let own = std::iter::once(&steered.service).chain(services_of(&steered.upstreams));
        own.map(|service| (service, steered.span))
    });
    let listening = program.listens.iter().flat_map(|l| services_of(&l.upstreams).map(|service| (service, l.span)));
    for (service, place) in routed.chain(listening) {
        let places = uses.entry(&service.service).or_default();
        if let Some(slot) = places.get_mut(usize::from(service.port.is_some())) {
            slot.get_or_insert(place);
        }
    }
    for (service, places) in uses {
        if let [Some(unported), Some(ported)] = places {
            let message = format!("`{service}` is used with a port and without one");
            let diagnostic = Diagnostic::new(codes::PORTED_AND_UNPORTED, unported, message)
                .also(ported, "used with a port here")
                .help(format!("write its port once and for all: `service {}:PORT`", service.name));
            // That nothing knows its port is the same mistake.
            diagnostics.retain(|d| !(d.code == codes::UNKNOWN_PORT_SWEPT && d.place() == Some(unported)));
            diagnostics.push(diagnostic);
        }
    }
}

fn addresses_free(program: &Program, diagnostics: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<SocketAddr, Span> = BTreeMap::new();
    let mut names: BTreeMap<(&str, &str), Span> = BTreeMap::new();
    for listen in &program.listens {
        let address = match listen.address.ip() {
            // `[::]` takes the connections of `0.0.0.0` too.
            ip if ip.is_unspecified() => SocketAddr::from(([0; 16], listen.address.port())),
            _ => listen.address,
        };
        if let Some(first) = taken.insert(address, listen.span) {
            let message = format!("two listeners are on {}", listen.address);
            diagnostics.push(
                Diagnostic::new(codes::ADDRESS_TAKEN, listen.span, message)
                    .also(first, "the first one")
                    .help("give each an address and port of its own"),
            );
        }
        // An object of the whole cluster has its name for itself in all namespaces.
        let namespace = if listen.scope == Scope::Cluster { "" } else { listen.namespace.as_str() };
        if let Some(first) = names.insert((namespace, &listen.name), listen.span) {
            let message = format!("two listeners are called `{}`", listen.name);
            diagnostics.push(
                Diagnostic::new(codes::DUPLICATE, listen.span, message)
                    .also(first, "the first one")
                    .help("rename one of the two"),
            );
        }
    }
}

/// Facts that every user should hear once.
fn notes(program: &Program, env: &Env<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(first) = program.routes.first() else { return };
    if env.target.is_cilium() {
        diagnostics.push(client_address_note(program, env, first.span));
    }
    let rules = || program.routes.iter().flat_map(|r| &r.steered).flat_map(|s| s.traffic.rules());
    let limits = rules().chain(program.listens.iter().flat_map(|l| l.traffic.rules())).filter_map(|r| r.limit.as_ref());
    if let Some(limit) = limits.into_iter().find(|limit| !limit.per_node) {
        let message = "rate limits count on each node by itself, and an update of the policy may refill them";
        let help =
            "for a limit of the whole cluster divide it by the number of nodes; `per node` says that it is meant so";
        diagnostics.push(Diagnostic::new(codes::RATELIMIT_NOTE, limit.span, message).help(help));
    }
}

fn client_address_note(program: &Program, env: &Env<'_>, place: Span) -> Diagnostic {
    if !env.target.has(&target::ORIGINAL_SOURCE_LABEL) {
        let message = format!("{} always keeps the client's address: only pods of the node may be clients", env.target);
        return Diagnostic::new(codes::KEEPS_CLIENT_ADDRESS, place, message)
            .help("it can be hidden from cilium-1.15 on");
    }
    let keeping = program.routes.iter().find(|r| r.client_address == ClientAddress::Keep);
    let (place, message) = match keeping {
        Some(route) => (
            route.span,
            "with `client-address keep` only pods of the node may be clients, and policies of destinations see the client's identity",
        ),
        None => (
            place,
            "policies of destinations see the identity `reserved:ingress`, not the client's (`client-address keep` changes that)",
        ),
    };
    Diagnostic::new(codes::CLIENT_ADDRESS_NOTE, place, message)
}
