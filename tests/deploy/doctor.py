"""`doctor`, and the same checks before an apply writes."""

from deploy.agents import EXEC, LIST, allow
from deploy.basics import ROLE, grant
from deploy.check import check, eq
from deploy.cilium import Cilium
from deploy.program import Program, split
from deploy.proxy import Proxy, Says
from deploy.server import ADMIN, DEPLOYER, STRANGER

GOOD = {
    "enable-envoy-config": "true",
    "enable-l7-proxy": "true",
    "kube-proxy-replacement": "true",
    "external-envoy-proxy": "true",
}


def findings(program, *arguments, code=0, config=None):
    report = program.json("doctor", *arguments, code=code, config=config)
    return {f["subject"]: f for f in report["findings"]}


def states(found):
    return {subject: f["state"] for subject, f in found.items() if f["state"] != "ok"}


@check
def a_good_cluster(server, meshc):
    """Nothing to do, and each line says what was found."""
    program = Program(server, meshc)
    release = server.target.removeprefix("cilium-")
    with Cilium(server, f"quay.io/cilium/cilium:v{release}.3@sha256:00", ("a",), GOOD) as cilium:
        found = findings(program, *cilium.option)
        old = {"fields of CiliumEnvoyConfig": "look", "fields of CiliumClusterwideEnvoyConfig": "look"}
        eq(states(found), old if release == "1.14" else {})
        eq(found["API server"]["found"], "Kubernetes 1.34")
        eq(found["Cilium's release"]["found"], f"{release}.3")
        eq(found["Envoy"]["found"], "in a DaemonSet of its own")
        text = program.run("doctor", *cilium.option).out
        assert text.startswith("context `test`") and "enable-envoy-config: true" in text, text


@check
def what_cannot_be_seen_is_said(server, meshc):
    program = Program(server, meshc)
    with Cilium(server, nodes=()) as cilium:
        found = findings(program, *cilium.option)
        eq(states(found), {"Cilium's release": "look", "Cilium's settings": "look"})
        assert all(f["remedy"] for f in found.values() if f["state"] == "look"), found


@check
def permissions_are_those_of_apply(server, meshc):
    program = Program(server, meshc)
    config = server.kubeconfig(DEPLOYER)
    with Cilium(server, nodes=("a",), settings=GOOD) as cilium:
        grant(server, program.namespace, ROLE)
        seen = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["cilium-config"], "verbs": ["get"]}
        allow(server, cilium.namespace, [LIST, EXEC, seen])
        eq(states(findings(program, *cilium.option, config=config)), {}, "the documented Role is enough")


@check
def each_missing_permission_is_named(server, meshc):
    program = Program(server, meshc)
    config = server.kubeconfig(STRANGER)
    with Cilium(server, nodes=("a",), settings=GOOD) as cilium:
        rules = [dict(rule) for rule in ROLE]
        rules[2]["verbs"] = ["get", "create"]
        grant(server, program.namespace, rules, "stranger")
        found = findings(program, *cilium.option, code=3, config=config)
        own, theirs = f"in `{program.namespace}`", f"in `{cilium.namespace}`"
        eq(found[f"permission on configmaps {own}"]["found"], "without update, delete")
        eq(found[f"permission on pods/exec {theirs}"]["found"], "without get, create")
        wanted = {
            f"permission on configmaps {own}": "fails",
            f"permission on configmaps {theirs}": "look",
            f"permission on pods {theirs}": "look",
            f"permission on pods/exec {theirs}": "look",
            "Cilium's release": "look",
            "Cilium's settings": "look",
        }
        eq(states(found), wanted)


@check
def a_cluster_without_cilium(server, meshc):
    """What does not exist is not asked for: a review answers false for it."""
    program = Program(server, meshc)
    absent = Says(404, b"404 page not found", [("content-type", "text/plain")])
    with Proxy(server, lambda number, method, path: absent if "/apis/cilium.io" in path else None) as proxy:
        config = server.kubeconfig(ADMIN, proxy.url)
        found = findings(program, code=3, config=config)
        eq(found["Cilium's custom resources"]["state"], "fails")
        eq(found["permission on ciliumenvoyconfigs in all namespaces"]["state"], "look")
        refused = program.run("apply", "--target", server.target, config=config)
        eq(refused.code, 3, refused)
        assert "Cilium is not installed" in refused.err, refused
    eq((program.members(), program.record()), ([], None))


