"""Runs the scenarios: run.py MESHC ENVOY PROTOTEXT2JSON CONTROLLER [NAME…]"""

import pathlib
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from behaviour import clients, conditions, edges, requests_rules, scenario, traffic, upstreams  # noqa: E402, F401
from harness import controller  # noqa: E402


def run_one(run, envoy, result):
    """Why a scenario fails; None when it passes."""
    try:
        if result:
            problems = controller.problems(run.case(), result)
            if problems:
                return f"the controller: {problems}"
            run.start(envoy, result.resources)
        else:
            run.start(envoy, None if run.target == "envoy" else run.without_agent())
        run.scenario.check(run)
        if not run.proxy.running():
            return f"Envoy ended: {run.proxy.errors()}"
        return None
    except Exception:  # any failure of a check is the scenario's
        return traceback.format_exc(limit=-3) + (run.proxy.errors() if run.proxy else "")
    finally:
        run.close()


def main():
    meshc, envoy, prototext2json, binary, *names = sys.argv[1:]
    chosen = [item for item in scenario.ALL if not names or any(name in item.name for name in names)]
    failed = 0
    runs = [scenario.Run(item, target, meshc) for item in chosen for target in item.ways]
    through = [run for run in runs if run.target == "cilium-1.20"]
    finals = controller.run(binary, prototext2json, [run.case() for run in through])
    results = {run.name: result for run, result in zip(through, finals)}
    for run in runs:
        start = time.monotonic()
        problem = run_one(run, envoy, results.get(run.name))
        took = time.monotonic() - start
        print(f"{'FAILED' if problem else 'ok'} {run.name} {took:.1f}s", flush=True)
        if problem:
            failed += 1
            print(problem, flush=True)
    print(f"{len(runs) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not runs else 0)


if __name__ == "__main__":
    main()
