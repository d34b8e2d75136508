"""How destinations are talked to: retries, timeouts, ejection, protocols, and what clients may not steer."""

import time

from behaviour import client
from behaviour.backend import Reply
from behaviour.scenario import behaving, dead, plain, scenario


def first_fails(request):
    """Fails every first of two."""
    return Reply(500 if request.count % 2 else 200)


@scenario("route a:80 retry 3 on 5xx", backends={"a:80": [behaving(first_fails)]})
def retry(run):
    assert run.get().status == 200
    assert len(run.servers["a:80"][0].requests) == 2


@scenario("route a:80 timeout 5s", backends={"a:80": [behaving(first_fails)]})
def no_retry_by_default(run):
    assert run.get().status == 500


@scenario("route a:80 retry 1 on 503", backends={"a:80": [behaving(lambda r: Reply({1: 503, 2: 200, 3: 500}.get(r.count, 200)))]})
def retry_on_a_status(run):
    assert [run.get().status, run.get().status] == [200, 500]


@scenario("route a:80 {\n retry 2 on gateway-error per-try 300ms\n timeout 10s\n}", backends={"a:80": [behaving(lambda r: Reply(delay=5 if r.count == 1 else 0))]})
def retry_of_a_slow_try(run):
    start = time.monotonic()
    assert run.get().status == 200
    # The first try ends after 0.3 s; the answer to it would take 5 s.
    assert time.monotonic() - start < 4


@scenario("route a:80 {\n retry 3 on reset\n when path = \"/x\" { no retry }\n}", backends={"a:80": [behaving(lambda r: Reply(drop=r.count % 2 == 1))]})
def no_retry_on_a_rule(run):
    assert run.get("/").status == 200
    assert run.get("/x").status == 503


@scenario("route a:80 {\n retry 5 on 5xx per-try 200ms\n timeout 700ms\n}", backends={"a:80": [behaving(lambda r: Reply(delay=3))]})
def timeout_of_all_tries(run):
    start = time.monotonic()
    assert run.get().status == 504
    # Six tries of 0.2 s would take 1.2 s and their pauses; the limit of all is 0.7 s.
    assert time.monotonic() - start < 1.1
    assert 2 <= len(run.servers["a:80"][0].requests) <= 4


@scenario("service a:80\nservice b:80\nroute s:80 {\n 50% a, 50% b\n retry 3 on 5xx\n}", backends={"a:80": [behaving(lambda r: Reply(500))], "b:80": [plain]})
def retries_stay_on_their_side(run):
    statuses = [run.get().status for _ in range(100)]
    failed = statuses.count(500)
    assert len(run.servers["a:80"][0].requests) == 4 * failed
    assert len(run.servers["b:80"][0].requests) == 100 - failed > 0


@scenario("route a:80 timeout 300ms", backends={"a:80": [behaving(lambda r: Reply(delay=3))]})
def timeout(run):
    assert run.get().status == 504


@scenario("route a:80 idle-timeout 300ms", backends={"a:80": [behaving(lambda r: Reply(delay=3))]})
def idle_timeout(run):
    assert run.get().status == 504


@scenario("route a:80 outlier consecutive-local-origin 1 interval 500ms eject 1m", backends={"a:80": [plain, dead]})
def ejection_of_one_dead_among_two(run):
    # Round robin finds the dead one within two requests; it is out at once, or at the latest when
    # ejections are looked at.
    deadline = time.monotonic() + 20
    streak = 0
    while streak < 30 and time.monotonic() < deadline:
        streak = streak + 1 if run.get().status == 200 else 0
    assert streak == 30, "the dead endpoint still gets requests"


@scenario("route a:80 connect-timeout 1s", backends={"a:80": [behaving(lambda r: Reply(), http2=True)]})
def http2_from_end_to_end(run):
    answer = client.http2(run.port())
    assert answer.status == 200 and answer.seen["line"] == "GET / HTTP/2"


@scenario("route a:80 protocol http1", backends={"a:80": [plain]})
def http2_to_http1(run):
    answer = client.http2(run.port())
    assert answer.status == 200 and answer.seen["line"] == "GET / HTTP/1.1"


@scenario("route a:80 protocol http2", backends={"a:80": [behaving(lambda r: Reply(), http2=True)]})
def http1_to_http2(run):
    assert run.get().seen["line"] == "GET / HTTP/2"


@scenario("route a:80 timeout 10s", backends={"a:80": [behaving(lambda r: Reply(500, delay=0.3))]})
def clients_do_not_steer_envoy(run):
    server = run.servers["a:80"][0]
    steering = [("x-envoy-upstream-rq-timeout-ms", "50"), ("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "3")]
    for spoofed in ([], [("x-forwarded-for", "10.0.0.1")], [("x-forwarded-for", "127.0.0.1")]):
        server.reset()
        answer = run.get(headers=steering + spoofed)
        assert answer.status == 500, answer.status
        assert len(server.requests) == 1, "the client made Envoy try again"


@scenario("service b:80\nroute a:80, c:80 to b", backends={"b:80": [plain]})
def counters_of_each_service(run):
    for key in ("a:80", "c:80"):
        assert run.get(service=key).backend == "b-0"
    assert len(run.ports) == 2


@scenario("service a:80 endpoints 127.0.0.1:1\nroute a:80 to b\nservice b:80", backends={"b:80": [plain]}, ways=("envoy",))
def declared_endpoints(run):
    config = run.manifest[0]["static_resources"]["clusters"]
    assert [cluster["type"] for cluster in config] == ["STATIC"] or config[0]["name"].endswith("default/b:80")
    assert run.get().backend == "b-0"


@scenario("route a:80 timeout 5s\nroute a:81 timeout 6s", backends={"a:80": [plain], "a:81": [plain]}, ways=("envoy", "cilium-1.20"))
def two_ports_of_one_service(run):
    assert run.get(service="a:80").status == 200
    assert run.get(service="a:81").status == 200
