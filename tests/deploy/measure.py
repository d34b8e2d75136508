"""How fast `apply` is against a real API server: measure.py MESHC ETCD KUBE-APISERVER

To be run by hand, on a quiet machine; nothing is asserted. Peak memory is the process's own.
"""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from deploy.program import CEC, Program  # noqa: E402
from deploy.server import Server  # noqa: E402

OBJECTS, FOREIGN = 500, 1000
# So many rules make an object of some 13 KB, so many clusters one of some 47 KB.
RULES, CLUSTERS = 7, 97


def peak_of(process, found):
    """Follows the peak of a process's memory; what wait4 says counts the memory of who started it, too."""
    while process.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            return
        found += [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
        time.sleep(0.002)


def timed(program, *arguments):
    """Seconds, MiB at the peak, and the report of a run."""
    start, found = time.monotonic(), []
    process = program.start(*arguments, "-o", "json")
    follower = threading.Thread(target=peak_of, args=(process, found))
    follower.start()
    output, errors = process.communicate()
    took = time.monotonic() - start
    follower.join()
    if process.returncode not in (0, 1):
        raise RuntimeError(errors[-2000:])
    return took, max(found) / 1024, json.loads(output)


def show(what, program, *arguments):
    took, peak, report = timed(program, *arguments)
    load = os.getloadavg()[0]
    print(f"{what}: {took:.2f} s, {peak:.0f} MiB, {report.get('writes', 0)} writes (load {load:.1f})", flush=True)


def route(name, timeout):
    """A route of some rules, each with what people write into rules."""
    rules = "".join(
        f'  when path prefix "/part{n}" and header x-stage = "s{n}" {{\n'
        f"    timeout {timeout + n}s\n    retry 3 on 5xx, connect-failure per-try 1s\n"
        f'    request header set x-env "prod{n}"\n    response header set x-part "{n}"\n    response header remove x-debug\n'
        f'    ratelimit {100 + n}/1s by header x-user\n    rewrite prefix "/part{n}" to "/"\n    90% {name}, 10% cart:5000\n  }}\n'
        for n in range(RULES)
    )
    return f"route {name}:5000 {{\n{rules}  to {name}\n}}\n"


def foreign(namespace, number):
    """A CiliumEnvoyConfig of somebody else, which steers a service of its own."""
    resources = [
        {
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": f"{namespace}/foreign-{number}/c{n}",
            "type": "EDS", "connectTimeout": "5s", "lbPolicy": "ROUND_ROBIN", "edsClusterConfig": {"serviceName": f"x/{n}"},
            "circuitBreakers": {"thresholds": [{"maxConnections": 1024, "maxRequests": 1024, "maxPendingRequests": 1024}]},
            "typedExtensionProtocolOptions": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"}},
        }
        for n in range(CLUSTERS)
    ]  # fmt: skip
    spec = {"services": [{"name": f"foreign-{number}", "namespace": namespace}], "resources": resources}
    metadata = {"name": f"foreign-{number}"}
    return {"apiVersion": "cilium.io/v2", "kind": "CiliumEnvoyConfig", "metadata": metadata, "spec": spec}


def policies(program, names, timeout):
    """A file for each of a hundred services: a file may have 1 MiB."""
    for start in range(0, len(names), 100):
        text = "\n".join(route(name, timeout) for name in names[start : start + 100])
        program.write(text, f"part{start}.mesh")


def many_of_ours(server, meshc):
    program = Program(server, meshc, "")
    names = [f"s{number:03}" for number in range(OBJECTS)]
    for name in names:
        program.service(name)
    policies(program, names, 1)
    command = [meshc, "compile", "--target", server.target, "-o", "json"]
    compiled = subprocess.run(command, cwd=program.folder, capture_output=True, text=True, check=True)
    sizes = [len(json.dumps(item, separators=(",", ":"))) for item in json.loads(compiled.stdout)["items"]]
    print(f"{len(sizes)} objects of {sum(sizes) // len(sizes)} bytes", flush=True)
    show("apply --dry-run, first", program, "apply", "--dry-run")
    show("apply, first", program, "apply")
    for _ in range(3):
        show("apply, nothing to do", program, "apply")
    policies(program, names, 2)
    show("diff, all changed", program, "diff")
    show("apply, all changed", program, "apply")
    show("status", program, "status")
    show("delete", program, "delete", "--yes")


def among_foreign(server, meshc):
    program = Program(server, meshc, "route cart:5000 to cart\n")
    other = Program(server, meshc, "")
    size = 0
    for number in range(FOREIGN):
        body = foreign(other.namespace, number)
        size += len(json.dumps(body, separators=(",", ":")))
        server.call("POST", CEC.format(other.namespace), body)
    print(f"{FOREIGN} objects of somebody else, of {size // FOREIGN} bytes", flush=True)
    show("apply of one object", program, "apply")
    for _ in range(3):
        show("apply of one object, nothing to do", program, "apply")


def main():
    meshc, etcd, apiserver = sys.argv[1:]
    meshc = str(pathlib.Path(meshc).resolve())
    server = Server(etcd, apiserver, "1.20.2")
    try:
        many_of_ours(server, meshc)
        among_foreign(server, meshc)
    finally:
        server.close()


if __name__ == "__main__":
    main()
