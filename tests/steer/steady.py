"""What is steered, what is not, and who sees what."""

import os
import signal
import socket
import time

from behaviour.client import binomial_bounds, wait_until
from harness.terminal import Terminal
from steer import place, traffic
from steer.place import SECOND, V4, V6
from steer.traffic import ask
from steer.up import SERVICE, policy, steer

ALL = []


def check(function):
    ALL.append(function)
    return function


@check
def the_canary_is_reached_at_the_services_address(start):
    assert ask() == ("direct", (V4, 80))
    up = start().steers()
    answers = [ask() for _ in range(1000)]
    assert {peer for _, peer in answers} == {(V4, 80)}
    names = [name for name, _ in answers]
    low, high = binomial_bounds(1000, 0.9)
    assert low <= names.count("v1") <= high and names.count("v1") + names.count("v2") == 1000, set(names)
    (held,) = up.status()["sets"]
    assert held["drift"] == [] and held["running"] and len(held["programs"]) == 4, held
    assert up.connections()["steered"] == 1000, up.connections()
    assert up.interrupt() == 0
    assert ask() == ("direct", (V4, 80))
    assert steer(up.meshc, "status")[1] == "nothing is steered\n"


@check
def every_way_to_connect_is_steered(start):
    start().steers()
    ways = {
        "v6": ask(V6),
        "mapped": ask(f"::ffff:{V4}", family=socket.AF_INET6),
        "non-blocking": ask(blocking=False),
        "v6 non-blocking": ask(V6, blocking=False),
    }
    assert {name for name, _ in ways.values()} <= {"v1", "v2"}, ways
    peers = {way: peer for way, (_, peer) in ways.items()}
    assert peers == {
        "v6": (V6, 80),
        "mapped": (f"::ffff:{V4}", 80),
        "non-blocking": (V4, 80),
        "v6 non-blocking": (V6, 80),
    }, peers
    with socket.socket(socket.AF_INET6) as only:
        only.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        only.connect((V6, 80))
    with socket.socket() as bound:
        bound.bind((V4, 0))
        bound.connect((V4, 80))
        assert bound.getpeername() == (V4, 80)
    if hasattr(socket, "IPPROTO_MPTCP"):
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP) as several:
                several.connect((V4, 80))
                several.sendall(traffic.REQUEST)
                assert several.recv(4096).endswith((b"v1", b"v2"))
        except OSError as error:
            print(f"   no MPTCP here: {error}")


@check
def what_is_not_meant_is_not_touched(start):
    up = start().steers()
    # Another address, another port, another protocol, another device.
    assert ask(SECOND)[0] == "direct"
    with socket.socket() as other:
        try:
            other.connect((V4, 81))
            raise AssertionError("somebody answers on port 81")
        except ConnectionRefusedError:
            pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((V4, 80))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect((V4, 80))
            client.send(b"hello")
            assert server.recv(10) == b"hello" and client.getpeername() == (V4, 80)
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        bound.connect((V4, 80))
    # A socket that is used again knows its own peer.
    with socket.socket() as again:
        again.connect((V4, 80))
        assert again.getpeername() == (V4, 80)
    counted = up.connections()
    assert counted["direct-bound-to-device"] == 1 and counted["steered"] == 1, counted


@check
def a_client_of_another_network_goes_direct(start):
    up = start().steers()

    def elsewhere():
        place.unshare(place.CLONE_NEWNET)
        place.addresses()
        servers = traffic.Servers([("there", V4, 80)])
        try:
            return ask()
        finally:
            servers.close()

    assert traffic.in_child(elsewhere) == repr(("there", (V4, 80)))
    assert up.connections()["direct-other-namespace"] == 1, up.connections()
    # The namespace is closed now; the others go on.
    assert ask()[0] in ("v1", "v2")


@check
def envoy_does_not_call_itself(start):
    text = policy("route helloworld to v1").replace("127.0.0.1:9001", f"{V4}:80")
    up = start(text=text).steers()
    assert [ask()[0] for _ in range(20)] == ["direct"] * 20
    counted = up.connections()
    assert counted["steered"] == 20 and 1 <= counted["direct-of-envoy"] <= 20, counted


