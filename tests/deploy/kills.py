"""`kill -9` at every request of each command, before it arrives and after it had its effect."""

import concurrent.futures

from deploy.check import check
from deploy.program import CEC, Program, split
from deploy.proxy import Call, Proxy
from deploy.server import ADMIN

CART = "route cart:5000 to cart\n"


def nothing(program):
    pass


def applied(program):
    program.write(CART, "cart.mesh")
    program.apply()


def changed(program):
    """Applied, then edited: one object changes, one goes, one is new."""
    applied(program)
    (program.folder / "cart.mesh").unlink()
    program.write("route web:5000 to web\n", "web.mesh")
    program.write(split(50))


def twice(program):
    applied(program)
    program.write(split(50))
    program.apply()


def many(program):
    """Thirteen objects: enough for a killed run to leave some written and some not."""
    for number in range(10):
        program.service(f"s{number}")
        program.write(f"route s{number}:5000 to s{number}\n", f"s{number}.mesh")


def many_changed(program):
    many(program)
    program.apply()
    for number in range(10):
        program.write(f"route s{number}:5000 {{\n  timeout 3s\n  to s{number}\n}}\n", f"s{number}.mesh")


def edited(program):
    """Applied, then one object is made what no agent can parse: it is put back before it goes."""
    applied(program)
    path = f"{CEC.format(program.namespace)}/meshc-cart"
    program.patch(path, {"spec": {"resources": [{"@type": "type.googleapis.com/no.such.Type", "name": "x"}]}})


SCENARIOS = {
    "many": (many, ["apply"]),
    "many changed": (many_changed, ["apply"]),
    "apply": (nothing, ["apply"]),
    "change and prune": (changed, ["apply", "--yes"]),
    "rollback": (twice, ["rollback", "1", "--yes"]),
    "delete": (applied, ["delete", "--yes"]),
    "delete what was edited": (edited, ["delete", "--yes"]),
}


def clean(server, meshc, scenario):
    """The state after an undisturbed run, and how many requests it takes."""
    prepare, command = SCENARIOS[scenario]
    program = Program(server, meshc)
    prepare(program)
    with Proxy(server) as proxy:
        program.json(*command, config=server.kubeconfig(ADMIN, proxy.url))
        return program.state(), proxy.count


def killed(server, meshc, scenario, number, arrives):
    """Kills the command at a request, runs it again; the state, or what went wrong."""
    prepare, command = SCENARIOS[scenario]
    program = Program(server, meshc)
    prepare(program)
    # A request may arrive before its sender is known here.
    process = concurrent.futures.Future()

    def kill():
        process.result(60).kill()
        process.result().wait()

    with Proxy(server, lambda n, m, p: Call(kill, arrives) if n == number else None) as proxy:
        config = server.kubeconfig(ADMIN, proxy.url)
        process.set_result(program.start(*command, config=config))
        process.result().communicate(timeout=120)
    code = process.result().returncode
    if code != -9:
        return f"it ended by itself: {code}"
    again = program.run(*command)
    if again.code != 0:
        return f"the second run: {again}"
    return program.state()


@check
def killed_at_every_request(server, meshc):
    points = []
    wanted = {}
    for scenario in SCENARIOS:
        wanted[scenario], count = clean(server, meshc, scenario)
        points += [(scenario, n, arrives) for n in range(count) for arrives in (False, True)]

    def one(point):
        state = killed(server, meshc, *point)
        return None if state == wanted[point[0]] else f"{point}: {str(state)[:4000]}\nwanted {str(wanted[point[0]])[:4000]}"

    # A killed run is waited for for 15 s, which costs nothing: hence many at once.
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        problems = [p for p in pool.map(one, points) if p]
    print(f"   {len(points)} points", flush=True)
    assert not problems, f"{len(problems)} of {len(points)}\n" + "\n".join(problems[:4])
    assert len(points) >= 200, f"only {len(points)} points"
