"""Steered connections through `meshc up`: run.py MESHC ENVOY [NAME…]. Needs root."""

import os
import pathlib
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from steer import failures, refusals, steady, upgrades  # noqa: E402, F401
from steer.place import Place  # noqa: E402
from steer.traffic import Load, Servers  # noqa: E402
from steer.up import Up  # noqa: E402


class Start:
    """Starts runs for one check, and ends them behind it."""

    def __init__(self, here, meshc, envoy):
        self.place, self.meshc, self.envoy = here, meshc, envoy
        # `cargo build --package meshc-runtime --example upgrade` makes it.
        self.upgrade = meshc.parent / "examples" / "upgrade"
        self.runs = []

    def __call__(self, text=None, options=(), under=(), owner=None, meshc=None, envoy=None, name=None, after=None):
        # Of the test's own cgroup, unless a check names another.
        options = list(options)
        if not {"--cgroup", "--no-steer"} & set(options):
            options += ["--cgroup", str(self.place.cgroup)]
        meshc, envoy = str(meshc or self.meshc), str(envoy or self.envoy)
        self.runs.append(Up(meshc, envoy, text, options, under, owner, name, after))
        return self.runs[-1]

    @staticmethod
    def shared():
        """A folder that every user can read."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="meshc-lent-"))
        folder.chmod(0o755)
        return folder

    def close(self):
        """Whatever a run left is a failure of its own."""
        problems = []
        # The last first: what it took over goes with it.
        for run in reversed(self.runs):
            try:
                run.close()
            except Exception as error:  # every run is ended
                problems.append(error)
        assert not problems, problems


def main():
    meshc, envoy, *names = sys.argv[1:]
    checks = [item for item in steady.ALL if not names or any(name in item.__name__ for name in names)]
    # What pip installs is a script around the program.
    envoy = next(pathlib.Path(envoy).parents[1].glob("lib/python*/site-packages/envoy/_bin/envoy"), envoy)
    here = Place()
    failed = 0
    try:
        for item in checks:
            failed += not tried(item, Start(here, pathlib.Path(meshc).resolve(), pathlib.Path(envoy).resolve()))
    finally:
        here.close()
    print(f"{len(checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not checks else 0)


def tried(item, start):
    """Runs a check; whether it held, and left nothing."""
    begun, problem = time.monotonic(), None
    servers = Servers()
    try:
        try:
            item(start)
        finally:
            start.close()
        left = start.place.left()
        assert not left, f"left: {left}"
    except Exception:  # any failure of a check is a failure
        problem = traceback.format_exc(limit=-4)
    finally:
        while Load.running:
            Load.running.pop().stop()
        servers.close()
        start.place.clear()
    print(f"{'FAILED' if problem else 'ok'} {item.__name__} {time.monotonic() - begun:.1f}s", flush=True)
    if problem:
        print(problem, flush=True)
    return problem is None


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("these tests need root")
    main()
