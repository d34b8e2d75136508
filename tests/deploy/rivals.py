"""Two sets, two runs, and a run that is taken over."""

import concurrent.futures
import signal
import time

from deploy.check import check, eq
from deploy.program import PART_OF, Program, split
from deploy.proxy import Fault, Proxy
from deploy.server import ADMIN

SERVICE = "service helloworld {\n  selector app=helloworld\n  version v1\n}\nroute helloworld to v1\n"


def beside(program, name, policy):
    """Another set with policies of its own in the same namespace."""
    other = Program(program.server, program.meshc, policy)
    other.namespace, other.name = program.namespace, name
    other.settings(name)
    return other


@check
def two_sets_claim_one_object(server, meshc):
    """Both at once, over and over: one has all of it, the other nothing, and says whose it is."""

    def one(_):
        first = Program(server, meshc, SERVICE)
        second = beside(first, "other", SERVICE)
        runs = [program.start("apply") for program in (first, second)]
        errors = [run.communicate(timeout=120)[1] for run in runs]
        codes = [run.returncode for run in runs]
        owners = {item["metadata"]["labels"][PART_OF] for item in first.members()}
        if sorted(codes) != [0, 4] or len(owners) != 1:
            return f"{codes} {owners} {errors}"
        winner, loser = (first, second) if codes[0] == 0 else (second, first)
        if winner.run("status").code != 0 or winner.apply()["writes"] != 0:
            return f"the winner's objects are not its own: {codes} {errors}"
        again = loser.run("apply", "--force-conflicts")
        return None if again.code == 4 else f"force takes another set's object: {again}"

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        problems = [p for p in pool.map(one, range(20)) if p]
    assert not problems, f"{len(problems)} of 20: {problems[:2]}"


@check
def a_run_that_slept_is_taken_over(server, meshc):
    """A run is stopped between two writes, another takes its place; woken, the first one writes nothing more."""
    program = Program(server, meshc)
    program.apply()
    program.write(split(70))
    program.write("route cart:5000 to cart\nroute web:5000 to web\n", "more.mesh")
    asleep = []

    class Sleeps(Fault):
        """The write arrives, and its sender stops before it has the answer."""

        def answer(self, handler, status, headers, body):
            asleep[0].send_signal(signal.SIGSTOP)
            handler.pass_on(status, headers, body)

    def fault(number, method, path):
        first = method == "PATCH" and "dryRun" not in path and "/ciliumenvoyconfigs/" in path and len(asleep) == 1
        if first:
            asleep.append(True)
            return Sleeps()
        return None

    with Proxy(server, fault) as proxy:
        asleep.append(program.start("apply", config=server.kubeconfig(ADMIN, proxy.url)))
        end = time.monotonic() + 60
        while len(asleep) < 2:
            assert time.monotonic() < end, "no write came"
            time.sleep(0.02)
        second = Program(server, meshc, split(45))
        second.namespace = program.namespace
        second.settings("shop")
        start = time.monotonic()
        report = second.apply("--yes")
        assert time.monotonic() - start > 14, "a run may be taken over after 15 s, not before"
        before = second.versions()
        asleep[0].send_signal(signal.SIGCONT)
        _, errors = asleep[0].communicate(timeout=120)
    eq(asleep[0].returncode, 4, errors)
    assert "took the set" in errors, errors
    eq(second.versions(), before, "who was taken over writes nothing more")
    eq(second.record()["data"], {"run": "", "revision": str(report["revision"])})
    eq((second.run("status").code, second.apply()["writes"]), (0, 0))
