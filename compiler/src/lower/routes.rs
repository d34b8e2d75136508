//! Rules → the one virtual host of a service, whose routes Envoy tries in order.

use super::limits::{self, Plan, Use};
use super::{cors, matches, order};
use crate::clause::sticky::{self, Sticky};
use crate::clause::{respond, split};
use crate::envoy::{
    self, HeaderMatch, HeaderMatcher, HttpFilter, ProtoDuration, Route, RouteAction, RouteActionKind,
    RouteConfiguration, RouteMatch, Str, StringMatcher, VirtualHost,
};
use crate::ir::{Action, Endpoint, Forward, Pattern, Rule, Share, Upstream};
use crate::target::{self, Target};
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::codes;

/// The routes of one service, and the filters that they need.
pub(crate) struct Routes {
    pub(crate) configuration: RouteConfiguration,
    pub(crate) filters: Vec<HttpFilter>,
}

/// Whose rules are lowered.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    /// The destinations of the rules.
    pub(crate) upstreams: &'a [Upstream],
    /// The names of their clusters.
    pub(crate) clusters: &'a [String],
    pub(crate) target: Target,
}

/// Lowers rules; `name` is the fully qualified name of the route configuration and its virtual host.
pub(crate) fn lower(rules: &[Rule], site: Site<'_>, name: &str, diagnostics: &mut Vec<Diagnostic>) -> Routes {
    rules.iter().for_each(|rule| one_key(rule, site, diagnostics));
    let items = order::items(rules, diagnostics);
    let found: Vec<Found> = items.iter().map(|item| Found::of(item, rules, site.target)).collect();
    let mut counts = vec![0; rules.len()];
    for one in &found {
        if let Some(count) = counts.get_mut(one.rule) {
            *count += one.matches.len();
        }
    }
    let uses: Vec<Use<'_>> = rules
        .iter()
        .zip(counts)
        .map(|(rule, matches)| Use {
            limit: rule.limit.as_ref(),
            routes: matches * routes_each(rule),
            forwards: matches!(rule.action, Action::Forward(_)),
        })
        .collect();
    let plan = limits::plan(&uses, site.target, diagnostics);
    let mut routes = Vec::with_capacity(found.iter().map(|one| one.matches.len()).sum());
    // An alternative that takes `OPTIONS` must not hide what the next one is asked.
    for alternatives in found.chunk_by(|a, b| a.rule == b.rule) {
        let Some((at, rule)) = alternatives.first().and_then(|one| Some((one.rule, rules.get(one.rule)?))) else {
            continue;
        };
        let name: Str = if rule.condition.is_none() { "fallback".into() } else { format!("rule-{}", at + 1).into() };
        let questions = alternatives.iter().flat_map(|one| one.questions.iter().cloned());
        routes.extend(questions.filter_map(|matches| question(rule, &name, matches, site, &plan)));
        for matches in alternatives.iter().flat_map(|one| one.matches.iter().cloned()) {
            rule_routes(rule, &name, matches, site, &plan, &mut routes);
        }
    }
    let host =
        VirtualHost { name: name.to_owned(), domains: vec!["*".into()], routes, typed_per_filter_config: plan.host };
    let configuration = RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: vec![host],
        max_direct_response_body_size_bytes: longest_body(rules),
    };
    let cors = rules.iter().any(|rule| rule.cors.is_some()).then(cors::filter);
    Routes { configuration, filters: cors.into_iter().chain(plan.filters).collect() }
}

/// The matches of one alternative of a rule.
struct Found {
    rule: usize,
    matches: Vec<RouteMatch>,
    /// What a browser asks before a call, where that needs a route of its own.
    questions: Vec<RouteMatch>,
}

impl Found {
    fn of(item: &order::Item<'_>, rules: &[Rule], target: Target) -> Self {
        let questions = rules.get(item.rule).and_then(|rule| {
            let to_upstream = matches!(&rule.action, Action::Forward(forward) if !forward.read_only);
            Some(cors::questions(rule.cors.as_ref()?, &item.literals, to_upstream, target))
        });
        Self {
            rule: item.rule,
            matches: matches::lower(&item.literals, target),
            questions: questions.unwrap_or_default(),
        }
    }
}

