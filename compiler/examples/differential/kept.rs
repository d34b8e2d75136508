//! What the evaluator, or the compiler, once had otherwise than Envoy.

use meshc_compiler::evaluate::Request;

/// A policy's rules, and the requests that showed it.
pub(crate) struct Kept {
    pub(crate) rules: &'static str,
    pub(crate) requests: Vec<Request>,
}

fn get(path: &str) -> Request {
    Request::new("GET", path, "a.example.com")
}

fn ask(origin: &str, method: &str) -> Request {
    Request::new("OPTIONS", "/", "a").with("origin", origin).with("access-control-request-method", method)
}

/// Slashes alone, nested escapes, characters that are escaped.
fn paths() -> Kept {
    let requests = ["//", "/.//", "//?q", "/a|b", "/a%%42fb", "/%%30%30", "/a%2f%00b", "/a%zz", "/x/%2e%2E/", "/a\\b"];
    let rules = "when path = \"/\" { to v1 }\nwhen path contains \"|\" { to v2 }\nto v3";
    Kept { rules, requests: requests.into_iter().map(get).collect() }
}

/// Headers that Envoy keeps in one piece leave empty repeats out; others do not.
fn repeats() -> Kept {
    let rules = "
when header content-type = \"a\" { to v1 }
when header accept suffix \",\" { to v2 }
when header x = \"a,\" { to v3 }
when grpc shop.Cart { to b }
to a";
    let two = |name: &str, one: &str, other: &str| get("/shop.Cart/Add").with(name, one).with(name, other);
    let requests = vec![
        two("content-type", "a", ""),
        two("content-type", "", "a"),
        two("accept", "a", ""),
        two("accept", "", "a"),
        two("x", "a", ""),
        two("content-type", "", "application/grpc"),
        two("content-type", "a", "application/grpc"),
    ];
    Kept { rules, requests }
}

/// Each `cookie` header is read by itself, and each value of a header is hashed.
fn several_values() -> Kept {
    let rules = "
when cookie c = \"1\" { to v1 }
when cookie d exists { 50% v1, 50% dns api.example.com:80; sticky by cookie d }
50% v1, 50% v2
sticky by header x-user";
    let mut requests = vec![
        get("/").with("cookie", "b=2").with("cookie", "c=1"),
        get("/").with("cookie", "b=2,c=1"),
        get("/").with("cookie", "d="),
    ];
    for user in 0..40 {
        requests.push(get("/").with("x-user", format!("u{user}")));
        requests.push(get("/").with("x-user", format!("u{user}")).with("x-user", "a, b"));
        requests.push(get("/").with("cookie", format!("d=\"{user}\"")));
    }
    Kept { rules, requests }
}

/// Questions to rules that pass only GET and HEAD, and by an empty origin.
fn questions() -> Kept {
    let rules = "
when path = \"/\" and header x exists { to envoy-admin; cors origin \"*\" }
when not (method GET, POST and header y = \"1\") { redirect to \"/n\"; cors origin \"https://a.example\" }
when method PUT { to v1; cors origin \"*\" }
when not method POST { respond 204; cors origin regex `^(https://b)?` }
to v2";
    let origins = ["https://a.example", "https://b.example", "null", ""];
    let methods = ["GET", "POST", "PUT", ""];
    let every = origins.iter().flat_map(|origin| methods.iter().map(|method| ask(origin, method)));
    let requests = every.flat_map(|one| [one.clone().with("x", ""), one.clone().with("y", "1"), one]).collect();
    Kept { rules, requests }
}

/// A second test of the path sees the query too, and must not be led astray by it.
fn second_paths() -> Kept {
    let rules = "
when path template \"/a/*\" and path regex `^/\\S+\\z` { to v1 }
when path prefix \"/b\" and not path template \"/*/*\" { to v2 }
to v3";
    let requests = ["/a/b?x=y", "/a/b", "/b/*", "/b/*?x", "/b/c", "/b", "/b/c/d"].into_iter().map(get).collect();
    Kept { rules, requests }
}

/// Addresses of IPv6 have colons too.
fn hosts() -> Kept {
    let rules = "
when host regex `^[^.]+$` { to v1 }
when host contains \"1\" { to v2 }
when host = \"[::1]\" { to v3 }
to a";
    let hosts = ["[::1]", "[::1]:80", "a:", "a:80", "10.0.0.1:80", "a.b"];
    Kept { rules, requests: hosts.into_iter().map(|host| Request::new("GET", "/", host)).collect() }
}

pub(crate) fn all() -> Vec<Kept> {
    vec![paths(), repeats(), several_values(), questions(), second_paths(), hosts()]
}
