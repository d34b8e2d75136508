"""Cilium's own code over everything that compiles: nothing dropped, no warning, the redirect on the
right service and ports, every reference closed."""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import controller, corpus  # noqa: E402


def cases(meshc, target):
    """The programs of the corpus for a target, each different manifest once."""
    seen, found = set(), []
    for program, _, text in corpus.compiled(meshc, [target]):
        if text not in seen:
            seen.add(text)
            catalog = controller.load(program.catalog.read_text()) if program.catalog else []
            found.append(controller.Case(program.name, controller.load(text), catalog))
    return found


def self_test(run):
    """Breaks a good manifest in every way that the checks are for; each must be noticed."""
    port = {"name": "a", "namespace": "default", "ports": [80], "listener": "default/meshc-a/a:80"}
    typed = "type.googleapis.com/envoy.config"
    manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    chain = {"filters": [{"name": "http", "typed_config": {"@type": manager, "stat_prefix": "a", "rds": {"route_config_name": "default/meshc-a/a:80"}, "http_filters": []}}]}
    good = {
        "apiVersion": "cilium.io/v2", "kind": "CiliumEnvoyConfig", "metadata": {"name": "meshc-a", "namespace": "default"},
        "spec": {
            "services": [port], "backendServices": [{"name": "a", "namespace": "default", "number": ["80"]}],
            "resources": [
                {"@type": f"{typed}.listener.v3.Listener", "name": "default/meshc-a/a:80", "filter_chains": [chain]},
                {"@type": f"{typed}.route.v3.RouteConfiguration", "name": "default/meshc-a/a:80", "virtual_hosts": [
                    {"name": "default/meshc-a/a:80", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "default/meshc-a/c"}}]}]},
                {"@type": f"{typed}.cluster.v3.Cluster", "name": "default/meshc-a/c", "type": "EDS", "eds_cluster_config": {"service_name": "default/a:80"}},
            ],
        },
    }

    def broken(change):
        item = copy.deepcopy(good)
        change(item["spec"])
        return item

    def unknown_field(spec):
        spec["resources"][2]["no_such_field"] = 1

    def wrong_listener(spec):
        spec["services"][0]["listener"] = "default/meshc-a/other"

    def wrong_endpoints(spec):
        spec["resources"][2]["eds_cluster_config"]["service_name"] = "default/a:81"

    def wrong_cluster(spec):
        spec["resources"][1]["virtual_hosts"][0]["routes"][0]["route"]["cluster"] = "default/meshc-a/d"

    def wrong_routes(spec):
        spec["resources"][0]["filter_chains"][0]["filters"][0]["typed_config"]["rds"]["route_config_name"] = "default/meshc-a/x"

    flaws = [unknown_field, wrong_listener, wrong_endpoints, wrong_cluster, wrong_routes]
    tried = [controller.Case("good", [good])] + [controller.Case(flaw.__name__, [broken(flaw)]) for flaw in flaws]
    results = run(tried)
    first = controller.problems(tried[0], results[0])
    if first:
        sys.exit(f"a good manifest is refused: {first}\n{results[0].output[-3000:]}")
    for case, result in zip(tried[1:], results[1:]):
        if not controller.problems(case, result):
            sys.exit(f"nothing notices the flaw `{case.name}`")


def parsed(parser, found):
    """What Cilium 1.14's parser says of each case."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for index, case in enumerate(found):
            path = pathlib.Path(folder, f"{index:04}.json")
            path.write_text(json.dumps([item for item in case.objects if item["kind"] != "Service"]))
            paths.append(str(path))
        done = subprocess.run([parser, *paths], capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def parser_problems(case, summary):
    wanted = {resource["name"] for item in case.objects if item["kind"] != "Service" for resource in item["spec"]["resources"]}
    kept = set(summary["listeners"] + summary["routes"] + summary["clusters"])
    return summary["problems"] + [f"dropped or renamed: {name}" for name in sorted(wanted - kept)]


def main():
    meshc, prototext2json, parser, old, new = sys.argv[1:6]
    passed = failed = 0
    for target, binary in (("cilium-1.20", new), ("cilium-1.18", old)):
        def run(some, binary=binary):
            return controller.run(binary, prototext2json, some)

        self_test(run)
        found = cases(meshc, target)
        for case, result in zip(found, run(found)):
            problems = controller.problems(case, result)
            passed, failed = (passed, failed + 1) if problems else (passed + 1, failed)
            if problems:
                print(f"{case.name} for {target}: {problems}")
    found = cases(meshc, "cilium-1.14")
    for case, summary in zip(found, parsed(parser, found)):
        problems = parser_problems(case, summary)
        passed, failed = (passed, failed + 1) if problems else (passed + 1, failed)
        if problems:
            print(f"{case.name} for cilium-1.14: {problems}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or passed < 200 else 0)


if __name__ == "__main__":
    main()
