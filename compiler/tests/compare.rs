//! The comparison of two versions held against brute force: random policies, each with a few changes,
//! and every request of a small universe, answered by the evaluator for both versions.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod random;

use meshc_compiler::compare::{Change, Class, Comparison, Version, compare};
use meshc_compiler::evaluate::{Answer, Outcome, Plan, Request};
use meshc_compiler::ir::Program;
use meshc_compiler::{Catalog, Options, Target, program};
use meshc_dsl::diagnostic::any_error;
use meshc_dsl::{Sources, Span};
use random::Random;
use std::fmt::Write;

const TESTS: &[&str] = &[
    "path = \"/a\"",
    "path = \"/a/b\", \"/b\"",
    "path = \"/\"",
    "path prefix \"/a\"",
    "path prefix \"/b/\"",
    "path suffix \"b\"",
    "path contains \"a/\"",
    "path regex `^/[ab]$`",
    "path regex `b|x`",
    "path template \"/a/{id}\"",
    "path template \"/a/{other}\"",
    "header x = \"1\"",
    "header x = \"2\", \"12\"",
    "header x exists",
    "header x prefix \"1\"",
    "header x regex `^[12]$`",
    "method GET",
    "method POST, OPTIONS",
    "query q = \"1\"",
    "query q exists",
    "cookie c = \"1\"",
    "cookie c exists",
    "host \"a.test\"",
    "host \"*.test\"",
];
const ACTIONS: &[&str] = &[
    "to v1",
    "to v2",
    "90% v1, 10% v2",
    "10% v2, 90% v1",
    "100% v1, 0% v2",
    "respond 403",
    "respond 403 \"no\"",
    "redirect to \"/a\"",
    "redirect 301 to \"http://b.test/a\"",
    "redirect to \"http://b.test\"",
    "to dns api.test:80",
    "to envoy-admin",
    "",
];
const CLAUSES: &[&str] = &[
    "timeout 5s",
    "retry 2 on 503, reset",
    "retry 2 on reset, 503",
    "rewrite prefix \"/a\" to \"/c\"",
    "rewrite prefix \"/b\" to \"/c\"",
    "rewrite regex `^/a` to \"/c\"",
    "rewrite path \"/a\"",
    "rewrite host \"h.test\"",
    "request header set x \"1\"",
    "request header add x \"1\"",
    "request header remove x",
    "response header set y \"1\"",
    "mirror 5% to v2",
    "sticky by header x",
    "sticky by issued-cookie",
    "ratelimit 2/5s",
    "ratelimit 3/5s by header x",
    "cors origin \"https://a.test\", \"https://b.test\"",
    "cors origin \"https://*.test\" methods GET, PUT",
];

fn condition(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 5 } else { 9 }) {
        0 => format!("not {}", random.pick(TESTS)),
        5 => format!("({} or {})", condition(random, depth - 1), condition(random, depth - 1)),
        6 | 7 => format!("({} and {})", condition(random, depth - 1), condition(random, depth - 1)),
        8 => format!("not ({})", condition(random, depth - 1)),
        _ => random.pick(TESTS).to_owned(),
    }
}

/// An action with clauses that may stand beside it.
fn body(random: &mut Random) -> Vec<String> {
    let action = random.pick(ACTIONS);
    let answers = action.starts_with("re");
    let mut body = vec![action.to_owned()];
    for _ in 0..random.below(4) {
        let clause = random.pick(CLAUSES);
        let kind =
            |c: &str| c.split(' ').take(if c.contains(" header ") { 2 } else { 1 }).collect::<Vec<_>>().join(" ");
        let fits = !answers || ["cors", "rate", "resp"].iter().any(|k| clause.starts_with(k));
        if fits && !body.iter().any(|known| kind(known) == kind(clause)) {
            body.push(clause.to_owned());
        }
    }
    body
}

/// The rules of a version: a condition with a body, and the fallback without one.
#[derive(Clone)]
struct Rules {
    rules: Vec<(String, Vec<String>)>,
    fallback: Vec<String>,
}

impl Rules {
    fn draw(random: &mut Random) -> Self {
        let rules = (0..random.below(4)).map(|_| (condition(random, 2), body(random))).collect();
        Self { rules, fallback: body(random) }
    }

