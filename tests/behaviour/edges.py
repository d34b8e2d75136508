"""What stands at the edge of a route: calls from other origins, TCP, DNS, probes."""

import socket
import time

from behaviour import client
from behaviour.backend import Backend, Reply
from behaviour.scenario import behaving, dead, plain, scenario

SHOP = "https://shop.example.com"


def ask(run, origin, method, path="/", headers=()):
    """What a browser asks before a call."""
    asked = [("origin", origin), ("access-control-request-method", method), *headers]
    return run.get(path, asked, method="OPTIONS")


@scenario(f"""route a:80 {{
  cors origin "{SHOP}", "https://*.example.org" methods GET, PUT headers x-token expose x-seen credentials max-age 10m
  ratelimit 2/m
  when path = "/free" {{ no cors }}
}}""", backends={"a:80": [plain]})
def cors(run):
    answer = ask(run, SHOP, "PUT")
    assert answer.status == 200 and answer.body == b"" and not run.servers["a:80"][0].requests
    assert answer.get("access-control-allow-origin") == [SHOP]
    assert answer.get("access-control-allow-methods") == ["GET, PUT"]
    assert answer.get("access-control-allow-headers") == ["x-token"]
    assert answer.get("access-control-allow-credentials") == ["true"]
    assert answer.get("access-control-max-age") == ["600"]
    call = run.get(headers=[("origin", "https://a.b.example.org")])
    assert call.get("access-control-allow-origin") == ["https://a.b.example.org"]
    assert call.get("access-control-expose-headers") == ["x-seen"]
    for origin in ("https://evil.example", "http://shop.example.com", "https://example.org", "https://xexample.org"):
        assert run.get(headers=[("origin", origin)]).get("access-control-allow-origin") == [], origin
    refused = run.get(headers=[("origin", SHOP)])
    assert refused.status == 429 and refused.get("access-control-allow-origin") == [SHOP]
    free = run.get("/free", [("origin", SHOP)])
    assert free.get("access-control-allow-origin") == []


@scenario(f"""route a:80 {{
  when method PUT, DELETE and path prefix "/api" {{ cors origin regex `^https://[a-z]+[.]example[.]com$` methods PUT, DELETE; to a }}
  when path = "/answer" {{ cors origin "*"; respond 203 "x" }}
  respond 204
}}""", backends={"a:80": [plain]})
def cors_of_a_rule_with_a_method(run):
    assert ask(run, SHOP, "PUT", "/api/x").get("access-control-allow-origin") == [SHOP]
    assert ask(run, "https://evil.example", "PUT", "/api/x").status == 204
    assert ask(run, SHOP, "GET", "/api/x").status == 204
    assert ask(run, SHOP, "PUT", "/other").status == 204
    assert run.get("/api/x", method="OPTIONS").status == 204
    assert run.get("/api/x", [("origin", SHOP)], method="PUT").get("access-control-allow-origin") == [SHOP]
    assert run.get("/answer", [("origin", SHOP)]).get("access-control-allow-origin") == [SHOP]
    assert ask(run, SHOP, "GET", "/answer").get("access-control-allow-origin") == [SHOP]


def greeter(name):
    """A backend that speaks no HTTP."""
    return Backend(name, greets=True)


