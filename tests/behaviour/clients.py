"""What tells clients apart: sticky splits, balancing by a key, limits by a key; and copies of requests."""

import collections

from behaviour import client
from behaviour.scenario import plain, scenario
from behaviour.traffic import DRAWS

SPLIT = {"a-v1:80": [plain], "a-v2:80": [plain]}
HALVES = "route a:80 {\n 50% v1, 50% v2\n "
# The cookie of a client is matched by a field from cilium-1.20 on, and by the header before.
BOTH = ("cilium-1.15", "cilium-1.20", "envoy")


def side(answer):
    """Which side of a split answered."""
    return answer.backend.rsplit("-", 1)[0]


def kept(answer):
    """The cookie that came with an answer, as a client sends it back."""
    (cookie,) = answer.get("set-cookie")
    return cookie.split(";")[0]


@scenario(HALVES + "sticky by issued-cookie\n}", backends=SPLIT, ways=BOTH)
def sticky_by_issued_cookie(run):
    connection = client.Client(run.port())
    jars = []
    for _ in range(300):
        first = connection.get()
        jars.append((side(first), kept(first)))
        assert "Path=/; HttpOnly; SameSite=Lax" in first.get("set-cookie")[0]
    low, high = client.binomial_bounds(300, 0.5)
    assert low <= sum(where == "a-v1" for where, _ in jars) <= high
    for where, cookie in jars * 3:
        again = connection.get(headers=[("cookie", f"other=1; {cookie}")])
        assert side(again) == where and again.get("set-cookie") == [], (where, cookie)
    connection.close()


@scenario("""route a:80 {
  80% v1, 20% v2
  sticky by issued-cookie
  when path = "/half" { 50% v1, 50% v2 }
  when path = "/off" { 100% v1, 0% v2 }
  when path = "/free" { no sticky }
  when path = "/other" { 50% v1, 50% b }
}
service b:80""", backends={**SPLIT, "b:80": [plain]})
def one_cookie_for_one_pair_of_sides(run):
    connection = client.Client(run.port())
    of_v2 = next(answer for answer in iter(connection.get, None) if side(answer) == "a-v2")
    cookie = kept(of_v2)
    assert cookie.startswith("sticky-a=")
    for _ in range(30):
        # Other shares of the same sides do not move a client; a side without a share does.
        assert side(connection.get("/half", [("cookie", cookie)])) == "a-v2"
        assert side(connection.get("/off", [("cookie", cookie)])) == "a-v1"
    assert connection.get("/free").get("set-cookie") == []
    assert {side(connection.get("/free", [("cookie", cookie)])) for _ in range(100)} == {"a-v1", "a-v2"}
    other = connection.get("/other", [("cookie", cookie)])
    assert kept(other).startswith("sticky-a-2=")
    connection.close()


@scenario(HALVES + "sticky by issued-cookie tester\n ratelimit 5/m\n}", backends=SPLIT, ways=BOTH)
def one_bucket_for_all_sides(run):
    cookies = [kept(run.get()) for _ in range(3)]
    assert all(cookie.startswith("tester=") for cookie in cookies)
    answers = [run.get(headers=[("cookie", cookie)]).status for cookie in cookies]
    assert answers == [200, 200, 429], answers


def sides(run, clients):
    """The side of each client."""
    connection = client.Client(run.port())
    seen = [side(connection.get(headers=[("x-user", f"user-{number}")])) for number in range(clients)]
    connection.close()
    return seen


@scenario("""route a:80 {
  90% v1, 10% v2
  sticky by header x-user
  when header step = "2" { 80% v1, 20% v2 }
}""", backends=SPLIT)
def sticky_by_header(run):
    before = sides(run, 300)
    assert sides(run, 300) == before
    low, high = client.binomial_bounds(300, 0.9)
    assert low <= before.count("a-v1") <= high
    connection = client.Client(run.port())
    after = [side(connection.get(headers=[("x-user", f"user-{n}"), ("step", "2")])) for n in range(300)]
    # Only clients of the side that shrinks move, about a tenth of all.
    assert not [n for n in range(300) if before[n] == "a-v2" and after[n] == "a-v1"]
    moved = sum(one != other for one, other in zip(before, after))
    low, high = client.binomial_bounds(300, 0.1)
    assert low <= moved <= high, moved
    free = {side(connection.get()) for _ in range(300)}
    assert free == {"a-v1", "a-v2"}
    connection.close()


@scenario(HALVES + "sticky by cookie user\n when path = \"/ip\" { sticky by source-ip }\n}", backends=SPLIT)
def sticky_by_cookie_and_by_address(run):
    connection = client.Client(run.port())
    for number in range(30):
        where = {side(connection.get(headers=[("cookie", f"a=1; user=u{number}")])) for _ in range(5)}
        assert len(where) == 1
    assert len({side(connection.get()) for _ in range(100)}) == 2
    connection.close()
    spread = set()
    for number in range(1, 31):
        source = f"127.0.1.{number}"
        where = {side(run.get("/ip", source=source, headers=[("x-forwarded-for", f"10.0.0.{n}")])) for n in range(4)}
        assert len(where) == 1, source
        spread |= where
    assert len(spread) == 2


THREE = {"a:80": [plain, plain, plain]}


