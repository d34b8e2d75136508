"""Where traffic goes, and how much of it: splits, limits, breakers, the examples of the scenarios."""

import json
import threading

from behaviour import client
from behaviour.backend import Reply
from behaviour.scenario import behaving, plain, scenario

DRAWS = 2000


def split_holds(run, share, first, draws=DRAWS):
    """Whether about this share of many requests goes to the backends whose names begin so."""
    low, high = client.binomial_bounds(draws, share)
    connection = client.Client(run.port())
    hits = sum(connection.get().backend.startswith(first) for _ in range(draws))
    connection.close()
    assert low <= hits <= high, f"{hits} of {draws} went to {first}, {low} to {high} were expected"


@scenario(example="07-canary-weights", backends={"helloworld-v1:5000": [plain], "helloworld-v2:5000": [plain]})
def canary(run):
    split_holds(run, 0.9, "helloworld-v1")


@scenario(example="02-rewrite", backends={
    "echo-service-1:8080": [behaving(lambda r: Reply(200 if r.path == "/" else 404))],
    "echo-service-2:8080": [behaving(lambda r: Reply(200 if r.path == "/" else 404))],
})
def rewrite(run):
    for service in ("echo-service-1:8080", "echo-service-2:8080"):
        assert run.get("/foo", service=service).status == 200
        assert run.get("/foo/bar?x=1", service=service).path == "/?x=1"
        assert run.get("/other", service=service).status == 404
    connection = client.Client(run.port("echo-service-1:8080"))
    low, high = client.binomial_bounds(DRAWS, 0.5)
    hits = sum(connection.get().backend.startswith("echo-service-1") for _ in range(DRAWS))
    connection.close()
    assert low <= hits <= high, hits


def limited(run, requests, passing, **where):
    """Of so many quick requests just so many pass, and the rest is refused."""
    answers = [run.get(**where) for _ in range(requests)]
    statuses = [answer.status for answer in answers]
    assert statuses == [200] * passing + [429] * (requests - passing), statuses
    return answers


@scenario(example="03-ratelimit", backends={"echo-service-1:8080": [plain]})
def ratelimit(run):
    # Five requests take some milliseconds, and the bucket is refilled after five seconds.
    answers = limited(run, 5, 2)
    assert [answer.get("x-local-rate-limit") for answer in answers] == [[], [], ["true"], ["true"], ["true"]]


@scenario("route a:80 ratelimit 2/m\nroute b:80 to b", backends={"a:80": [plain], "b:80": [plain]})
def ratelimit_of_one_service_alone(run):
    limited(run, 5, 2, service="a:80")
    limited(run, 5, 5, service="b:80")


# Before cilium-1.16 several routes share a bucket by a descriptor, from then on by a filter of its own.
BOTH = ("cilium-1.15", "cilium-1.20", "envoy")


@scenario('route a:80 {\n when path = "/x" or header h = "1" { ratelimit 2/m }\n}', backends={"a:80": [plain]}, ways=BOTH)
def ratelimit_across_an_or(run):
    answers = [run.get("/x"), run.get("/y", [("h", "1")]), run.get("/x"), run.get("/y", [("h", "1")]), run.get("/x")]
    assert [a.status for a in answers] == [200, 200, 429, 429, 429]
    assert run.get("/y").status == 200


@scenario('route a:80 {\n ratelimit 3/m\n when path = "/x" { timeout 5s }\n when path = "/z" { ratelimit 1/m }\n when path = "/free" { no ratelimit }\n}', backends={"a:80": [plain]}, ways=BOTH)
def ratelimits_beside_each_other(run):
    answers = [run.get("/x"), run.get("/z"), run.get("/"), run.get("/x"), run.get("/z"), run.get("/")]
    assert [a.status for a in answers] == [200, 200, 200, 200, 429, 429]
    assert [run.get("/free").status for _ in range(5)] == [200] * 5


@scenario('route a:80 {\n ratelimit 2/m\n when path = "/x" { respond 204 }\n}', backends={"a:80": [plain]}, ways=BOTH)
def ratelimit_of_all_routes(run):
    assert [run.get(path).status for path in ("/x", "/", "/x", "/")] == [204, 200, 429, 429]


@scenario('route a:80 {\n ratelimit 3/m\n when path = "/x" { timeout 5s }\n when path = "/y" { respond 204 }\n when path = "/free" { no ratelimit }\n}', backends={"a:80": [plain]})
def ratelimit_taken_over(run):
    answers = [run.get("/x"), run.get("/y"), run.get("/"), run.get("/x"), run.get("/y"), run.get("/")]
    assert [a.status for a in answers] == [200, 204, 200, 429, 429, 429]
    assert [run.get("/free").status for _ in range(5)] == [200] * 5


@scenario("route a:80, b:80 ratelimit 2/m", backends={"a:80": [plain], "b:80": [plain]})
def ratelimit_of_each_service(run):
    limited(run, 3, 2, service="a:80")
    limited(run, 3, 2, service="b:80")


@scenario("route a:80 ratelimit 2/m burst 4 status 503", backends={"a:80": [plain]})
def ratelimit_with_burst(run):
    assert [run.get().status for _ in range(6)] == [200] * 4 + [503] * 2


