"""Endpoints that come, move and go."""

from watch.check import check
from watch.world import PODS, Load, World, answers, counters, port

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
