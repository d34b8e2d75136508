"""`meshc up` with a real Envoy: run.py MESHC ENVOY [NAME…]"""

import pathlib
import sys
import time
import traceback

import discovery  # noqa: F401
import lb_maps  # noqa: F401
import lives  # noqa: F401
import odd  # noqa: F401
import policies  # noqa: F401
import screen  # noqa: F401
from up import ALL, Up

from harness.processes import hear_hangups


def main():
    meshc, envoy, *names = sys.argv[1:]
    hear_hangups()
    chosen = [item for item in ALL if not names or any(name in item.__name__ for name in names)]
    failed = 0
    for item in chosen:
        runs = []

        def start(**settings):
            runs.append(Up(str(pathlib.Path(meshc).resolve()), **{"envoy": envoy, **settings}))
            return runs[-1]

        start.meshc = str(pathlib.Path(meshc).resolve())
        begun = time.monotonic()
        problem = None
        try:
            try:
                item(start)
            finally:
                for run in runs:
                    run.stop()
                left = [item for run in runs for item in run.close()]
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
