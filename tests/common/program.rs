//! Programs over the whole grammar, made from a string of bytes: each byte is a choice, and where
//! there are none left, the first one is taken. So a shorter string is a simpler program.

use std::fmt::Write;

pub struct Choices<'a>(std::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % count
    }

    fn one<'t>(&mut self, items: &[&'t str]) -> &'t str {
        items[self.below(items.len())]
    }

    /// Whether something rare is there: one of `in_so_many`, and never without choices.
    fn rare(&mut self, in_so_many: usize) -> bool {
        self.below(in_so_many) == in_so_many - 1
    }
}

const ACTIONS: &[&str] = &[
    "",
    "to v1",
    "90% v1, 10% v2",
    "99.5% v1, 0.25% v2, rest v3",
    "100% v1, 0% b",
    "50% b, 50% other/c:8080",
    "60% a@v1, 40% address 10.0.0.55:5000",
    "50% v1, 50% dns api.example.com:80",
    "to envoy-admin",
    "respond 204",
    "respond 503 \"down\\n100%\"",
    "redirect to \"https://shop.example.com/new?x=1\"",
    "redirect 308 to \"/new\"",
];

const RULE_CLAUSES: &[&str] = &[
    "timeout 10s",
    "timeout 0s",
    "idle-timeout 5m",
    "retry 2 on gateway-error, reset, 503 per-try 1s",
    "retry 3 on 5xx per-try 1s backoff 25ms..250ms",
    "ratelimit 2/5s",
    "ratelimit 100/s burst 200 status 503 header x-l \"on\" shadow per node",
    "ratelimit 3/m by header x-user",
    "ratelimit 3/m by path keys 7",
    "ratelimit 3/m by source-ip",
    "mirror 5% to v2",
    "mirror to b",
    "sticky by issued-cookie",
    "sticky by issued-cookie side",
    "sticky by header x-user",
    "sticky by cookie user",
    "sticky by source-ip",
    "cors origin \"https://shop.example.com\", \"https://*.example.org\" methods GET, PUT credentials",
    "cors origin \"*\" max-age 10m headers x-a expose x-b",
    "request header set x-env \"prod\"",
    "request header add x-env \"50%\"",
    "request header remove x-a, x-b",
    "response header set x-served \"\"",
    "response header remove x-powered-by",
    "rewrite path \"/x\"",
    "rewrite prefix \"/api\" to \"/\"",
    "rewrite prefix \"/a\" to \"/v2\"",
    "rewrite regex `^/foo.*$` to \"/\"",
    "rewrite regex `/(\\w+)/` to \"/\\\\1-\"",
    "rewrite host \"api.internal\"",
    "use p",
];

const AWAY: &[&str] = &["no retry", "no ratelimit", "no sticky", "no mirror", "no cors", "no timeout"];

const UPSTREAM_CLAUSES: &[&str] = &[
    "circuit-breaker max-connections 1024 max-pending 1 max-requests 2 max-retries 0",
    "circuit-breaker max-connections 7",
    "outlier consecutive-5xx 5 interval 10s eject 30s max-ejected 50%",
    "outlier consecutive-local-origin 2 max-ejected 100%",
    "balance least-request",
    "balance ring-hash by header x-user",
    "balance maglev by cookie cart",
    "balance ring-hash by source-ip",
    "connect-timeout 1s",
    "protocol http1",
    "protocol http2",
    "protocol grpc",
    "health-check http \"/healthz\" every 5s timeout 1s",
    "health-check tcp unhealthy 2",
    "health-check grpc service shop.Cart",
];

const EDGE_CLAUSES: &[&str] = &[
    "accesslog stdout json",
    "accesslog stdout \"%REQ(:METHOD)% %RESPONSE_CODE%\"",
    "client-address keep",
    "client-address hide",
    "patch http `server_name: edge`",
    "patch listener `per_connection_buffer_limit_bytes: 32768`",
    "patch route `route: {max_stream_duration: {max_stream_duration: 30s}}`",
    "patch cluster v1 `per_connection_buffer_limit_bytes: 32768`",
];

const TESTS: &[&str] = &[
    "path = \"/x\"",
    "path = \"/a\", \"/b\"",
    "path prefix \"/api\"",
    "path prefix \"/api/\", \"/v2\"",
    "path suffix \".css\"",
    "path contains \"/v1\"",
    "path regex `^/v[0-9]+/`",
    "path regex `(a|b)$`",
    "path template \"/users/{id}\"",
    "path template \"/f/{rest=**}\"",
    "header x-user exists",
    "header version = \"foo\", \"bar\"",
    "header x prefix \"a\"",
    "header x suffix \"b\"",
    "header x contains \"c\"",
    "header x regex `^[a-z]*$`",
    "header x = \"\"",
    "query debug = \"1\"",
    "query q exists",
    "query q regex `^[0-9]+$`",
    "query q contains \"x\"",
    "cookie beta = \"yes\"",
    "cookie beta exists",
    "cookie beta regex `^y|n$`",
    "host = \"shop.example.com\"",
    "host = \"*.example.com\", \"b:8080\"",
    "host regex `^v[0-9]+`",
    "method GET, POST",
    "method PUT",
    "grpc shop.Cart/Add",
    "grpc shop.Cart",
];

