"""The whole way: `apply` to a real API server, what it holds read back, through Cilium's own controller to a
real Envoy: whole.py MESHC ETCD KUBE-APISERVER ENVOY PROTOTEXT2JSON CONTROLLER-1.18 CONTROLLER-1.20"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from behaviour import client  # noqa: E402
from behaviour.backend import Backend  # noqa: E402
from behaviour.proxy import Proxy, free_port  # noqa: E402
from deploy.check import eq  # noqa: E402
from deploy.program import Program  # noqa: E402
from deploy.run import run_one  # noqa: E402
from deploy.server import Server  # noqa: E402
from harness import bootstrap, controller  # noqa: E402

POLICY = """\
service helloworld {
  selector app=helloworld
  version v1
  version v2
}

route helloworld {
  when header x-canary exists { to v2 }
  when path prefix "/old" { rewrite prefix "/old" to "/new" }
  to v1
}
"""
BOTH = "route cart:5000, web:5000 to cart:5000\n"
WEB = "route web:5000 to web\n"


class Parts:
    """Envoy, the controllers of two releases, and what reads their output."""

    def __init__(self, envoy, prototext2json, old, new):
        self.envoy, self.prototext2json, self.old, self.new = envoy, prototext2json, old, new

    def run(self, cases, old=False):
        return controller.run(self.old if old else self.new, self.prototext2json, cases)


def stored(items, kind, version):
    """Objects as the API server holds them; a list does not say what its items are."""
    return [{"apiVersion": version, "kind": kind, **item} for item in items]


def read_back(program):
    """The configurations, and all Services beside them."""
    configs = stored(program.configs().values(), "CiliumEnvoyConfig", "cilium.io/v2")
    return configs, stored(program.services().values(), "Service", "v1")


def requests_as_the_policy_says(parts, server, meshc):
    program = Program(server, meshc, POLICY)
    program.apply()
    configs, services = read_back(program)
    backends = {name: Backend(name) for name in ("helloworld-v1", "helloworld-v2")}
    proxy = None
    try:
        endpoints = {f"{program.namespace}/{n}": [(["127.0.0.1"], {5000: b.port})] for n, b in backends.items()}
        case = controller.Case("whole", configs, services, endpoints)
        (result,) = parts.run([case])
        eq(controller.problems(case, result), [])
        eq(result.redirects, {f"{program.namespace}/helloworld": [5000]})
        port = free_port()
        address = bootstrap.socket_address("127.0.0.1", port)
        proxy = Proxy(parts.envoy, bootstrap.from_resources(result.resources, lambda _: address, "admin.sock"), [port])
        eq(client.get(port, "/", (), "GET", "shop.example", None).backend, "helloworld-v1")
        eq(client.get(port, "/", [("x-canary", "1")], "GET", "shop.example", None).backend, "helloworld-v2")
        answer = client.get(port, "/old/x?a=b", (), "GET", "shop.example", None)
        eq((answer.backend, answer.path), ("helloworld-v1", "/new/x?a=b"))
    finally:
        if proxy:
            proxy.close()
        for backend in backends.values():
            backend.close()


def leftovers(result):
    """The names of the configurations' resources that Envoy still has."""
    final = result.resources
    return sorted(item["name"] for kind in ("listeners", "clusters", "routes") for item in final[kind])


def a_deletion_as_an_agent_sees_it(parts, server, meshc):
    """An object that cannot be parsed is deleted in vain; what `meshc` put back before is not."""
    program = Program(server, meshc, WEB)
    program.apply()
    (good,), services = read_back(program)
    bad = {**good, "spec": {**good["spec"], "resources": [*good["spec"]["resources"], broken(good)]}}
    cases = [
        controller.Case("in vain", [good], services, steps=[("update", bad), ("delete", bad)]),
        controller.Case("put back", [good], services, steps=[("update", bad), ("update", good), ("delete", good)]),
    ]
    in_vain, put_back = parts.run(cases)
    assert leftovers(in_vain), "an agent takes the deletion of what it cannot parse: putting back is not needed"
    eq((leftovers(put_back), put_back.redirects), ([], {}))


def broken(good):
    """A resource by which an agent refuses the whole object: a listener that is there twice, differently."""
    listener = next(r for r in good["spec"]["resources"] if r["@type"].endswith(".Listener"))
    return {**listener, "statPrefix": "twice"}


def a_service_that_moves(parts, server, meshc):
    """In the order in which `apply` does it, the service is steered by the new object in the end: also when
    only one of several services moves."""
    program = Program(server, meshc, BOTH)
    program.apply()
    (both,), services = read_back(program)
    program.write(BOTH.split(",")[0] + " to cart\n" + WEB)
    program.apply()
    cart, web = (program.configs()[name] for name in ("meshc-cart", "meshc-web"))
    (cart, web), namespace = stored((cart, web), "CiliumEnvoyConfig", "cilium.io/v2"), program.namespace
    cases = [
        controller.Case("all", [both], services, steps=[("delete", both), ("add", web)]),
        controller.Case("one", [both], services, steps=[("update", cart), ("add", web)]),
    ]
    for old in (False, True):
        whole, part = parts.run(cases, old)
        eq(whole.redirects, {f"{namespace}/web": [5000]})
        eq(part.redirects, {f"{namespace}/cart": [5000], f"{namespace}/web": [5000]})


CHECKS = [requests_as_the_policy_says, a_deletion_as_an_agent_sees_it, a_service_that_moves]


def main():
    meshc, etcd, apiserver, *parts = sys.argv[1:]
    meshc, parts = str(pathlib.Path(meshc).resolve()), Parts(*parts)
    server = Server(etcd, apiserver, "1.20.2")

    def bound(check):
        def run(server, meshc):
            check(parts, server, meshc)

        run.__name__ = check.__name__
        return run

    try:
        passed = [run_one(bound(check), server, meshc) for check in CHECKS]
    finally:
        server.close()
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
