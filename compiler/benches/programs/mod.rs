//! Generators of programs for the benches.

use std::fmt::Write;

/// 850 routes of one rule, in which five clauses are used 500 times each in their shortest form.
pub(crate) fn large_short() -> String {
    large(
        &["retry 3", "timeout 5s", "ratelimit 9/s", "idle-timeout 1m", "request header set x-a \"b\""],
        "90% v1, 10% v2",
        "",
    )
}

/// The same with conditions and every option of each clause.
pub(crate) fn large_full() -> String {
    large(
        &[
            "retry 3 on connect-failure, gateway-error, 503 per-try 1s backoff 25ms..250ms",
            "timeout 5s",
            "ratelimit 9/s burst 20 status 503 header x-limited \"true\"",
            "idle-timeout 1m",
            "request header set x-environment \"production\"",
        ],
        "90% v1, 10% v2",
        "when path prefix \"/api\" and not method POST, PUT or header version = \"foo\" { to v1; timeout 3s }",
    )
}

fn large(clauses: &[&str], action: &str, when: &str) -> String {
    let mut out = String::new();
    for route in 0..850 {
        let _ = writeln!(out, "route storefront-service-{route}:8080 {{\n  {action}");
        if !when.is_empty() {
            let _ = writeln!(out, "  {when}");
        }
        for (at, clause) in clauses.iter().enumerate() {
            // Each clause stands in 500 of the 850 routes.
            if (route + at * 170) % 850 < 500 {
                let _ = writeln!(out, "  {clause}");
            }
        }
        out.push_str("}\n");
    }
    out
}

/// So many services with so many rules each.
pub(crate) fn services(count: usize, rules: usize) -> String {
    let mut out = String::new();
    for service in 0..count {
        let _ = writeln!(out, "route service-{service}:8080 {{");
        for rule in 1..rules {
            let _ = writeln!(out, "  when path prefix \"/api/{rule}\" {{ to v2 }}");
        }
        out.push_str("  to v1\n}\n");
    }
    out
}

/// So many services with so many rules each, over paths, headers, methods and hosts, as a gateway has
/// them.
pub(crate) fn gateway(count: usize, rules: usize) -> String {
    let mut out = String::new();
    for service in 0..count {
        let _ = writeln!(out, "route service-{service}:8080 {{");
        for rule in 0..rules {
            let (area, part) = (rule / 20, rule % 20);
            let condition = match rule % 8 {
                0 => format!("path = \"/area-{area}/part-{part}\" and method GET, HEAD"),
                1 => format!("path prefix \"/area-{area}/part-{part}\""),
                2 => format!("header x-tenant = \"tenant-{rule}\" and not method DELETE"),
                3 => format!("host = \"h{rule}.example.com\" and path prefix \"/\""),
                4 => format!("path prefix \"/area-{area}/part-{part}\" and header version = \"v{part}\""),
                5 => format!("path template \"/users-{rule}/{{id}}/orders\""),
                6 => format!("path = \"/area-{area}/a{part}\", \"/area-{area}/b{part}\" or query q = \"q{rule}\""),
                _ => format!("path regex `^/v{rule}/[0-9]+/` and not header x-old exists"),
            };
            let _ = writeln!(out, "  when {condition} {{ to v{} }}", 2 + rule % 3);
        }
        out.push_str("  to v1\n}\n");
    }
    out
}

/// So many services with so many rules each that all look alike: below one path and by one header.
pub(crate) fn alike(count: usize, rules: usize) -> String {
    let mut out = String::new();
    for service in 0..count {
        let _ = writeln!(out, "route service-{service}:8080 {{");
        for rule in 0..rules {
            let to = 2 + rule % 3;
            let _ = writeln!(out, "  when path prefix \"/api\" and header x-user = \"{rule}\" {{ to v{to} }}");
        }
        out.push_str("  to v1\n}\n");
    }
    out
}

/// So many rules of one service of which each leaves two ways open for the next.
pub(crate) fn branching(rules: usize) -> String {
    let mut out = "route service:8080 {\n".to_owned();
    for rule in 0..rules {
        let to = 2 + rule % 3;
        let _ = writeln!(out, "  when not header a{rule} exists and not header b{rule} exists {{ to v{to} }}");
    }
    out.push_str("  to v1\n}\n");
    out
}

/// So many rules, ten to a service and ten services to a file.
pub(crate) fn files(rules: usize) -> Vec<String> {
    let services = rules.div_ceil(10);
    let file = |file: usize| {
        let mut out = String::new();
        for service in file * 10..((file + 1) * 10).min(services) {
            let _ = writeln!(out, "route service-{service}:8080 {{");
            for rule in 1..10 {
                let _ = writeln!(out, "  when path prefix \"/api/{rule}\" and header x = \"{rule}\" {{ to v2 }}");
            }
            out.push_str("  to v1\n}\n");
        }
        out
    };
    (0..services.div_ceil(10)).map(file).collect()
}