@check
def an_old_api_server(server, meshc):
    program = Program(server, meshc)
    version = Says(200, b'{"major": "1", "minor": "26+"}', [("content-type", "application/json")])
    with Proxy(server, lambda number, method, path: version if path.startswith("/version") else None) as proxy:
        found = findings(program, code=3, config=server.kubeconfig(ADMIN, proxy.url))
        eq((found["API server"]["state"], found["API server"]["found"]), ("fails", "Kubernetes 1.26"))


def stopped(program, cilium, *words, config=None):
    """An apply that ends before it writes, with these words."""
    refused = program.run("apply", *cilium.option, config=config)
    eq(refused.code, 3, refused)
    for word in (*words, "nothing was written"):
        assert word in refused.err, f"{word} is not in {refused}"
    eq((program.members(), program.record(), program.secrets()), ([], None, []))


@check
def settings_that_stop_an_apply(server, meshc):
    program = Program(server, meshc)
    for settings, word in (
        ({**GOOD, "enable-envoy-config": "false"}, "envoyConfig.enabled=true"),
        ({k: v for k, v in GOOD.items() if k != "enable-envoy-config"}, "envoyConfig.enabled=true"),
        ({**GOOD, "enable-l7-proxy": "false"}, "l7Proxy=true"),
    ):
        with Cilium(server, nodes=(), settings=settings) as cilium:
            eq(program.run("doctor", *cilium.option).code, 3)
            stopped(program, cilium, word)
    with Cilium(server, nodes=(), settings={**GOOD, "kube-proxy-replacement": "false"}) as cilium:
        found = findings(program, *cilium.option)
        eq(found["kube-proxy-replacement"]["state"], "look")
        program.apply(*cilium.option)


@check
def permissions_that_stop_an_apply(server, meshc):
    """Those that a dry run does not show: the record and the revisions."""
    config = server.kubeconfig(STRANGER)
    with Cilium(server, nodes=(), settings=GOOD) as cilium:
        for index, verb in ((2, "create"), (2, "update"), (3, "create")):
            program = Program(server, meshc)
            rules = [dict(rule) for rule in ROLE]
            rules[index]["verbs"] = [v for v in rules[index]["verbs"] if v != verb]
            grant(server, program.namespace, rules, "stranger")
            stopped(program, cilium, rules[index]["resources"][0], f"without {verb}", config=config)


@check
def a_prune_that_may_not_be_stops_before_it_writes(server, meshc):
    program = Program(server, meshc)
    config = server.kubeconfig(STRANGER)
    rules = [dict(rule) for rule in ROLE]
    rules[0]["verbs"] = ["get", "create", "patch"]
    grant(server, program.namespace, rules, "stranger")
    program.write("route cart:5000 to cart\n", "cart.mesh")
    program.apply(config=config)
    (program.folder / "cart.mesh").unlink()
    program.write(split(50))
    before = program.versions()
    refused = program.run("apply", "--yes", config=config)
    eq(refused.code, 3, refused)
    assert "without delete" in refused.err and "ciliumenvoyconfigs" in refused.err, refused
    eq(program.versions(), before)


@check
def the_target_is_the_clusters_own(server, meshc):
    program = Program(server, meshc)
    (program.folder / "meshc.toml").write_text(f'name = "shop"\nnamespace = "{program.namespace}"\n')
    release = server.target.removeprefix("cilium-")
    with Cilium(server, f"quay.io/cilium/cilium:v{release}.2", ("a",), GOOD) as cilium:
        applied = program.run("apply", *cilium.option)
        eq(applied.code, 0, applied)
        assert f"{server.target}.2" in applied.err, applied
        eq(program.run("apply", "--target", server.target, *cilium.option, "-o", "json").json["writes"], 0)
    with Cilium(server, "quay.io/cilium/cilium:v1.13.4", ("a",), GOOD) as cilium:
        refused = program.run("apply", *cilium.option)
        eq(refused.code, 3, refused)
        assert "1.13.4" in refused.err and "1.14" in refused.err, refused
        eq(findings(program, *cilium.option, code=3)["Cilium's release"]["state"], "fails")
    with Cilium(server, nodes=()) as cilium:
        assert "not seen" in program.run("diff", *cilium.option).err


@check
def a_target_newer_than_the_cluster(server, meshc):
    program = Program(server, meshc)
    (program.folder / "meshc.toml").write_text(
        f'name = "shop"\nnamespace = "{program.namespace}"\ntargets = ["cilium-1.20"]\n'
    )
    with Cilium(server, "quay.io/cilium/cilium:v1.16.9", ("a",), GOOD) as cilium:
        found = findings(program, *cilium.option)
        eq(found["the target cilium-1.20"]["state"], "look")
        assert "cilium-1.16" in found["the target cilium-1.20"]["remedy"], found
