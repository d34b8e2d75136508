"""What goes: in which order, what is put back before, and what holds it."""

import threading
import time

from deploy.check import check, eq
from deploy.program import CEC, Program, split
from deploy.proxy import Proxy, Says
from deploy.server import ADMIN

CART = "route cart:5000 to cart\n"
NONSENSE = {"spec": {"resources": [{"@type": "type.googleapis.com/no.such.Type", "name": "x"}]}}


def path_of(program, name):
    return f"{CEC.format(program.namespace)}/{name}"


def watched(program, *command):
    """Runs a command; the real writes on configurations in their order, with the spec that each found."""
    writes = []

    def note(number, method, path):
        if method in ("PATCH", "DELETE") and "/ciliumenvoyconfigs/" in path and "dryRun" not in path:
            name = path.split("?")[0].rsplit("/", 1)[1]
            writes.append((method, name, program.configs().get(name, {}).get("spec")))

    with Proxy(program.server, note) as proxy:
        result = program.run(*command, config=program.server.kubeconfig(ADMIN, proxy.url))
    eq(result.code, 0, result)
    return writes


@check
def an_object_that_agents_cannot_parse_is_put_back_first(server, meshc):
    """By `delete` and by a prune: the spec that was applied last comes back, and then the object goes."""
    for prune in (False, True):
        program = Program(server, meshc, CART)
        program.write("route web:5000 to web\n", "web.mesh")
        program.apply()
        good = program.configs()["meshc-cart"]["spec"]
        program.patch(path_of(program, "meshc-cart"), NONSENSE)
        if prune:
            (program.folder / "policy.mesh").unlink()
            writes = watched(program, "apply", "--yes")
            eq(list(program.configs()), ["meshc-web"])
        else:
            writes = watched(program, "delete", "--yes")
            eq((program.configs(), program.record()), ({}, None))
        of_cart = [(method, spec) for method, name, spec in writes if name == "meshc-cart"]
        eq([method for method, _ in of_cart], ["PATCH", "DELETE"])
        eq(of_cart[1][1], good, "what is deleted is what was applied last")
        untouched = [method for method, name, _ in writes if name == "meshc-web"]
        eq(untouched, [] if prune else ["DELETE"], "what nobody edited goes as it is")


@check
def what_no_revision_has_goes_as_it_is(server, meshc):
    """Without a last good spec there is nothing to put back."""
    program = Program(server, meshc, CART)
    program.apply()
    program.patch(path_of(program, "meshc-cart"), NONSENSE)
    for secret in program.secrets():
        server.call("DELETE", f"/api/v1/namespaces/{program.namespace}/secrets/{secret['metadata']['name']}")
    eq([method for method, _, _ in watched(program, "delete", "--yes")], ["DELETE"])
    eq((program.configs(), program.record()), ({}, None))


@check
def a_service_is_let_go_before_it_is_taken(server, meshc):
    """Cilium refused a second object for a service before 1.18: the old one goes first, or lets go first."""
    program = Program(server, meshc, "route cart:5000, web:5000 to cart:5000\n")
    program.apply()
    program.write("route web:5000 to web\n")
    eq([w[:2] for w in watched(program, "apply", "--yes")], [("DELETE", "meshc-cart"), ("PATCH", "meshc-web")])
    program.write("route cart:5000, web:5000 to cart:5000\n")
    eq([w[:2] for w in watched(program, "apply", "--yes")], [("DELETE", "meshc-web"), ("PATCH", "meshc-cart")])
    program.write("route cart:5000 to cart\nroute web:5000 to web\n")
    eq([w[:2] for w in watched(program, "apply", "--yes")], [("PATCH", "meshc-cart"), ("PATCH", "meshc-web")])
    program.write("route web:5000 to web\n")
    eq([w[:2] for w in watched(program, "apply", "--yes")], [("DELETE", "meshc-cart")])


@check
def a_run_that_is_out_of_time_leaves_no_mark(server, meshc):
    """Neither `delete` nor `apply` keeps the next run waiting."""
    program = Program(server, meshc, CART)

    def fault(number, method, path):
        real = method == "PATCH" and "dryRun" not in path
        return Says(503, b'{"kind":"Status","message":"not now"}') if real else None

    with Proxy(server, fault) as proxy:
        start = time.monotonic()
        config = server.kubeconfig(ADMIN, proxy.url)
        late = program.run("apply", "--timeout", "10s", config=config)
        eq(late.code, 3, late)
        assert "not now" in late.err and time.monotonic() - start < 15, late
    eq(program.record()["data"]["run"], "", "nobody waits for a mark")
    program.apply()
    program.patch(path_of(program, "meshc-cart"), {"metadata": {"finalizers": ["meshc.test/hold"]}})
    held = program.run("delete", "--yes", "--timeout", "8s")
    eq(held.code, 3, held)
    assert "meshc.test/hold" in held.err, held
    eq(program.record()["data"], {"run": "", "revision": "1"})
    program.patch(path_of(program, "meshc-cart"), {"metadata": {"finalizers": None}})
    program.json("delete", "--yes")
    eq((program.configs(), program.record(), program.secrets()), ({}, None, []))


@check
def a_finalizer_that_goes_in_time(server, meshc):
    """`delete` waits for it, and only then takes the Services away."""
    program = Program(server, meshc)
    program.apply()
    name = next(iter(program.configs()))
    program.patch(path_of(program, name), {"metadata": {"finalizers": ["meshc.test/hold"]}})
    seen = []

    def release():
        seen.append(len(program.services()))
        program.patch(path_of(program, name), {"metadata": {"finalizers": None}})

    timer = threading.Timer(2, release)
    timer.start()
    program.json("delete", "--yes")
    timer.join()
    eq((seen, len(program.services())), ([5], 3), "the versions' Services stay while their object does")
    eq((program.configs(), program.record()), ({}, None))


@check
def a_namespace_that_is_being_deleted(server, meshc):
    """It is not a question of permission, and what is there can still be deleted."""
    new, old = Program(server, meshc), Program(server, meshc, CART)
    old.apply()
    # No controllers run here: a namespace that is deleted stays, and says so.
    for program in (new, old):
        server.call("DELETE", f"/api/v1/namespaces/{program.namespace}")
    result = new.run("apply")
    eq(result.code, 3, result)
    assert "is being deleted" in result.err and "permission" not in result.err, result
    eq((new.members(), new.record()), ([], None))
    old.write(split(60))
    result = old.run("apply")
    eq(result.code, 3, result)
    assert "is being deleted" in result.err, result
    eq(list(old.configs()), ["meshc-cart"])
    old.json("delete", "--yes")
    eq((old.configs(), old.record()), ({}, None))
