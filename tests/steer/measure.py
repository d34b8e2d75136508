"""What steering costs: measure.py MESHC ENVOY [ROUNDS]. Needs root; prints a table, and asserts nothing.

Every round connects in four ways to the same listener of the same Envoy: *direct* to its port, with nothing
attached; *attached* to its port, with the programs on the cgroup; *steered* to the service's address; and, where
iptables can be had, by its REDIRECT with nothing attached. The kernel's own figures of the programs come from a
round of their own, since counting costs time.
"""

import gc
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import bpf  # noqa: E402
from steer.place import V4, Place  # noqa: E402
from steer.traffic import Servers  # noqa: E402
from steer.run import Start  # noqa: E402

LISTENER, REDIRECTED = ("127.0.0.1", 15500), ("10.96.0.12", 80)
CONNECTS = 2000


def connects(place, count=CONNECTS):
    """How long each connect took, in microseconds."""
    times = []
    gc.disable()
    for _ in range(count):
        with socket.socket() as client:
            begun = time.perf_counter_ns()
            client.connect(place)
            times.append((time.perf_counter_ns() - begun) / 1000)
    gc.enable()
    return times


def redirect():
    """Whether iptables sends connections to Envoy, too."""
    subprocess.run(["ip", "addr", "add", f"{REDIRECTED[0]}/32", "dev", "lo"], check=True)
    rule = f"-t nat -A OUTPUT -p tcp -d {REDIRECTED[0]} --dport 80 -j REDIRECT --to-ports {LISTENER[1]}"
    for program in ("iptables", "iptables-legacy"):
        try:
            if subprocess.run([program, *rule.split()], capture_output=True).returncode == 0:
                return True
        except OSError:
            pass
    return False


def kernels(up):
    """Runs and nanoseconds of each program so far, by the kernel's count."""
    seen = {}
    for program in up.status()["sets"][0]["programs"]:
        fd = bpf.bpf(bpf.PROGRAM_BY_ID, "III", program["id"], 0, 0)
        told = bpf.told(fd)
        os.close(fd)
        seen[program["name"]] = (int(told["run_cnt"]), int(told["run_time_ns"]))
    return seen


def cost(up, place):
    """Nanoseconds of each program a run, over many connects to a place."""
    before = kernels(up)
    for _ in range(20_000):
        with socket.socket() as client:
            client.connect(place)
            client.getpeername()
    after = kernels(up)
    of = {name: (after[name][0] - before[name][0], after[name][1] - before[name][1]) for name in after}
    return {name: time / count for name, (count, time) in of.items() if count}


def main():
    meshc, envoy, *rest = sys.argv[1:]
    rounds = int(rest[0]) if rest else 10
    envoy = next(pathlib.Path(envoy).parents[1].glob("lib/python*/site-packages/envoy/_bin/envoy"), envoy)
    here, servers = Place(), Servers()
    start = Start(here, pathlib.Path(meshc).resolve(), envoy)
    redirects = redirect()
    ways = {"direct": [], "attached": [], "steered": [], "REDIRECT": []}
    try:
        for _ in range(rounds):
            up = start(options=["--no-steer"])
            up.wait("live")
            connects(LISTENER, 200)
            ways["direct"].append(connects(LISTENER))
            if redirects:
                ways["REDIRECT"].append(connects(REDIRECTED))
            start.close(), start.runs.clear()
            up = start().steers()
            connects(LISTENER, 200)
            ways["attached"].append(connects(LISTENER))
            ways["steered"].append(connects((V4, 80)))
            start.close(), start.runs.clear()
        up = start().steers()
        counting = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
        before = counting.read_text()
        counting.write_text("1")
        try:
            costs = {"unsteered": cost(up, LISTENER), "steered": cost(up, (V4, 80))}
        finally:
            counting.write_text(before)
    finally:
        start.close()
        servers.close()
        here.close()
    load = os.getloadavg()[0]
    print(f"{rounds} rounds of {CONNECTS} connects each way; load {load:.1f} on {os.cpu_count()} cores")
    for way, results in ways.items():
        if not results:
            continue
        p50 = [statistics.median(times) for times in results]
        p99 = [statistics.quantiles(times, n=100)[98] for times in results]
        middle, spread = statistics.median(p50), f"{min(p50):.1f} to {max(p50):.1f}"
        print(f"{way:10}  connect p50 {middle:5.1f} µs ({spread}), p99 {statistics.median(p99):5.1f} µs")
    for what, programs in costs.items():
        print(what + ": " + ", ".join(f"{name} {time:.0f} ns a run" for name, time in programs.items()))


if __name__ == "__main__":
    main()
