"""`meshc up` with a real Envoy: run.py MESHC ENVOY [NAME…]"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from behaviour.client import binomial_bounds, get, wait_until  # noqa: E402
from harness import corpus  # noqa: E402

CANARY = corpus.ROOT / "examples" / "07-canary-weights"
ALL = []


def check(function):
    ALL.append(function)
    return function


class Up:
    """A running `meshc up -o json`, its events, and a folder that takes everything it makes."""

    def __init__(self, meshc, envoy, policy=None, options=()):
        self.base = pathlib.Path(tempfile.mkdtemp())
        self.temporary = self.base / "tmp"
        self.temporary.mkdir()
        self.program = self.base / "program"
        shutil.copytree(CANARY, self.program)
        if policy:
            self.save(policy)
        command = [meshc, "up", str(self.program), "-o", "json", *options]
        environment = {**os.environ, "TMPDIR": str(self.temporary), "MESHC_ENVOY": envoy}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.events = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append((time.monotonic(), json.loads(line)))

    def save(self, policy):
        """Writes the policy; gives the time of it."""
        (self.program / "policy.mesh").write_text(policy)
        return time.monotonic()

    def of(self, kind):
        return [event for _, event in self.events if event["event"] == kind]

    def wait(self, kind, count=1, seconds=20):
        """The event of this kind, once there are so many."""
        if not wait_until(lambda: len(self.of(kind)) >= count, seconds):
            raise AssertionError(f"no {kind} number {count}: {self.events}")
        return self.of(kind)[count - 1]

    def when(self, kind, count):
        """When an event came."""
        return [at for at, event in self.events if event["event"] == kind][count - 1]

    def port(self, service="default/helloworld:5000"):
        """Where a service is reached."""
        listeners = {item["name"]: item["address"] for item in self.of("live")[-1]["listeners"]}
        return int(listeners[service].rsplit(":", 1)[1])

    def envoys(self):
        """The processes that work in the run's folder."""
        found = []
        for process in pathlib.Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    if str(self.temporary) in os.readlink(process / "cwd"):
                        found.append(int(process.name))
                except OSError:
                    pass
        return found

    def left(self):
        """What the run left behind."""
        return [*self.temporary.iterdir(), *self.envoys()]

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(10)
        wait_until(lambda: not self.left(), 5)
        left = self.left()
        shutil.rmtree(self.base)
        assert not left, left


def answered(port):
    """Who answers."""
    answer = get(port)
    return answer.status, answer.body.decode()


def policy(route, more=""):
    return f"service helloworld {{\n  selector app=helloworld\n  version v1\n  version v2\n}}\n\n{route}\n{more}"


@check
def the_canary_is_shown(start):
    up = start(options=["--demo", "--requests", "2000"])
    (seen,) = up.wait("demo")["listeners"]
    up.process.wait(10)
    assert up.process.returncode == 0
    assert seen["statuses"] == {"200": 2000}, seen
    answers = {item["name"]: (item["wanted"], item["answered"]) for item in seen["destinations"]}
    assert answers["helloworld-v1"][0] == 90 and answers["helloworld-v2"][0] == 10, answers
    low, high = binomial_bounds(2000, 0.9)
    assert low <= answers["helloworld-v1"][1] <= high, answers
    assert sum(count for _, count in answers.values()) == 2000
    assert up.left() == []


@check
def a_save_is_served_and_a_broken_one_is_not(start):
    up = start(options=["--demo", "--stay", "--requests", "1"], policy=policy("route helloworld to v1"))
    up.wait("demo")
    assert answered(up.port()) == (200, "helloworld-v1")
    times = []
    for number in range(2, 22):
        version = "v2" if number % 2 == 0 else "v1"
        saved = up.save(policy(f"route helloworld to {version}"))
        up.wait("live", number)
        times.append(up.when("live", number) - saved)
        assert wait_until(lambda: answered(up.port()) == (200, f"helloworld-{version}"), 1)
    print(f"   20 saves: live after p50 {sorted(times)[10] * 1000:.0f} ms, at most {max(times) * 1000:.0f} ms")
    assert max(times) < 0.3, times
    saved = up.save(policy("route helloworld to v3"))
    assert up.wait("diagnostic")["severity"] == "error"
    shown = [at for at, event in up.events if event["event"] == "diagnostic"][0] - saved
    assert shown < 0.3, shown
    time.sleep(0.3)
    assert len(up.of("live")) == 21
    assert answered(up.port()) == (200, "helloworld-v1")


