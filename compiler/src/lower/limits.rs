//! How the rules of one service share their rate limits.
//!
//! Each written limit is one bucket. Envoy keeps a bucket for each configuration object, so a limit
//! that several Envoy routes count against needs one object that all of them use:
//! - a limit of a single Envoy route: that route's own filter settings, on every target;
//! - one limit of all routes: the virtual host's filter settings, on every target;
//! - else, from cilium-1.16 on: a filter for each limit, off but on its routes;
//! - else: one bucket for each limit by descriptor in the virtual host's filter settings, which
//!   share the look of refusals, so that limits that look different are refused.

use crate::clause::ratelimit::RateLimit;
use crate::envoy::{
    Empty, GenericKey, HttpFilter, HttpFilterConfig, LocalRateLimit, PerFilterConfig, RateLimitAction, RouteRateLimit,
    Str,
};
use crate::target::{self, Target};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::{Diagnostic, Span};
use std::collections::BTreeMap;

const FILTER: &str = "envoy.filters.http.local_ratelimit";

type PerFilter = BTreeMap<Str, PerFilterConfig>;

/// A rule's use of a limit.
pub(crate) struct Use<'a> {
    pub(crate) limit: Option<&'a RateLimit>,
    /// How many Envoy routes the rule becomes.
    pub(crate) routes: usize,
    /// Whether the rule reaches an upstream, without which a route has no descriptors.
    pub(crate) forwards: bool,
}

/// What the limits of a service become.
#[derive(Default)]
pub(crate) struct Plan {
    /// HTTP filters, in front of the router.
    pub(crate) filters: Vec<HttpFilter>,
    /// Filter settings of the virtual host.
    pub(crate) host: PerFilter,
    /// Filter settings of the routes of each limit, by where it is written.
    routes: BTreeMap<Span, PerFilter>,
    /// Descriptors of the routes of each limit.
    descriptors: BTreeMap<Span, String>,
}

impl Plan {
    /// The filter settings of a route with this limit.
    pub(crate) fn of_route(&self, limit: Option<&RateLimit>) -> PerFilter {
        limit.and_then(|l| self.routes.get(&l.span)).cloned().unwrap_or_default()
    }

    /// The descriptors of a route with this limit.
    pub(crate) fn descriptors(&self, limit: Option<&RateLimit>) -> Vec<RouteRateLimit> {
        let value = limit.and_then(|l| self.descriptors.get(&l.span));
        let action = |value: &String| RateLimitAction::GenericKey(GenericKey { descriptor_value: value.clone() });
        value.map(|v| RouteRateLimit { actions: vec![action(v)] }).into_iter().collect()
    }
}

/// Plans the limits of one service's rules.
pub(crate) fn plan(uses: &[Use<'_>], target: Target, diagnostics: &mut Vec<Diagnostic>) -> Plan {
    let mut limits: Vec<&RateLimit> = Vec::new();
    let mut routes: BTreeMap<Span, usize> = BTreeMap::new();
    for one in uses {
        let Some(limit) = one.limit else { continue };
        if !limits.iter().any(|l| l.span == limit.span) {
            limits.push(limit);
        }
        *routes.entry(limit.span).or_default() += one.routes;
    }
    let spread = |limit: &&RateLimit| routes.get(&limit.span).is_some_and(|n| *n > 1);
    match limits.as_slice() {
        [] => Plan::default(),
        [only] if uses.iter().all(|u| u.limit.is_some()) && spread(only) => of_host(only.lower()),
        _ if !limits.iter().any(spread) => each_its_route(&limits),
        _ if target.has(&target::DISABLED_FILTER) => filter_for_each(&limits),
        _ => by_descriptor(&limits, uses, target, diagnostics),
    }
}

/// The filter without a limit of its own: routes and virtual hosts bring theirs.
fn bare_filter() -> HttpFilter {
    let bare = LocalRateLimit { stat_prefix: "ratelimit".into(), ..LocalRateLimit::default() };
    HttpFilter { name: FILTER.into(), typed_config: HttpFilterConfig::LocalRateLimit(Box::new(bare)), disabled: false }
}

fn settings(limit: LocalRateLimit) -> PerFilter {
    PerFilter::from([(FILTER.into(), PerFilterConfig::LocalRateLimit(Box::new(limit)))])
}

fn of_host(limit: LocalRateLimit) -> Plan {
    Plan { filters: vec![bare_filter()], host: settings(limit), ..Plan::default() }
}

fn each_its_route(limits: &[&RateLimit]) -> Plan {
    let routes = limits.iter().map(|l| (l.span, settings(l.lower()))).collect();
    Plan { filters: vec![bare_filter()], routes, ..Plan::default() }
}

fn filter_for_each(limits: &[&RateLimit]) -> Plan {
    let mut plan = Plan::default();
    for (at, limit) in limits.iter().enumerate() {
        let name: Str = format!("{FILTER}/{}", at + 1).into();
        let typed_config = HttpFilterConfig::LocalRateLimit(Box::new(limit.lower()));
        plan.filters.push(HttpFilter { name: name.clone(), typed_config, disabled: true });
        plan.routes.insert(limit.span, PerFilter::from([(name, PerFilterConfig::Enabled { config: Empty {} })]));
    }
    plan
}

fn by_descriptor(limits: &[&RateLimit], uses: &[Use<'_>], target: Target, diagnostics: &mut Vec<Diagnostic>) -> Plan {
    let mut refuse = |limit: &RateLimit, message: String| {
        diagnostics
            .push(Diagnostic::new(codes::TARGET_CANNOT, limit.span, message).help("it works from cilium-1.16 on"));
    };
    if let Some(first) = limits.first()
        && let Some(other) = limits.iter().find(|l| !l.refuses_like(first))
    {
        refuse(
            other,
            format!(
                "on {target} the limits of a route share `status`, `header` and `shadow` where one of them spans several rules"
            ),
        );
    }
    for one in uses.iter().filter(|u| !u.forwards) {
        if let Some(limit) = one.limit {
            refuse(limit, format!("on {target} a redirect or response cannot share a limit with other rules"));
        }
    }
    let named: Vec<(String, &RateLimit)> =
        limits.iter().enumerate().map(|(at, l)| (format!("limit-{}", at + 1), *l)).collect();
    let Some(shared) = RateLimit::lower_shared(&named) else {
        if let Some(first) = limits.first() {
            refuse(
                first,
                format!(
                    "on {target} the periods of these limits do not go together: they need a common divisor of at least 50ms"
                ),
            );
        }
        return Plan::default();
    };
    let descriptors = named.into_iter().map(|(value, limit)| (limit.span, value)).collect();
    Plan { descriptors, ..of_host(shared) }
}
