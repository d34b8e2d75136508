"""`diff`: the policies' clauses first, then the objects; and that every command speaks JSON."""

import os
import pty
import subprocess

from deploy.check import check, eq
from deploy.program import Program, split


@check
def clauses_come_before_objects(server, meshc):
    program = Program(server, meshc)
    program.apply()
    program.write(split(50))
    program.write("route cart:5000 to cart; timeout 3s\n", "cart.mesh")
    lines = program.run("diff").out.splitlines()
    wanted = ["  - 90% v1, 10% v2", "  + 50% v1, 50% v2"]
    eq([line for line in lines if "% v1" in line], wanted)
    assert lines.index("route helloworld (policy.mesh)") < lines.index(wanted[0]), lines
    assert lines.index("  + timeout 3s") < next(i for i, l in enumerate(lines) if "CiliumEnvoyConfig" in l), lines
    report = program.json("diff", code=1)
    changed = {p["declaration"]: (p["removed"], p["added"]) for p in report["policies"]}
    wanted = {"route cart:5000": ([], ["to cart", "timeout 3s"]),
              "route helloworld": (["90% v1, 10% v2"], ["50% v1, 50% v2"])}  # fmt: skip
    eq(changed, wanted)


@check
def form_alone_is_no_difference(server, meshc):
    program = Program(server, meshc)
    program.apply()
    text = split().replace("route helloworld 90% v1, 10% v2", "# why\nroute helloworld {\n  90% v1,\n    10% v2\n}")
    program.write(text)
    result = program.run("diff")
    eq((result.code, result.out), (0, ""), result)


@check
def clauses_against_a_revision(server, meshc):
    program = Program(server, meshc)
    program.apply()
    program.write(split(50))
    program.apply()
    out = program.run("diff", "--revision", "1").out
    assert "  - 90% v1, 10% v2" in out and "  + 50% v1, 50% v2" in out, out
    eq(program.run("diff").out, "")


def on_terminal(program, stream, *arguments):
    """Runs a command with one stream on a terminal; its exit code, and what the terminal got."""
    leader, follower = pty.openpty()
    command = [program.meshc, *arguments, "--kubeconfig", program.config]
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=program.folder, env=environment, **{**streams, stream: follower})
    os.close(follower)
    shown = b""
    try:
        while chunk := os.read(leader, 65536):
            shown += chunk
    except OSError:
        pass  # the other end is closed
    finally:
        os.close(leader)
        code = process.wait(timeout=60)
    return code, shown


@check
def colours_only_on_a_terminal(server, meshc):
    program = Program(server, meshc)
    program.apply()
    program.write(split(50))
    assert "\x1b" not in program.run("diff").out
    code, shown = on_terminal(program, "stdout", "diff")
    eq(code, 1)
    assert b"\x1b[32m  + 50% v1, 50% v2" in shown and b"\x1b[31m  - 90% v1" in shown, shown


@check
def every_command_speaks_json(server, meshc):
    program = Program(server, meshc)
    program.apply("--dry-run")
    program.apply()
    program.write(split(50))
    program.json("diff", code=1)
    program.apply()
    for command, key in (("status", "objects"), ("history", "revisions"), ("doctor", "findings"), ("diff", "objects")):
        assert key in program.json(command), command
    assert "objects" in program.json("rollback", "--yes")
    assert "objects" in program.json("delete", "--yes")
