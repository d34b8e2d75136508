//! Policies over the whole HTTP language, of few words, so that rules overlap.

use crate::draw::Draw;
use std::fmt::Write;

pub(crate) const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/api",
    "/API",
    "/api/",
    "/api/v1",
    "/a%2Fb",
    "/a%2fb",
    "/a.b",
    "/v1",
    "/v1/users",
    "/v2/",
    "/users/7",
    "/users/7/files",
    "/users",
    "/.well-known/x",
    "/a;p=1",
    "/a%20b",
    "/x.css",
    "/shop.Cart/Add",
    "/shop.Cart/Get",
    "/a+b",
    "/~a",
    "/@a",
];
const ENDS: &[&str] = &["b", "/", ".css", "%2Fb", "1", "/b", "x"];
const PARTS: &[&str] = &["a", "/b", "v1", "/", ".", "%2", "api", "users/"];
const PATH_PATTERNS: &[&str] = &[
    "^/v[0-9]+/",
    "(a|b)$",
    r"\d",
    "^/a$|^/b",
    "(?i)^/api",
    "^/[^/]+$",
    r"\w+/\w+",
    "^/a.b$",
    r"users/(\d+)$",
    r"\bv1\b",
    "^$",
    "%2[fF]",
    ".*",
    "[[:alpha:]]+/$",
    r"\.css$",
    "^/(a|api)(/|$)",
    "b?$",
    r"\W$",
    "^/a/?b?$",
    "a.*b",
    "^(/a|/api)",
    "(^/a)|v1",
    r"[^\w/]",
    "/$",
    "^/a[^b]*$",
    r"\Ba",
    r"^/\S+\z",
    "(?i:API)/",
    "a{1,2}/",
    "^/|x",
];
const TEMPLATES: &[&str] = &["/users/{id}", "/a/*", "/a/{rest=**}", "/**", "/*", "/users/*/files", "/{x}/{y}", "/"];
pub(crate) const HEADERS: &[&str] = &["x", "version", "x-user", "user-agent", "accept", "content-type"];
pub(crate) const VALUES: &[&str] = &["", "a", "foo", "foo,bar", "A", "a b", "1", "foo, bar", "b,a", "é"];
const VALUE_PATTERNS: &[&str] = &[
    "^a",
    "a$",
    "^[a-z]*$",
    "^$",
    r"\d+",
    "(?i)^FOO$",
    "foo|bar",
    r"^\w+$",
    "^.$",
    "a b",
    r"\s",
    "b*",
    ",",
    "^(a|)$",
    "x^",
    r"[^\x00-\x7f]",
];
pub(crate) const QUERIES: &[&str] = &["q", "debug", "a%20b", "Q", "x-y"];
pub(crate) const QUERY_VALUES: &[&str] = &["", "1", "a+b", "%31", "x=y", "A", "/a/b", "2"];
pub(crate) const COOKIES: &[&str] = &["c", "beta", "user"];
pub(crate) const COOKIE_VALUES: &[&str] = &["yes", "1", "", "no", "a=b"];
const HOSTS: &[&str] = &[
    "a.example.com",
    "*.example.com",
    "a.example.com:8080",
    "A.Example.com",
    "10.0.0.1",
    "[::1]",
    "[::1]:80",
    "a",
    "*.a",
    "*.example.com:8080",
];
const HOST_PATTERNS: &[&str] = &[r"^a\.", r"\.com$", r"^v\d+", "example", r"^[^.]+$", "^A", "8", "m$|^10"];
pub(crate) const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];