    /// With one thing changed: a rule added, taken away, moved, or said otherwise.
    fn changed(&self, random: &mut Random) -> Self {
        let mut new = self.clone();
        let count = new.rules.len();
        let kind = random.below(8);
        match kind {
            0 => new.rules.insert(random.below(count + 1), (condition(random, 2), body(random))),
            1 if count > 0 => drop(new.rules.remove(random.below(count))),
            2 if count > 1 => {
                let at = random.below(count - 1);
                new.rules.swap(at, at + 1);
            }
            3 if count > 0 => new.rules[random.below(count)].0 = condition(random, 2),
            4 | 7 if count > 0 => {
                // The same in other words.
                let rule = &mut new.rules[random.below(count)];
                rule.0 = format!("not (not ({}))", rule.0);
                new.rules.iter_mut().for_each(|rule| rule.1.rotate_left(1));
            }
            5 if count > 0 => new.rules[random.below(count)].1 = body(random),
            _ => new.fallback = body(random),
        }
        new
    }

    fn text(&self) -> String {
        let mut out = String::from("service a:80 { version v1; version v2 }\nroute a {\n");
        for (condition, body) in &self.rules {
            let _ = writeln!(out, "  when {condition} {{ {} }}", body.join("; ").trim_start_matches("; "));
        }
        for clause in self.fallback.iter().filter(|clause| !clause.is_empty()) {
            let _ = writeln!(out, "  {clause}");
        }
        out.push_str("}\n");
        out
    }
}

fn resolved(text: &str) -> Option<(Sources, Program)> {
    let mut sources = Sources::default();
    let file = sources.add("p.mesh", text);
    let options = Options {
        target: Target::DEFAULT,
        namespace: "default".into(),
        params: Vec::new(),
        max_regex_program: meshc_compiler::regex::LIMIT,
    };
    let (program, diagnostics) = program(&sources, &[file], &Catalog::default(), &options);
    (!any_error(&diagnostics)).then_some((sources, program))
}

/// Every request that differs in what the texts test.
fn universe(text: &str) -> Vec<Request> {
    let mut all = Vec::new();
    for method in ["GET", "POST", "OPTIONS"] {
        for path in ["/", "/a", "/a/", "/a/b", "/ab", "/b", "/b/", "/b/a", "/x", "/a/x/b", "/a/b/c", "/c", "/xb", "//"]
        {
            all.push(Request::new(method, path, "a"));
        }
    }
    let mut vary = |word: &str, change: &dyn Fn(&Request) -> Vec<Request>| {
        if text.contains(word) {
            all = all.iter().flat_map(|request| std::iter::once(request.clone()).chain(change(request))).collect();
        }
    };
    vary("header", &|r| ["1", "2", "12", "x"].map(|value| r.clone().with("x", value)).to_vec());
    vary("query", &|r| ["?q=1", "?q=2"].map(|q| Request { path: r.path.clone() + q, ..r.clone() }).to_vec());
    vary("cookie c", &|r| ["c=1", "c=2"].map(|value| r.clone().with("cookie", value)).to_vec());
    let hosts = ["a.test", "b.test", "test", "h.test"];
    vary("host", &|r| hosts.map(|host| Request { host: host.to_owned(), ..r.clone() }).to_vec());
    vary("cors", &|r| {
        let asked =
            |origin: &str, method: &str| r.clone().with("origin", origin).with("access-control-request-method", method);
        let origins = ["https://a.test", "https://c.test", "https://c.example"];
        let all = origins.iter().flat_map(|origin| ["GET", "PUT", "POST"].map(|method| asked(origin, method)));
        all.filter(|r| r.method == "OPTIONS").collect()
    });
    all
}

