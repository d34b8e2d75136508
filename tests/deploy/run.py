"""Runs the checks against a real API server: run.py MESHC ETCD KUBE-APISERVER [NAME…]"""

import pathlib
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from deploy import (  # noqa: E402, F401
    admission,
    agents,
    basics,
    conflicts,
    diffs,
    doctor,
    extent,
    kills,
    network,
    removal,
    rivals,
    signals,
)
from deploy.check import ALL  # noqa: E402
from deploy.server import Server  # noqa: E402
from harness.processes import hear_hangups  # noqa: E402

# The checks that depend on the fields of Cilium's definitions.
OF_DEFINITIONS = {"apply_and_nothing_to_do", "change", "drift", "unknown_field_of_an_old_definition"}
OF_DEFINITIONS |= {"a_good_cluster", "accepted_by_all_nodes", "agents_without_tables", "the_target_is_the_clusters_own"}


def run_one(function, server, meshc):
    start = time.monotonic()
    try:
        function(server, meshc)
        problem = None
    except Exception:  # any failure of a check is the check's
        problem = traceback.format_exc(limit=-4)
    took = time.monotonic() - start
    print(f"{'FAILED' if problem else 'ok'} {function.__name__} {took:.1f}s", flush=True)
    if problem:
        print(problem, flush=True)
    return problem is None


def main():
    meshc, etcd, apiserver, *names = sys.argv[1:]
    hear_hangups()
    meshc = str(pathlib.Path(meshc).resolve())
    passed = []
    for release in ("1.14.0", "1.20.2"):
        whole = release == "1.20.2"
        chosen = [f for f in ALL if (not names or any(n in f.__name__ for n in names))]
        chosen = [f for f in chosen if whole or f.__name__ in OF_DEFINITIONS]
        if not chosen:
            continue
        print(f"-- Cilium {release}", flush=True)
        server = Server(etcd, apiserver, release)
        try:
            passed += [run_one(function, server, meshc) for function in chosen]
        finally:
            server.close()
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    sys.exit(0 if passed and all(passed) else 1)


if __name__ == "__main__":
    main()