def greeting(port):
    """Who is behind a port, and whether bytes come back as they were sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=client.TIMEOUT) as connection:
        stream = connection.makefile("rb")
        name = stream.readline().decode().strip()
        if name:
            connection.sendall(b"\x00ping\n")
            assert stream.readline() == b"\x00ping\n"
        return name


@scenario("route a:80 {\n protocol tcp\n 80% v1, 20% v2\n}", backends={"a-v1:80": [greeter], "a-v2:80": [greeter]})
def tcp_split(run):
    hits = sum(greeting(run.port()).startswith("a-v1") for _ in range(600))
    low, high = client.binomial_bounds(600, 0.8)
    assert low <= hits <= high, hits


@scenario("service a:80 {\n protocol tcp\n circuit-breaker max-connections 1\n}\nroute a:80 {\n 100% a, 0% b\n idle-timeout 500ms\n}\nservice b:80", backends={"a:80": [greeter], "b:80": [greeter]})
def tcp_limits(run):
    # The connection that found Envoy ready may still count; it ends within the idle timeout.
    time.sleep(1)
    with socket.create_connection(("127.0.0.1", run.port()), timeout=client.TIMEOUT) as first:
        assert first.recv(64).startswith(b"a-0")
        assert greeting(run.port()) == ""
        start = time.monotonic()
        assert first.recv(64) == b""
        # The connection is cut after half a second of silence; a default would take minutes.
        assert time.monotonic() - start < 10
    time.sleep(1)
    assert greeting(run.port()) == "a-0"
    assert run.servers["b:80"][0].count == 0


@scenario("route a:80 {\n protocol tcp\n balance ring-hash by source-ip\n}", backends={"a:80": [greeter, greeter, greeter]})
def tcp_by_address(run):
    used = set()
    for number in range(1, 41):
        names = set()
        for _ in range(3):
            source = (f"127.0.1.{number}", 0)
            with socket.create_connection(("127.0.0.1", run.port()), timeout=client.TIMEOUT, source_address=source) as one:
                names.add(one.recv(64))
        assert len(names) == 1
        used |= names
    assert len(used) == 3


@scenario("route a:80 {\n 50% a, 50% dns localhost:{b:80/0.port}\n}", backends={"a:80": [plain], "b:80": [plain]})
def dns(run):
    connection = client.Client(run.port())
    hosts = {"a": set(), "b": set()}
    for _ in range(60):
        answer = connection.get()
        hosts[answer.backend[0]].update(answer.sent("host"))
    connection.close()
    # The name is resolved to IPv4 first, and becomes the Host of its own side alone.
    assert hosts == {"a": {"shop.example"}, "b": {"localhost"}}, hosts


def failing(path):
    """A backend that fails this path alone."""
    return behaving(lambda request: Reply(503 if request.path == path else 200))


@scenario("route a:80 health-check http \"/healthz\" every 100ms timeout 1s", backends={"a:80": [plain, failing("/healthz"), dead]})
def one_healthy_of_three_gets_everything(run):
    # An endpoint is out after its first failed probe at start.
    assert client.wait_until(lambda: {run.get().status for _ in range(20)} == {200})
    assert {run.get().backend for _ in range(100)} == {"a-0"}
    probe = next(r for r in run.servers["a:80"][0].requests if r.path == "/healthz")
    assert probe.get("host") == ["a.default"], probe.headers


@scenario("route a:80 health-check tcp every 100ms unhealthy 1", backends={"a:80": [dead]})
def none_healthy_is_503(run):
    assert client.wait_until(lambda: run.get().status == 503)
    assert run.get().body == b"no healthy upstream"


def grpc_backend(serving):
    return behaving(lambda request: Reply(200 if serving else 503), http2=True)


@scenario("route a:80 health-check grpc service shop.Cart every 100ms", backends={"a:80": [grpc_backend(True), grpc_backend(False)]})
def grpc_probe(run):
    assert client.wait_until(lambda: {client.http2(run.port()).backend for _ in range(20)} == {"a-0"})
    # The probe is a gRPC call, and what is probed by gRPC speaks HTTP/2.
    assert any(r.path == "/grpc.health.v1.Health/Check" for r in run.servers["a:80"][1].requests)


@scenario("""route a:80 {
  80% v1, 20% v2
  patch http `
    server_name: patched
    http_filters:
      - name: envoy.filters.http.cors
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors
  `
  patch route `
    route: {weighted_clusters: null, cluster: default/meshc-a/a:80/a-v2:80}
    response_headers_to_add: [{header: {key: x-patched, value: "yes"}}]
  `
  patch cluster v2 `circuit_breakers: {thresholds: [{max_requests: 0, max_pending_requests: 0}]}`
  patch listener `per_connection_buffer_limit_bytes: 65536`
}""", backends={"a-v1:80": [plain], "a-v2:80": [plain]}, ways=("cilium-1.20",))
def patches(run):
    answers = [run.get() for _ in range(20)]
    # Everything goes to v2, which lets nothing through; the proxy says its new name.
    assert {answer.status for answer in answers} == {503}
    assert answers[0].get("server") == ["patched"] and answers[0].get("x-patched") == ["yes"]
    # This one cannot be seen in an answer: Envoy took it, and nothing else is in its place.
    assert run.manifest[0]["spec"]["resources"][0]["per_connection_buffer_limit_bytes"] == 65536
