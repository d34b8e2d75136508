"""Which requests a rule takes, and what is done to them on their way."""

from behaviour import client
from behaviour.scenario import plain, scenario

A = {"a:80": [plain]}


def takes(run, *requests, status=204):
    """Every one of these requests is the rule's."""
    for path, *headers in requests:
        assert run.get(path, headers).status == status, (path, headers)


def leaves(run, *requests):
    """None of these is."""
    takes(run, *requests, status=200)


@scenario('route a:80 {\n when path prefix "/admin" { respond 204 }\n}', backends=A)
def paths_are_made_plain_before_rules(run):
    takes(run, ("/admin",), ("/admin/x",), ("//admin",), ("/./admin",), ("/x/../admin",), ("/admin?x=1",), ("/%61dmin",))
    leaves(run, ("/administrator",), ("/x/admin",), ("/x%2Fadmin",))
    assert run.get("/a//b/./c/../d?q=//").path == "/a/b/d?q=//"
    assert run.get("/a%2Fb").path == "/a%2Fb"


@scenario('route a:80 {\n when path = "/metrics" { respond 204 }\n}', backends=A)
def exact_path(run):
    takes(run, ("/metrics",), ("/metrics?x=1",))
    leaves(run, ("/metrics/",), ("/Metrics",), ("/x?p=/metrics",))


@scenario('route a:80 {\n when path prefix "/api/" { respond 204 }\n}', backends=A)
def prefix_with_a_slash_is_literal(run):
    takes(run, ("/api/",), ("/api/x",))
    leaves(run, ("/api",), ("/apix",))


@scenario("route a:80 {\n when path regex `v[0-9]+` { respond 204 }\n}", backends=A)
def regex_searches(run):
    takes(run, ("/v1",), ("/x/v22/y",))
    leaves(run, ("/v",), ("/x?p=v1",))


@scenario("route a:80 {\n when path regex `^/a|b$` { respond 204 }\n}", backends=A)
def regex_anchors_hold_in_their_alternative(run):
    takes(run, ("/ax",), ("/xb",))
    leaves(run, ("/xa/y",), ("/bx",))


@scenario('route a:80 {\n when not path = "/a" and not path prefix "/b" and not path regex `c$` { respond 204 }\n}', backends=A)
def denied_paths_leave_the_query_alone(run):
    takes(run, ("/x",), ("/ax",), ("/bx",), ("/x?y=/a",), ("/x?c",), ("/cx?x=c",))
    leaves(run, ("/a",), ("/a?x=1",), ("/b",), ("/b/x?y",), ("/xc",), ("/xc?z",))


@scenario('route a:80 {\n when path prefix "/a" and path regex `b$` { respond 204 }\n}', backends=A)
def two_tests_of_the_path(run):
    takes(run, ("/a/b",), ("/a/b?x",))
    leaves(run, ("/a/c",), ("/x/b",), ("/a/c?b",), ("/ab",))


@scenario('route a:80 {\n when header version = "foo" { respond 204 }\n}', backends=A)
def header(run):
    takes(run, ("/", ("version", "foo")), ("/", ("Version", "foo")))
    leaves(run, ("/",), ("/", ("version", "Foo")), ("/", ("version", "foo"), ("version", "bar")))


@scenario('route a:80 {\n when not header version = "foo" { respond 204 }\n}', backends=A)
def denied_header(run):
    takes(run, ("/",), ("/", ("version", "bar")), ("/", ("version", "")))
    leaves(run, ("/", ("version", "foo")))


@scenario('route a:80 {\n when not header x = "" { respond 204 }\n}', backends=A)
def denied_empty_header(run):
    takes(run, ("/",), ("/", ("x", "1")))
    leaves(run, ("/", ("x", "")))


@scenario("route a:80 {\n when header x exists { respond 204 }\n}", backends=A)
def existing_header(run):
    takes(run, ("/", ("x", "1")), ("/", ("x", "")))
    leaves(run, ("/",))


@scenario("route a:80 {\n when not method GET, HEAD { respond 204 }\n}", backends=A)
def methods(run):
    assert run.get(method="POST").status == 204
    assert run.get(method="DELETE").status == 204
    assert run.get().status == 200
    assert run.get(method="HEAD").status == 200


@scenario('route a:80 {\n when header x = "1" and not (path = "/a" or method POST) { respond 204 }\n when path = "/a" { respond 205 }\n}', backends=A)
def rules_in_their_order(run):
    one = ("x", "1")
    assert run.get("/", [one]).status == 204
    assert run.get("/a", [one]).status == 205
    assert run.get("/", [one], method="POST").status == 200


