"""The cluster as the catalog, and what on it stands in the way: said before anything is written."""

import json
import re

from deploy.check import check, eq
from deploy.program import CEC, Program
from deploy.proxy import Fault, Proxy
from deploy.server import ADMIN

CCEC = "/apis/cilium.io/v2/ciliumclusterwideenvoyconfigs"
CART = "route cart:5000 to cart\n"


def config(name, service, ports=None, namespace=None):
    """A configuration of somebody else that steers a service."""
    steered = {"name": service} | ({"ports": ports} if ports else {}) | ({"namespace": namespace} if namespace else {})
    return {"metadata": {"name": name}, "spec": {"services": [steered], "resources": []}}


def post(program, path, kind, body):
    return program.server.call("POST", path, {"apiVersion": "cilium.io/v2", "kind": kind, **body})


def refused(program, *words, code=4, arguments=()):
    """The command says no with these words, and nothing is there."""
    result = program.run("apply", *arguments)
    eq(result.code, code, result)
    for word in words:
        assert word in result.err, f"{word} is not in {result}"
    eq((program.members(), program.record(), program.secrets()), ([], None, []))


@check
def another_object_steers_it(server, meshc):
    """By hand, by Gateway API, by Ingress, by another set, clusterwide: each is named with what to do."""
    cases = [
        (config("by-hand", "cart"), "delete one of the two"),
        (config("same-port", "cart", [5000]), "delete one of the two"),
        (config("cilium-gateway-shop", "cart"), "Gateway API"),
        (config("cilium-ingress-default-shop", "cart"), "Ingress"),
    ]
    for body, word in cases:
        program = Program(server, meshc, CART)
        post(program, CEC.format(program.namespace), "CiliumEnvoyConfig", body)
        refused(program, body["metadata"]["name"], f"{program.namespace}/cart", word)
    program = Program(server, meshc, CART)
    name = f"wide-{program.namespace}"
    post(program, CCEC, "CiliumClusterwideEnvoyConfig", config(name, "cart", namespace=program.namespace))
    try:
        refused(program, f"CiliumClusterwideEnvoyConfig {name}")
    finally:
        server.call("DELETE", f"{CCEC}/{name}")
    program.apply()


@check
def what_does_not_touch_is_no_rival(server, meshc):
    """Another port, another namespace, another service."""
    program, other = Program(server, meshc, CART), Program(server, meshc, CART)
    for path, body in (
        (program, config("other-service", "web")),
        (other, config("other-namespace", "cart")),
    ):
        post(path, CEC.format(path.namespace), "CiliumEnvoyConfig", body)
    if server.target != "cilium-1.14":
        post(program, CEC.format(program.namespace), "CiliumEnvoyConfig", config("other-port", "cart", [81]))
    program.apply()


@check
def a_member_that_stays_is_a_rival(server, meshc):
    """`--prune=false` must not leave two objects for one service."""
    program = Program(server, meshc, "route cart:5000, web:5000 to cart:5000\n")
    program.apply()
    program.write("route web:5000 to web\n")
    result = program.run("apply", "--prune=false")
    eq(result.code, 4, result)
    assert "meshc-cart" in result.err and "--prune=false" in result.err, result
    eq(list(program.configs()), ["meshc-cart"])
    program.apply("--yes")
    eq(list(program.configs()), ["meshc-web"])


@check
def a_rival_on_the_last_page_is_found(server, meshc):
    """Lists come in pages of at most 50, packed, and all of them are read."""
    program, other = Program(server, meshc, CART), Program(server, meshc, CART)
    for number in range(120):
        post(other, CEC.format(other.namespace), "CiliumEnvoyConfig", config(f"x{number:03}", f"x{number}"))
    encodings = set()

    class Notes(Fault):
        """Notes what the sender of a list can unpack."""

        def before(self, handler):
            encodings.add(handler.headers.get("accept-encoding"))
            return False

    with Proxy(server, lambda n, method, path: Notes() if "limit=" in path else None) as proxy:
        program.apply(config=server.kubeconfig(ADMIN, proxy.url))
    eq(encodings, {"gzip"})
    lists = [path for method, path in proxy.seen if method == "GET" and "limit=" in path]
    assert all("limit=50" in path for path in lists), lists
    pages = [path for path in lists if path.startswith("/apis/cilium.io/v2/ciliumenvoyconfigs?")]
    assert len(pages) >= 3 and "continue=" in pages[-1], pages
    program.json("delete", "--yes")
    # Names in etcd are in order: a namespace that begins with `z` is on the last page.
    namespace = f"z{program.namespace}"
    server.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    body = config("last", "cart", namespace=program.namespace)
    post(program, CEC.format(namespace), "CiliumEnvoyConfig", body)
    refused(program, f"{namespace}/last")


@check
def a_service_that_sticks_by_address(server, meshc):
    """Cilium does not steer it: said by the compiler when the cluster is the catalog, else before a write."""
    program = Program(server, meshc, CART)
    path = f"/api/v1/namespaces/{program.namespace}/services/cart"
    program.patch(path, {"spec": {"sessionAffinity": "ClientIP"}})
    refused(program, "sessionAffinity", code=1)
    catalog = program.folder.parent / f"{program.namespace}.json"
    ports = {"ports": [{"name": "http", "port": 5000}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "cart"}, "spec": ports}
    catalog.write_text(json.dumps(service))
    refused(program, "sessionAffinity", f"{program.namespace}/cart", code=3, arguments=["--catalog", str(catalog)])
    program.patch(path, {"spec": {"sessionAffinity": "None"}})
    program.apply("--catalog", str(catalog))


@check
def a_service_or_port_that_is_missing(server, meshc):
    """A rollback compiles nothing: what the old objects speak of is looked up all the same."""
    program = Program(server, meshc, "route cart:5000 to web:5000\n")
    program.apply()
    program.write("route helloworld:5000 to helloworld\n")
    program.apply("--yes")
    services = f"/api/v1/namespaces/{program.namespace}/services"
    before = program.versions()
    for name, words in (("cart", "steers the Service"), ("web", "leads to the Service")):
        live = server.call("GET", f"{services}/{name}")
        server.call("DELETE", f"{services}/{name}")
        result = program.run("rollback", "1", "--yes")
        eq(result.code, 3, result)
        assert words in result.err and "does not have" in result.err, result
        ports = {"selector": {"app": name}, "ports": [{"name": "http", "port": 6000}]}
        server.call("POST", services, {"metadata": {"name": name}, "spec": ports})
        result = program.run("rollback", "1", "--yes")
        eq(result.code, 3, result)
        assert "5000" in result.err, result
        server.call("DELETE", f"{services}/{name}")
        server.call("POST", services, {"metadata": {"name": name}, "spec": {k: live["spec"][k] for k in ("selector", "ports")}})
    eq(program.versions()[1], before[1], "the record is as it was")
    program.json("rollback", "1", "--yes")
    eq(list(program.configs()), ["meshc-cart"])


@check
def the_catalog_has_the_namespaces_that_are_spoken_of(server, meshc):
    """Services of other namespaces count, and a nearest name is offered."""
    other = Program(server, meshc, CART)
    program = Program(server, meshc, f"route cart:5000 to {other.namespace}/web\n")
    program.apply()
    (live,) = program.configs().values()
    eq(live["spec"]["backendServices"][0]["namespace"], other.namespace)
    program.write(f"route cart:5000 to {other.namespace}/wep\n")
    result = program.run("apply")
    eq(result.code, 1, result)
    assert re.search(r"wep", result.err) and "web" in result.err, result
