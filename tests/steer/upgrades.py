"""Programs in the place of others, under load."""

import ctypes
import os
import pathlib
import struct
import subprocess
import time

from behaviour.client import wait_until
from steer import traffic
from steer.place import BPFFS
from steer.steady import check
from steer.traffic import ask

UPGRADES = 300
LEASE = 2
_libc = ctypes.CDLL(None, use_errno=True)


def _opened(path):
    """What is pinned at a path, as a descriptor."""
    text = ctypes.create_string_buffer(str(path).encode())
    attributes = struct.pack("QII", ctypes.addressof(text), 0, 0).ljust(128, b"\0")
    fd = _libc.syscall(321, 7, attributes, len(attributes))
    assert fd >= 0, (path, os.strerror(ctypes.get_errno()))
    return fd


def program(folder, name):
    """The number of the program that a pinned link runs."""
    fd = _opened(folder / f"link_{name}")
    text = pathlib.Path(f"/proc/self/fdinfo/{fd}").read_text()
    os.close(fd)
    return int(text.split("prog_id:")[1].split()[0])


def lend(folder, seconds):
    """Renews the lease for so long, in the place of a run."""
    fd = _opened(folder / "settings")
    key = ctypes.create_string_buffer(struct.pack("I", LEASE))
    value = ctypes.create_string_buffer(struct.pack("Q", time.clock_gettime_ns(time.CLOCK_MONOTONIC) + seconds * 10**9))
    attributes = struct.pack("IxxxxQQQ", fd, ctypes.addressof(key), ctypes.addressof(value), 0).ljust(128, b"\0")
    assert _libc.syscall(321, 2, attributes, len(attributes)) == 0, os.strerror(ctypes.get_errno())
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