@check
def the_kill_switch_needs_no_daemon(start):
    up = start().steers()
    os.kill(up.process.pid, signal.SIGSTOP)
    try:
        assert steer(up.meshc, "off")[0] == 0
        assert ask()[0] == "direct"
        assert up.status()["sets"][0]["switched_off"]
        assert steer(up.meshc, "on")[0] == 0
    finally:
        os.kill(up.process.pid, signal.SIGCONT)
    assert wait_until(lambda: ask()[0] != "direct", 3)
    up.kill()
    assert up.gone()
    code, said, _ = steer(up.meshc, "off")
    assert code == 0 and "removed" in said, said
    code, _, said = steer(up.meshc, "on")
    assert code == 3 and "nothing is steered" in said, said


def states(up):
    return [event["state"] for event in up.of("steering")]


@check
def whether_it_is_on_is_told(start):
    up = start().steers()
    assert wait_until(lambda: states(up) == ["on"], 5), up.events
    assert steer(up.meshc, "off")[0] == 0
    assert wait_until(lambda: states(up)[1:] == ["switched-off"], 5), states(up)
    assert steer(up.meshc, "on")[0] == 0
    assert wait_until(lambda: states(up)[2:] == ["on"], 5), states(up)
    (envoy,) = up.envoys()
    os.kill(envoy, signal.SIGSTOP)
    assert wait_until(lambda: states(up)[3:] == ["no-answer"], 5), states(up)
    os.kill(envoy, signal.SIGCONT)
    assert wait_until(lambda: states(up)[4:] == ["on"], 5), states(up)
    os.kill(envoy, signal.SIGKILL)
    assert wait_until(lambda: states(up)[5:] == ["no-answer", "on"], 10), states(up)


@check
def a_terminal_shows_whether_it_is_on(start):
    run = start().steers()
    run.interrupt()
    terminal = Terminal([word for word in run.command if word not in ("-o", "json")], run.environment)
    shows = lambda words: any(line.startswith(words) for line in terminal.lines()[-3:])  # noqa: E731
    try:
        assert wait_until(lambda: shows("steering on"), 20), terminal.text
        assert steer(start.meshc, "off")[0] == 0
        assert wait_until(lambda: shows("steering off, by `meshc steer off`"), 5), terminal.lines()
        assert any(line.startswith("steer    off, by `meshc steer off`") for line in terminal.lines()), terminal.lines()
        assert steer(start.meshc, "on")[0] == 0
        assert wait_until(lambda: shows("steering on"), 5), terminal.lines()
    finally:
        terminal.close()


@check
def refused_where_the_service_says_so(start):
    up = start(text=policy(more="on-failure refuse")).steers()
    assert ask()[0] in ("v1", "v2")
    (envoy,) = up.envoys()
    os.kill(envoy, signal.SIGSTOP)
    refused = lambda: isinstance(outcome(), ConnectionRefusedError)  # noqa: E731
    assert wait_until(refused, 3)
    assert steer(up.meshc, "off")[0] == 0
    assert ask()[0] == "direct"
    assert steer(up.meshc, "on")[0] == 0
    assert refused()
    os.kill(envoy, signal.SIGCONT)
    assert wait_until(lambda: outcome() in ("v1", "v2"), 3)
    assert up.connections()["refused"] >= 2


def outcome(timeout=0.2):
    try:
        return ask(timeout=timeout)[0]
    except OSError as error:
        return error


@check
def without_steering_services_are_on_local_ports(start):
    dropped = ["setpriv", "--bounding-set=-bpf,-sys_admin,-net_admin"]
    up = start(options=["--no-steer"], under=dropped)
    up.wait("live")
    assert ask()[0] == "direct"
    assert ask("127.0.0.1", 15500)[0] in ("v1", "v2")
    assert wait_until(lambda: states(up) == ["declined"], 5), up.events
    assert not up.of("steered") and not (place.BPFFS / "meshc").exists()
    # Nor is anything tried where no service has an address.
    text = policy().replace(f"at {V4}, {V6}", "")
    start(text=text, under=dropped).wait("live")


UNSTEERED = policy().replace(f"at {V4}, {V6}", "")


