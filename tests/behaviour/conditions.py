"""Which requests a rule takes: suffixes, templates, queries, cookies, hosts, gRPC, and their denials."""

from behaviour import client
from behaviour.requests_rules import A, leaves, takes
from behaviour.scenario import scenario

# Cookies are matched by a field from cilium-1.20 on, and by the header before.
BOTH = ("cilium-1.15", "cilium-1.20", "envoy")


def rule(condition):
    return f"route a:80 {{\n when {condition} {{ respond 204 }}\n}}"


def cookies(*values):
    return [("cookie", value) for value in values]


@scenario(rule('path suffix ".css", "/end"'), backends=A)
def path_suffix(run):
    takes(run, ("/a.css",), ("/x/y.css?v=1",), ("/end",), ("/a/end",))
    leaves(run, ("/acss",), ("/a.css/b",), ("/a?x=.css",))


@scenario(rule('path contains "/v1."'), backends=A)
def path_contains(run):
    takes(run, ("/v1.2/x",), ("/a/v1.",))
    leaves(run, ("/v1x2",), ("/x?y=/v1.",))


@scenario(rule('not path suffix "x" and not path contains "y" and not path template "/u/{id}"'), backends=A)
def denied_parts_of_a_path(run):
    takes(run, ("/a",), ("/a?b=x",), ("/a?y",), ("/u",), ("/u/1/2",), ("/a?/u/1",))
    leaves(run, ("/x",), ("/x?a",), ("/ya",), ("/u/1",), ("/u/1?a=b",))


@scenario(rule('path template "/users/{id}/files/{rest=**}"'), backends=A)
def path_template(run):
    takes(run, ("/users/7/files/a",), ("/users/7/files/a/b?x",), ("/users/a%2Fb/files/c",), ("/users/a-b.c~d:e@f=g/files/",))
    leaves(run, ("/users//files/a",), ("/users/7/file/a",), ("/x/users/7/files/a",))


@scenario(rule('path template "/users/*"'), backends=A)
def path_template_of_one_segment(run):
    takes(run, ("/users/7",), ("/users/7?a=/b",))
    leaves(run, ("/users/7/",), ("/users/",), ("/users",), ("/users/7/8",))


@scenario(rule('path template "/a/{b}" and path prefix "/a/b" and not path = "/a/bc"'), backends=A)
def template_and_other_tests(run):
    takes(run, ("/a/b",), ("/a/b?x",))
    leaves(run, ("/a/bc",), ("/a/c",), ("/a/b/c",))


@scenario(rule('query debug = "1"'), backends=A)
def query(run):
    takes(run, ("/?debug=1",), ("/x?a=2&debug=1",), ("/?debug=1&debug=2",))
    leaves(run, ("/",), ("/?debug=2&debug=1",), ("/?debug",), ("/?debug=11",), ("/?Debug=1",), ("/?debug=%31",), ("/debug=1",))


@scenario(rule('query q prefix "ab" or query r suffix "z" or query s contains "m" or query t regex `^[0-9]+$` or query u exists'), backends=A)
def query_operators(run):
    takes(run, ("/?q=abc",), ("/?r=xz",), ("/?s=amb",), ("/?t=42",), ("/?u",), ("/?u=",), ("/?u=5",))
    leaves(run, ("/?q=ba",), ("/?r=zx",), ("/?s=ab",), ("/?t=4x",), ("/?v=1",))


@scenario("""route a:80 {
  when not query q = "1" and method GET { respond 204 }
  when path = "/second" { respond 203 }
  respond 202
}""", backends=A)
def denied_query(run):
    takes(run, ("/",), ("/?q=2",), ("/?q=2&q=1",), ("/?q",), ("/second",))
    assert run.get("/?q=1").status == 202
    assert run.get("/?q=1&q=2").status == 202
    assert run.get("/second?q=1").status == 203
    assert run.get("/", method="POST").status == 202
    assert run.get("/second", method="POST").status == 203