def keeps_backend(run, headers_of, spread=True, path="/"):
    """Each client stays with one backend, and together they use all."""
    connection = client.Client(run.port())
    used = set()
    for number in range(60):
        where = {connection.get(path, headers_of(number)).backend for _ in range(4)}
        assert len(where) == 1, (number, where)
        used |= where
    connection.close()
    # 60 clients on 3 backends: one is left out with odds of (2/3)^60, 3e-11, and the ring's unevenness.
    assert len(used) == 3 or not spread, used


# Before cilium-1.19 the route says what is hashed, from then on the cluster.
HASHED = ("cilium-1.15", "cilium-1.18", "cilium-1.20", "envoy")


@scenario("route a:80 {\n balance ring-hash by header x-user\n when path = \"/x\" { timeout 5s }\n}", backends=THREE, ways=HASHED)
def ring_hash_by_header(run):
    keeps_backend(run, lambda n: [("x-user", f"user-{n}")])
    keeps_backend(run, lambda n: [("x-user", f"user-{n}")], path="/x")


@scenario("service a:80 balance maglev by cookie cart\nroute s:80 to a", backends=THREE, ways=HASHED)
def maglev_by_cookie(run):
    keeps_backend(run, lambda n: [("cookie", f"x=1; cart=c{n}")])
    connection = client.Client(run.port())
    assert len({connection.get().backend for _ in range(100)}) == 3
    connection.close()


@scenario("route a:80 balance ring-hash by source-ip", backends=THREE, ways=HASHED)
def ring_hash_by_address(run):
    used = set()
    for number in range(1, 41):
        source = f"127.0.1.{number}"
        where = {run.get(source=source, headers=[("x-forwarded-for", f"10.0.0.{n}")]).backend for n in range(3)}
        assert len(where) == 1
        used |= where
    assert len(used) == 3


@scenario("""route a:80 {
  50% v1, 50% v2
  sticky by header x-user
  balance ring-hash by header x-cart
}""", backends={"a-v1:80": [plain, plain], "a-v2:80": [plain, plain]})
def sticky_and_ring_hash_beside_each_other(run):
    connection = client.Client(run.port())
    seen = collections.defaultdict(set)
    for user in range(12):
        for cart in range(12):
            answer = connection.get(headers=[("x-user", f"u{user}"), ("x-cart", f"c{cart}")])
            seen["user", user].add(side(answer))
            seen[side(answer), cart].add(answer.backend)
    connection.close()
    assert all(len(where) == 1 for where in seen.values()), seen
    assert len({next(iter(seen["user", user])) for user in range(12)}) == 2


def mirrored(run, service, index=0):
    return run.servers[service][index].requests


@scenario("route a:80 {\n to a\n mirror 5% to b\n mirror to c\n}\nservice b:80\nservice c:80", backends={"a:80": [plain], "b:80": [plain], "c:80": [plain]})
def mirrors(run):
    connection = client.Client(run.port())
    for _ in range(DRAWS):
        assert connection.get("/x?y=1", [("x-id", "7")]).backend == "a-0"
    connection.close()
    assert client.wait_until(lambda: len(mirrored(run, "c:80")) == DRAWS)
    low, high = client.binomial_bounds(DRAWS, 0.05)
    assert low <= len(mirrored(run, "b:80")) <= high
    copy = mirrored(run, "c:80")[0]
    assert copy.path == "/x?y=1" and copy.get("x-id") == ["7"] and copy.get("host") == ["shop.example"]


@scenario("route a:80 {\n to a\n mirror to b\n when path = \"/x\" { no mirror }\n}\nservice b:80", backends={"a:80": [plain], "b:80": [plain]}, ways=("cilium-1.15",))
def mirror_before_the_host_could_stay(run):
    run.get("/x")
    run.get("/")
    assert client.wait_until(lambda: len(mirrored(run, "b:80")) == 1)
    assert mirrored(run, "b:80")[0].get("host") == ["shop.example-shadow"]


@scenario("route a:80 ratelimit 2/m by header x-user", backends={"a:80": [plain]})
def ratelimit_by_header(run):
    connection = client.Client(run.port())

    def of(user):
        return connection.get(headers=[("x-user", user)] if user else []).status

    # 200 clients have a bucket each, and keep it though the others come in between.
    for expected in (200, 200, 429):
        assert {of(f"user-{number}") for number in range(200)} == {expected}
    assert [of(None), of(None), of(None)] == [200, 200, 429]
    connection.close()


@scenario("route a:80 {\n when path prefix \"/p\" or header x = \"1\" { ratelimit 1/m by path status 503 header x-limit \"path\" }\n ratelimit 3/m by source-ip keys 100\n}", backends={"a:80": [plain]})
def ratelimit_by_path_and_by_address(run):
    statuses = [run.get(path).status for path in ("/p/1", "/p/1?x=2", "/p/2", "/p/2")]
    assert statuses == [200, 503, 200, 503], statuses
    assert run.get("/p/1", [("x", "1")]).get("x-limit") == ["path"]
    for source in ("127.0.1.1", "127.0.1.2"):
        answers = [run.get(source=source, headers=[("x-forwarded-for", f"10.0.0.{n}")]).status for n in range(4)]
        assert answers == [200, 200, 200, 429], answers


@scenario("route a:80 {\n ratelimit 1/m by header k keys 2\n respond 204\n}", backends={"a:80": [plain]})
def a_full_table_forgets_the_oldest(run):
    def of(key):
        return run.get(headers=[("k", key)]).status

    assert [of("1"), of("1"), of("2"), of("2"), of("3")] == [204, 429, 204, 429, 204]
    assert of("1") == 204
