//! Requests that are aimed at the edges of the policies' words.

use crate::draw::Draw;
use crate::policies::{COOKIE_VALUES, COOKIES, HEADERS, METHODS, PATHS, QUERIES, QUERY_VALUES, VALUES};
use meshc_compiler::evaluate::Request;

const HOSTS: &[&str] = &[
    "a.example.com",
    "a.example.com",
    "A.EXAMPLE.com",
    "a.example.com:8080",
    "a.example.com:80",
    "b.example.com",
    "example.com",
    ".example.com",
    "xa.example.com:443",
    "10.0.0.1",
    "10.0.0.1:80",
    "[::1]",
    "[::1]:80",
    "a",
    "x.a",
    "v1",
    "a:",
    "a.example.com.",
    "x.y.example.com:8080",
];
const ORIGINS: &[&str] = &[
    "https://shop.example.com",
    "https://x.example.org",
    "https://example.org",
    "http://x.example.org",
    "https://a.x",
    "null",
    "",
];
/// Characters that paths seldom have, and escapes.
const ODD: &[&str] = &[
    "%2f", "%2F", "//", "/./", "/../", "/.", "/..", "%2e%2e/", "/%2E/", "\\", "%", "%4", "%61", "%zz", "%7e", "%00",
    "%20", "!", "\"", "$", "&", "'", "(", ")", "*", "+", ",", "-", ":", ";", "<", "=", ">", "@", "[", "]", "^", "_",
    "`", "{", "|", "}", "~", "#", "%25", "%3F", "%5c", "%80", "...", "/.../", ".", "..",
];

fn case_changed(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
}

fn path(draw: &mut Draw) -> String {
    let mut path = draw.one(PATHS).to_owned();
    match draw.below(12) {
        0 => path.push('/'),
        1 => path.push('x'),
        2 => path.push_str("/x"),
        3 => path.insert(0, '/'),
        4 => path = case_changed(&path),
        5 => path = format!("/x/..{path}"),
        6 => path = format!("/.{path}//"),
        7 => path.push_str(draw.one(PATHS)),
        8 | 9 => {
            let at = draw.below(path.len()) + 1;
            if path.is_char_boundary(at) {
                path.insert_str(at, draw.one(ODD));
            }
        }
        10 if draw.rare(4) => {
            path.remove(0);
        }
        _ => {}
    }
    path
}

fn query(draw: &mut Draw) -> String {
    let mut out = String::from("?");
    for at in 0..draw.below(4) {
        if at > 0 {
            out.push('&');
        }
        out.push_str(draw.one(QUERIES));
        if !draw.rare(4) {
            out.push('=');
            out.push_str(draw.one(QUERY_VALUES));
        }
    }
    if draw.rare(12) {
        out.push_str(draw.one(&["&&", ";q=1", "?", "&=1", "/../a", "//", "%"]));
    }
    out
}

fn cookie(draw: &mut Draw) -> String {
    let mut parts = Vec::new();
    for _ in 0..=draw.below(3) {
        let quote = if draw.rare(5) { "\"" } else { "" };
        parts.push(match draw.below(9) {
            0 => draw.one(COOKIES).to_owned(),
            _ => format!("{}={quote}{}{quote}", draw.one(COOKIES), draw.one(COOKIE_VALUES)),
        });
    }
    parts.join(draw.one(&["; ", ";", ";  ", ", "]))
}

/// One request.
pub(crate) fn request(draw: &mut Draw) -> Request {
    let mut target = path(draw);
    if draw.rare(3) {
        target.push_str(&query(draw));
    }
    let method = match draw.below(40) {
        0 => draw.one(&["get", "Get", "FOO", "TRACE", "MKCOL"]),
        1..=20 => "GET",
        _ => draw.one(METHODS),
    };
    let mut request = Request::new(method, target, draw.one(HOSTS));
    for _ in 0..draw.below(4) {
        let name = draw.one(HEADERS);
        let name = if draw.rare(6) { case_changed(name) } else { name.to_owned() };
        let value = draw.one(VALUES);
        let value = if draw.rare(8) { format!(" {value}\t") } else { value.to_owned() };
        request = request.with(name, value);
    }
    if draw.rare(4) {
        request = request.with("x-user", format!("u{}", draw.below(1000)));
    }
    for _ in 0..draw.below(6) / 4 + draw.below(8) / 7 {
        request = request.with("cookie", cookie(draw));
    }
    if draw.rare(6) {
        let value =
            draw.one(&["application/grpc", "application/grpc+proto", "application/grpc-web", "application/grpc;x"]);
        request = request.with("content-type", value);
    }
    if request.method == "OPTIONS" || draw.rare(10) {
        request = request.with("origin", draw.one(ORIGINS));
        if !draw.rare(4) {
            request = request.with("access-control-request-method", draw.one(METHODS));
        }
    }
    request
}
