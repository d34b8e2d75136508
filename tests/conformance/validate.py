"""Everything that compiles, for every target, is accepted by a real Envoy (`--mode validate`):
validate.py ENVOY MESHC GENERATE"""

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import bootstrap, corpus  # noqa: E402

DRAWN = 150
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def config_of(target, text):
    """What Envoy would be given."""
    manifest = list(yaml.load_all(text, Loader=LOADER))
    if target == "envoy":
        return manifest[0]
    ports = iter(range(20000, 60000))
    address = lambda _: bootstrap.socket_address("127.0.0.1", next(ports))  # noqa: E731
    return bootstrap.from_resources(bootstrap.resources_of(manifest), address, "admin.sock")


def validate(envoy, config):
    """Envoy's complaint, or None."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "envoy.json")
        path.write_text(json.dumps(config))
        done = subprocess.run(
            [envoy, "--mode", "validate", "-c", str(path), "-l", "warning"],
            capture_output=True, text=True, timeout=60, cwd=folder,
        )
    lines = done.stderr.splitlines()
    # The interface for administration is a pipe here, which Envoy has no objection to.
    warnings = [line for line in lines if "deprecated" in line.lower()]
    if done.returncode == 0 and not warnings:
        return None
    return "\n".join(warnings or lines[-3:])


def main():
    envoy, meshc, generate = sys.argv[1:4]
    broken = {"static_resources": {"clusters": [{"name": "", "type": "STATIC"}]}}
    if validate(envoy, broken) is None:
        sys.exit("Envoy accepts a cluster without a name: this check checks nothing")
    with tempfile.TemporaryDirectory() as folder:
        chosen = [*corpus.programs(), *corpus.drawn(generate, folder, DRAWN)]
        check(envoy, list(corpus.compiled(meshc, corpus.TARGETS, chosen)))


def check(envoy, compiled):
    """Holds every configuration against Envoy, each once."""
    seen, jobs = set(), []
    for program, target, text in compiled:
        config = config_of(target, text)
        key = json.dumps(config, sort_keys=True)
        if key not in seen:
            seen.add(key)
            jobs.append((f"{program.name} for {target}", config))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (name, _), problem in zip(jobs, pool.map(lambda job: validate(envoy, job[1]), jobs)):
            if problem:
                failed += 1
                print(f"{name}: {problem}")
    print(f"{len(jobs) - failed} passed, {failed} failed")
    sys.exit(1 if failed or len(jobs) < 100 else 0)


if __name__ == "__main__":
    main()
