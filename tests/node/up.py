"""A running `meshc up`, and what the checks of it share."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from behaviour.client import get, wait_until  # noqa: E402
from harness import corpus  # noqa: E402
from harness.processes import working_in  # noqa: E402

CANARY = corpus.ROOT / "examples" / "07-canary-weights"
ALL = []


def check(function):
    ALL.append(function)
    return function


class Up:
    """A running `meshc up -o json`, its events, and a folder that takes everything it makes: of its own, or
    that of an earlier run."""

    def __init__(self, meshc, envoy, policy=None, options=(), after=None, wrap=None, catalog=True, small=None):
        self.base = after.base if after else pathlib.Path(tempfile.mkdtemp())
        self.temporary = self.base / "tmp"
        self.program = self.base / "program"
        if not after:
            self.temporary.mkdir()
            if small:
                subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={small}", "none", self.temporary], check=True)
            shutil.copytree(CANARY, self.program)
        if not catalog:
            (self.program / "meshc.toml").write_text("")
        if policy:
            self.save(policy)
        if wrap:
            envoy = wrap(self.base, envoy)
        command = [meshc, "up", str(self.program), "-o", "json", *options]
        self.command = command
        self.environment = {**os.environ, "TMPDIR": str(self.temporary), "MESHC_ENVOY": envoy}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment
        )
        self.events, self.said = [], ""
        for work in (self._read, self._hear):
            threading.Thread(target=work, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append((time.monotonic(), json.loads(line)))

    def _hear(self):
        for line in self.process.stderr:
            self.said += line

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
        return working_in(self.temporary)

    def left(self):
        """What the run left behind."""
        return [*self.temporary.iterdir(), *self.envoys()]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(10)

    def close(self):
        """Takes away what the run made; gives what it left behind."""
        if not self.base.exists():
            return []
        wait_until(lambda: not self.left(), 5)
        left = self.left()
        for process in self.envoys():
            os.kill(process, signal.SIGKILL)
        if self.temporary.is_mount():
            subprocess.run(["umount", self.temporary], check=True)
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