/// What a client and an upstream notice, and the policies in force. Written apart from the comparison.
fn observed(answer: &Answer<'_>, request: &Request) -> String {
    let mut out = match &answer.outcome {
        Outcome::Forward(forwarded) => {
            let forward = forwarded.forward;
            let name = |at: usize| forwarded.upstreams[at].endpoint.to_string();
            let shares = forward.split.iter().filter(|s| s.portion.0 > 0).map(|s| (name(s.upstream), s.portion.0));
            let mut shares: Vec<_> = shares.collect();
            shares.sort();
            let (path, host) = (&forwarded.path, forward.host.as_ref().unwrap_or(&request.host));
            let mirrors: Vec<_> = forward.mirrors.iter().map(|m| (name(m.upstream), m.portion.0)).collect();
            let (time, idle, sticky) = (forward.timeout, forward.idle_timeout, &forward.sticky);
            format!("{shares:?} {path} {host} {mirrors:?} {time:?} {idle:?} {sticky:?}")
        }
        Outcome::Preflight(cors) => return sorted(&format!("{cors:?}")),
        Outcome::NoRoute => return "404".to_owned(),
        other => format!("{other:?}"),
    };
    if let Some(retry) = answer.retry() {
        let mut on = retry.on.clone();
        on.sort();
        let _ = write!(out, " {} {on:?} {:?}", retry.count, retry.statuses);
    }
    let Some(won) = &answer.rule else { return out };
    if answer.forwarded().is_some() {
        let mut headers = won.rule.request_headers.applied(&request.headers);
        headers.sort();
        let _ = write!(out, " {headers:?}");
    }
    let response: Vec<_> = won.rule.response_headers.write.iter().map(|w| (&w.name, &w.value, w.append)).collect();
    let cors = won.rule.cors.as_ref().map(|cors| sorted(&format!("{cors:?}")));
    let limit = won.rule.limit.as_ref().map(|limit| (limit.rate, limit.by.clone()));
    let _ = write!(out, " {response:?} {cors:?} {limit:?}");
    out
}

/// The characters of a text in order: for what has no order of its own.
fn sorted(text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    chars.sort_unstable();
    chars.into_iter().collect()
}

#[derive(Debug, Default)]
struct Tally {
    pairs: usize,
    /// Pairs that some request of the universe tells apart.
    differ: usize,
    /// Pairs of which nothing was told.
    equal: usize,
    /// Pairs with something that was not compared.
    gaps: usize,
    classes: usize,
}

/// Of one request: what is observed, and the rule.
fn at(plan: &Plan<'_>, request: &Request) -> (String, Option<Span>) {
    let answer = plan.sites()[0].answer(request);
    (observed(&answer, request), answer.rule.map(|won| won.rule.span))
}

/// Every class that is told differs by its example.
fn sound(comparison: &Comparison, plans: (&Plan<'_>, &Plan<'_>), texts: &str, tally: &mut Tally) {
    let counted = |change: &Change| {
        change
            .facts
            .iter()
            .any(|fact| [&fact.old, &fact.new].iter().any(|v| v.as_ref().is_some_and(|v| v.contains("counted"))))
    };
    for change in &comparison.changes {
        for Class { example, old, new, .. } in &change.classes {
            let Some(example) = example else { continue };
            tally.classes += 1;
            let request = example.request("a");
            let (before, after) = (at(plans.0, &request), at(plans.1, &request));
            assert!(
                counted(change) || before.0 != after.0,
                "{example} does not differ:\n{texts}\n{change:#?}\n{before:?}"
            );
            let place = |span: Option<Span>, plan: &Plan<'_>| span.or(Some(plan.sites()[0].span));
            assert_eq!((place(before.1, plans.0), place(after.1, plans.1)), (*old, *new), "{example}:\n{texts}");
        }
    }
}

fn check(old: &Rules, new: &Rules, tally: &mut Tally) {
    let (Some(before), Some(after)) = (resolved(&old.text()), resolved(&new.text())) else { return };
    let texts = format!("{}\n{}", old.text(), new.text());
    tally.pairs += 1;
    let versions =
        (Version { program: &before.1, sources: &before.0 }, Version { program: &after.1, sources: &after.0 });
    let comparison = compare(versions.0, versions.1).expect("the patterns are sound");
    let plans = (Plan::new(&before.1).expect("a plan"), Plan::new(&after.1).expect("a plan"));
    sound(&comparison, (&plans.0, &plans.1), &texts, tally);
    tally.gaps += usize::from(!comparison.gaps.is_empty());
    if std::env::var_os("COMPARE_SHOW").is_some() && !comparison.gaps.is_empty() {
        eprintln!("{texts}\n{:#?}", comparison.gaps);
    }
    tally.equal += usize::from(comparison.changes.is_empty() && comparison.gaps.is_empty());
    let mut differ = false;
    for request in universe(&texts) {
        let (one, other) = (at(&plans.0, &request), at(&plans.1, &request));
        if one.0 == other.0 {
            continue;
        }
        differ = true;
        let place = |span: Option<Span>, plan: &Plan<'_>| span.or(Some(plan.sites()[0].span));
        let rules = (place(one.1, &plans.0), place(other.1, &plans.1));
        let classes = comparison.changes.iter().flat_map(|change| &change.classes).map(|class| (class.old, class.new));
        let gaps = comparison.gaps.iter().map(|gap| (gap.old, gap.new));
        let told = classes.chain(gaps).any(|known| known == rules);
        assert!(told, "{request:?} differs, and nothing is said of it:\n{texts}\n{one:?}\n{other:?}\n{comparison:#?}");
    }
    tally.differ += usize::from(differ);
}

