"""Large objects and revisions, several namespaces, and objects of the whole cluster."""

import json
import subprocess

from deploy.basics import CLUSTER_ROLE, ROLE, grant
from deploy.check import check, eq
from deploy.program import PART_OF, Program
from deploy.server import DEPLOYER, VISITOR

CART = "route cart:5000 to cart\n"
LARGEST = 1 << 20
WIDE = ["get", "create", "patch", "delete"]
CCEC = "/apis/cilium.io/v2/ciliumclusterwideenvoyconfigs"


def large(texts):
    """A route of many rules, each with a text of some length."""
    rules = (f'  when header x-n{n} = "{"x" * length}" {{ to cart }}\n' for n, length in enumerate(texts))
    return f"route cart:5000 {{\n{''.join(rules)}  to cart\n}}\n"


def size(program, texts):
    """The bytes of the one object, with the labels of the set and of the content, as compact JSON."""
    program.write(large(texts))
    command = [program.meshc, "compile", "-o", "json"]
    done = subprocess.run(command, cwd=program.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (item,) = json.loads(done.stdout)["items"]
    labels = {PART_OF: "applyset-" + "x" * 43 + "-v1", "meshc.dev/content": "x" * 16}
    item["metadata"].setdefault("labels", {}).update(labels)
    return len(json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode())


@check
def an_object_of_just_one_mebibyte(server, meshc):
    """It is applied, twice without a write; a byte more is refused before anything is written."""
    program = Program(server, meshc)
    few, more = (size(program, [4000] * count + [1]) for count in (10, 11))
    texts = [4000] * (10 + (LARGEST - few) // (more - few)) + [1]
    texts[-1] += LARGEST - size(program, texts)
    eq(size(program, texts), LARGEST)
    texts[-1] += 1
    program.write(large(texts))
    refused = program.run("apply")
    eq(refused.code, 3, refused.err[-500:])
    assert "a cluster takes 1 MiB" in refused.err, refused.err[-500:]
    eq((program.members(), program.record(), program.secrets()), ([], None, []))
    texts[-1] -= 1
    program.write(large(texts))
    program.apply()
    eq(program.apply()["writes"], 0)
    program.json("delete", "--yes")


@check
def several_namespaces(server, meshc):
    """A set's objects may be in many; its record says in which, and what leaves one is pruned there."""
    program, other = Program(server, meshc, CART), Program(server, meshc)
    program.write(f"route {other.namespace}/web:5000 to {other.namespace}/web\n", "other.mesh")
    program.apply()
    eq((list(program.configs()), list(other.configs())), (["meshc-cart"], ["meshc-web"]))
    note = "applyset.kubernetes.io/additional-namespaces"
    eq(program.record()["metadata"]["annotations"][note], other.namespace)
    eq(program.apply()["writes"], 0)
    (program.folder / "other.mesh").unlink()
    program.apply("--yes")
    eq((list(program.configs()), list(other.configs())), (["meshc-cart"], []))
    eq(program.record()["metadata"]["annotations"][note], "")
    program.json("rollback", "1")
    eq(list(other.configs()), ["meshc-web"])
    program.json("delete", "--yes")
    eq((program.configs(), other.configs(), program.record()), ({}, {}, None))


def wide(server):
    return {item["metadata"]["name"] for item in server.call("GET", CCEC)["items"]}


@check
def objects_of_the_whole_cluster(server, meshc):
    """Applied, changed, pruned and deleted as the others are; with the documented permissions on them."""
    program = Program(server, meshc)
    program.write(f"scope cluster\nroute {program.namespace}/cart:5000 to {program.namespace}/cart\n")
    name = f"meshc-{program.namespace}.cart"
    grant(server, program.namespace, ROLE)
    config = server.kubeconfig(DEPLOYER)
    refused = program.run("apply", config=config)
    eq(refused.code, 3, refused)
    eq((name in wide(server), program.record()), (False, None))
    rbac = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    rule = {"apiGroups": ["cilium.io"], "resources": ["ciliumclusterwideenvoyconfigs"], "verbs": WIDE}
    role = server.call("GET", f"{rbac}/deployer-{program.namespace}")
    server.call("PUT", f"{rbac}/deployer-{program.namespace}", {**role, "rules": [*CLUSTER_ROLE, rule]})
    program.apply(config=config)
    assert name in wide(server)
    eq(program.apply(config=config)["writes"], 0)
    program.write(CART, "cart.mesh")
    program.write("# none\n")
    refused = program.run("apply", "--prune=false", config=config)
    eq(refused.code, 4, refused)
    program.apply("--yes", config=config)
    assert name not in wide(server)
    program.json("rollback", "1", "--yes", config=config)
    assert name in wide(server) and not program.configs()
    program.json("delete", "--yes", config=config)
    assert name not in wide(server)


@check
def without_the_lists_of_the_cluster(server, meshc):
    """Who cannot list one of the two kinds everywhere cannot know who steers what: nothing is written."""
    rbac = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    for resource in CLUSTER_ROLE[0]["resources"]:
        program = Program(server, meshc, CART)
        grant(server, program.namespace, ROLE, "visitor")
        role = server.call("GET", f"{rbac}/visitor-{program.namespace}")
        role["rules"] = [{"apiGroups": ["cilium.io"], "resources": [resource], "verbs": ["list"]}]
        server.call("PUT", f"{rbac}/visitor-{program.namespace}", role)
        refused = program.run("apply", "--timeout", "20s", config=server.kubeconfig(VISITOR))
        eq(refused.code, 3, refused)
        eq((program.members(), program.record(), program.secrets()), ([], None, []))
        # The next turn must not have what this one had.
        for kind in ("clusterroles", "clusterrolebindings"):
            server.call("DELETE", f"{rbac.replace('clusterroles', kind)}/visitor-{program.namespace}")