const DESTINATIONS: &[&str] = &[
    "",
    "",
    "to v1",
    "to v2",
    "to a",
    "to b",
    "90% v1, 10% v2",
    "50% v1, 50% v2",
    "99.5% v1, 0.25% v2, rest v3",
    "100% v1, 0% v2",
    "50% b, 50% other/c:8080",
    "60% a@v1, 40% address 127.0.0.1:5000",
    "to dns api.example.com:80",
    "50% v1, 50% dns api.example.com:80",
    "30% v1, 30% v2, 40% v3",
    "to envoy-admin",
    "to envoy-admin writable",
];
const ANSWERS: &[&str] = &[
    "respond 204",
    "respond 503 \"down\\n100%\"",
    "respond 404",
    "respond 200 \"%REQ(X)%\"",
    "redirect to \"https://shop.example.com/new?x=1\"",
    "redirect 308 to \"/new\"",
    "redirect 301 to \"https://shop.example.com\"",
    "redirect 307 to \"http://a.example.com:8443/x\"",
    "redirect 303 to \"/n?\"",
    "redirect to \"http://[::1]/\"",
];
const REWRITES: &[&str] = &[
    "rewrite path \"/x\"",
    "rewrite prefix \"/api\" to \"/\"",
    "rewrite prefix \"/a\" to \"/v2\"",
    "rewrite prefix \"/a/\" to \"/\"",
    "rewrite prefix \"/\" to \"/all\"",
    "rewrite prefix \"/a/\" to \"/w\"",
    "rewrite regex `^/foo.*$` to \"/\"",
    "rewrite regex `/(\\w+)/` to \"/\\\\1-\"",
    "rewrite regex `a` to \"bb\"",
    "rewrite regex `b*` to \"-\"",
    "rewrite regex `^/(v\\d)/(.*)$` to \"/\\\\2/\\\\1\"",
    "rewrite regex `\\\\.` to \"\\\\\\\\\"",
    "rewrite regex `(?i)API|users` to \"[\\\\0]\"",
    "rewrite prefix \"/a%2Fb\" to \"/c\"",
];
const CLAUSES: &[&str] = &[
    "timeout 10s",
    "idle-timeout 5m",
    "retry 2 on gateway-error, reset, 503",
    "ratelimit 1000000/s",
    "ratelimit 1000000/s by header x-user",
    "mirror 5% to v2",
    "sticky by issued-cookie",
    "sticky by issued-cookie side",
    "sticky by header x-user",
    "sticky by cookie user",
    "sticky by source-ip",
    "cors origin \"https://shop.example.com\", \"https://*.example.org\" methods GET, PUT credentials",
    "cors origin \"*\" max-age 10m headers x-a expose x-b",
    "cors origin regex `^https://[ab]\\\\.`",
    "request header set x-env \"prod\"",
    "request header add x-user \"50%\"",
    "request header remove x, version",
    "request header set user-agent \"\"",
    "response header set x-served \"a\"",
    "response header add x-powered-by \"b\"",
    "response header remove x-powered-by",
    "rewrite host \"api.internal\"",
];

fn list(draw: &mut Draw, from: &[&str]) -> String {
    let mut out = format!("\"{}\"", draw.one(from));
    while draw.rare(4) {
        let _ = write!(out, ", \"{}\"", draw.one(from));
    }
    out
}

/// `= "…"` and its like, for texts that any such test takes.
fn text(draw: &mut Draw, values: &[&str], patterns: &[&str]) -> String {
    let values: Vec<&str> = values.iter().copied().filter(|v| !v.is_empty() || values.len() > 8).collect();
    match draw.below(6) {
        0 => format!("prefix {}", list(draw, &values)),
        1 => format!("suffix {}", list(draw, &values)),
        2 => format!("contains {}", list(draw, &values)),
        3 => format!("regex `{}`", draw.one(patterns)),
        _ => format!("= {}", list(draw, &values)),
    }
}

fn path(draw: &mut Draw) -> String {
    match draw.below(9) {
        0..=1 => format!("path = {}", list(draw, PATHS)),
        2..=4 => format!("path prefix {}", list(draw, PATHS)),
        5 => format!("path suffix {}", list(draw, ENDS)),
        6 => format!("path contains {}", list(draw, PARTS)),
        7 => format!("path regex `{}`", draw.one(PATH_PATTERNS)),
        _ => format!("path template \"{}\"", draw.one(TEMPLATES)),
    }
}

