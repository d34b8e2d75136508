"""Programs in the place of others, under load."""

import os
import struct
import subprocess
import time

from behaviour.client import wait_until
from harness import bpf
from steer import traffic
from steer.place import BPFFS
from steer.steady import check
from steer.traffic import ask

UPGRADES = 300
LEASE = 2


def program(folder, name):
    """The number of the program that a pinned link runs."""
    fd = bpf.opened(folder / f"link_{name}")
    number = bpf.told(fd)["prog_id"]
    os.close(fd)
    return int(number)


def lend(folder, seconds):
    """Renews the lease for so long, in the place of a run."""
    fd = bpf.opened(folder / "settings")
    until = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + seconds * 10**9
    bpf.update(fd, struct.pack("I", LEASE), struct.pack("Q", until))
    os.close(fd)


@check
def three_hundred_upgrades_of_the_programs(start):
    # Envoy outlives its run; who upgrades needs none of its own.
    up = start(options=["--linger", "10m"]).steers()
    folder = BPFFS / "meshc" / "default" / "v1"
    names = [item.name.removeprefix("link_") for item in folder.glob("link_*")]
    assert len(names) == 4, names
    counted = up.connections()["steered"]
    up.kill()
    lend(folder, 600)
    seen = {name: {program(folder, name)} for name in names}
    load, begun = traffic.Load(), time.monotonic()
    for _ in range(UPGRADES):
        done = subprocess.run([start.upgrade, "default", start.place.cgroup, up.meshc], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for name in names:
            seen[name].add(program(folder, name))
    results = load.stop()
    print(f"   {UPGRADES} upgrades in {time.monotonic() - begun:.0f} s, {len(results)} connections: {load.names()}")
    assert {name: len(numbers) for name, numbers in seen.items()} == dict.fromkeys(names, UPGRADES + 1)
    assert load.failed() == [], load.failed()[:3]
    assert set(load.names()) <= {"v1", "v2"} and len(results) > 1000, load.names()
    # The next run finds the same counters, and takes it from there.
    again = start(after=up).steers()
    assert again.connections()["steered"] >= counted + len(results), again.connections()
    assert wait_until(lambda: ask()[0] in ("v1", "v2"), 5)
