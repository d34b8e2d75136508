//! `at ADDRESS, …` and `on-failure direct | refuse`: which connections `meshc up` takes to its Envoy, and
//! what becomes of them where Envoy does not answer. On a cluster Cilium steers, and both say nothing.

use crate::ir::Program;
use crate::name::ServiceName;
use crate::resolve::{Cx, Env};
use meshc_dsl::clause::{Endpoints, Single};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::ValueError;
use meshc_dsl::{Diagnostic, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// The addresses of a service whose connections are steered; none where it has no `at`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct At {
    /// The addresses, IPv4 ones never in their IPv6 form.
    pub addresses: BTreeSet<IpAddr>,
    /// What becomes of connections that cannot be steered.
    pub on_failure: OnFailure,
}

/// What becomes of a connection where Envoy does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It goes where it was dialled.
    #[default]
    Direct,
    /// The client gets ECONNREFUSED.
    Refuse,
}

/// What a `service` says of it.
#[derive(Debug, Default)]
pub(crate) struct Written {
    addresses: BTreeMap<IpAddr, Span>,
    on_failure: Option<(OnFailure, Span)>,
}

impl Written {
    pub(crate) fn at<'a>(&mut self, clause: &'a Endpoints, cx: &mut Cx<'a>) {
        for value in &clause.addresses {
            if let Some(address) = cx.word(value, ip_address) {
                self.addresses.entry(address).or_insert(value.span);
            }
        }
    }

    pub(crate) fn on_failure<'a>(&mut self, clause: &'a Single, cx: &mut Cx<'a>) {
        let words = [("direct", OnFailure::Direct), ("refuse", OnFailure::Refuse)];
        if let Some(chosen) = cx.one_of(&clause.value, "a way to fail", &words) {
            self.on_failure = Some((chosen, clause.span));
        }
    }

    pub(crate) fn settled(&self) -> At {
        At {
            addresses: self.addresses.keys().copied().collect(),
            on_failure: self.on_failure.map(|(chosen, _)| chosen).unwrap_or_default(),
        }
    }
}

fn ip_address(text: &str) -> Result<IpAddr, ValueError> {
    let wrong = |message: String, help: &str| ValueError { code: codes::BAD_ADDRESS, message, help: help.to_owned() };
    let address: IpAddr = text.parse().map_err(|_| {
        wrong(format!("`{text}` is not an IP address"), "addresses are written `10.96.0.10` or `fd00::10`")
    })?;
    let address = address.to_canonical();
    if address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        let help = "connections are steered that dial the service's own address, such as `10.96.0.10`";
        return Err(wrong(format!("no client connects to `{text}`"), help));
    }
    Ok(address)
}

/// Reports addresses that two services have, and what is written where nothing is steered.
pub(crate) fn check(program: &Program, env: &Env<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let steered: BTreeSet<&ServiceName> =
        program.routes.iter().flat_map(|r| &r.steered).map(|s| &s.service.service).collect();
    for (name, info) in &env.services {
        if let Some(place) = info.at.addresses.values().next().filter(|_| !steered.contains(name)) {
            let message = format!("no route steers `{name}`, so its connections go where they are dialled");
            let help = format!("write `route {name} …`, or take `at` away");
            diagnostics.push(Diagnostic::new(codes::NO_EFFECT, *place, message).help(help));
        }
        if let Some((_, place)) = info.at.on_failure.filter(|_| info.at.addresses.is_empty()) {
            let help = "write which connections are steered: `at 10.96.0.10`";
            let message = "without `at` no connection is steered, and none fails";
            diagnostics.push(Diagnostic::new(codes::NO_EFFECT, place, message).help(help));
        }
    }
    each_once(program, env, diagnostics);
}

fn each_once(program: &Program, env: &Env<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<(IpAddr, Option<u16>), (&ServiceName, Span)> = BTreeMap::new();
    for steered in program.routes.iter().flat_map(|r| &r.steered) {
        let service = &steered.service.service;
        let Some(info) = env.services.get(service) else { continue };
        for (address, place) in &info.at.addresses {
            let before = *taken.entry((*address, steered.service.port)).or_insert((service, *place));
            if before.0 != service {
                let message = format!("`{}` and `{service}` have the same address and port", before.0);
                let diagnostic = Diagnostic::new(codes::ADDRESS_TAKEN, *place, message)
                    .also(before.1, "the first one")
                    .help("a connection is steered to one service: give each an address or a port of its own");
                diagnostics.push(diagnostic);
            }
        }
    }
}
