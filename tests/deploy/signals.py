"""A signal in the middle of a run: what is under way ends, the rest is not begun, nobody waits for a dead run."""

import concurrent.futures
import signal
import time

from deploy.check import check, eq
from deploy.kills import applied, many
from deploy.program import Program
from deploy.proxy import Fault, Proxy, Stall
from deploy.server import ADMIN


class Signals(Fault):
    """The request arrives, and so does a signal before its answer."""

    def __init__(self, process, kind):
        self.process, self.kind = process, kind

    def answer(self, handler, status, headers, body):
        self.process.result(60).send_signal(self.kind)
        time.sleep(0.3)
        handler.pass_on(status, headers, body)


def is_write(method, path):
    return method == "PATCH" and "dryRun" not in path


def signalled(server, program, command, kind, is_chosen):
    """Runs a command that gets a signal at the first such request; how it ended."""
    # A request may arrive before its sender is known here.
    process, hits = concurrent.futures.Future(), []

    def fault(number, method, path):
        if hits or not is_chosen(method, path):
            return None
        hits.append(path)
        return Signals(process, kind)

    with Proxy(server, fault) as proxy:
        process.set_result(program.start(*command, config=server.kubeconfig(ADMIN, proxy.url)))
        out, err = process.result().communicate(timeout=120)
    assert hits, (out, err)
    return process.result().returncode, out, err


def runs_again_at_once(program, command):
    """A dead run would be waited for for 15 s."""
    eq(program.record()["data"]["run"], "", "the mark is gone")
    start = time.monotonic()
    again = program.run(*command)
    assert again.code == 0 and time.monotonic() - start < 12, again


@check
def a_signal_while_writing(server, meshc):
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        program = Program(server, meshc)
        many(program)
        code, out, err = signalled(server, program, ["apply"], kind, is_write)
        assert code == 3 and "stopped by a signal" in err, (code, out, err)
        assert "not tried" in out, out
        eq(program.record()["data"]["revision"], "0", "the revision is not applied")
        runs_again_at_once(program, ["apply"])
        eq(program.run("status").code, 0)


@check
def a_signal_while_deleting(server, meshc):
    program = Program(server, meshc)
    applied(program)
    code, out, err = signalled(
        server, program, ["delete", "--yes"], signal.SIGINT, lambda method, path: method == "DELETE"
    )
    assert code == 3 and "stopped by a signal" in err, (code, out, err)
    runs_again_at_once(program, ["delete", "--yes"])
    eq(program.members(), [])


@check
def a_second_signal_ends_at_once(server, meshc):
    program = Program(server, meshc)
    many(program)
    with Proxy(server, lambda n, m, p: Stall(False, 8) if is_write(m, p) else None) as proxy:
        process = program.start("apply", config=server.kubeconfig(ADMIN, proxy.url))
        end = time.monotonic() + 60
        while not any(is_write(method, path) for method, path in proxy.seen):
            assert time.monotonic() < end, "no write came"
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        # Two signals that come together are one.
        time.sleep(0.5)
        assert process.poll() is None, "what is under way is waited for"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    eq(process.returncode, 130)
    again = program.run("apply")
    eq(again.code, 0, again)


@check
def a_signal_before_anything_is_written(server, meshc):
    program = Program(server, meshc)
    code, out, err = signalled(server, program, ["apply"], signal.SIGINT, lambda method, path: "dryRun" in path)
    eq(code, -signal.SIGINT, (out, err))
    eq((program.record(), program.members()), (None, []))
