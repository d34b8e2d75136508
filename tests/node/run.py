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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from behaviour.client import binomial_bounds, get, wait_until  # noqa: E402
from harness import corpus  # noqa: E402

CANARY = corpus.ROOT / "examples" / "07-canary-weights"
ALL = []


def check(function):
    ALL.append(function)
    return function


class Up:
    """A running `meshc up -o json`, its events, and a folder that takes everything it makes: of its own, or
    that of an earlier run."""

    def __init__(self, meshc, envoy, policy=None, options=(), after=None):
        self.base = after.base if after else pathlib.Path(tempfile.mkdtemp())
        self.temporary = self.base / "tmp"
        self.program = self.base / "program"
        if not after:
            self.temporary.mkdir()
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
        assert service in listeners, self.events
        return int(listeners[service].rsplit(":", 1)[1])

    def kill(self):
        """As a crash would."""
        self.process.kill()
        self.process.wait()

    def folder(self):
        """Envoy's folder."""
        (folder,) = self.temporary.iterdir()
        return folder

    def keeper(self):
        """The parent of the run's Envoy."""
        (envoy,) = self.envoys()
        stat = pathlib.Path(f"/proc/{envoy}/stat").read_text()
        return int(stat.rsplit(")", 1)[1].split()[1])

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
        """Ends the run; gives what it left behind."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(10)
        if not self.base.exists():
            return []
        wait_until(lambda: not self.left(), 5)
        left = self.left()
        for process in self.envoys():
            os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.base)
        return left


def ended(process):
    """Whether a process is gone, or only waits for its parent to look."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class Answers(BaseHTTPRequestHandler):
    """A backend that outlives a run, as those of a demonstration do not."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Load:
    """One request after the other, to a backend of its own."""

    def __init__(self, service):
        self.service = service
        self.backend = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.backend.daemon_threads = True
        threading.Thread(target=self.backend.serve_forever, daemon=True).start()
        self.results, self.stop, self.thread = [], threading.Event(), None

    def policy(self, rules):
        """A policy that leads to the backend."""
        return self.service(f"127.0.0.1:{self.backend.server_address[1]}", rules)

    def begin(self, port):
        def requests():
            while not self.stop.is_set():
                try:
                    self.results.append(get(port).status)
                except OSError as error:
                    self.results.append(type(error).__name__)

        self.thread = threading.Thread(target=requests)
        self.thread.start()

    def end(self):
        self.stop.set()
        if self.thread:
            self.thread.join()

    def failed(self):
        """How often each other answer than 200 came."""
        return {result: self.results.count(result) for result in set(self.results) - {200}}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self.backend.shutdown()
        self.backend.server_close()


def helloworld(endpoint, rules):
    """The service with one endpoint, and a route to it."""
    return f"service helloworld:5000 {{ endpoints {endpoint} }}\nroute helloworld {{ {rules} }}\n"


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
def nothing_outlives_a_kill_for_long(start):
    up = start(options=["--linger", "1s"])
    up.wait("live")
    killed = time.monotonic()
    up.kill()
    time.sleep(0.5)
    assert up.envoys() != []
    assert wait_until(lambda: up.left() == [], 5), up.left()
    assert time.monotonic() - killed >= 1


@check
def the_next_run_takes_over_what_a_killed_one_left(start):
    with Load(helloworld) as load:
        up = start(policy=load.policy("timeout 1s"))
        up.wait("live")
        envoy, port = up.envoys(), up.port()
        load.begin(port)
        for number in range(2, 22):
            up.kill()
            assert up.envoys() == envoy
            # What changed meanwhile is served, and the ports stay.
            up = start(after=up, policy=load.policy(f"timeout {number}s"))
            assert up.wait("started")["taken_over"]
            up.wait("live")
            assert up.port() == port, up.events
        load.end()
        assert up.envoys() == envoy
        print(f"   {len(load.results)} requests over 20 kills")
        assert len(load.results) > 100 and load.failed() == {}, load.failed()
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(5) == 0
    assert up.left() == []


@check
def an_envoy_of_another_kind_is_ended(start):
    up = start()
    up.wait("live")
    (envoy,) = up.envoys()
    up.kill()
    bootstrap = up.folder() / "envoy.json"
    bootstrap.write_text(bootstrap.read_text().replace('"cluster":"meshc"', '"cluster":"older"'))
    up = start(after=up)
    assert not up.wait("started")["taken_over"]
    up.wait("live")
    assert len(up.envoys()) == 1 and up.envoys() != [envoy]


@check
def an_envoy_ends_with_its_keeper(start):
    up = start(options=["--demo", "--stay", "--requests", "1"])
    up.wait("demo")
    (envoy,) = up.envoys()
    os.kill(up.keeper(), signal.SIGKILL)
    up.wait("ended")
    up.wait("started", 2)
    assert wait_until(lambda: len(up.envoys()) == 1 and up.envoys() != [envoy], 5), up.envoys()

    def answers():
        try:
            return answered(up.port())[0] == 200
        except OSError:
            return False

    assert wait_until(answers, 10)
    # Both at once: nothing is left but the folder, which the next run takes.
    keeper = up.keeper()
    up.kill()
    os.kill(keeper, signal.SIGKILL)
    assert wait_until(lambda: up.envoys() == [] and ended(keeper), 2), up.envoys()
    up = start(after=up)
    assert not up.wait("started")["taken_over"]
    up.wait("live")


@check
def a_set_has_one_run(start):
    up = start()
    up.wait("live")
    second = start(after=up)
    assert second.process.wait(10) == 3
    said = second.process.stderr.read()
    assert f"another `meshc up` runs these policies: process {up.process.pid}" in said, said
    assert len(up.envoys()) == 1
    assert up.process.poll() is None


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
                # The last of several on one folder has it.
                left = [item for run in reversed(runs) for item in run.close()]
            assert not left, left
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