fn condition(c: &mut Choices<'_>, depth: usize) -> String {
    match c.below(if depth == 0 { 4 } else { 8 }) {
        0..=3 => c.one(TESTS).to_owned(),
        4 => format!("{} and {}", condition(c, depth - 1), condition(c, depth - 1)),
        5 => format!("({} or {})", condition(c, depth - 1), condition(c, depth - 1)),
        6 => format!("not {}", c.one(TESTS)),
        _ => format!("not ({})", condition(c, depth - 1)),
    }
}

/// Up to so many clauses, mostly none that would stand there twice.
fn clauses(c: &mut Choices<'_>, from: &[&str], most: usize, indent: &str, out: &mut String) {
    let mut kinds: Vec<&str> = Vec::new();
    for _ in 0..c.below(most + 1) {
        let clause = c.one(from);
        let kind = clause.split(' ').next().unwrap_or("");
        if !kinds.contains(&kind) || c.rare(16) {
            kinds.push(kind);
            let _ = writeln!(out, "{indent}{clause}");
        }
    }
}

/// An action and the clauses of a rule that mostly go with it.
fn rule(c: &mut Choices<'_>, most: usize, indent: &str, out: &mut String) {
    let action = c.one(ACTIONS);
    if !action.is_empty() {
        let _ = writeln!(out, "{indent}{action}");
    }
    let answers = action.starts_with("re") && !c.rare(8);
    let fitting: Vec<&str> =
        RULE_CLAUSES.iter().copied().filter(|clause| !answers || !clause.starts_with("rewrite")).collect();
    clauses(c, &fitting, most, indent, out);
}

fn body(c: &mut Choices<'_>, out: &mut String) {
    out.push_str(" {\n");
    rule(c, 3, "  ", out);
    clauses(c, UPSTREAM_CLAUSES, 2, "  ", out);
    clauses(c, EDGE_CLAUSES, 2, "  ", out);
    for _ in 0..c.below(4) {
        let _ = writeln!(out, "  when {} {{", condition(c, 2));
        rule(c, 2, "    ", out);
        if c.rare(8) {
            let _ = writeln!(out, "    {}", c.one(AWAY));
        }
        out.push_str("  }\n");
    }
    out.push_str("}\n");
}

fn tcp(c: &mut Choices<'_>, out: &mut String) {
    let action = c.one(&["to v1", "80% v1, 20% v2", "100% v1, 0% v2", "to dns db.example.com:5432"]);
    let further = c.one(&["", "idle-timeout 1m", "circuit-breaker max-connections 5", "balance maglev by source-ip"]);
    let edge = c.one(&["", "accesslog stdout json", "health-check tcp", "patch listener `{}`"]);
    let _ = writeln!(out, " {{\n  protocol tcp\n  {action}\n  {further}\n  {edge}\n}}");
}

/// The program of a string of bytes.
pub fn program(bytes: &[u8]) -> String {
    let mut c = Choices::new(bytes);
    let mut out = String::from("policy p { timeout 3s; response header set x-policy \"p\" }\n");
    if c.rare(4) {
        out.push_str("scope cluster\n");
    }
    if c.rare(2) {
        out.push_str("service a:80 {\n  version v1\n  version v2\n  version v3\n");
        clauses(&mut c, UPSTREAM_CLAUSES, 2, "  ", &mut out);
        out.push_str("}\n");
    }
    out.push_str("service b:80\n");
    for name in ["s1", "s2"] {
        let _ = writeln!(out, "service {name}:80 {{ version v1; version v2; version v3 }}");
    }
    for subject in ["a:80", "s1:80, s2:80", "a:81", "t:5432"].iter().take(1 + c.below(4)) {
        let _ = write!(out, "route {subject}");
        if *subject == "t:5432" || c.rare(8) { tcp(&mut c, &mut out) } else { body(&mut c, &mut out) }
    }
    if c.rare(3) {
        out.push_str("listen edge 127.0.0.1:9090");
        if c.rare(4) { tcp(&mut c, &mut out) } else { body(&mut c, &mut out) }
    }
    out
}