@scenario("route a:80 ratelimit 2/m shadow", backends={"a:80": [plain]})
def ratelimit_in_shadow(run):
    assert [run.get().status for _ in range(5)] == [200] * 5


@scenario(example="04-circuit-breaker", backends={"echo-service-1:8080": [plain]})
def circuit_breaker(run):
    release = threading.Event()
    (server,) = run.servers["echo-service-1:8080"]
    server.behave = lambda request: Reply(hold=release)
    answers, threads = client.at_once(run.port(), 8)
    # The two that may be under way are held; the refusals come at once.
    client.wait_until(lambda: sum(answer is not None for answer in answers) == 6)
    refused = [answer for answer in answers if answer]
    release.set()
    for thread in threads:
        thread.join(20)
    assert len(refused) == 6 and {answer.status for answer in refused} == {503}, [a.status for a in refused]
    assert all(answer.get("x-envoy-overloaded") == ["true"] for answer in refused)
    assert sorted(answer.status for answer in answers) == [200] * 2 + [503] * 6


@scenario("service b:80\nroute a:80, c:80 { to b; circuit-breaker max-requests 1 max-pending 1 }", backends={"b:80": [plain]})
def circuit_breaker_of_each_service(run):
    release = threading.Event()
    (server,) = run.servers["b:80"]
    server.behave = lambda request: Reply(hold=release)
    held, threads = client.at_once(run.port("a:80"), 1)
    assert client.wait_until(lambda: len(server.requests) == 1)
    # The one that `a` may have is held; `c` has a limit of its own.
    assert run.get(service="a:80").status == 503
    others, more = client.at_once(run.port("c:80"), 1)
    assert client.wait_until(lambda: len(server.requests) == 2)
    release.set()
    for thread in threads + more:
        thread.join(20)
    assert [answer.status for answer in held + others] == [200, 200]


@scenario("route a:80 ratelimit 1/m", backends={"a:80": [behaving(lambda r: Reply(), http2=True)]})
def ratelimit_of_a_grpc_caller(run):
    grpc = [("content-type", "application/grpc"), ("te", "trailers")]
    assert client.http2(run.port(), "/shop.Cart/Add", grpc).status == 200
    refused = client.http2(run.port(), "/shop.Cart/Add", grpc)
    assert (refused.status, refused.get("grpc-status")) == (200, ["14"])


@scenario(example="05-load-balance", backends={"helloworld:5000": [plain, plain]})
def load_balance(run):
    assert {run.get().backend for _ in range(10)} == {"helloworld-0", "helloworld-1"}


@scenario("route s:80 80% address {a:80/0}, 20% address {b:80/0}", backends={"a:80": [plain], "b:80": [plain]})
def static_weights(run):
    split_holds(run, 0.8, "a")


@scenario(example="09-header-canary", backends={
    "echo-service-1:8080": [behaving(lambda r: Reply(200 if r.path == "/" else 404))],
    "echo-service-2:8080": [behaving(lambda r: Reply(200 if r.path == "/" else 404))],
})
def header_canary(run):
    service = "echo-service-1:8080"
    answers = [run.get("/foo", [("version", "foo")], service=service) for _ in range(20)]
    assert {(a.status, a.backend) for a in answers} == {(200, "echo-service-1-0")}
    assert run.get("/foo", service=service).status == 404
    assert {run.get("/", service=service).backend for _ in range(60)} == {"echo-service-1-0", "echo-service-2-0"}


@scenario(example="01-admin")
def admin(run):
    assert b"configs" in run.get("/config_dump").body
    assert run.get("/quitquitquit", method="POST").status == 405
    assert run.get("/healthcheck/fail", method="POST").status == 405
    assert run.proxy.running()


@scenario("listen admin 127.0.0.1:9901 to envoy-admin writable")
def admin_writable(run):
    assert run.get("/logging?level=warning", method="POST").status == 200


@scenario(example="08-metrics")
def metrics(run):
    assert b"# TYPE envoy_" in run.get("/metrics").body
    assert run.get("/stats").status == 404
    assert run.get("/metrics", method="POST").status == 405


@scenario(example="10-access-log", backends={"helloworld:5000": [plain]})
def access_log(run):
    run.get("/a?b=1", [("user-agent", "test")])
    run.get("/c", method="POST")
    lines = [json.loads(line) for line in run.proxy.log(2)]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [("GET", "/a?b=1", 200), ("POST", "/c", 200)]
    assert lines[0]["user_agent"] == "test" and lines[0]["rule"] == "fallback"


@scenario('route a:80 accesslog stdout "%REQ(:METHOD)% %RESPONSE_CODE% 100%%"', backends={"a:80": [plain]})
def access_log_as_text(run):
    run.get()
    assert run.proxy.log(1) == ["GET 200 100%"]


@scenario("service a:80\nservice b:80\nroute s:80 30% a, rest b", backends={"a:80": [plain], "b:80": [plain]})
def split_with_rest(run):
    split_holds(run, 0.3, "a")


@scenario("service a:80\nservice b:80\nroute s:80 0% a, 100% b", backends={"a:80": [plain], "b:80": [plain]})
def nothing_for_zero_percent(run):
    assert {run.get().backend for _ in range(100)} == {"b-0"}
