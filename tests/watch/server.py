"""An API server that is stopped, forgets, or says no."""

import json
import time

from behaviour.client import wait_until
from deploy.server import ADMIN, STRANGER
from watch.check import check
from watch.proxy import Proxy, gone_event
from watch.world import PODS, Load, World, answers, ask, port


def told(up):
    """Whether the cluster was to be seen, in the order in which that was told."""
    return [event["seen"] for event in up.of("cluster")]


@check
def a_stopped_api_server_costs_nothing(start):
    world = World(start.server)
    world.slice("one", "helloworld-v1", PODS[:2])
    up = start(world)
    number = port(up, world.listener)
    answers(number, PODS[:2])
    load = Load(number)
    start.server.kill()
    assert wait_until(lambda: told(up) == [False], 20), up.events
    time.sleep(4)
    assert told(up) == [False], up.events
    assert {ask(number)[0] for _ in range(10)} == {200}
    start.server.start()
    assert wait_until(lambda: told(up) == [False, True], 30), up.events
    world.slice("one", "helloworld-v1", [PODS[2]])
    load.takes(PODS[2])
    load.leaves(PODS[0])
    load.end()
    assert told(up) == [False, True], up.events


@check
def a_run_that_is_killed_leaves_what_it_saw_to_the_next(start):
    world = World(start.server)
    world.slice("one", "helloworld-v1", PODS[:2])
    first = start(world, options=["--linger", "20s"])
    number = port(first, world.listener)
    answers(number, PODS[:2])
    load = Load(number)
    start.server.kill()
    try:
        first.kill()
        second = start(world, options=["--linger", "20s"], after=first)
        assert second.wait("started")["taken_over"], second.events
        second.wait("live")
        assert wait_until(lambda: told(second) == [False], 20), second.events
        time.sleep(1)
    finally:
        start.server.start()
    assert wait_until(lambda: told(second) == [False, True], 30), second.events
    world.slice("one", "helloworld-v1", [PODS[2]])
    load.takes(PODS[2])
    load.end()


@check
def a_place_that_is_forgotten_is_listed_anew(start):
    world = World(start.server)
    world.slice("one", "helloworld-v1", [PODS[0]])
    with Proxy(start.server) as proxy:
        up = start(world, config=world.kubeconfig(url=proxy.url))
        number = port(up, world.listener)
        answers(number, [PODS[0]])
        load = Load(number)
        # As an event in the stream, and as an answer; while that goes on, the last good endpoints stay.
        for answer in ((200, gone_event()), (410, gone_event()[len(b'{"type": "ERROR", "object": ') : -2])):
            proxy.fault = lambda path, answer=answer: answer if "watch=1" in path else None
            before = time.monotonic()
            proxy.cut()
            assert wait_until(lambda: proxy.count("limit=", before) >= 4, 20), proxy.seen
            assert proxy.count("", before) < 60, "a storm of requests"
        proxy.fault = lambda path: None
        world.slice("one", "helloworld-v1", [PODS[1]])
        load.takes(PODS[1], 20)
        load.end()


@check
def what_a_new_api_server_does_not_know_is_listed_anew(start):
    """What a run has seen last is older than what a server remembers that started behind that."""
    world = World(start.server)
    world.slice("one", "helloworld-v1", [PODS[0]])
    with Proxy(start.server) as proxy:
        up = start(world, config=world.kubeconfig(url=proxy.url))
        number = port(up, world.listener)
        answers(number, [PODS[0]])
        load = Load(number)
        proxy.fault = lambda path: (503, b"{}")
        proxy.cut()
        assert wait_until(lambda: told(up) == [False], 20), up.events
        world.slice("one", "helloworld-v1", [PODS[1]])
        start.server.kill()
        start.server.start()
        proxy.fault = lambda path: None
        load.takes(PODS[1], 20)
        assert proxy.count("limit=") >= 3, proxy.seen
        load.end()


