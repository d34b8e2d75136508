"""A bad network, a server that restarts, and two runs at once."""

import concurrent.futures
import json
import signal
import threading
import time

from deploy.basics import ROLE, grant
from deploy.check import check, eq
from deploy.program import Program, split
from deploy.proxy import Call, Cut, Drip, Fault, Proxy, Reset, Says, Stall
from deploy.server import ADMIN, DEPLOYER

STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}


def status(code, message="no", **more):
    return json.dumps({**STATUS, "code": code, "message": message, **more}).encode()


FAULTS = {
    "reset before": lambda: Reset(),
    "reset after": lambda: Reset(arrives=True),
    "stall before": lambda: Stall(arrives=False),
    "stall after": lambda: Stall(arrives=True),
    "drip": lambda: Drip(),
    "cut at once": lambda: Cut(0),
    "cut after 100": lambda: Cut(100),
    "html": lambda: Says(200, b"<html>log in</html>", [("content-type", "text/html")]),
    "html after": lambda: Says(200, b"<html>log in</html>", arrives=True),
    **{f"{code}": lambda code=code: Says(code, status(code)) for code in (408, 429, 500, 502, 503, 504)},
    **{f"{code} after": lambda code=code: Says(code, status(code), arrives=True) for code in (500, 502, 504)},
    **{
        f"retry-after {value[:8]}": lambda value=value: Says(429, status(429), [("retry-after", value)])
        for value in ("0", "1", "31536000", "18446744073709551615", "garbage")
    },
}