@scenario("""route a:80 {
  when not query q regex `^[0-9]+$` and not query r exists { respond 204 }
  when not query q suffix "7" { respond 203 }
  when header x = "1" { respond 201 }
  respond 202
}""", backends=A)
def several_denied_queries(run):
    takes(run, ("/",), ("/?q=a",), ("/?q=a7",))
    assert run.get("/?q=1").status == 203
    assert run.get("/?r=1").status == 203
    assert run.get("/?r=1&q=8").status == 203
    assert run.get("/?q=7").status == 202
    assert run.get("/?q=7", [("x", "1")]).status == 201
    assert run.get("/?r&q=a7", [("x", "1")]).status == 201


@scenario('scope cluster\nlisten m 127.0.0.1:9090 {\n when not query q = "1" { respond 204 }\n}', ways=("envoy",))
def denied_query_without_a_fallback(run):
    assert run.get("/").status == 204
    assert run.get("/?q=1").status == 404


@scenario("route a:80 {\n ratelimit 4/m\n when not query q = \"1\" { respond 204 }\n respond 203\n}", backends=A)
def one_bucket_beside_a_denied_query(run):
    answers = [run.get(path).status for path in ("/", "/?q=1", "/", "/?q=1", "/", "/?q=1")]
    assert answers == [204, 203, 204, 203, 429, 429], answers


@scenario(rule('cookie beta = "yes"'), backends=A, ways=BOTH)
def cookie(run):
    for good in ("beta=yes", "a=1; beta=yes", "beta=yes; a=1", 'beta="yes"', "a=1;beta=yes"):
        takes(run, ("/", *cookies(good)))
    takes(run, ("/", *cookies("a=1", "beta=yes")), ("/", *cookies("beta=yes", "a=1")))
    for bad in ("beta=no", "beta=yesno", "xbeta=yes", "beta", "Beta=yes", "a=beta=yes"):
        leaves(run, ("/", *cookies(bad)))
    leaves(run, ("/",))
    split = client.http2(run.port(), "/", [("cookie", "a=1"), ("cookie", "beta=yes")])
    assert split.status == 204


@scenario(rule('cookie a prefix "x" or cookie b suffix "y" or cookie c contains "z" or cookie d regex `^(?i)on$|^1` or cookie e exists'), backends=A, ways=BOTH)
def cookie_operators(run):
    takes(run, ("/", *cookies("a=x1")), ("/", *cookies("b=1y; q=1")), ("/", *cookies("q=2; c=1z1")))
    takes(run, ("/", *cookies("d=ON")), ("/", *cookies("d=12; x=3")), ("/", *cookies("e=")), ("/", *cookies("q=1; e=5")))
    leaves(run, ("/", *cookies("a=1x")), ("/", *cookies("b=y1")), ("/", *cookies("c=1; q=z")), ("/", *cookies("d=onx; q=on")))
    leaves(run, ("/",), ("/", *cookies("q=e")))


@scenario(rule('not cookie beta = "yes"'), backends=A, ways=BOTH)
def denied_cookie(run):
    takes(run, ("/",), ("/", *cookies("beta=no")), ("/", *cookies("a=1")), ("/", *cookies("")))
    leaves(run, ("/", *cookies("beta=yes")), ("/", *cookies("a=1; beta=yes")))


@scenario(rule('cookie beta = "yes"'), backends=A)
def the_first_cookie_counts(run):
    takes(run, ("/", *cookies("beta=yes; beta=no")))
    leaves(run, ("/", *cookies("beta=no; beta=yes")))


@scenario(rule('cookie beta = "yes"'), backends=A, ways=("cilium-1.15",))
def any_cookie_counts(run):
    takes(run, ("/", *cookies("beta=yes; beta=no")), ("/", *cookies("beta=no; beta=yes")))


def of_host(run, host):
    return run.get("/", host=host).status == 204


@scenario(rule('host = "shop.example.com", "[fd00::1]"'), backends=A)
def host(run):
    for good in ("shop.example.com", "SHOP.Example.com", "shop.example.com:8080", "[fd00::1]", "[fd00::1]:80"):
        assert of_host(run, good), good
    for bad in ("xshop.example.com", "shopxexample.com", "shop.example.com.x", "example.com", "[fd00::11]"):
        assert not of_host(run, bad), bad


