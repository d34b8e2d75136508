"""The figures of `meshc up`: measure.py MESHC ENVOY

Prints what `docs/performance.md` says about the discovery service: peak memory and start with a large table,
how long a changed route takes, how long a save takes, and what an idle run costs. Nothing is asserted."""

import http.client
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

CLOCK = os.sysconf("SC_CLK_TCK")


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        body = self.server.said
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def backend(name):
    """Starts a backend that answers its name; gives its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.said = name.encode()
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def program(ports, routes, of_other=(), timeout=None):
    """One table: each route is a path to `a`, but for those that go to `b`."""
    services = "".join(f"service {name}:80 {{ endpoints 127.0.0.1:{port} }}\n" for name, port in ports.items())
    limit = f"; timeout {timeout}ms" if timeout else ""
    rules = "".join(f'  when path = "/r{n}" {{ to {"b" if n in of_other else "a"}{limit} }}\n' for n in range(routes))
    return f"{services}route shop:80 {{\n{rules}  otherwise {{ to a }}\n}}\n"


class Run:
    """A running `meshc up`."""

    def __init__(self, meshc, envoy, text):
        self.base = pathlib.Path(tempfile.mkdtemp())
        (self.base / "program").mkdir()
        (self.base / "tmp").mkdir()
        self.save(text)
        environment = {**os.environ, "TMPDIR": str(self.base / "tmp"), "MESHC_ENVOY": envoy}
        command = [meshc, "up", str(self.base / "program"), "-o", "json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.events = []
        self.more = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.more:
                self.events.append((time.monotonic(), json.loads(line)))
                self.more.notify_all()

    def wait(self, kind, count):
        """The event of this kind number `count`, with the time of it."""
        with self.more:
            found = self.more.wait_for(lambda: [e for e in self.events if e[1]["event"] == kind][count - 1 :], 120)
        return found[0]

    def save(self, text):
        """Saves as editors do: a new file takes the place of the old one; gives the time of it."""
        whole = self.base / "program" / ".new"
        whole.write_text(text)
        whole.rename(self.base / "program" / "policy.mesh")
        return time.monotonic()

    def port(self):
        return int(self.wait("live", 1)[1]["listeners"][0]["address"].rsplit(":", 1)[1])

    def close(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        shutil.rmtree(self.base)


class Client:
    """Requests over one kept connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def get(self, path):
        self.connection.request("GET", path)
        return self.connection.getresponse().read().decode()


def percentile(values, percent):
    return sorted(values)[min(len(values) * percent // 100, len(values) - 1)]


def said(name, values, unit="ms"):
    """One figure."""
    p50, p99 = percentile(values, 50), percentile(values, 99)
    print(f"{name}: p50 {p50:.1f} {unit}, p99 {p99:.1f}, most {max(values):.1f}, of {len(values)}", flush=True)


def memory(process):
    """The peak of a process, in MiB."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def seconds_of_cpu(process):
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK


def first_answer(run, started):
    """How long after the start of Envoy the last route of the table answers, in ms."""
    port = run.port()
    while True:
        try:
            Client(port).get("/r0")
            return (time.monotonic() - started) * 1000
        except OSError:
            time.sleep(0.001)


def services(meshc, envoy, count=1000):
    """A start with many services, each with a listener, routes and a cluster of its own."""
    text = "service a:80 { endpoints 127.0.0.1:9 }\n"
    text += "".join(f"route s{number}:80 to a\n" for number in range(count))
    run = Run(meshc, envoy, text)
    run.wait("started", 1)
    print(f"{count} services: live after {run.wait('live', 1)[1]['envoy_milliseconds']:.0f} ms", flush=True)
    print(f"{count} services: VmHWM of meshc {memory(run.process.pid):.1f} MiB", flush=True)
    run.close()


def large(start, routes=5000, times=5):
    """Start with a large table, and its memory, with a change of it too."""
    starts, peaks, after = [], [], []
    for _ in range(times):
        run = start(routes)
        starts.append(first_answer(run, run.wait("started", 1)[0]))
        peaks.append(memory(run.process.pid))
        run.save(run.text(routes, {7}))
        run.wait("live", 2)
        after.append(memory(run.process.pid))
        run.close()
    said(f"{routes} routes: start of Envoy to its first answer", starts)
    said(f"{routes} routes: VmHWM of meshc once served", peaks, "MiB")
    said(f"{routes} routes: VmHWM of meshc after a change of one route", after, "MiB")


def one_route(start, routes=500, times=100):
    """One route of a table changes: from the moment that meshc hands it over, and from the save."""
    run = start(routes)
    client = Client(run.port())
    acknowledged, visible, saved_to_visible = [], [], []
    for number in range(times):
        last, other = f"/r{number % routes}", {number % routes} if number % 2 == 0 else set()
        if number % 2:
            last = f"/r{(number - 1) % routes}"
        want = "b" if other else "a"
        saved = run.save(run.text(routes, other))
        while client.get(last) != want:
            pass
        seen = time.monotonic()
        came, event = run.wait("live", number + 2)
        handed = came - event["envoy_milliseconds"] / 1000
        acknowledged.append(event["envoy_milliseconds"])
        visible.append((seen - handed) * 1000)
        saved_to_visible.append((seen - saved) * 1000)
    run.close()
    said(f"one route of {routes}: handed over to acknowledged", acknowledged)
    said(f"one route of {routes}: handed over to visible", visible)
    said(f"one route of {routes}: saved to visible", saved_to_visible)


def all_routes(start, routes=500, times=100):
    """A save that changes every route."""
    run = start(routes)
    run.port()
    times_taken = []
    for number in range(times):
        saved = run.save(run.text(routes, (), 1000 + number))
        times_taken.append((run.wait("live", number + 2)[0] - saved) * 1000)
    run.close()
    said(f"a save of {routes} changed routes: until Envoy has it", times_taken)


def idle(start, routes=500, seconds=20):
    run = start(routes)
    run.port()
    time.sleep(2)
    before = seconds_of_cpu(run.process.pid)
    time.sleep(seconds)
    used = seconds_of_cpu(run.process.pid) - before
    run.close()
    print(f"idle: {100 * used / seconds:.2f} % of a core over {seconds} s", flush=True)


def main():
    meshc, envoy, *names = sys.argv[1:]
    ports = {name: backend(name) for name in ("a", "b")}

    def start(routes):
        run = Run(str(pathlib.Path(meshc).resolve()), envoy, program(ports, routes))
        run.text = lambda *rest: program(ports, *rest)
        return run

    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    for figure in (large, one_route, all_routes, idle):
        if not names or figure.__name__ in names:
            figure(start)
    if not names or "services" in names:
        for count in (1000, 4000):
            services(str(pathlib.Path(meshc).resolve()), envoy, count)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
