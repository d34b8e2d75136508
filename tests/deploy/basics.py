"""What apply and its neighbours do where nothing goes wrong, and where somebody else is there."""

import concurrent.futures
import json
import random
import subprocess

from deploy.check import check, eq
from deploy.program import CEC, PART_OF, Program, split
from deploy.server import DEPLOYER, STRANGER

def config_name(program):
    return next(iter(program.configs()))


@check
def apply_and_nothing_to_do(server, meshc):
    program = Program(server, meshc)
    report = program.apply()
    eq(sorted(set(program.words(report).values())), ["created"])
    eq((report["revision"], len(report["objects"])), (1, 3))
    eq(len(program.members()), 3)
    before = program.versions()
    report = program.apply()
    eq(set(program.words(report).values()), {"unchanged"})
    eq((report["writes"], report["revision"]), (0, 1))
    eq(program.versions(), before, "a repeated apply writes nothing")
    eq(program.run("status").code, 0)
    eq(program.run("diff").code, 0)
    eq(program.record()["data"], {"run": "", "revision": "1"})


@check
def dry_run_writes_nothing(server, meshc):
    program = Program(server, meshc)
    report = program.apply("--dry-run")
    eq((set(program.words(report).values()), report["writes"]), ({"created"}, 0))
    eq((program.members(), program.record()), ([], None))


@check
def change(server, meshc):
    program = Program(server, meshc)
    program.apply()
    program.write(split(50))
    difference = program.json("diff", code=1)
    eq([o["change"] for o in difference["objects"]], ["changed"])
    assert any(".weight" in f["path"] for f in difference["objects"][0]["fields"]), difference
    words = program.words(program.apply())
    eq(sorted(words.values()), ["changed", "unchanged", "unchanged"])
    eq(program.run("diff").code, 0)


@check
def adoption(server, meshc):
    """Objects of the same content that another tool made become ours, without a change of content."""
    program = Program(server, meshc)
    for item in _compiled(program):
        kind = "services" if item["kind"] == "Service" else "ciliumenvoyconfigs"
        root = "/api/v1" if item["kind"] == "Service" else "/apis/cilium.io/v2"
        path = f"{root}/namespaces/{program.namespace}/{kind}?fieldManager=kubectl-create"
        server.call("POST", path, item)
    report = program.apply()
    eq(len(report["objects"]), 3)
    managers = [e["manager"] for item in program.members() for e in item["metadata"]["managedFields"]]
    eq(managers.count("meshc"), 3)
    program.write(split(50))
    program.apply("--force-conflicts")
    eq(program.apply()["writes"], 0)