@scenario(rule('host = "a.example.com:8080"'), backends=A)
def host_with_a_port(run):
    assert of_host(run, "A.example.com:8080")
    assert not of_host(run, "a.example.com")
    assert not of_host(run, "a.example.com:80")


@scenario(rule('host = "*.example.com"'), backends=A)
def host_below(run):
    for good in ("a.example.com", "a.b.Example.com:80", "x-y.example.com"):
        assert of_host(run, good), good
    for bad in ("example.com", ".example.com", "a.example.com.org", "aexample.com"):
        assert not of_host(run, bad), bad


@scenario(rule('host prefix "api." or host suffix ".local8" or host contains "-beta-" or host regex `^v[0-9]+$`'), backends=A)
def host_operators(run):
    for good in ("api.x", "API.x:80", "a.local8", "a.local8:80", "x-beta-y:1", "v12", "V1:80"):
        assert of_host(run, good), good
    for bad in ("xapi.y", "a.local:8", "a:8", "v1x", "v:1", "beta"):
        assert not of_host(run, bad), bad


@scenario(rule('not host = "*.example.com", "b"'), backends=A)
def denied_host(run):
    for good in ("example.com", "c", "a.example.org"):
        assert of_host(run, good), good
    for bad in ("a.example.com", "A.EXAMPLE.COM:80", "b", "B:80"):
        assert not of_host(run, bad), bad


LONG = "x" * 60 + ".org"


@scenario(rule(f'host = "{LONG}" or path = "/{"x" * 2000}" and path suffix "x" or not path contains "{"z" * 64}" and path suffix "{"y" * 64}" and not cookie {"a" * 16} contains "{"b" * 16}"'), backends=A, ways=BOTH)
def long_texts_in_patterns(run):
    assert of_host(run, LONG) and of_host(run, LONG + ":80")
    takes(run, ("/" + "x" * 2000,))
    takes(run, ("/" + "y" * 64,))
    leaves(run, ("/x",), ("/" + "y" * 64, *cookies("a" * 16 + "=" + "b" * 16)))


GRPC = [("content-type", "application/grpc")]


@scenario(rule("grpc shop.Cart/Add or grpc shop.Stock"), backends=A)
def grpc(run):
    def call(path, kind="application/grpc"):
        # To a gRPC caller the 204 is a grpc-status, over HTTP 200.
        return run.get(path, [("content-type", kind)] if kind else [], method="POST").get("grpc-status") != []

    for good in (("/shop.Cart/Add",), ("/shop.Cart/Add", "application/grpc+proto"), ("/shop.Stock/Any",)):
        assert call(*good), good
    assert not call("/shop.Cart/Remove") and not call("/shop.Stocks/Any")
    for kind in ("application/grpc-web", "application/json", None):
        assert run.get("/shop.Cart/Add", [("content-type", kind)] if kind else [], method="POST").status == 200, kind


@scenario(rule("not grpc shop.Cart/Add"), backends=A)
def denied_grpc(run):
    for path, headers in (("/shop.Cart/Add", []), ("/shop.Cart/Add", [("content-type", "application/json")])):
        assert run.get(path, headers, method="POST").status == 204
    assert run.get("/shop.Cart/Add", GRPC, method="POST").get("grpc-status") == []
    assert run.get("/shop.Cart/Other", GRPC, method="POST").get("grpc-status") != []


@scenario(rule('(host = "a" or cookie b = "1") and not (path suffix ".png" or query raw exists) and header h exists'), backends=A, ways=BOTH)
def nested_conditions(run):
    def answer(path, host="shop.example", *headers):
        return run.get(path, headers, host=host).status

    assert answer("/", "a", ("h", "")) == 204
    assert answer("/", "b", ("h", "1"), ("cookie", "b=1")) == 204
    assert answer("/", "b", ("h", "1")) == 200
    assert answer("/x.png", "a", ("h", "1")) == 200
    assert answer("/?raw", "a", ("h", "1")) == 200
    assert answer("/", "a") == 200