fn test(draw: &mut Draw) -> String {
    match draw.below(12) {
        0..=4 => path(draw),
        5..=6 => {
            let name = draw.one(HEADERS);
            if draw.rare(4) {
                format!("header {name} exists")
            } else {
                format!("header {name} {}", text(draw, VALUES, VALUE_PATTERNS))
            }
        }
        7 => {
            let name = draw.one(QUERIES);
            if draw.rare(3) {
                format!("query {name} exists")
            } else {
                format!("query {name} {}", text(draw, QUERY_VALUES, VALUE_PATTERNS))
            }
        }
        8 => {
            let name = draw.one(COOKIES);
            if draw.rare(3) {
                format!("cookie {name} exists")
            } else {
                format!("cookie {name} {}", text(draw, COOKIE_VALUES, VALUE_PATTERNS))
            }
        }
        9 => match draw.below(5) {
            0 => format!("host regex `{}`", draw.one(HOST_PATTERNS)),
            1 => format!("host prefix \"{}\"", draw.one(&["a", "A.", "10"])),
            2 => format!("host suffix \"{}\"", draw.one(&[".com", "COM", "1"])),
            3 => format!("host contains \"{}\"", draw.one(&["example", ".", "a"])),
            _ => format!("host = {}", list(draw, HOSTS)),
        },
        10 => {
            let mut out = format!("method {}", draw.one(METHODS));
            while draw.rare(2) {
                let _ = write!(out, ", {}", draw.one(METHODS));
            }
            out
        }
        _ => draw.one(&["grpc shop.Cart/Add", "grpc shop.Cart"]).to_owned(),
    }
}

fn condition(draw: &mut Draw, depth: usize) -> String {
    match draw.below(if depth == 0 { 5 } else { 10 }) {
        0..=3 => test(draw),
        4 => format!("not {}", test(draw)),
        5 | 6 => format!("{} and {}", condition(draw, depth - 1), condition(draw, depth - 1)),
        7 | 8 => format!("({} or {})", condition(draw, depth - 1), condition(draw, depth - 1)),
        _ => format!("not ({})", condition(draw, depth - 1)),
    }
}

/// An action and the clauses beside it.
fn body(draw: &mut Draw, indent: &str, out: &mut String) {
    let answers = draw.rare(4);
    let action = draw.one(if answers { ANSWERS } else { DESTINATIONS });
    if !action.is_empty() {
        let _ = writeln!(out, "{indent}{action}");
    }
    if !answers && draw.rare(2) {
        let _ = writeln!(out, "{indent}{}", draw.one(REWRITES));
    }
    let mut kinds: Vec<String> = Vec::new();
    for _ in 0..draw.below(3) {
        let clause = draw.one(CLAUSES);
        let kind: Vec<&str> = clause.split(' ').take(if clause.contains(" header ") { 4 } else { 1 }).collect();
        let kind = kind.join(" ");
        let fits =
            !answers || clause.starts_with("response") || clause.starts_with("cors") || clause.starts_with("rate");
        if fits && !kinds.contains(&kind) {
            kinds.push(kind);
            let _ = writeln!(out, "{indent}{clause}");
        }
    }
}

/// A policy in a namespace of its own.
pub(crate) fn policy(draw: &mut Draw, namespace: &str) -> String {
    let mut out =
        format!("namespace {namespace}\nservice a:80 {{ version v1; version v2; version v3 }}\nservice b:80\n");
    let listen = draw.rare(5);
    out.push_str(if listen { "listen edge 127.0.0.1:9000 {\n" } else { "route a {\n" });
    for _ in 0..1 + draw.below(9) {
        let _ = writeln!(out, "  when {} {{", condition(draw, 2));
        body(draw, "    ", &mut out);
        out.push_str("  }\n");
    }
    // A listener needs no fallback.
    if !listen || draw.rare(2) {
        body(draw, "  ", &mut out);
    }
    out.push_str("}\n");
    out
}
