"""Patterns held against a real Envoy: what is taken here is taken there, and sizes are told alike:
regex.py ENVOY VERDICTS"""

import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys
import tempfile

CORPUS = pathlib.Path(__file__).with_name("regex_corpus.txt")
LIMIT = 100
MOST_REFUSED = 0.05
NEAR, SHARE_NEAR = 0.10, 0.95


def config(pattern, runtime):
    """One route with the pattern."""
    kind = "type.googleapis.com/envoy.extensions.filters"
    route = {"match": {"safe_regex": {"regex": pattern}}, "direct_response": {"status": 200}}
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "regex",
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{kind}.http.router.v3.Router"}}
        ],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    listener = {
        "name": "regex",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 20000}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    bootstrap = {"static_resources": {"listeners": [listener]}}
    if runtime:
        bootstrap["layered_runtime"] = {"layers": [{"name": "static", "static_layer": runtime}]}
    return bootstrap


def complaint(envoy, pattern, runtime=None):
    """Envoy's complaint about the pattern, or None."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "envoy.json")
        path.write_text(json.dumps(config(pattern, runtime)))
        done = subprocess.run(
            [envoy, "--mode", "validate", "-c", str(path), "-l", "error"],
            capture_output=True, text=True, timeout=60, cwd=folder,
        )
    return None if done.returncode == 0 else done.stderr


def of_envoy(envoy, pattern):
    """Whether Envoy takes the pattern as it is, and the size of its program, if it has one."""
    taken = complaint(envoy, pattern) is None
    # No program is smaller than this limit, so its size stands in the refusal.
    refusal = complaint(envoy, pattern, {"re2": {"max_program_size": {"error_level": 0}}})
    size = re.search(r"RE2 program size of (\d+)", refusal or "")
    if taken and not size:
        sys.exit(f"Envoy takes `{pattern}` and tells no size: {refusal}")
    return taken, int(size[1]) if size else None


def of_ours(verdicts, patterns):
    """The same of the compiler."""
    done = subprocess.run([verdicts], input="".join(f"{p}\n" for p in patterns), capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    if len(lines) != len(patterns):
        sys.exit(f"{len(patterns)} patterns and {len(lines)} verdicts")
    for line in lines:
        word, _, rest = line.partition(" ")
        yield word == "ok", None if word == "refused" else int(rest)


def main():
    envoy, verdicts = sys.argv[1:3]
    patterns = [line for line in CORPUS.read_text().splitlines() if line and not line.startswith("## ")]
    ours = list(of_ours(verdicts, patterns))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        theirs = list(pool.map(lambda pattern: of_envoy(envoy, pattern), patterns))
    wrong, refused, far, equal, sized = [], [], [], 0, 0
    for pattern, (we_take, our_size), (they_take, their_size) in zip(patterns, ours, theirs):
        if they_take != (their_size is not None and their_size <= LIMIT):
            sys.exit(f"Envoy's limit is not {LIMIT}: `{pattern}` has size {their_size}")
        if we_take and not they_take:
            wrong.append(f"`{pattern}`: {our_size}, {their_size} for Envoy")
        if they_take and not we_take:
            refused.append(f"`{pattern}`: {our_size}, {their_size} for Envoy")
        if our_size is not None and their_size is not None:
            sized += 1
            equal += our_size == their_size
            if abs(our_size - their_size) > NEAR * their_size:
                far.append(f"`{pattern}`: {our_size}, {their_size} for Envoy")
    taken = sum(they_take for they_take, _ in theirs)
    print(f"{len(patterns)} patterns, {taken} taken by Envoy")
    print(f"taken here and refused by Envoy: {len(wrong)}", *wrong, sep="\n  ")
    print(f"taken by Envoy and refused here: {len(refused)}, {len(refused) / taken:.1%}", *refused, sep="\n  ")
    print(f"sizes: {sized} compared, {equal} equal, {len(far)} off by more than {NEAR:.0%}", *far, sep="\n  ")
    if wrong or len(refused) > MOST_REFUSED * taken or len(far) > (1 - SHARE_NEAR) * sized:
        sys.exit("too many differ")


if __name__ == "__main__":
    main()
