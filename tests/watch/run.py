"""`meshc up` beside a real cluster: run.py MESHC ENVOY ETCD KUBE-APISERVER [NAME…]. Needs root.

A slice cannot have addresses of the loopback network, so all of it, the API server too, is in a network namespace
of the test's own whose loopback has the addresses of the pods."""

import os
import pathlib
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from deploy.server import Server  # noqa: E402
from steer.place import Place  # noqa: E402
from steer.traffic import Servers  # noqa: E402
from steer.up import Up  # noqa: E402
from watch import endpoints, server as servers  # noqa: E402, F401
from watch.check import ALL  # noqa: E402
from watch.world import PODS, PORT, addresses  # noqa: E402


class Start:
    """Starts runs for one check, and ends them behind it."""

    def __init__(self, place, server, meshc, envoy):
        self.place, self.server, self.meshc, self.envoy, self.runs = place, server, meshc, envoy, []

    def __call__(self, world, rules="to v1", more="", options=(), config=None, steer=False, **others):
        options = [*options, *([] if config is False else ["--kubeconfig", config or world.kubeconfig()])]
        options += ["--cgroup", str(self.place.cgroup)] if steer else ["--no-steer"]
        self.runs.append(Up(self.meshc, self.envoy, world.policy(rules, more), options, **others))
        return self.runs[-1]

    def close(self):
        problems = []
        # The last first: what it took over goes with it.
        for run in reversed(self.runs):
            try:
                run.close()
            except Exception as error:  # every run is ended
                problems.append(error)
        assert not problems, problems


def tried(item, start):
    """Runs a check; whether it held, and left nothing."""
    begun, problem = time.monotonic(), None
    try:
        try:
            item(start)
        finally:
            start.close()
        left = start.place.left()
        assert not left, f"left: {left}"
    except Exception:  # any failure of a check is a failure
        problem = traceback.format_exc(limit=-4)
        for run in start.runs:
            told = [event for event in run.events if event["event"] not in ("traffic", "diagnostic")]
            problem += f"{told}\n{run.said}\n"
    finally:
        start.place.clear()
    print(f"{'FAILED' if problem else 'ok'} {item.__name__} {time.monotonic() - begun:.1f}s", flush=True)
    if problem:
        print(problem, flush=True)
    return problem is None


def main():
    meshc, envoy, etcd, apiserver, *names = sys.argv[1:]
    checks = [item for item in ALL if not names or any(name in item.__name__ for name in names)]
    # What pip installs is a script around the program.
    envoy = next(pathlib.Path(envoy).parents[1].glob("lib/python*/site-packages/envoy/_bin/envoy"), pathlib.Path(envoy))
    meshc, envoy = str(pathlib.Path(meshc).resolve()), str(envoy.resolve())
    place = Place()
    addresses()
    pods = Servers([(pod, pod, PORT) for pod in PODS])
    failed = 0
    try:
        server = Server(etcd, apiserver, None)
        try:
            for item in checks:
                failed += not tried(item, Start(place, server, meshc, envoy))
        finally:
            server.close()
    finally:
        pods.close()
        place.close()
    print(f"{len(checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not checks else 0)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("these tests need root")
    main()