#[test]
fn what_requests_notice_is_told_and_nothing_else() {
    let mut random = Random(1);
    let mut tally = Tally::default();
    let pairs = std::env::var("COMPARE_PAIRS").map_or(800, |count| count.parse().expect("a number"));
    while tally.pairs < pairs {
        let old = Rules::draw(&mut random);
        let mut new = old.changed(&mut random);
        if random.below(3) == 0 {
            new = new.changed(&mut random);
        }
        check(&old, &new, &mut tally);
    }
    eprintln!("{tally:?}");
    assert!(tally.differ * 2 > pairs && tally.equal * 10 > pairs && tally.classes > pairs, "{tally:?}");
    assert!(tally.gaps * 50 <= tally.pairs, "too much is not compared: {tally:?}");
}

fn compared(old: &str, new: &str) -> Comparison {
    let (before, after) = (resolved(old).expect("it resolves"), resolved(new).expect("it resolves"));
    let (old, new) =
        (Version { program: &before.1, sources: &before.0 }, Version { program: &after.1, sources: &after.0 });
    compare(old, new).expect("the patterns are sound")
}

/// The changes, a line each: owner, classes, facts.
fn told(old: &str, new: &str) -> Vec<String> {
    let comparison = compared(old, new);
    assert_eq!(comparison.gaps, [], "all of it is compared");
    let one = |change: &Change| {
        let classes = change.classes.iter().map(|class| match (&class.old_title, &class.example) {
            (Some(old), Some(example)) => format!("{} (before: {old}), {example}", class.title),
            (None, Some(example)) => format!("{}, {example}", class.title),
            _ => class.title.clone(),
        });
        let word = |value: &Option<String>| value.clone().unwrap_or("none".to_owned());
        let facts = change.facts.iter().map(|f| format!("{} {} → {}", f.name, word(&f.old), word(&f.new)));
        format!(
            "{}: {}: {}",
            change.owner,
            classes.collect::<Vec<_>>().join(" | "),
            facts.collect::<Vec<_>>().join(", ")
        )
    };
    comparison.changes.iter().map(one).collect()
}

const SERVICE: &str = "service a:80 { version v1; version v2 }\n";

fn route(body: &str) -> String {
    format!("{SERVICE}route a {{\n{body}\n}}\n")
}

#[test]
fn wording_and_order_do_not_count() {
    for (old, new) in [
        ("90% v1, 10% v2", "10% v2\n90% v1".replace('\n', ", ").as_str()),
        (
            "when path = \"/a\" { to v1 }\nwhen path = \"/b\" { to v2 }",
            "when path = \"/b\" { to v2 }\nwhen path = \"/a\" { to v1 }",
        ),
        ("when path template \"/u/{id}\" { to v1 }", "when path template \"/u/{user}\" { to v1 }"),
        ("when not (method GET or header x exists) { to v1 }", "when not method GET and not header x exists { to v1 }"),
        ("when header X-User = \"1\" { to v1 }", "when header x-user = \"1\" { to v1 }"),
        ("when path = \"/a\", \"/b\" { to v1 }", "when path = \"/b\" { to v1 }\nwhen path = \"/a\" { to v1 }"),
        ("retry 2 on reset, 503", "retry 2 on 503, reset"),
        ("when path = \"/b\" { to v1; rewrite prefix \"/a\" to \"/c\" }", "when path = \"/b\" { to v1 }"),
        ("ratelimit 2/5s", "otherwise { ratelimit 2/5s }"),
    ] {
        assert_eq!(told(&route(old), &route(new)), [] as [String; 0], "{old}\n{new}");
    }
}

