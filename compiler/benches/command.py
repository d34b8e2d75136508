"""The whole command: time to the first byte, time and peak memory on the programs of the benches, and
what the YAML library alone takes for the same output. The least of so many runs counts, since other
work on a machine only adds to a time.

    cargo build --release --locked && cargo build --release --locked -p meshc-compiler --examples
    python3 compiler/benches/command.py target/release
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

RUNS = 30
QUIET = {"stderr": subprocess.DEVNULL}


def first_byte(command):
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, **QUIET) as process:
        process.stdout.read(1)
        taken = time.perf_counter() - start
        process.stdout.read()
    return taken


def whole(command):
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, **QUIET)
    return time.perf_counter() - start


def peak(command):
    """Peak memory in bytes."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **QUIET)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_maxrss * 1024


def library(printer, listed):
    """The least time of the YAML library in seconds; the tool prints ten times with its unit."""
    lines = subprocess.run([printer, listed], stderr=subprocess.PIPE, text=True, check=True).stderr.splitlines()
    times = [line.split()[0] for line in lines if line.endswith("printed: true")]
    assert times and all(t.endswith("ms") for t in times), lines
    return min(float(t.removesuffix("ms")) for t in times) / 1e3


POLICY = """namespace shop
service svc-{at}:8080 {{
  version v1
  version v2
}}
route svc-{at} {{
  90% v1, 10% v2
  timeout 10s
  retry 3 on reset
  when path prefix "/api" and header version = "foo" {{ to v2 }}
  when path = "/metrics" {{ to v1; ratelimit 2/5s }}
}}
"""

HEAD = """apiVersion: cilium.io/v2
kind: CiliumEnvoyConfig
metadata: {{name: {name}, namespace: default}}
spec:
  backendServices:
  - {{name: echo, namespace: default, number: ["80"]}}
  resources:
  - "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
    name: default/{name}/echo
    type: EDS
    eds_cluster_config: {{service_name: "default/echo:80"}}
    connect_timeout: 1s
  - "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
    name: default/{name}/echo
    virtual_hosts:
    - name: default/{name}/echo
      domains: ["*"]
      routes:
"""

ROUTE = """      - match: {{safe_regex: {{regex: "/users/[0-9]+/{at}"}}}}
        route: {{cluster: default/{name}/echo, timeout: 5s}}
"""
MEBIBYTE = 1024 * 1024


def of_objects(objects, routes):
    """A file of so many objects, each with so many routes by patterns of their own."""
    names = [f"o{at}" for at in range(objects)]
    of_one = [
        HEAD.format(name=name) + "".join(ROUTE.format(at=at * objects + number, name=name) for at in range(routes))
        for number, name in enumerate(names)
    ]
    return "---\n".join(of_one)


def check_times(meshc, folder):
    """`meshc check` of a thousand files, and of a mebibyte of hand-written objects: one, and many."""
    files = folder / "files"
    files.mkdir()
    for at in range(1000):
        (files / f"{at}.mesh").write_text(POLICY.format(at=at))
    one, many = folder / "one.yaml", folder / "many.yaml"
    one.write_text(of_objects(1, (MEBIBYTE - len(HEAD)) // len(ROUTE.format(at=9999, name="o0"))))
    many.write_text(of_objects(MEBIBYTE * 19 // 20 // len(of_objects(1, 20)), 20))
    for name, path in (
        ("1,000 files", files),
        ("a raw file of 1 MiB, one object", one),
        ("a raw file of 1 MiB, many objects", many),
    ):
        times = sorted(whole([meshc, "check", path]) for _ in range(RUNS))
        print(f"check of {name}: {times[0] * 1e3:.0f} ms, median {times[len(times) // 2] * 1e3:.0f} ms")


def main():
    release = pathlib.Path(sys.argv[1])
    meshc, generate, printer = release / "meshc", release / "examples/generate", release / "examples/print"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        lines = {
            "line": "route helloworld:5000 90% v1, 10% v2; ratelimit 2/5s\n",
            "patch": "route a:80 patch listener `per_connection_buffer_limit_bytes: 32768`\n",
        }
        for name, text in lines.items():
            path = folder / f"{name}.mesh"
            path.write_text(text)
            least = min(first_byte([meshc, "compile", path]) for _ in range(RUNS))
            print(f"{name}: first byte after {least * 1e3:.1f} ms")
        check_times(meshc, folder)
        for name in ("short", "full", "services"):
            path, listed = folder / f"{name}.mesh", folder / f"{name}.json"
            path.write_bytes(subprocess.run([generate, name], stdout=subprocess.PIPE, check=True).stdout)
            command = [meshc, "compile", path]
            size = len(subprocess.run(command, stdout=subprocess.PIPE, check=True, **QUIET).stdout)
            listed.write_bytes(
                subprocess.run([*command, "-o", "json"], stdout=subprocess.PIPE, check=True, **QUIET).stdout
            )
            least, alone = min(whole(command) for _ in range(RUNS)), min(library(printer, listed) for _ in range(3))
            memory = peak(command)
            print(
                f"{name}: {path.stat().st_size / 1e3:.0f} kB → {size / 1e6:.1f} MB in {least * 1e3:.0f} ms; "
                f"the YAML library alone {alone * 1e3:.0f} ms ({least / alone:.1f}×); "
                f"peak {memory / 1e6:.0f} MB ({memory / size:.1f}×)"
            )


main()