@check
def changes_fail_no_request(start):
    up = start(options=["--demo", "--stay", "--requests", "1"], policy=policy("route helloworld to v1"))
    up.wait("demo")
    port, results, stop = up.port(), [], threading.Event()

    def load():
        while not stop.is_set():
            results.append(answered(port)[0])

    thread = threading.Thread(target=load)
    thread.start()
    for number in range(2, 12):
        # The cluster of before goes, and the other comes.
        up.save(policy(f"route helloworld {{\n  timeout {number}s\n  to v{number % 2 + 1}\n}}"))
        up.wait("live", number)
    stop.set()
    thread.join()
    print(f"   {len(results)} requests over 10 changes")
    assert len(results) > 50 and set(results) == {200}, {status: results.count(status) for status in set(results)}


@check
def one_refused_listener_leaves_the_others(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        more = f"\nlisten edge 127.0.0.1:{port} {{\n  to helloworld:5000\n}}\n"
        up = start(options=["--demo", "--stay", "--requests", "1"], policy=policy("route helloworld to v1", more))
        refused = up.wait("refused")
        assert (refused["kind"], refused["kept"]) == ("listener", False), refused
        assert refused["source"] == "policy.mesh listen edge", refused
        up.wait("live")
        assert answered(up.port()) == (200, "helloworld-v1")
        assert [item["name"] for item in up.of("live")[-1]["listeners"]] == ["default/helloworld:5000"]


@check
def what_envoy_refuses_is_set_back(start):
    up = start(options=["--demo", "--stay", "--requests", "1"], policy=policy("route helloworld to v1"))
    up.wait("demo")
    patches = {
        "routes": 'patch route `request_headers_to_add: [{header: {key: ":path", value: x}}]`',
        "cluster": "patch cluster v1 `lb_policy: CLUSTER_PROVIDED`",
    }
    for number, (kind, patch) in enumerate(patches.items(), 1):
        up.save(policy(f"route helloworld {{\n  to v1\n  {patch}\n}}"))
        refused = up.wait("refused", number)
        assert (refused["kind"], refused["kept"]) == (kind, True), refused
        assert refused["source"] == "policy.mesh route helloworld", refused
        up.wait("live", 2 * number)
        assert answered(up.port()) == (200, "helloworld-v1")
        # A save that mends it is taken.
        up.save(policy(f"route helloworld {{\n  to v1\n  timeout {number}s\n}}"))
        up.wait("live", 2 * number + 1)
        assert answered(up.port()) == (200, "helloworld-v1")


@check
def an_envoy_that_ends_is_started_again(start):
    up = start(options=["--demo", "--stay", "--requests", "1"])
    up.wait("demo")
    (envoy,) = up.envoys()
    os.kill(envoy, signal.SIGKILL)
    up.wait("ended")
    assert wait_until(lambda: len(up.of("started")) == 2)
    port = up.port()

    def answers():
        try:
            return answered(port)[0] == 200
        except OSError:
            return False

    assert wait_until(answers, 10)


@check
def nothing_outlives_a_kill(start):
    up = start(options=["--demo", "--stay", "--requests", "1"])
    up.wait("demo")
    assert up.left() != []
    up.process.kill()
    up.process.wait()
    assert wait_until(lambda: up.left() == [], 3), up.left()


@check
def ctrl_c_leaves_nothing(start):
    for options in ([], ["--demo", "--requests", "10000000"]):
        up = start(options=options)
        up.wait("live")
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(2) == 0
        assert up.left() == []


@check
def ctrl_c_is_heard_between_two_starts(start):
    up = start(envoy="/bin/false")
    up.wait("ended", 4)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(0.5) == 0
    assert up.left() == []


def main():
    meshc, envoy, *names = sys.argv[1:]
    chosen = [item for item in ALL if not names or any(name in item.__name__ for name in names)]
    failed = 0
    for item in chosen:
        runs = []

        def start(**settings):
            runs.append(Up(str(pathlib.Path(meshc).resolve()), **{"envoy": envoy, **settings}))
            return runs[-1]

        begun = time.monotonic()
        problem = None
        try:
            try:
                item(start)
            finally:
                for run in runs:
                    run.close()
        except Exception:  # any failure of a check is a failure
            problem = traceback.format_exc(limit=-3)
            failed += 1
        print(f"{'FAILED' if problem else 'ok'} {item.__name__} {time.monotonic() - begun:.1f}s", flush=True)
        if problem:
            print(problem, flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not chosen else 0)


if __name__ == "__main__":
    main()