@scenario('route a:80 {\n when path prefix "/old" { redirect 308 to "https://shop.example.com/new" }\n when path = "/q" { redirect 301 to "/r?x=1" }\n when path = "/keep" { redirect to "https://shop.example.com" }\n}', backends=A)
def redirect(run):
    old = run.get("/old/x?a=1")
    assert (old.status, old.get("location")) == (308, ["https://shop.example.com/new?a=1"])
    query = run.get("/q?a=1")
    assert (query.status, query.get("location")) == (301, ["http://shop.example/r?x=1"])
    kept = run.get("/keep?a=1")
    assert (kept.status, kept.get("location")) == (302, ["https://shop.example.com/keep?a=1"])


@scenario('route a:80 {\n respond 503 "down for repair"\n response header set retry-after "60"\n}', backends=A)
def respond(run):
    answer = run.get()
    assert (answer.status, answer.body, answer.get("retry-after")) == (503, b"down for repair", ["60"])


@scenario(f'route a:80 respond 200 "{"x" * 9000}"', backends=A)
def respond_with_a_long_body(run):
    assert run.get().body == b"x" * 9000


@scenario('route a:80 {\n rewrite prefix "/api" to "/"\n}', backends=A)
def rewrite_prefix_to_the_root(run):
    seen = {path: run.get(path).path for path in ("/api", "/api/", "/api/x?q=1", "/apix", "/x/api")}
    assert seen == {"/api": "/", "/api/": "/", "/api/x?q=1": "/x?q=1", "/apix": "/apix", "/x/api": "/x/api"}


@scenario('route a:80 {\n rewrite prefix "/api" to "/v2"\n rewrite host "api.internal"\n}', backends=A)
def rewrite_prefix_and_host(run):
    seen = {path: run.get(path).path for path in ("/api", "/api/x", "/apix")}
    assert seen == {"/api": "/v2", "/api/x": "/v2/x", "/apix": "/apix"}
    assert run.get().sent("host") == ["api.internal"]


@scenario('route a:80 rewrite prefix "/" to "/v2"', backends=A)
def rewrite_the_root(run):
    assert {path: run.get(path).path for path in ("/", "/x")} == {"/": "/v2/", "/x": "/v2/x"}


@scenario('route a:80 rewrite path "/x"', backends=A)
def rewrite_path(run):
    assert run.get("/a/b?q=1").path == "/x?q=1"


@scenario("route a:80 rewrite regex `o` to \"0\"", backends=A)
def rewrite_every_match(run):
    assert run.get("/foo/o?o").path == "/f00/0?o"


@scenario('route a:80 {\n request header set x-set "100%"\n request header add x-add "b"\n request header remove x-gone\n request header set x-empty ""\n response header add x-out "1"\n}', backends=A)
def headers(run):
    answer = run.get(headers=[("x-set", "old"), ("x-add", "a"), ("x-gone", "1")])
    assert answer.sent("x-set") == ["100%"]
    assert answer.sent("x-add") == ["a", "b"]
    assert answer.sent("x-gone") == []
    assert answer.sent("x-empty") == [""]
    assert answer.get("x-out") == ["1"]


@scenario('route a:80 {\n request header set x-all "1"\n when path = "/x" { request header set x-all "2" }\n when path = "/y" { request header set x-own "3" }\n}', backends=A)
def headers_add_up(run):
    assert run.get("/x").sent("x-all") == ["2"]
    assert (run.get("/y").sent("x-all"), run.get("/y").sent("x-own")) == (["1"], ["3"])


@scenario("route a:80 timeout 10s", backends=A)
def upgrades_to_websocket(run):
    head = b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: eHh4eHh4eHh4eHh4eHh4eA==\r\nsec-websocket-version: 13\r\n\r\n"
    got = client.raw(run.port(), head + b"\x81\x85abcdefghi", until=b"efghi")
    assert got.startswith(b"HTTP/1.1 101"), got


@scenario("route a:80 timeout 10s", backends=A)
def http_1_0(run):
    got = client.raw(run.port(), b"GET /x HTTP/1.0\r\n\r\n")
    assert b" 200 OK" in got and b'"name": "a-0"' in got, got
    assert b'["host", "a.default"]' in got, got
    named = client.raw(run.port(), b"GET /x HTTP/1.0\r\nhost: shop\r\n\r\n")
    assert b'["host", "shop"]' in named, named


@scenario("listen m [::]:9090 {\n when path = \"/x\" { respond 204 }\n ratelimit 9/s\n}")
def listener_without_destination(run):
    assert run.get("/x").status == 204
    assert run.get("/y").status == 404
