"""Whatever dies or hangs, connections go somewhere."""

import os
import random
import signal
import time

from behaviour.client import wait_until
from steer import traffic
from steer.steady import check, outcome
from steer.traffic import ask
from steer.up import policy

KILLS = 100


@check
def a_killed_run_fails_no_connection_and_is_taken_over(start):
    up = start().steers()
    maps = up.status()["sets"][0]["maps"]
    envoys = up.envoys()
    load, draw = traffic.Load(), random.Random(8)
    for _ in range(KILLS):
        up.kill()
        # Some before the lease ends, and some after.
        time.sleep(draw.uniform(0, 0.6))
        up = start(options=["--linger", "1m"], after=up).steers()
        envoys += up.envoys()
    time.sleep(0.2)
    results = load.stop()
    names = load.names()
    print(f"   {KILLS} kills, {len(results)} connections: {names}, {len(load.failed())} failed")
    assert load.failed() == [], load.failed()[:3]
    # The first was not told to stay so long.
    assert len(set(envoys[1:])) == 1 and len(envoys) == KILLS + 1, envoys
    assert names["v1"] > names.get("direct", 0) * 0.2, names
    (held,) = up.status()["sets"]
    kept = ("rules", "settings", "counters", "dialled", "record")
    assert {name: held["maps"][name] for name in kept} == {name: maps[name] for name in kept}, (held, maps)
    assert held["drift"] == []
    assert up.connections()["steered"] >= names["v1"] + names["v2"], up.connections()


@check
def a_killed_envoy_refuses_nobody(start):
    up = start().steers()
    load, killed = traffic.Load(), []
    for number in range(6):
        assert wait_until(lambda: ask()[0] != "direct", 10)
        time.sleep(0.2)
        os.kill(up.envoys()[0], signal.SIGKILL)
        killed.append(time.monotonic())
        up.wait("ended", number + 1)
    results = load.stop()
    refused = [item for item in load.failed() if isinstance(item[2], ConnectionRefusedError)]
    print(f"   6 kills, {len(results)} connections: {load.names()}, {len(load.failed())} cut off, {len(refused)} refused")
    assert refused == []
    # Only what was under way over the one that died, or came while its listeners went one after another.
    late = [item for item in load.failed() if not any(-5 < item[0] - at < 0.2 for at in killed)]
    assert late == [] and len(load.failed()) <= 36, (late, len(load.failed()))


@check
def a_hung_envoy_holds_nobody_longer_than_the_lease(start):
    up = start().steers()
    (envoy,) = up.envoys()
    load = traffic.Load(timeout=0.25)
    time.sleep(0.3)
    os.kill(envoy, signal.SIGSTOP)
    stopped = time.monotonic()
    time.sleep(1.5)
    os.kill(envoy, signal.SIGCONT)
    assert wait_until(lambda: outcome() in ("v1", "v2"), 3)
    load.stop()
    begun = [item[0] - stopped for item in load.failed()]
    print(f"   the last connection that hung was dialled {max(begun) * 1000:.0f} ms after the stop")
    assert max(begun) <= 0.75, begun
    assert any(item[2] == "direct" for item in load.results)


@check
def a_killed_run_goes_direct_and_is_found_again(start):
    up = start().steers()
    before = up.connections()["steered"] + 1
    assert ask()[0] in ("v1", "v2")
    up.kill()
    assert wait_until(lambda: ask()[0] == "direct", 3)
    (held,) = up.status()["sets"]
    assert not held["running"] and held["drift"], held
    assert up.gone()
    again = start().steers()
    # What was counted, and the kernel's objects, are the ones of before.
    assert again.connections()["steered"] >= before
    assert ask()[0] in ("v1", "v2")


@check
def a_service_that_goes_is_steered_no_more(start):
    up = start().steers()
    up.save("service other:80 endpoints 127.0.0.1:9001\nroute other timeout 1s\n")
    assert up.wait("steered", 2)["services"] == []
    assert ask()[0] == "direct"
    up.save(policy())
    up.wait("steered", 3)
    assert wait_until(lambda: ask()[0] in ("v1", "v2"), 3)


@check
def the_network_of_a_dead_run_is_left_for_another(start):
    dead = start(under=["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"])
    dead.wait("steered")
    # Ours is another one.
    assert ask()[0] == "direct"
    dead.kill()
    assert dead.gone()
    start().steers()
    assert ask()[0] in ("v1", "v2")