def _compiled(program):
    catalog = program.folder.parent / f"{program.namespace}.json"
    catalog.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": i["metadata"]["name"]}, "spec": i["spec"]}
        for i in program.services().values()
    ]}))  # fmt: skip
    command = [program.meshc, "compile", "-o", "json", "--catalog", str(catalog)]
    done = subprocess.run(command, cwd=program.folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["items"]


@check
def prune(server, meshc):
    program = Program(server, meshc)
    program.write("route cart:5000 to cart\n", "cart.mesh")
    program.apply()
    gone = next(name for name in program.configs() if "cart" in name)
    (program.folder / "cart.mesh").unlink()
    before = program.versions()
    refused = program.run("apply")
    eq(refused.code, 2, refused)
    assert gone in refused.err and "--yes" in refused.err, refused
    eq(program.versions(), before, "nothing is written without a yes")
    eq(sorted(program.words(program.apply("--prune=false")).values()), ["unchanged"] * 3)
    words = program.words(program.apply("--yes"))
    eq(words[f"CiliumEnvoyConfig {gone}"], "pruned")
    assert gone not in program.configs()
    eq(program.apply()["writes"], 0)


@check
def prune_touches_only_its_own(server, meshc):
    """Another set's object, and one whose label was taken away, stay."""
    program = Program(server, meshc)
    program.write("route cart:5000 to cart\n", "cart.mesh")
    program.write("route web:5000 to web\n", "web.mesh")
    program.apply()
    names = program.configs()
    cart, web = (next(n for n in names if word in n) for word in ("cart", "web"))
    path = CEC.format(program.namespace)
    program.patch(f"{path}/{cart}", {"metadata": {"labels": {PART_OF: None}}})
    program.patch(f"{path}/{web}", {"metadata": {"labels": {PART_OF: "applyset-other-v1"}}})
    for file in ("cart.mesh", "web.mesh"):
        (program.folder / file).unlink()
    program.apply("--yes")
    assert {cart, web} <= set(program.configs())


@check
def never_to_nothing(server, meshc):
    program = Program(server, meshc, "route cart:5000 to cart\n")
    program.apply()
    program.write("# nothing\n")
    refused = program.run("apply", "--yes")
    eq(refused.code, 3, refused)
    assert "--allow-empty" in refused.err, refused
    eq(len(program.members()), 1)
    program.apply("--yes", "--allow-empty")
    eq(program.members(), [])


@check
def conflict(server, meshc):
    program = Program(server, meshc)
    program.apply()
    name = config_name(program)
    path = f"{CEC.format(program.namespace)}/{name}"
    resources = program.configs()[name]["spec"]["resources"]
    resources[0]["name"] = "edited"
    program.patch(path, {"spec": {"resources": resources}})
    program.write(split(50))
    before = program.versions()
    refused = program.run("apply")
    eq(refused.code, 4, refused)
    for word in (".spec.resources[0].name", "kubectl-edit", '"edited"', "--force-conflicts"):
        assert word in refused.err, f"{word} is not in {refused}"
    eq(program.versions(), before, "a conflict writes nothing")
    eq(program.run("apply", "--force-conflicts").code, 0)
    eq(program.run("status").code, 0)


@check
def drift(server, meshc):
    program = Program(server, meshc)
    program.apply()
    name = config_name(program)
    path = f"{CEC.format(program.namespace)}/{name}"
    program.patch(path, {"metadata": {"annotations": {"theirs": "1"}, "labels": {"theirs": "1"}}})
    eq(program.run("status").code, 0, "what is not ours is no drift")
    eq(program.apply()["writes"], 0)
    program.patch(path, {"spec": {"services": []}})
    status = program.json("status", code=1)
    eq(sorted(o["state"] for o in status["objects"]), ["drifted", "in sync", "in sync"])
    eq(program.run("diff").code, 1)
    server.call("DELETE", f"/api/v1/namespaces/{program.namespace}/services/helloworld-v1")
    status = program.json("status", code=1)
    eq(sorted(o["state"] for o in status["objects"]), ["drifted", "in sync", "missing"])
    program.apply("--force-conflicts")
    eq(program.run("status").code, 0)
    text = program.run("status").out
    assert "not seen" in text and "accepted" not in text, text


@check
def rollback(server, meshc):
    program = Program(server, meshc)
    program.apply()
    first = program.configs()[config_name(program)]["spec"]
    program.write(split(50))
    program.write("route cart:5000 to cart\n", "cart.mesh")
    program.apply()
    eq(program.run("rollback").code, 2, "what goes needs a yes")
    report = program.json("rollback", "--yes")
    eq(report["revision"], 3)
    eq(list(program.configs()), [n for n in program.configs() if "helloworld" in n])
    eq(program.configs()[config_name(program)]["spec"], first)
    eq(program.run("status").code, 0)
    history = program.json("history")["revisions"]
    eq([(m["revision"], m["of"], m["who"]) for m in history], [(1, None, "admin"), (2, None, "admin"), (3, 1, "admin")])
    eq(program.json("diff", "--revision", "1", code=1)["objects"][0]["change"], "created")
    eq(program.json("rollback", "2")["revision"], 4)
    eq(program.run("diff").code, 0)
    eq(program.run("rollback", "99").code, 3)


@check
def history_has_a_limit(server, meshc):
    program = Program(server, meshc)
    for turn in range(13):
        program.write(split(50 + turn))
        program.apply()
    history = program.json("history")["revisions"]
    eq([m["revision"] for m in history], list(range(4, 14)))
    eq(len(program.secrets()), 10)


@check
def a_large_revision_is_split(server, meshc):
    """What does not compress fills several Secrets, and comes back whole."""
    rng = random.Random(7)
    text = "".join("# " + "".join(rng.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(200)) + "\n" for _ in range(2500))
    program = Program(server, meshc)
    for part in range(2):
        program.write(text + f"# {part}\n", f"part{part}.mesh")
    program.write(split() + text)
    program.apply()
    assert len(program.secrets()) > 1, "this revision does not fit into one Secret"
    eq(program.run("status").code, 0)


@check
def delete(server, meshc):
    program = Program(server, meshc)
    program.apply()
    eq(program.run("delete").code, 2)
    eq(len(program.members()), 3)
    eq(len(program.json("delete", "--dry-run")["objects"]), 3)
    report = program.json("delete", "--yes")
    eq([o["kind"] for o in report["objects"]], ["CiliumEnvoyConfig", "Service", "Service"])
    eq((program.members(), program.record(), program.secrets()), ([], None, []))
    eq(program.json("delete", "--yes")["existed"], False)
    eq(program.apply()["revision"], 1, "a set can be applied again")


@check
def finalizer(server, meshc):
    program = Program(server, meshc, "route cart:5000 to cart\n")
    program.apply()
    path = f"{CEC.format(program.namespace)}/{config_name(program)}"
    program.patch(path, {"metadata": {"finalizers": ["meshc.test/hold"]}})
    refused = program.run("delete", "--yes", "--timeout", "3s")
    eq(refused.code, 3, refused)
    assert "meshc.test/hold" in refused.err, refused
    leaving = program.run("apply", "--timeout", "40s")
    eq(leaving.code, 3, leaving)
    assert "being deleted" in leaving.err, leaving
    program.patch(path, {"metadata": {"finalizers": None}})
    eq(program.run("delete", "--yes").code, 0)
    eq(program.record(), None)


@check
def two_sets(server, meshc):
    """A set never takes another one's object, even with force; nor does it steer what another steers."""
    one = Program(server, meshc, "route cart:5000 to cart\n")
    one.apply()
    one.settings("other")
    refused = one.run("apply", "--force-conflicts")
    eq(refused.code, 4, refused)
    assert "another set" in refused.err or "steers" in refused.err, refused


@check
def steered_by_another(server, meshc):
    program = Program(server, meshc, "route cart:5000 to cart\nroute web:5000 to web\n")
    foreign = {
        "apiVersion": "cilium.io/v2", "kind": "CiliumEnvoyConfig", "metadata": {"name": "cilium-gateway-x"},
        "spec": {"services": [{"name": "cart", "namespace": program.namespace}], "resources": []},
    }  # fmt: skip
    server.call("POST", CEC.format(program.namespace), foreign)
    refused = program.run("apply")
    eq(refused.code, 4, refused)
    assert "cilium-gateway-x" in refused.err and "cart" in refused.err, refused
    eq(program.members(), [])
    server.call("DELETE", f"{CEC.format(program.namespace)}/cilium-gateway-x")
    server.call("DELETE", f"/api/v1/namespaces/{program.namespace}/services/web")
    program.service("web", {"service.cilium.io/lb-l7": "enabled"})
    refused = program.run("apply")
    eq(refused.code, 4, refused)
    assert "lb-l7" in refused.err, refused


@check
def the_catalog_is_the_cluster(server, meshc):
    program = Program(server, meshc, "route nowhere:5000 to nowhere\n")
    refused = program.run("apply")
    eq(refused.code, 1, refused)
    assert "nowhere" in refused.err, refused
    program.write("route cart:81 to cart\n")
    eq(program.run("apply").code, 1)
    program.write("route cart:http to cart\n")
    eq(program.run("apply").code, 0)


@check
def foreign_record(server, meshc):
    """A ConfigMap of the record's name that is not the record is left alone."""
    program = Program(server, meshc)
    path = f"/api/v1/namespaces/{program.namespace}/configmaps"
    server.call("POST", path, {"metadata": {"name": "meshc-shop"}, "data": {"a": "b"}})
    refused = program.run("apply")
    eq(refused.code, 4, refused)
    eq((program.record()["data"], program.members()), ({"a": "b"}, []))


@check
def unknown_field_of_an_old_definition(server, meshc):
    """A field that the cluster would drop in silence is refused by the dry run, and nothing is written."""
    program = Program(server, meshc)
    group = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ciliumenvoyconfigs.cilium.io"
    crd = server.call("GET", group)
    properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    services = properties["services"]["items"]["properties"]
    if "ports" not in services:
        refused = program.run("apply", "--target", "cilium-1.20")
        eq(refused.code, 3, refused)
        assert "ports" in refused.err, refused
        eq((program.members(), program.record()), ([], None))
        program.apply("--target", "cilium-1.14")


ROLE = [
    {"apiGroups": ["cilium.io"], "resources": ["ciliumenvoyconfigs"], "verbs": ["get", "create", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "create", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "update", "delete"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "create", "delete"]},
]
CLUSTER_ROLE = [
    {"apiGroups": ["cilium.io"], "resources": ["ciliumenvoyconfigs", "ciliumclusterwideenvoyconfigs"], "verbs": ["list"]}
]


def grant(server, namespace, rules, user="deployer"):
    """Gives a user a Role in a namespace, and the list of both kinds in the whole cluster."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    subject = [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}]
    server.call("POST", f"{rbac}/namespaces/{namespace}/roles", {"metadata": {"name": user}, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user}
    body = {"metadata": {"name": user}, "subjects": subject, "roleRef": reference}
    server.call("POST", f"{rbac}/namespaces/{namespace}/rolebindings", body)
    name = f"{user}-{namespace}"
    server.call("POST", f"{rbac}/clusterroles", {"metadata": {"name": name}, "rules": CLUSTER_ROLE})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    body = {"metadata": {"name": name}, "subjects": subject, "roleRef": reference}
    server.call("POST", f"{rbac}/clusterrolebindings", body)


@check
def exactly_the_documented_role(server, meshc):
    program = Program(server, meshc)
    grant(server, program.namespace, ROLE)
    config = server.kubeconfig(DEPLOYER)
    program.apply(config=config)
    program.write(split(50))
    program.write("route cart:5000 to cart\n", "cart.mesh")
    program.apply(config=config)
    program.json("rollback", "--yes", config=config)
    eq(program.json("history", config=config)["revisions"][0]["who"], "deployer")
    eq(program.run("status", config=config).code, 0)
    program.json("delete", "--yes", config=config)
    eq((program.members(), program.record(), program.secrets()), ([], None, []))


@check
def each_verb_of_the_role_is_needed(server, meshc):
    """Without any one of them something of the life of a set is refused, and apply writes no half."""

    def without(index, verb):
        program = Program(server, meshc)
        rules = [dict(rule) for rule in ROLE]
        rules[index]["verbs"] = [v for v in rules[index]["verbs"] if v != verb]
        user = f"u{program.namespace}"
        grant(server, program.namespace, rules, "stranger")
        config = server.kubeconfig(STRANGER)
        # A 403 of the first run is looked at twice: a server that starts says it too.
        codes = [program.run("apply", config=config).code]
        program.write(split(50))
        program.write("route cart:5000 to cart\n", "cart.mesh")
        codes.append(program.run("apply", config=config, limit=180).code)
        codes.append(program.run("delete", "--yes", config=config, limit=180).code)
        return (ROLE[index]["resources"][0], verb, user), codes

    pairs = [(index, verb) for index, rule in enumerate(ROLE) for verb in rule["verbs"]]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda pair: without(*pair), pairs))
    for (resource, verb, _), codes in results:
        # `get` is only for what a lost answer leaves open.
        if verb != "get" or resource == "configmaps":
            assert 3 in codes, f"{verb} on {resource}: {codes}"
