//! Requests against prepared rules, on routes of stated sizes: exact paths, prefixes, headers, and
//! one rule in twenty by a regular expression.
//!
//! `cargo bench -p meshc-compiler --bench evaluate` prints the time of 1,000 different requests.

use divan::Bencher;
use divan::counter::ItemsCount;
use meshc_compiler::evaluate::{Plan, Request};
use meshc_compiler::{Catalog, Options, Target};
use meshc_dsl::Sources;
use std::fmt::Write;

fn main() {
    divan::main();
}

/// Of twenty rules eight are by the path, six by a prefix, five by a header too or alone, one by a pattern.
fn policy(rules: usize) -> String {
    let mut out = String::from("service a:80 { version v1; version v2 }\nroute a {\n");
    for rule in 0..rules {
        let condition = match rule % 20 {
            0..=7 => format!("path = \"/shop/item-{rule}/details\""),
            8..=12 => format!("path prefix \"/api/v1/team-{rule}\""),
            13 => format!("path prefix \"/static/{rule}/\""),
            14..=16 => format!("path prefix \"/accounts/{rule}\" and header x-version = \"v{rule}\""),
            17..=18 => format!("header x-tenant = \"t-{rule}\""),
            _ if rule % 40 == 19 => format!("path regex `^/users-{rule}/[0-9]+/orders$`"),
            _ => format!("path regex `/v{rule}/[a-z]+\\.json$`"),
        };
        let _ = writeln!(out, "  when {condition} {{ 90% v1, 10% v2; rewrite prefix \"/api\" to \"/\" }}");
    }
    out.push_str("  to v1\n}\n");
    out
}

/// Requests that each find a rule of their own, or, one in ten, none but the fallback.
fn requests(rules: usize) -> Vec<Request> {
    let one = |at: usize| {
        let rule = at * 7919 % rules;
        let path = match (at % 10, rule % 20) {
            (0, _) => format!("/nothing/like/{rule}"),
            (_, 0..=7) => format!("/shop/item-{rule}/details?page=2"),
            (_, 8..=12) => format!("/api/v1/team-{rule}/members/7"),
            (_, 13) => format!("/static/{rule}/app.js"),
            (_, 14..=16) => format!("/accounts/{rule}/settings"),
            (_, 17..=18) => format!("/home/{rule}"),
            _ if rule % 40 == 19 => format!("/users-{rule}/42/orders"),
            _ => format!("/v{rule}/data.json"),
        };
        Request::new("GET", path, "shop.example.com:8080")
            .with("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")
            .with("accept", "*/*")
            .with("accept-encoding", "gzip, br")
            .with("x-version", format!("v{rule}"))
            .with("x-tenant", if rule % 20 >= 17 { format!("t-{rule}") } else { "none".to_owned() })
            .with("cookie", "session=0123456789abcdef; theme=dark")
    };
    (0..1000).map(one).collect()
}

#[divan::bench(args = [100, 5_000])]
fn rules(bencher: Bencher<'_, '_>, rules: usize) {
    let mut sources = Sources::default();
    let file = sources.add("policy.mesh", policy(rules));
    let options = Options {
        target: Target::Envoy,
        namespace: "default".into(),
        params: Vec::new(),
        max_regex_program: meshc_compiler::regex::LIMIT,
    };
    let (program, diagnostics) = meshc_compiler::program(&sources, &[file], &Catalog::default(), &options);
    assert!(!meshc_dsl::diagnostic::any_error(&diagnostics), "the policy resolves");
    let plan = Plan::new(&program);
    let site = plan.as_ref().ok().and_then(|plan| plan.sites().first());
    let requests = requests(rules);
    let fallback = |request| site.and_then(|site| site.answer(request).rule).is_some_and(|won| won.index == rules);
    assert_eq!(requests.iter().filter(|request| fallback(request)).count(), 100, "the others find their rules");
    bencher.counter(ItemsCount::new(requests.len())).bench_local(|| {
        for request in &requests {
            divan::black_box(site.map(|site| site.answer(request)));
        }
    });
}
