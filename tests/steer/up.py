"""A running `meshc up` whose connections are steered."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading

from behaviour.client import wait_until
from harness.processes import working_in
from steer.place import V4, V6

SERVICE = "default/helloworld:80"
# How long Envoy stays when its run is killed: longer than the lease, and short enough to wait for.
LINGER = "1500ms"


def policy(route="route helloworld 90% v1, 10% v2", at=f"{V4}, {V6}", more=""):
    """The canary, with an address to steer."""
    return (
        "service helloworld:80 {\n"
        "  version v1 endpoints 127.0.0.1:9001\n"
        "  version v2 endpoints 127.0.0.1:9002\n"
        f"  at {at}\n  {more}\n}}\n{route}\n"
    )


class Up:
    """The process, its events, and a folder that takes everything it makes."""

    def __init__(
        self, meshc, envoy, text=None, options=(), under=(), owner=None, name=None, after=None, environment=None
    ):
        # What comes after a run that was killed finds its Envoy by the paths of the policies.
        self.base = after.base if after else pathlib.Path(tempfile.mkdtemp(prefix="meshc-steer-"))
        self.meshc = meshc
        self.temporary = self.base / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.program = self.base / "program"
        self.program.mkdir(exist_ok=True)
        self.save(policy() if text is None else text)
        if name:
            (self.program / "meshc.toml").write_text(f'name = "{name}"\n')
        if owner is not None:
            for item in (self.base, self.temporary, self.program, self.program / "policy.mesh"):
                os.chown(item, owner, owner)
        command = [*under, meshc, "up", str(self.program), "-o", "json", *options]
        if "--first-port" not in options:
            command += ["--first-port", "15500"]
        if "--linger" not in options:
            command += ["--linger", LINGER]
        self.command = command
        self.environment = {**os.environ, "TMPDIR": str(self.temporary), "MESHC_ENVOY": str(envoy), "NO_COLOR": "1"}
        self.environment |= environment or {}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment
        )
        self.events, self.said = [], ""
        self._readers = [threading.Thread(target=work, daemon=True) for work in (self._read, self._hear)]
        for reader in self._readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def _hear(self):
        for line in self.process.stderr:
            self.said += line

    def save(self, text):
        (self.program / "policy.mesh").write_text(text)

    def of(self, kind):
        return [event for event in list(self.events) if event["event"] == kind]

    def wait(self, kind, count=1, seconds=20):
        """The event of this kind, once there are so many."""
        if not wait_until(lambda: len(self.of(kind)) >= count, seconds):
            raise AssertionError(f"no {kind} number {count}: {self.events} {self.said} {self.log()}")
        return self.of(kind)[count - 1]

    def steers(self):
        """Waits until connections are steered, which takes rules and a lease."""
        self.wait("steered")
        status = lambda: next(iter(self.status()["sets"]), {})  # noqa: E731
        assert wait_until(lambda: status().get("lease_age_ms") is not None, 5), (self.status(), self.log())
        return self

    def status(self):
        """What `meshc steer status` says."""
        return json.loads(steer(self.meshc, "status", "-o", "json")[1])

    def connections(self, service=SERVICE):
        """The counters of a service."""
        (held,) = self.status()["sets"]
        return next(item["connections"] for item in held["services"] if item["name"] == service)

    def log(self):
        """The end of Envoy's log."""
        files = list(self.temporary.glob("*/envoy.log"))
        return files[0].read_text()[-1000:] if files else ""

    def ends(self, seconds=20):
        """The exit code of a run that ends by itself, and what it said."""
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        return code, self.said

    def envoys(self):
        """The Envoys of this run."""
        return working_in(self.temporary)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def interrupt(self):
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)

    def gone(self, seconds=10):
        """Whether nothing of it is left in the end."""
        return wait_until(lambda: not self.envoys() and not list(self.temporary.iterdir()), seconds)

    def close(self):
        if self.process.poll() is None:
            self.interrupt()
        if not self.base.exists():
            return
        gone = self.gone()
        left = self.envoys()
        shutil.rmtree(self.base)
        assert gone, left


def steer(meshc, *words):
    """Exit code, stdout and stderr of `meshc steer …`."""
    done = subprocess.run([meshc, "steer", *words], capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