/// How many Envoy routes a rule becomes for each of its matches.
fn routes_each(rule: &Rule) -> usize {
    let Action::Forward(forward) = &rule.action else {
        return 1 + rule.cors.as_ref().map_or(0, |cors| cors.origins.len());
    };
    (1 + sides(forward).count()) * if forward.read_only { 2 } else { 1 }
}

/// The shares whose clients come back by a cookie: not those that are to get nothing.
fn sides(forward: &Forward) -> impl Iterator<Item = &crate::ir::Share> {
    let issued = matches!(forward.sticky, Some(Sticky::IssuedCookie(_)));
    forward.split.iter().filter(move |share| issued && share.portion.0 > 0)
}

/// The largest body where Envoy's own limit does not suffice.
fn longest_body(rules: &[Rule]) -> Option<u32> {
    let bodies = rules.iter().filter_map(|rule| match &rule.action {
        Action::Respond(respond) => respond.body.as_ref().map(String::len),
        _ => None,
    });
    bodies.max().filter(|n| *n > respond::PLAIN_BODY).and_then(|n| u32::try_from(n).ok())
}

/// The route that what a browser asks before a call takes. An upstream never sees the question.
fn question(rule: &Rule, name: &Str, matches: RouteMatch, site: Site<'_>, plan: &Plan) -> Option<Route> {
    let cors = rule.cors.as_ref()?;
    let mut route = route(name, matches, act(rule, site, plan));
    match &rule.action {
        Action::Forward(forward) if !forward.read_only => cors::put(cors, &mut route),
        _ => cors::answer(cors, &mut route),
    }
    Some(route)
}

fn refusal(status: u32) -> RouteActionKind {
    RouteActionKind::DirectResponse(envoy::DirectResponseAction { status, body: None })
}

fn route(name: &Str, matches: RouteMatch, action: RouteActionKind) -> Route {
    Route {
        name: name.clone(),
        matches,
        action,
        request_headers_to_add: Vec::new(),
        request_headers_to_remove: Vec::new(),
        response_headers_to_add: Vec::new(),
        response_headers_to_remove: Vec::new(),
        typed_per_filter_config: Default::default(),
    }
}

/// The routes of one match of a rule: for clients with a cookie, then for all.
fn rule_routes(rule: &Rule, name: &Str, matches: RouteMatch, site: Site<'_>, plan: &Plan, routes: &mut Vec<Route>) {
    if let Action::Forward(forward) = &rule.action
        && let Some(Sticky::IssuedCookie(cookie)) = &forward.sticky
    {
        for share in sides(forward) {
            let Some(upstream) = site.upstreams.get(share.upstream) else { continue };
            let held = Pattern::Equals(sticky::token(&upstream.endpoint));
            let side = Forward { split: split::whole(share.upstream), sticky: None, ..Forward::clone(forward) };
            let matches = matches.clone().and(&matches::cookie(cookie, &held, site.target));
            finish(rule, name, matches, forwarded(&side, rule, site, plan), plan, routes);
        }
    }
    finish(rule, name, matches, act(rule, site, plan), plan, routes);
}

fn act(rule: &Rule, site: Site<'_>, plan: &Plan) -> RouteActionKind {
    match &rule.action {
        Action::Redirect(redirect) => RouteActionKind::Redirect(redirect.lower()),
        Action::Respond(respond) => RouteActionKind::DirectResponse(respond.lower()),
        Action::Forward(forward) => forwarded(forward, rule, site, plan),
    }
}

/// Adds a route with all that a rule says beside its action; to the administration interface also
/// the refusal of what may not pass.
fn finish(rule: &Rule, name: &Str, matches: RouteMatch, action: RouteActionKind, plan: &Plan, routes: &mut Vec<Route>) {
    let mut one = route(name, matches, action);
    (one.response_headers_to_add, one.response_headers_to_remove) = rule.response_headers.lower();
    one.typed_per_filter_config = plan.of_route(rule.limit.as_ref());
    match (&rule.cors, &rule.action) {
        (Some(cors), Action::Forward(_)) => cors::put(cors, &mut one),
        (Some(cors), _) => return routes.extend(cors::with_origins(cors, one)),
        (None, _) => {}
    }
    let refused = matches!(&rule.action, Action::Forward(forward) if forward.read_only)
        .then(|| Route { action: refusal(405), ..one.clone() });
    if refused.is_some() {
        one.matches.headers.push(HeaderMatcher {
            name: ":method".into(),
            matches: HeaderMatch::StringMatch(StringMatcher::SafeRegex(envoy::RegexMatcher {
                regex: "GET|HEAD".into(),
            })),
            invert_match: false,
            treat_missing_header_as_empty: false,
        });
    }
    (one.request_headers_to_add, one.request_headers_to_remove) = rule.request_headers.lower();
    routes.push(one);
    routes.extend(refused);
}

