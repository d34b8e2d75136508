"""A real Envoy with given resources."""

import json
import pathlib
import socket
import subprocess
import tempfile
import time


def free_port():
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Proxy:
    """Envoy, from a bootstrap, in a folder of its own. `ports` are those that it must listen on."""

    def __init__(self, envoy, config, ports):
        self.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder.name)
        (folder / "envoy.json").write_text(json.dumps(config))
        self.out = open(folder / "out", "w+")
        self.err = open(folder / "err", "w+")
        self.process = subprocess.Popen(
            [envoy, "-c", "envoy.json", "--concurrency", "1", "--disable-hot-restart", "-l", "warning"],
            cwd=folder, stdout=self.out, stderr=self.err, stdin=subprocess.DEVNULL,
        )
        for port in ports:
            self._wait(port)

    def _wait(self, port):
        # Envoy is up in some 0.3 s; the deadline is a hundred times that.
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"Envoy ended: {self.errors()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"Envoy does not listen on {port}: {self.errors()}")

    def errors(self):
        """The end of its log."""
        self.err.flush()
        return pathlib.Path(self.folder.name, "err").read_text()[-2000:]

    def log(self, lines):
        """Its standard output, once it has so many lines (Envoy writes access logs every 10 s)."""
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            text = pathlib.Path(self.folder.name, "out").read_text()
            if text.count("\n") >= lines:
                return text.splitlines()
            time.sleep(0.1)
        raise AssertionError(f"the log has not {lines} lines: {text}")

    def running(self):
        return self.process.poll() is None

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.out.close()
        self.err.close()
        self.folder.cleanup()
