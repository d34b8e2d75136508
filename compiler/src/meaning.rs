//! What a program means, a fact a line, in an order and in words that only its meaning decides:
//! for people who compare two versions of a policy.

use crate::clause::headers::HeaderChanges;
use crate::clause::patch::Part;
use crate::clause::redirect::Redirect;
use crate::clause::rewrite::PathRewrite;
use crate::clause::timeout::DEFAULT_IDLE;
use crate::clause::upstream::UpstreamSettings;
use crate::compare::Example;
use crate::ir::{Action, Endpoint, Forward, Program, Rule, Scope, Share, Tcp, Traffic, Upstream, VersionService};
use crate::testing::Aspect;
use crate::words;
use meshc_dsl::Sources;
use meshc_dsl::value::print_duration;

/// What holds for some of the requests of a service, or for one of its destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Whose: `shop/cart:8080`, `listen metrics`.
    pub owner: String,
    /// For what: a condition, or `destination shop/cart-v1:8080`.
    pub title: String,
    /// What holds, by name.
    pub facts: Vec<(String, String)>,
}

/// The facts of a program, in the order of its services, rules and destinations.
pub fn blocks(program: &Program, sources: &Sources) -> Vec<Block> {
    let mut blocks = Vec::new();
    for route in &program.routes {
        for steered in &route.steered {
            let owner = steered.service.to_string();
            let mut whole = whole(route.scope, route.access_log.as_ref().map(words::access_log), route.client_address);
            patches(&steered.patches, &steered.upstreams, sources, &mut whole);
            site(owner, whole, &steered.traffic, &steered.upstreams, &mut blocks);
        }
    }
    for listen in &program.listens {
        let owner = format!("listen {}", listen.name);
        let mut whole = whole(listen.scope, listen.access_log.as_ref().map(words::access_log), listen.client_address);
        whole.push(("address".to_owned(), listen.address.to_string()));
        patches(&listen.patches, &listen.upstreams, sources, &mut whole);
        site(owner, whole, &listen.traffic, &listen.upstreams, &mut blocks);
    }
    blocks.extend(program.services.iter().map(service));
    blocks
}

/// What owns the generated Services.
pub(crate) const SERVICES: &str = "Services";

/// What a program says beside its rules: a block for each site and each of its destinations, also where
/// there is nothing to say of it, and one for each generated Service.
pub(crate) fn around(program: &Program, sources: &Sources) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut add = |owner: String, mut facts: Facts, at: &[crate::clause::patch::Patch], upstreams: &[Upstream]| {
        patches(at, upstreams, sources, &mut facts);
        blocks.push(Block { owner: owner.clone(), title: EVERYTHING.to_owned(), facts });
        for upstream in upstreams {
            let mut facts = settings(&upstream.settings);
            if let Endpoint::Service { addresses, .. } = &upstream.endpoint
                && !addresses.is_empty()
            {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                fact(&mut facts, "endpoints", addresses.join(", "));
            }
            blocks.push(Block { owner: owner.clone(), title: format!("destination {}", upstream.endpoint), facts });
        }
    };
    for route in &program.routes {
        for steered in &route.steered {
            let whole = whole(route.scope, route.access_log.as_ref().map(words::access_log), route.client_address);
            add(steered.service.to_string(), whole, &steered.patches, &steered.upstreams);
        }
    }
    for listen in &program.listens {
        let mut whole = whole(listen.scope, listen.access_log.as_ref().map(words::access_log), listen.client_address);
        whole.push(("address".to_owned(), listen.address.to_string()));
        add(format!("listen {}", listen.name), whole, &listen.patches, &listen.upstreams);
    }
    blocks.extend(program.services.iter().map(service));
    blocks
}

type Facts = Vec<(String, String)>;

fn fact(facts: &mut Facts, name: impl Into<String>, value: impl Into<String>) {
    facts.push((name.into(), value.into()));
}

/// The title of what holds for a whole route or listener.
const EVERYTHING: &str = "everything";

