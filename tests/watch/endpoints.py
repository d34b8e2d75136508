"""Endpoints that come, move and go."""

import os
import pathlib
import signal

from behaviour.client import wait_until
from steer.place import SECOND, V4
from watch.check import check
from watch.world import PODS, Load, World, answers, ask, counters, port

STILL = ("cluster_manager.cluster_added", "cluster_manager.cluster_modified", "listener_manager.listener_modified",
         "listener_manager.listener_added")  # fmt: skip


@check
def endpoints_move_under_load(start):
    world = World(start.server)
    world.slice("one", "helloworld-v1", [PODS[0]])
    up = start(world)
    number = port(up, world.listener)
    answers(number, [PODS[0]])
    before, load = counters(up, *STILL), Load(number)
    load.takes(PODS[0])
    world.slice("two", "helloworld-v1", [PODS[1]])
    load.takes(PODS[1])
    world.slice("one", "helloworld-v1", [PODS[2]])
    load.takes(PODS[2])
    load.leaves(PODS[0])
    world.slice("two", "helloworld-v1", [PODS[1]], ready=False)
    load.leaves(PODS[1])
    world.slice("six", "helloworld-v1", [PODS[3]], kind="IPv6")
    load.takes(PODS[3])
    world.no_slice("one")
    load.leaves(PODS[2])
    load.end()
    assert counters(up, *STILL) == before, (before, counters(up, *STILL))


@check
def a_service_that_goes_and_comes(start):
    world = World(start.server, first=False)
    up = start(world, rules="50% v1, 50% v2")
    number = port(up, world.listener)
    # Each is told once, with the policy that wants it, and the rest runs.
    missing = lambda: {event["service"].split("/")[1]: event for event in up.of("missing")}  # noqa: E731
    names = {"helloworld", "helloworld-v1", "helloworld-v2"}
    assert wait_until(lambda: set(missing()) == names, 10), up.events
    assert all(event["source"] == "policy.mesh route helloworld" for event in missing().values()), missing()
    assert "meshc apply" in missing()["helloworld-v1"]["help"] and "503" in missing()["helloworld"]["help"]
    assert ask(number)[0] == 503
    for name, pod in (("helloworld", PODS[2]), ("helloworld-v1", PODS[0]), ("helloworld-v2", PODS[1])):
        world.service(name)
        world.slice(name, name, [pod])
    answers(number, PODS[:2])
    world.no_service("helloworld-v1")
    assert wait_until(lambda: len(up.of("missing")) == 4, 10), up.events
    assert wait_until(lambda: {ask(number)[0] for _ in range(10)} == {200, 503}, 10)
    world.service("helloworld-v1")
    answers(number, PODS[:2])
    # Without a selector, and headless.
    world.no_service("helloworld-v2")
    world.service("helloworld-v2", selector=None, clusterIP="None", ports=[{"name": "http", "port": 5000}])
    answers(number, PODS[:2])
    assert len(up.of("missing")) == 5, up.events


@check
def a_port_that_a_service_does_not_have(start):
    world = World(start.server)
    world.slice("one", "helloworld-v1", [PODS[0]])
    world.no_service("helloworld-v1")
    world.service("helloworld-v1", ports=[{"name": "other", "port": 1}])
    up = start(world)
    said = up.wait("missing")
    assert said["service"].endswith("helloworld-v1:5000") and "but 1" in said["message"], said
    world.no_service("helloworld-v1")
    world.service("helloworld-v1")
    answers(port(up, world.listener), [PODS[0]])


@check
def a_saved_policy_keeps_and_gains_endpoints(start):
    world = World(start.server)
    world.slice("one", "helloworld-v1", [PODS[0]])
    world.slice("two", "helloworld-v2", [PODS[1]])
    up = start(world)
    number = port(up, world.listener)
    answers(number, [PODS[0]])
    load = Load(number)
    # A cluster that changes, and one that is new: both are ready at once.
    for rules in ("to v1; circuit-breaker max-requests 900", "to v2; circuit-breaker max-requests 900"):
        count = len(up.of("live"))
        up.save(world.policy(rules))
        assert up.wait("live", count + 1)["envoy_milliseconds"] < 1500, up.events
    load.takes(PODS[1])
    load.leaves(PODS[0])
    # Others of their own namespace, which nobody watched before.
    other = World(start.server)
    other.slice("one", "helloworld-v1", [PODS[2]])
    up.save(world.policy(f"to {other.namespace}/helloworld-v1:5000"))
    assert wait_until(lambda: len(up.of("live")) == 4, 10), up.events
    load.takes(PODS[2])
    load.leaves(PODS[1])
    # A namespace without anything does not hold it up for long.
    up.save(world.policy("to nowhere/at-all:5000"))
    assert wait_until(lambda: len(up.of("missing")) == 1, 10), up.events
    load.end(also={503})


@check
def what_a_new_envoy_gets_is_what_was_seen_last(start):
    world = World(start.server)
    world.slice("one", "helloworld-v1", [PODS[0]])
    up = start(world)
    number = port(up, world.listener)
    answers(number, [PODS[0]])
    start.server.kill()
    try:
        (envoy,) = [p for p in up.envoys() if "envoy" in pathlib.Path(f"/proc/{p}/comm").read_text()]
        os.kill(envoy, signal.SIGKILL)
        up.wait("ended")
        assert wait_until(lambda: ask(number) == (200, PODS[0]), 20), (ask(number), up.events)
    finally:
        start.server.start()


@check
def connections_to_the_clusters_addresses_are_steered(start):
    """The addresses are on the loopback of the place, where nobody listens at the port of the service."""
    world = World(start.server, first=False)
    world.service("helloworld", clusterIP=V4)
    world.service("helloworld-v1")
    world.slice("one", "helloworld-v1", [PODS[0]])
    up = start(world, steer=True)
    steered = lambda: {a for e in up.of("steered")[-1:] for s in e["services"] for a in s["addresses"]}  # noqa: E731
    assert wait_until(lambda: steered() == {V4}, 20), (up.events, up.said)
    assert wait_until(lambda: ask(5000, V4) == (200, PODS[0]), 10), (ask(5000, V4), up.events)
    world.no_service("helloworld")
    assert wait_until(lambda: steered() == set(), 20), up.events
    assert ask(5000, V4)[0] == 0
    world.service("helloworld", clusterIP=SECOND)
    assert wait_until(lambda: steered() == {SECOND}, 20), up.events
    assert wait_until(lambda: ask(5000, SECOND) == (200, PODS[0]), 10), ask(5000, SECOND)
    assert ask(5000, V4)[0] == 0


@check
def without_the_privilege_it_goes_on_unsteered(start):
    """Nobody asked for the cluster's addresses in so many words; who writes `at` does."""
    world = World(start.server)
    world.slice("one", "helloworld-v1", [PODS[0]])
    under = ["setpriv", "--bounding-set=-bpf,-sys_admin", "--inh-caps=-all"]
    up = start(world, steer=True, under=under)
    assert "--no-steer" in up.wait("unsteered")["help"], up.events
    answers(port(up, world.listener), [PODS[0]])
    asked = start(world, more=f"at {V4}", steer=True, under=under)
    code, said = asked.ends()
    assert code == 3 and "CAP_BPF" in said, (code, said)