#[test]
fn what_changes_is_told_with_a_request() {
    let cases = [
        (
            "90% v1, 10% v2",
            "75% v1, 25% v2",
            "default/a:80: any request, GET /: to default/a-v1:80 90% → 75%, to default/a-v2:80 10% → 25%",
        ),
        (
            "when header version = \"foo\" { to v2 }",
            "when header version = \"foo\" { to v2; timeout 5s }",
            "default/a:80: when header version = \"foo\", GET / with header version = \"foo\": timeout none → 5s",
        ),
        (
            "when path prefix \"/a\" { to v1 }\nto v2",
            "when path prefix \"/ab\" { to v1 }\nto v2",
            "default/a:80: when path prefix \"/ab\" (before: any other request), GET /ab: to default/a-v1:80 none → 100%, \
             to default/a-v2:80 100% → none",
        ),
        (
            "when path prefix \"/a\" { to v1; rewrite prefix \"/a/b\" to \"/c\" }",
            "when path prefix \"/a\" { to v1 }",
            "default/a:80: when path prefix \"/a\", GET /a/b: path /c → none",
        ),
        (
            "when method GET { to v1; cors origin \"https://x.test\" }",
            "when method GET { to v1; cors origin \"https://y.test\" }",
            "cors",
        ),
        (
            "to v1",
            "to v1; circuit-breaker max-requests 9",
            "default/a:80: destination default/a-v1:80: circuit-breaker ",
        ),
        ("to v1", "to v1; accesslog stdout json", "default/a:80: everything: accesslog none → stdout json"),
        (
            "when path = \"/a\" or path = \"/b\" { ratelimit 2/5s }",
            "when path = \"/a\" { ratelimit 2/5s }\nwhen path = \"/b\" { ratelimit 2/5s }",
            "counted apart from them",
        ),
    ];
    for (old, new, wanted) in cases {
        let found = told(&route(old), &route(new));
        assert!(found.iter().any(|line| line.contains(wanted)), "{old}\n{new}\n{found:#?}");
    }
}

#[test]
fn routes_come_and_go() {
    let with = format!("{}route b:80 to a@v1\n", route("to v1"));
    let found = told(&route("to v1"), &with);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("default/b:80: any request, GET /: steered no → yes"), "{found:?}");
    let found = told(&with, &route("to v1"));
    assert!(found[0].contains("steered yes → no"), "{found:?}");
    let tcp = told(&route("to v1"), &route("to v1; protocol tcp"));
    assert!(tcp.iter().any(|line| line.contains("any connection")), "{tcp:?}");
}

#[test]
fn what_is_the_same_for_many_rules_is_one_change() {
    let rules: String = (0..40).map(|at| format!("when path = \"/{at}\" {{ to v2 }}\n")).collect();
    let comparison = compared(&route(&format!("{rules}timeout 1s")), &route(&format!("{rules}timeout 2s")));
    assert_eq!(comparison.changes.len(), 1);
    assert_eq!(comparison.changes[0].classes.len(), 41);
}

#[test]
fn a_pattern_that_is_not_understood_is_told() {
    // It tells letters that are not ASCII apart.
    let pattern = |action: &str| route(&format!("when header x regex `^[é-ü]+$` {{ {action} }}\nto v1"));
    let comparison = compared(&pattern("to v1; timeout 1s"), &pattern("to v2"));
    assert!(comparison.changes.is_empty(), "{comparison:#?}");
    assert_eq!(comparison.gaps.len(), 1, "{comparison:#?}");
    assert!(comparison.gaps[0].title.contains("regex"));
}

#[test]
fn a_service_that_is_written_anew_ends_with_what_was_not_compared() {
    let rules = |word: &str| -> String {
        let one = |at: usize| format!("when header {word}-{at} = \"1\" {{ to v{} }}\n", 1 + at % 2);
        (0..400).map(one).collect()
    };
    let comparison = compared(&route(&rules("x")), &route(&rules("y")));
    assert!(!comparison.changes.is_empty());
    assert_eq!(comparison.gaps.len(), 1, "one for all that is left");
    assert!(comparison.gaps[0].reason.contains("too many rules changed"));
}
