//! The evaluator on small policies.

use super::*;
use crate::{Catalog, Options, Target};
use meshc_dsl::{Severity, Sources};

fn program(text: &str) -> Program {
    let mut sources = Sources::default();
    let file = sources.add("policy.mesh", text);
    let options = Options {
        target: Target::Envoy,
        namespace: "default".into(),
        params: Vec::new(),
        max_regex_program: crate::regex::LIMIT,
    };
    let (program, diagnostics) = crate::program(&sources, &[file], &Catalog::default(), &options);
    let errors: Vec<_> = diagnostics.iter().filter(|d| d.severity() == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    program
}

/// What becomes of a request, in one line.
fn told(answer: &Answer<'_>) -> String {
    let rule = answer.rule.map_or("-".to_owned(), |won| (won.index + 1).to_string());
    let outcome = match &answer.outcome {
        Outcome::Forward(forwarded) => {
            let to: Vec<String> =
                forwarded.destinations().map(|d| format!("{} {}", d.portion.0 / 10_000, d.upstream.endpoint)).collect();
            format!("{} {}", to.join(", "), forwarded.path)
        }
        Outcome::Redirect { status, location } => format!("{status} {location}"),
        _ => format!("{}", answer.status().unwrap()),
    };
    format!("{rule}: {outcome}")
}

fn get(path: &str) -> Request {
    Request::new("GET", path, "shop.example")
}

fn check(text: &str, cases: &[(Request, &str)]) {
    let program = program(text);
    let plan = Plan::new(&program).unwrap();
    let site = plan.sites().first().unwrap();
    for (request, wanted) in cases {
        assert_eq!(told(&site.answer(request)), *wanted, "{request:?}");
    }
}

#[test]
fn the_first_rule_wins() {
    let text = "
service a:80 { version v1; version v2 }
route a {
  when path prefix \"/api\" and not method POST, PUT { to v1; rewrite prefix \"/api\" to \"/\" }
  when header version = \"foo\" or query q = \"1\" { 90% v1, 10% v2 }
  when cookie c exists { redirect 308 to \"/new\" }
  when host = \"*.example.com\" { respond 403 }
  to v2
}";
    check(
        text,
        &[
            (get("/api/x?y"), "1: 100 default/a-v1:80 /x"),
            (get("//x/../api"), "1: 100 default/a-v1:80 /"),
            (get("/apix"), "5: 100 default/a-v2:80 /apix"),
            (Request::new("POST", "/api", "a"), "5: 100 default/a-v2:80 /api"),
            (get("/").with("Version", "foo"), "2: 90 default/a-v1:80, 10 default/a-v2:80 /"),
            (get("/?q=1&q=2"), "2: 90 default/a-v1:80, 10 default/a-v2:80 /"),
            (get("/?q=2&q=1"), "5: 100 default/a-v2:80 /"),
            (get("/?z").with("cookie", "b=1; c=\"2\""), "3: 308 http://shop.example/new?z"),
            (Request::new("GET", "/", "X.example.com:80"), "4: 403"),
            (Request::new("get", "/", "x"), "-: 400"),
            (get("/#x"), "-: 400"),
        ],
    );
}

#[test]
fn a_listener_without_a_fallback() {
    check(
        "listen m [::]:9090 { when path = \"/m\" { to envoy-admin } }",
        &[(get("/m"), "1: 100 envoy-admin /m"), (Request::new("POST", "/m", "m"), "1: 405"), (get("/x"), "-: 404")],
    );
}

#[test]
fn a_client_keeps_its_side() {
    let text = "
service a:80 { version v1; version v2 }
route a { 50% v1, 50% v2; sticky by issued-cookie side }";
    let program = program(text);
    let plan = Plan::new(&program).unwrap();
    let site = plan.sites().first().unwrap();
    let request = get("/");
    let answer = site.answer(&request);
    let forwarded = answer.forwarded().unwrap();
    assert_eq!(forwarded.destinations().count(), 2);
    for first in forwarded.destinations() {
        let cookie = forwarded.issued_cookie(first.upstream).unwrap();
        let again = get("/").with("cookie", cookie.split(';').next().unwrap());
        let answer = site.answer(&again);
        let kept: Vec<_> = answer.forwarded().unwrap().destinations().collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept.first().unwrap().upstream.endpoint, first.upstream.endpoint);
    }
}

#[test]
fn what_a_browser_asks_before_a_call() {
    let text = "
route a:80 {
  when method PUT { cors origin \"https://*.example.com\" methods PUT; to a }
  respond 403
}";
    let ask = |origin: &str, method: &str| {
        Request::new("OPTIONS", "/", "a").with("origin", origin).with("access-control-request-method", method)
    };
    check(
        text,
        &[
            (ask("https://x.example.com", "PUT"), "1: 200"),
            (ask("https://x.example.com", "GET"), "2: 403"),
            (ask("https://example.com", "PUT"), "2: 403"),
        ],
    );
}

#[test]
fn why_earlier_rules_do_not_match() {
    let text = "
route a:80 {
  when header version = \"foo\" and path prefix \"/api\" { to a }
  when not query q exists or method POST { to a }
  when path template \"/x/{id}\" { to a }
  to a
}";
    let program = program(text);
    let plan = Plan::new(&program).unwrap();
    let request = get("/apix?q=1").with("version", "bar");
    let misses = plan.sites().first().unwrap().misses(&request);
    let reasons: Vec<_> = misses.iter().map(|miss| miss.reasons.join("; ")).collect();
    assert_eq!(
        reasons,
        [
            "header `version` is `bar`, the rule wants `foo`; the path is `/apix`, the rule wants `/api` or a path below it",
            "query parameter `q` is `1`, and the rule wants that not to be so; the method is `GET`, the rule wants `POST`",
            "the path is `/apix`, the rule wants one like `/x/{id}`",
        ]
    );
}

/// The index finds what trying every rule finds.
#[test]
fn the_index_misses_nothing() {
    let text = "
service a:80 { version v1; version v2 }
route a {
  when path = \"/a\", \"/b/c\" and header x = \"1\" { to v1 }
  when path prefix \"/b\" or path template \"/t/{id}/x\" { to v2 }
  when header y = \"1\", \"2\" { to v1 }
  when path prefix \"/s/\" { to v2 }
  when path regex `^/r/x[0-9]` { to v1 }
  when host = \"h\" { to v1 }
  when not path prefix \"/z\" and query q exists { to v2 }
  when path = \"/a\" or header y = \"3\" { to v1 }
  to v1
}";
    let program = program(text);
    let plan = Plan::new(&program).unwrap();
    let site = plan.sites().first().unwrap();
    for path in ["/a", "/b", "/b/c", "/bc", "/t/1/x", "/t/1", "/s", "/s/1", "/r/x1/y", "/r/x", "/z?q", "/q?q", "//"] {
        for header in ["x", "y", "z"] {
            for value in ["1", "2", "3"] {
                for host in ["h:80", "i"] {
                    let request = Request::new("GET", path, host).with(header, value);
                    let view = View::of(&request).unwrap();
                    let scanned = site.rules.iter().position(|ready| ready.claim(&view).is_some());
                    assert_eq!(site.answer(&request).rule.map(|won| won.index), scanned, "{request:?}");
                }
            }
        }
    }
}