/// What holds for a whole route or listener.
fn whole(scope: Scope, log: Option<String>, address: crate::clause::client_address::ClientAddress) -> Facts {
    let mut facts = Vec::new();
    if scope == Scope::Cluster {
        fact(&mut facts, "scope", "cluster");
    }
    let written = log.into_iter().chain([words::client_address(address).to_owned()]);
    for text in written.filter(|text| text != "client-address hide") {
        let (name, value) = text.split_once(' ').unwrap_or((&text, ""));
        fact(&mut facts, name, value);
    }
    facts
}

fn patches(patches: &[crate::clause::patch::Patch], upstreams: &[Upstream], sources: &Sources, facts: &mut Facts) {
    for patch in patches {
        let part = match patch.part {
            Part::Cluster(at) => {
                let endpoint = upstreams.get(at).map(|u| u.endpoint.to_string()).unwrap_or_default();
                format!("patch cluster {endpoint}")
            }
            Part::Route => "patch route".to_owned(),
            Part::Http => "patch http".to_owned(),
            Part::Listener => "patch listener".to_owned(),
        };
        let lines = sources.text(patch.text).trim_matches(['`', '"']).lines().map(str::trim_end);
        fact(facts, part, words::quoted(&lines.collect::<Vec<_>>().join("\n")));
    }
}

fn site(owner: String, whole: Facts, traffic: &Traffic, upstreams: &[Upstream], blocks: &mut Vec<Block>) {
    let mut block = |title: String, facts: Facts| blocks.push(Block { owner: owner.clone(), title, facts });
    if !whole.is_empty() {
        block(EVERYTHING.to_owned(), whole);
    }
    match traffic {
        Traffic::Http(rules) => {
            let only = rules.len() == 1;
            rules.iter().for_each(|rule| block(title(rule, only), rule_facts(rule, upstreams)));
        }
        Traffic::Tcp(tcp) => block("any connection".to_owned(), tcp_facts(tcp, upstreams)),
    }
    for upstream in upstreams {
        let facts = settings(&upstream.settings);
        if !facts.is_empty() {
            block(format!("destination {}", upstream.endpoint), facts);
        }
    }
}

/// Which requests a rule is for, in words; `only` where it is the only one.
pub(crate) fn title(rule: &Rule, only: bool) -> String {
    match &rule.condition {
        Some(condition) => format!("when {}", words::condition(condition)),
        None if only => "any request".to_owned(),
        None => "any other request".to_owned(),
    }
}

fn shares(split: &[Share], upstreams: &[Upstream], facts: &mut Facts) {
    for share in split {
        let endpoint = upstreams.get(share.upstream).map(|u| u.endpoint.to_string()).unwrap_or_default();
        fact(facts, format!("to {endpoint}"), share.portion.to_string());
    }
}

fn tcp_facts(tcp: &Tcp, upstreams: &[Upstream]) -> Facts {
    let mut facts = Vec::new();
    shares(&tcp.split, upstreams, &mut facts);
    if let Some(time) = tcp.idle_timeout {
        fact(&mut facts, "idle-timeout", print_duration(time));
    }
    facts
}

fn rule_facts(rule: &Rule, upstreams: &[Upstream]) -> Facts {
    let mut facts = Vec::new();
    match &rule.action {
        Action::Forward(forward) => forward_facts(forward, upstreams, &mut facts),
        Action::Redirect(to) => fact(&mut facts, "redirect", redirect(to)),
        Action::Respond(respond) => {
            let body = respond.body.as_deref().map(|text| format!(" {}", words::quoted(text))).unwrap_or_default();
            fact(&mut facts, "respond", format!("{}{body}", respond.status));
        }
    }
    if let Some(limit) = &rule.limit {
        fact(&mut facts, "ratelimit", words::limit(limit));
    }
    if let Some(cors) = &rule.cors {
        fact(&mut facts, "cors", words::cors(cors).trim_start_matches("cors "));
    }
    headers("request", &rule.request_headers, &mut facts);
    headers("response", &rule.response_headers, &mut facts);
    facts
}