@check
def cut_watches_go_on_where_they_were(start):
    world = World(start.server)
    world.slice("one", "helloworld-v1", [PODS[0]])
    with Proxy(start.server) as proxy:
        up = start(world, config=world.kubeconfig(url=proxy.url))
        number = port(up, world.listener)
        answers(number, [PODS[0]])
        load = Load(number)
        for turn in range(1, 11):
            watches = proxy.count("watch=1")
            proxy.cut()
            assert wait_until(lambda: proxy.count("watch=1") >= watches + 2, 20), proxy.seen
            world.slice("one", "helloworld-v1", [PODS[turn % 2]])
            load.takes(PODS[turn % 2])
        load.end()
        assert proxy.count("limit=") == 2, proxy.seen


@check
def a_missing_right_is_named_and_not_asked_for_all_the_time(start):
    world = World(start.server)
    world.slice("one", "helloworld-v1", [PODS[0]])
    with Proxy(start.server) as proxy:
        up = start(world, config=world.kubeconfig(STRANGER, url=proxy.url))
        said = up.wait("denied", 2)
        assert "stranger" in said["message"] and "--verb=list,watch" in said["help"], said
        # The rest runs.
        number = port(up, world.listener)
        assert ask(number)[0] == 503
        before = time.monotonic()
        time.sleep(6)
        assert proxy.count("", before) <= 2, proxy.seen
        world.allow("stranger")
        answers(number, [PODS[0]], 60)
        assert len(up.of("denied")) == 2, up.events


@check
def nothing_is_asked_without_the_word(start):
    """KUBECONFIG in the environment leaves a local run local."""
    world = World(start.server)
    with Proxy(start.server) as proxy:
        up = start(world, config=False, more="", environment={"KUBECONFIG": world.kubeconfig(url=proxy.url)})
        up.wait("live")
        time.sleep(1)
        assert not proxy.seen and not up.of("cluster"), (proxy.seen, up.events)


@check
def credentials_that_expire_are_got_anew(start):
    world = World(start.server)
    world.slice("one", "helloworld-v1", [PODS[0]])
    count = start.server.folder / f"count-{world.namespace}"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": ADMIN}}
    script = f"echo >>{count}; echo '{json.dumps(credential)}'"
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script],
                     "interactiveMode": "Never"}}  # fmt: skip
    asked = lambda: len(count.read_text())  # noqa: E731
    with Proxy(start.server) as proxy:
        up = start(world, config=start.server.kubeconfig(url=proxy.url, user=user))
        number = port(up, world.listener)
        answers(number, [PODS[0]])
        assert asked() == 1, asked()
        load = Load(number)
        left = [2]

        def expired(path):
            if "watch=1" in path and left[0]:
                left[0] -= 1
                return 401, b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":401,"message":"Unauthorized"}'
            return None

        proxy.fault = expired
        proxy.cut()
        assert wait_until(lambda: asked() >= 2, 20), up.events
        world.slice("one", "helloworld-v1", [PODS[1]])
        load.takes(PODS[1])
        load.end()
        # Both watches were refused; nothing is said of what is mended at once.
        assert left == [0] and asked() <= 3 and told(up) == [], (left, asked(), up.events)


@check
def a_connection_that_is_dead_is_noticed(start):
    """Nothing comes any more, and nobody says so: it ends with the time of the watch."""
    world = World(start.server)
    world.slice("one", "helloworld-v1", [PODS[0]])
    with Proxy(start.server) as proxy:
        up = start(world, config=world.kubeconfig(url=proxy.url))
        number = port(up, world.listener)
        answers(number, [PODS[0]])
        load = Load(number)
        proxy.silent.set()
        world.slice("one", "helloworld-v1", [PODS[1]])
        assert wait_until(lambda: told(up) == [False], 120), up.events
        proxy.silent.clear()
        load.takes(PODS[1], 60)
        assert wait_until(lambda: told(up) == [False, True], 60), up.events
        load.end()