fn forwarded(forward: &Forward, rule: &Rule, site: Site<'_>, plan: &Plan) -> RouteActionKind {
    let hosts = dns_hosts(forward, site);
    let all_dns = hosts.iter().all(Option::is_some) && !hosts.is_empty();
    let mut action = RouteAction {
        cluster: None,
        weighted_clusters: None,
        regex_rewrite: forward.path.as_ref().map(|path| path.lower()),
        host_rewrite_literal: forward.host.clone(),
        auto_host_rewrite: all_dns.then_some(true),
        timeout: ProtoDuration(forward.timeout.unwrap_or_default()),
        idle_timeout: ProtoDuration(forward.idle_timeout.unwrap_or_default()),
        retry_policy: forward.retry.as_ref().map(|retry| retry.lower()),
        hash_policy: hash_policy(forward, site),
        request_mirror_policies: forward.mirrors.iter().map(|m| m.lower(site.clusters, site.target)).collect(),
        rate_limits: plan.descriptors(rule.limit.as_ref()),
    };
    let sides = split::Sides { issued: issued(forward, site), hosts: if all_dns { Vec::new() } else { hosts } };
    split::lower(forward, site.clusters, &sides, &mut action);
    RouteActionKind::Route(Box::new(action))
}

/// For each share the DNS name that becomes its Host; none where the rule writes a host. A split with
/// other sides says it side by side: for the target `envoy` they are DNS names too, and
/// `auto_host_rewrite` would give them theirs.
fn dns_hosts(forward: &Forward, site: Site<'_>) -> Vec<Option<String>> {
    if forward.host.is_some() {
        return Vec::new();
    }
    let host = |share: &Share| match &site.upstreams.get(share.upstream)?.endpoint {
        Endpoint::Dns { host, .. } => Some(host.clone()),
        _ => None,
    };
    forward.split.iter().map(host).collect()
}

/// The cookies that the sides of a split hand out.
fn issued(forward: &Forward, site: Site<'_>) -> Vec<String> {
    let Some(Sticky::IssuedCookie(name)) = &forward.sticky else { return Vec::new() };
    let endpoints = forward.split.iter().filter_map(|share| site.upstreams.get(share.upstream)).map(|u| &u.endpoint);
    endpoints.map(|endpoint| sticky::set_cookie(name, &sticky::token(endpoint))).collect()
}

/// What is hashed: for the side of a split, and for endpoints where clusters cannot say it themselves.
fn hash_policy(forward: &Forward, site: Site<'_>) -> Vec<envoy::HashPolicy> {
    let side = match &forward.sticky {
        Some(Sticky::Hash(key)) => key.hash_policy(),
        _ => None,
    };
    let endpoints = keys_of_routes(forward, site).first().and_then(|key| key.hash_policy());
    side.into_iter().chain(endpoints).collect()
}

/// The keys that the destinations of a rule balance by, each once, on targets where routes say them.
fn keys_of_routes<'a>(forward: &Forward, site: Site<'a>) -> Vec<&'a crate::clause::key::Key> {
    if site.target.has(&target::CLUSTER_HASH_POLICY) {
        return Vec::new();
    }
    let mut keys = Vec::new();
    for key in forward.split.iter().filter_map(|s| site.upstreams.get(s.upstream)?.settings.balance.key()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// Reports a rule whose destinations balance by different keys where a route says the key.
fn one_key(rule: &Rule, site: Site<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Action::Forward(forward) = &rule.action else { return };
    if keys_of_routes(forward, site).len() > 1 {
        let message = format!("on {} the destinations of one rule balance by one key", site.target);
        let help = format!("they may have a key each from {} on", target::CLUSTER_HASH_POLICY.first());
        diagnostics.push(Diagnostic::new(codes::TARGET_CANNOT, rule.span, message).help(help));
    }
}