fn forward_facts(forward: &Forward, upstreams: &[Upstream], facts: &mut Facts) {
    shares(&forward.split, upstreams, facts);
    match &forward.path {
        Some(PathRewrite::Path(to)) => fact(facts, "rewrite path", words::quoted(to)),
        Some(PathRewrite::Prefix { from, to }) => {
            fact(facts, "rewrite prefix", format!("{} to {}", words::quoted(from), words::quoted(to)));
        }
        Some(PathRewrite::Regex { pattern, to }) => {
            fact(facts, "rewrite regex", format!("{} to {}", words::raw(pattern), words::quoted(to)));
        }
        None => {}
    }
    if let Some(host) = &forward.host {
        fact(facts, "rewrite host", words::quoted(host));
    }
    if let Some(time) = forward.timeout {
        fact(facts, "timeout", print_duration(time));
    }
    let default = if forward.timeout.is_some() { None } else { Some(DEFAULT_IDLE) };
    if forward.idle_timeout != default {
        fact(facts, "idle-timeout", forward.idle_timeout.map_or("none".to_owned(), print_duration));
    }
    if let Some(retry) = &forward.retry {
        fact(facts, "retry", words::retry(retry).trim_start_matches("retry "));
    }
    if let Some(sticky) = &forward.sticky {
        fact(facts, "sticky", words::sticky(sticky).trim_start_matches("sticky "));
    }
    for mirror in &forward.mirrors {
        let endpoint = upstreams.get(mirror.upstream).map(|u| u.endpoint.to_string()).unwrap_or_default();
        fact(facts, format!("mirror to {endpoint}"), mirror.portion.to_string());
    }
    if forward.read_only {
        fact(facts, "methods", "GET, HEAD");
    }
}

fn redirect(to: &Redirect) -> String {
    let scheme = to.scheme.as_ref().map(|s| format!("{s}://")).unwrap_or_default();
    let port = to.port.map(|p| format!(":{p}")).unwrap_or_default();
    let (host, path) = (to.host.as_deref().unwrap_or_default(), to.path.as_deref().unwrap_or_default());
    format!("{} to {}", to.status, words::quoted(&format!("{scheme}{host}{port}{path}")))
}

fn headers(direction: &str, changes: &HeaderChanges, facts: &mut Facts) {
    for (name, _) in &changes.remove {
        fact(facts, format!("{direction} header {name}"), "remove");
    }
    for write in &changes.write {
        let word = if write.append { "add" } else { "set" };
        fact(facts, format!("{direction} header {}", write.name), format!("{word} {}", words::quoted(&write.value)));
    }
}

/// The settings of a destination that are not the language's defaults.
fn settings(settings: &UpstreamSettings) -> Facts {
    let defaults = crate::clause::upstream::Written::default().finish();
    let aspects = [
        Aspect::CircuitBreaker,
        Aspect::Outlier,
        Aspect::Balance,
        Aspect::ConnectTimeout,
        Aspect::Protocol,
        Aspect::HealthCheck,
    ];
    let mut facts = Vec::new();
    for aspect in aspects {
        let text = words::setting(aspect, settings);
        if text != words::setting(aspect, &defaults) {
            let (name, value) = text.split_once(' ').unwrap_or((&text, ""));
            fact(&mut facts, name, value);
        }
    }
    facts
}

fn service(service: &VersionService) -> Block {
    let selector = service.selector.iter().map(|(key, value)| format!("{key}={value}"));
    let mut facts = vec![("selector".to_owned(), selector.collect::<Vec<_>>().join(", "))];
    fact(&mut facts, "port", service.port.to_string());
    fact(
        &mut facts,
        "target-port",
        match &service.target_port {
            crate::ir::TargetPort::Number(port) => port.to_string(),
            crate::ir::TargetPort::Name(name) => name.clone(),
        },
    );
    Block { owner: SERVICES.to_owned(), title: service.service.to_string(), facts }
}

/// The facts as text: owners, titles and facts, each two blanks further in.
pub fn print(blocks: &[Block]) -> String {
    let mut out = String::new();
    let mut owner = None;
    for block in blocks {
        if owner != Some(&block.owner) {
            out.push_str(&format!("{}\n", block.owner));
            owner = Some(&block.owner);
        }
        out.push_str(&format!("  {}\n", block.title));
        for (name, value) in &block.facts {
            out.push_str(&format!("    {name}: {value}\n"));
        }
    }
    out
}