@check
def an_address_that_comes_later_is_steered_at_once(start):
    up = start(text=UNSTEERED, options=["--linger", "1m"])
    up.wait("live")
    (envoy,) = up.envoys()
    assert not (place.BPFFS / "meshc").exists() and ask()[0] == "direct"
    load = traffic.Load()
    for number in range(1, 4):
        up.save(policy())
        up.wait("steered", 2 * number - 1)
        assert wait_until(lambda: ask()[0] in ("v1", "v2"), 3), (up.events, up.log())
        # It goes, too.
        up.save(UNSTEERED)
        assert up.wait("steered", 2 * number)["services"] == []
        assert ask()[0] == "direct"
    up.save(policy("route helloworld to v1").replace("127.0.0.1:9001", f"{V4}:80"))
    up.wait("steered", 7)
    # Envoy went on, in a cgroup of its own now: it does not call itself.
    assert wait_until(lambda: up.connections()["direct-of-envoy"] >= (ask()[0] == "direct") > 0, 3), up.connections()
    load.stop()
    assert load.failed() == [] and len(load.results) > 100 and up.envoys() == [envoy], load.failed()[:3]
    assert wait_until(lambda: states(up) == ["on", *["nothing", "on"] * 3], 3), states(up)
    # How it fares when the run is gone is as the last policy says.
    up.save(policy(more="on-failure refuse"))
    up.wait("steered", 8)
    up.kill()
    assert wait_until(lambda: isinstance(outcome(), ConnectionRefusedError), 3)
    up = start(text=UNSTEERED, after=up)
    up.wait("live")
    assert up.envoys() == [envoy]
    # What the dead run left is there until a run wants it, or `meshc steer off`.
    assert isinstance(outcome(), ConnectionRefusedError)
    up.save(policy(more="on-failure refuse"))
    up.wait("steered")
    assert wait_until(lambda: outcome() in ("v1", "v2"), 3)


@check
def a_cgroup_that_envoy_got_later_goes_with_it(start):
    up = start(text=UNSTEERED)
    up.wait("live")
    up.save(policy())
    up.wait("steered")
    up.kill()
    assert up.gone() and not list(start.place.cgroup.glob("meshc-*"))
    assert steer(up.meshc, "off")[0] == 0


@check
def an_address_that_comes_without_privilege_is_told(start):
    up = start(text=UNSTEERED, under=["setpriv", "--bounding-set=-bpf,-sys_admin,-net_admin"])
    up.wait("live")
    up.save(policy())
    told = up.wait("unsteered")
    assert "missing: CAP_BPF, CAP_NET_ADMIN" in told["message"] and "setcap" in told["help"], told
    # What it says besides is served.
    up.wait("live", 2)
    assert wait_until(lambda: states(up) == ["impossible"], 3), states(up)
    assert ask()[0] == "direct" and ask("127.0.0.1", 15500)[0] in ("v1", "v2")
    up.save(UNSTEERED)
    assert wait_until(lambda: states(up) == ["impossible", "nothing"], 3), states(up)
    assert not (place.BPFFS / "meshc").exists()


@check
def what_a_dead_run_steered_leads_to_no_other_service(start):
    up = start(text=policy()).steers()
    up.kill()
    assert up.gone()
    # Its Envoy never is there.
    text = policy().replace("helloworld", "another").replace(f"{V4}, {V6}", SECOND) + UNSTEERED
    again = start(text=text, after=up, envoy="/bin/false")
    again.wait("ended")
    (held,) = again.status()["sets"]
    assert {item["name"]: item["addresses"] for item in held["services"]} == {SERVICE: []}, held["services"]
    assert ask()[0] == "direct"


@check
def three_hundred_changes_of_the_rules(start):
    up = start().steers()
    load = traffic.Load()
    saves, begun = 300, time.monotonic()
    for number in range(1, saves + 1):
        up.save(policy(at=f"{V4}, {V6}, {SECOND}" if number % 2 else f"{V4}, {V6}"))
        assert wait_until(lambda: len(up.of("steered")) > number, 5), (number, up.events[-3:], up.said)
    results = load.stop()
    print(f"   {saves} changes in {time.monotonic() - begun:.0f} s, {len(results)} connections: {load.names()}")
    assert load.failed() == [], load.failed()[:3]
    assert set(load.names()) <= {"v1", "v2"}, load.names()
    assert len(results) > 500
    assert SERVICE in [item["name"] for item in up.status()["sets"][0]["services"]]