@check
def every_fault_at_every_request(server, meshc):
    """Each fault hits requests of a first apply and of a change, one in a run: the end is the same."""
    clean = Program(server, meshc)
    with Proxy(server) as proxy:
        config = server.kubeconfig(ADMIN, proxy.url)
        clean.apply(config=config)
        first = proxy.count
        clean.write(split(50))
        clean.apply(config=config)
        total = proxy.count
    wanted = clean.state()

    def one(case):
        name, number = case
        program = Program(server, meshc)
        with Proxy(server, lambda n, m, p: FAULTS[name]() if n == number else None) as proxy:
            config = server.kubeconfig(ADMIN, proxy.url)
            start = time.monotonic()
            results = [program.run("apply", config=config)]
            program.write(split(50))
            results.append(program.run("apply", config=config))
            took = time.monotonic() - start
        if any(r.code for r in results):
            return f"{name} at {number}: {results}"
        if program.state() != wanted:
            return f"{name} at {number}: another state\n{program.state()}\n{wanted}"
        # Each of the two has two minutes; on a quiet machine they take some seconds.
        return f"{name} at {number}: {took:.0f} s" if took > 150 else None

    # Requests of one phase are alike: every fault hits each tenth, beginning elsewhere each time. Most runs
    # mostly wait: hence many at once.
    cases = [(name, n) for k, name in enumerate(FAULTS) for n in range(k % 10, total, 10)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        problems = [p for p in pool.map(one, cases) if p]
    print(f"   {len(cases)} runs through a fault, {first} and {total - first} requests", flush=True)
    assert not problems, f"{len(problems)} of {len(cases)}\n" + "\n".join(problems[:5])


@check
def requests_are_many_at_once_but_bounded(server, meshc):
    """Forty objects are tried and written at once, in sixteen requests at most."""
    program = Program(server, meshc, "")
    for number in range(40):
        program.service(f"s{number}")
    program.write("".join(f"route s{number}:5000 to s{number}\n" for number in range(40)))
    lock, now, peaks = threading.Lock(), [0], []

    class Counts(Fault):
        """Takes its time, and notes how many do so."""

        def before(self, handler):
            with lock:
                now[0] += 1
                peaks.append(now[0])
            time.sleep(0.1)
            with lock:
                now[0] -= 1
            return False

    with Proxy(server, lambda number, method, path: Counts()) as proxy:
        program.apply(config=server.kubeconfig(ADMIN, proxy.url))
    assert 8 <= max(peaks) <= 16, max(peaks)


@check
def a_network_that_stays_bad(server, meshc):
    """The deadline holds, nothing is written, and the exit code says so."""
    for fault in (lambda: Says(503, status(503)), lambda: Reset(), lambda: Says(429, status(429), [("retry-after", "31536000")])):
        program = Program(server, meshc)
        with Proxy(server, lambda n, m, p: fault()) as proxy:
            start = time.monotonic()
            result = program.run("apply", "--timeout", "4s", config=server.kubeconfig(ADMIN, proxy.url))
            took = time.monotonic() - start
        eq(result.code, 3, result)
        assert took < 6, f"{took} s over a deadline of 4 s"
        eq((program.members(), program.record()), ([], None))


@check
def permanent_refusals_are_not_repeated(server, meshc):
    for message in ("failed to create typed patch object (x): y", "etcdserver: request is too large"):
        program = Program(server, meshc)
        hits = []

        def fault(number, method, path):
            if method == "PATCH":
                hits.append(path)
                return Says(500, status(500, message))
            return None

        with Proxy(server, fault) as proxy:
            result = program.run("apply", config=server.kubeconfig(ADMIN, proxy.url))
        eq(result.code, 3, result)
        assert message in result.err, result
        eq(len(hits), len(set(hits)), "each object is asked for once")
        eq(program.record(), None)


@check
def refused_in_the_real_write_only(server, meshc):
    """What a dry run did not foresee: the report says what was done, and the next run finishes."""
    program = Program(server, meshc)

    def fault(number, method, path):
        real = method == "PATCH" and "dryRun" not in path and "ciliumenvoyconfigs" in path
        return Says(403, status(403, "denied by a webhook", reason="Forbidden")) if real else None

    with Proxy(server, fault) as proxy:
        result = program.run("apply", "-o", "json", config=server.kubeconfig(ADMIN, proxy.url))
    eq(result.code, 3, result)
    words = sorted(o["result"] for o in result.json["objects"])
    eq(words, ["created", "created", "failed"])
    assert "denied by a webhook" in result.err, result
    eq(program.run("status").out, "set `shop` is not in the cluster\n")
    report = program.apply()
    eq((sorted(program.words(report).values()), report["revision"]), (["created", "unchanged", "unchanged"], 1))
    eq(len(program.secrets()), 1)


@check
def the_server_restarts_between_objects(server, meshc):
    """Killed before and after a write, as an administrator and as an ordinary user."""
    for token in (ADMIN, DEPLOYER):
        for arrives in (False, True):
            program = Program(server, meshc)
            if token == DEPLOYER:
                grant(server, program.namespace, ROLE)
            done = []

            def restart():
                if not done:
                    done.append(True)
                    server.kill()
                    threading.Thread(target=server.start).start()

            def fault(number, method, path):
                real = method == "PATCH" and "dryRun" not in path and not done
                return Call(restart, arrives) if real else None

            with Proxy(server, fault) as proxy:
                config = server.kubeconfig(token, proxy.url)
                # A server that starts takes a second and a half, and minutes on a machine that is busy.
                result = program.run("apply", "--timeout", "5m", "-o", "json", config=config, limit=400)
            server.wait(lambda: server.call("GET", "/readyz", raw=True))
            eq((result.code, len(done)), (0, 1), result)
            eq(program.apply()["writes"], 0)


@check
def etcd_stops_for_a_while(server, meshc):
    """The API server answers 504 after the time that it was given; what was written meanwhile is looked for."""
    program = Program(server, meshc)
    stopped = []

    def wake():
        server.etcd.send_signal(signal.SIGCONT)

    def fault(number, method, path):
        if method == "PATCH" and "dryRun" not in path and not stopped:
            stopped.append(True)
            server.etcd.send_signal(signal.SIGSTOP)
            threading.Timer(40, wake).start()
        return None

    try:
        with Proxy(server, fault) as proxy:
            start = time.monotonic()
            program.apply("--timeout", "110s", config=server.kubeconfig(ADMIN, proxy.url))
            took = time.monotonic() - start
    finally:
        wake()
    assert took > 38, f"{took} s"
    eq(len(program.members()), 3)
    eq(program.apply()["writes"], 0)


@check
def two_runs_at_once(server, meshc):
    """One wins whole, the other writes nothing: never a mixture."""

    def one(_):
        program = Program(server, meshc)
        program.apply()
        other = Program(server, meshc)
        other.folder.joinpath("meshc.toml").write_text((program.folder / "meshc.toml").read_text())
        program.write(split(70))
        other.write(split(45))
        runs = [p.start("apply", "-o", "json") for p in (program, other)]
        outputs = [run.communicate(timeout=120) for run in runs]
        codes = [run.returncode for run in runs]
        weights = json.dumps(program.configs()).count
        seen = [bool(weights('"weight": 70')), bool(weights('"weight": 45'))]
        if sorted(codes) == [0, 4]:
            winner = codes.index(0)
            fine = seen == [winner == 0, winner == 1]
        else:
            # One after the other, whole both times.
            fine = codes == [0, 0] and sum(seen) == 1 and program.record()["data"]["revision"] == "3"
        fine = fine and program.run("status").code == 0
        return None if fine else f"{codes} {seen} {outputs}"

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        problems = [p for p in pool.map(one, range(50)) if p]
    assert not problems, f"{len(problems)} of 50: {problems[:2]}"


@check
def a_living_run_keeps_others_out(server, meshc):
    """A run that renews its mark is never taken over, however long it takes."""
    program = Program(server, meshc)
    gate = threading.Event()

    def fault(number, method, path):
        if method == "PATCH" and "dryRun" not in path and not gate.is_set():
            gate.set()
            return Stall(arrives=False, seconds=4)
        return None

    with Proxy(server, fault) as proxy:
        first = program.start("apply", "-o", "json", config=server.kubeconfig(ADMIN, proxy.url))
        assert gate.wait(60)
        second = program.run("apply")
        first.communicate(timeout=120)
    eq((first.returncode, second.code), (0, 4), second)
    assert "another run" in second.err, second


@check
def a_plugin_that_hangs(server, meshc):
    program = Program(server, meshc)
    api = "client.authentication.k8s.io/v1"
    marks = program.folder / "runs"

    def plugin(script):
        return {"exec": {"apiVersion": api, "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}}

    start = time.monotonic()
    hanging = server.kubeconfig(user=plugin("exec sleep 60"))
    result = program.run("apply", "--timeout", "2s", config=hanging)
    eq(result.code, 3, result)
    assert "does not end" in result.err and time.monotonic() - start < 6, result
    credential = json.dumps({"apiVersion": api, "kind": "ExecCredential", "status": {"token": ADMIN}})
    good = server.kubeconfig(user=plugin(f"echo x >> {marks}; echo '{credential}'"))
    program.apply(config=good)
    eq(marks.read_text(), "x\n", "the plugin runs once")
    result = program.run("apply", config=server.kubeconfig(user=plugin("echo secret-text; exit 1")))
    eq(result.code, 3, result)
    assert "secret-text" not in result.err + result.out, result