/// Reads what [`print`] wrote; lines of another form are passed over.
pub fn read(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut owner = String::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let line = line.trim_start_matches(' ').to_owned();
        match indent {
            0 => owner = line,
            2 => blocks.push(Block { owner: owner.clone(), title: line, facts: Vec::new() }),
            _ => {
                if let (Some(block), Some((name, value))) = (blocks.last_mut(), line.split_once(": ")) {
                    block.facts.push((name.to_owned(), value.to_owned()));
                }
            }
        }
    }
    blocks
}

/// What changed from one version to the other, a change a line; nothing where they mean the same. Where
/// `examples` knows a request of what holds otherwise, the line begins with it.
pub fn changes(old: &[Block], new: &[Block], examples: &[(String, String, Example)]) -> Vec<String> {
    let same = |a: &Block, b: &Block| a.owner == b.owner && a.title == b.title;
    let mut changes = Vec::new();
    for block in new {
        match old.iter().find(|other| same(other, block)) {
            Some(before) => changed_facts(before, block, examples, &mut changes),
            None => changes.push(whole_block("new", block)),
        }
    }
    changes.extend(old.iter().filter(|b| !new.iter().any(|n| same(n, b))).map(|b| whole_block("gone", b)));
    let kept = |all: &[Block], others: &[Block]| -> Vec<(String, String)> {
        let both = all.iter().filter(|b| others.iter().any(|o| same(o, b)));
        both.map(|b| (b.owner.clone(), b.title.clone())).collect()
    };
    if kept(old, new) != kept(new, old) {
        changes.push("the order of rules has changed".to_owned());
    }
    changes
}

fn whole_block(word: &str, block: &Block) -> String {
    let facts = block.facts.iter().map(|(name, value)| format!("{name} {value}"));
    format!("{word}: {} of {}: {}", block.title, block.owner, facts.collect::<Vec<_>>().join(", "))
}

fn changed_facts(old: &Block, new: &Block, examples: &[(String, String, Example)], changes: &mut Vec<String>) {
    let of = |block: &Block, name: &str| -> Option<String> {
        let values = block.facts.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let joined = values.collect::<Vec<_>>().join("; ");
        (!joined.is_empty()).then_some(joined)
    };
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in new.facts.iter().chain(&old.facts) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    for name in names {
        let (before, after) = (of(old, name), of(new, name));
        if before != after {
            let word = |value: Option<String>| value.unwrap_or("none".to_owned());
            let example = examples.iter().find(|(owner, title, _)| *owner == new.owner && *title == new.title);
            let what = match example {
                Some((.., request)) => format!("{request} of {} ({})", new.owner, new.title),
                None => format!("{} of {}", new.title, new.owner),
            };
            changes.push(format!("{what}: {name} {} → {}", word(before), word(after)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(title: &str, facts: &[(&str, &str)]) -> Block {
        let facts = facts.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Block { owner: "shop/cart:80".to_owned(), title: title.to_owned(), facts }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let blocks = [
            block("when path = \"/a: b\"", &[("to shop/cart-v1:80", "90%"), ("request header x", "set \"a: b\"")]),
            block("any other request", &[("to shop/cart-v2:80", "100%")]),
        ];
        assert_eq!(read(&print(&blocks)), blocks);
        assert_eq!(read(&print(&blocks).replace('\n', "\r\n")), blocks);
    }

    #[test]
    fn changes_are_told_by_fact() {
        let old = [block("a", &[("to v1", "90%"), ("to v2", "10%"), ("timeout", "5s")]), block("b", &[("x", "1")])];
        let new = [block("c", &[("y", "2")]), block("a", &[("to v1", "75%"), ("to v2", "25%"), ("retry", "3")])];
        assert_eq!(
            changes(&old, &new, &[]),
            [
                "new: c of shop/cart:80: y 2",
                "a of shop/cart:80: to v1 90% → 75%",
                "a of shop/cart:80: to v2 10% → 25%",
                "a of shop/cart:80: retry none → 3",
                "a of shop/cart:80: timeout 5s → none",
                "gone: b of shop/cart:80: x 1",
            ]
        );
        assert!(changes(&old, &old, &[]).is_empty());
        let turned = [old[1].clone(), old[0].clone()];
        assert_eq!(changes(&old, &turned, &[]), ["the order of rules has changed"]);
    }
}
