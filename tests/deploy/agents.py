"""What the nodes' agents made of a set: `status`, and `apply --wait`."""

import json
import os
import time

from deploy import controller, envoy
from deploy.basics import ROLE, config_name, grant
from deploy.check import check, eq
from deploy.cilium import Cilium, balancer, dump, tables
from deploy.diffs import on_terminal
from deploy.program import CEC, Program, split
from deploy.server import DEPLOYER

CONTROLLERS = {
    "1.18": os.environ.get("MESHC_TEST_CONTROLLER_1_18", ""),
    "1.20": os.environ.get("MESHC_TEST_CONTROLLER_1_20", ""),
}
ENVOY = os.environ.get("MESHC_TEST_ENVOY", "")
NACK = "NACK: listener: Didn't find a registered implementation for 'envoy.filters.http.lua'"


def applied(server, meshc):
    program = Program(server, meshc)
    program.apply()
    return program


def agents(program, cilium, code=0):
    """The one configuration's agents as `status` tells them, and how long it took."""
    start = time.monotonic()
    report = program.json("status", *cilium.option, code=code)
    found = [o["agents"] for o in report["objects"] if o["agents"]]
    eq(len(found), 1, report)
    return found[0], time.monotonic() - start


def others(found):
    return {other["node"].split("-")[0]: (other["state"], other["text"]) for other in found["others"]}


@check
def accepted_by_all_nodes(server, meshc):
    program = applied(server, meshc)
    for release in (18, 19, 20):
        with Cilium(server) as cilium:
            for node in cilium.nodes:
                node.says(**tables(program.configs().values(), release))
            found, _ = agents(program, cilium)
            eq(found, {"accepted": 2, "nodes": 2, "others": []}, release)
            text = program.run("status", *cilium.option).out
            assert "accepted by 2 of 2 nodes" in text and "not seen" not in text, text
            eq(program.run("apply", "--wait", *cilium.option).code, 0)


@check
def objects_of_the_whole_cluster(server, meshc):
    program = Program(server, meshc, "")
    program.write(f"scope cluster\nroute {program.namespace}/cart:5000 to {program.namespace}/cart\n")
    program.apply()
    items = program.items("/apis/cilium.io/v2/ciliumclusterwideenvoyconfigs")
    own = [item for item in items if item["spec"]["services"][0]["namespace"] == program.namespace]
    with Cilium(server) as cilium:
        for node in cilium.nodes:
            node.says(**tables(own))
        eq(agents(program, cilium)[0], {"accepted": 2, "nodes": 2, "others": []})
        found = program.json("doctor", *cilium.option)["findings"]
        subject = "permission on ciliumclusterwideenvoyconfigs in all namespaces"
        eq([f["found"] for f in found if f["subject"] == subject], ["list, get, create, patch, delete"])
    eq(program.run("delete", "--yes").code, 0)


@check
def refused_with_the_text_of_the_agent(server, meshc):
    program = applied(server, meshc)
    with Cilium(server) as cilium:
        good, bad = cilium.nodes
        good.says(**tables(program.configs().values()))
        bad.says(**tables(program.configs().values(), kind="Error", error=NACK))
        found, _ = agents(program, cilium, code=1)
        eq((found["accepted"], others(found)), (1, {"b": ("refused", NACK)}))
        result = program.run("apply", "--wait", *cilium.option)
        eq(result.code, 3, result)
        assert NACK in result.err and bad.name in result.err, result
        assert config_name(program) in result.err, result


@check
def an_older_version_is_not_accepted(server, meshc):
    """The agent keeps what it had when it cannot read a new version: its status is still good."""
    program = applied(server, meshc)
    with Cilium(server, nodes=("a",)) as cilium:
        cilium.nodes[0].says(**tables(program.configs().values()))
        program.write(split(50))
        program.apply()
        found, _ = agents(program, cilium, code=1)
        state, text = others(found)["a"]
        assert state == "waiting" and "another version" in text, found
        result = program.run("apply", "--wait", "--timeout", "4s", *cilium.option)
        eq(result.code, 3, result)
        assert "in time" in result.err and "another version" in result.err, result


@check
def what_the_agent_left_out(server, meshc):
    """An agent leaves out a resource that it cannot read, and takes the rest of the object."""
    program = applied(server, meshc)
    with Cilium(server, nodes=("a",)) as cilium:
        config = next(iter(program.configs().values()))
        answers = tables([config])
        left = [{} if r["@type"].endswith(".RouteConfiguration") else r for r in config["spec"]["resources"]]
        row = json.loads(answers["configs"])
        row["Spec"]["resources"] = left
        cilium.nodes[0].says(**{**answers, "configs": json.dumps(row, indent=2)})
        state, text = others(agents(program, cilium, code=1)[0])["a"]
        assert state == "waiting" and "left out the RouteConfiguration" in text, text


@check
def a_service_that_is_not_steered(server, meshc):
    """Another object may have taken the service away."""
    program = applied(server, meshc)
    with Cilium(server, nodes=("a",)) as cilium:
        answers = tables(program.configs().values())
        for services in ("", answers["services"].replace("10123", "10124")):
            cilium.nodes[0].says(**{**answers, "services": services})
            found, _ = agents(program, cilium, code=1)
            state, text = others(found)["a"]
            assert state == "waiting" and f"{program.namespace}/helloworld" in text and "not steered" in text, found


@check
def agents_without_tables(server, meshc):
    """Up to 1.17: Envoy's configuration, and the load balancer's map."""
    program = applied(server, meshc)
    service = program.services()["helloworld"]
    address = service["spec"]["clusterIP"]
    with Cilium(server, nodes=("a",)) as cilium:
        node = cilium.nodes[0]
        configs = list(program.configs().values())
        node.says(envoy=dump(configs), balancer=balancer([address]))
        eq(agents(program, cilium)[0], {"accepted": 1, "nodes": 1, "others": []})
        node.says(balancer=balancer([address], steered=False))
        assert "not steered" in others(agents(program, cilium, code=1)[0])["a"][1]
        node.says(envoy=dump(configs, refused=NACK))
        eq(others(agents(program, cilium, code=1)[0]), {"a": ("refused", NACK)})
        node.says(envoy=dump(configs), balancer=balancer([address]))
        program.write(split(50))
        program.apply()
        state, text = others(agents(program, cilium, code=1)[0])["a"]
        assert state == "waiting" and "another version" in text, text
        node.says(envoy=dump(configs)[:300])
        eq(others(agents(program, cilium)[0])["a"][0], "not seen")


@check
def the_tables_of_ciliums_own_controllers(server, meshc):
    """What the agents of 1.18 and 1.20 really print for our objects, long lines broken as their client does."""
    for release, binary in CONTROLLERS.items():
        program = Program(server, meshc)
        program.write("route cart:5000 {\n  timeout 3s\n  50% cart, 50% web\n}\n", "cart.mesh")
        program.apply("--target", f"cilium-{release}")
        configs, services = list(program.configs().values()), list(program.services().values())
        printed = controller.tables(binary, configs, services)
        broken = {name: controller.broken(text) for name, text in printed.items()}
        with Cilium(server) as cilium:
            for node, answers in zip(cilium.nodes, (printed, broken)):
                node.says(**answers)
            for item in program.json("status", *cilium.option)["objects"]:
                if item["agents"]:
                    eq(item["agents"], {"accepted": 2, "nodes": 2, "others": []}, f"{release} {item['name']}")
            # One service less in the cluster, and another version.
            rest = [s for s in services if s["metadata"]["name"] != "cart"]
            cilium.nodes[0].says(**controller.tables(binary, configs, rest))
            found = {o["name"]: o["agents"] for o in program.json("status", *cilium.option, code=1)["objects"]}
            eq(others(found["meshc-helloworld"]), {}, release)
            assert "cart port 5000 is not steered" in others(found["meshc-cart"])["a"][1], found
            program.write(split(50))
            program.apply("--target", f"cilium-{release}")
            found = {o["name"]: o["agents"] for o in program.json("status", *cilium.option, code=1)["objects"]}
            assert "another version" in others(found["meshc-helloworld"])["b"][1], found
            eq(others(found["meshc-cart"]).get("b"), None, release)


MANY_CLAUSES = """
service cart circuit-breaker max-connections 200

route cart:5000 {
  50% cart, 50% web
  when path = "/a" and header version = "foo" {
    to web
    rewrite regex `^/foo.*$` to "/"
    timeout 250ms
  }
  when path prefix "/admin" and not header x-staff exists { respond 403 "staff only" }
  when path prefix "/search" { ratelimit 50/s burst 100 }
  retry 3 on 5xx per-try 1s
  response header set x-frame-options "DENY"
}

route web:5000 {
  protocol tcp
  95% web, 5% cart
  idle-timeout 1h
}
"""


@check
def the_word_of_a_real_envoy(server, meshc):
    """What a real Envoy says it has is recognized, whatever form it gives it; and what it refuses."""
    program = Program(server, meshc)
    program.write(MANY_CLAUSES, "many.mesh")
    program.apply("--target", "cilium-1.16")
    configs = list(program.configs().values())
    addresses = [program.services()[name]["spec"]["clusterIP"] for name in ("helloworld", "cart", "web")]

    def verdicts(cilium, code):
        objects = program.json("status", *cilium.option, code=code)["objects"]
        return {o["name"]: o["agents"] for o in objects if o["agents"]}

    with Cilium(server, nodes=("a",)) as cilium:
        node = cilium.nodes[0]
        node.says(envoy=envoy.dump(ENVOY, configs), balancer=balancer(addresses))
        accepted = {"accepted": 1, "nodes": 1, "others": []}
        eq(verdicts(cilium, 0), {c["metadata"]["name"]: accepted for c in configs})
        program.write(split(50))
        program.apply("--target", "cilium-1.16")
        found = verdicts(cilium, 1)
        assert "another version" in found.pop("meshc-helloworld")["others"][0]["text"]
        eq(set(map(str, found.values())), {str(accepted)}, "the others are as they were")

        def spoil(listener):
            listener["filter_chains"] *= 2

        node.says(envoy=envoy.dump(ENVOY, configs, spoil))
        found = verdicts(cilium, 1)
        eq({v["others"][0]["state"] for v in found.values()}, {"refused"}, found)
        assert all("filter chain" in v["others"][0]["text"] for v in found.values()), found


@check
def half_an_answer_counts_as_none(server, meshc):
    """Killed in the middle: the API server reports success, with what came until then."""
    program = applied(server, meshc)
    answers = tables(program.configs().values())
    cases = {
        "the node dies": "head -c 700 $here/resources; sleep 0.3; kill -9 {kubelet}",
        "the shell dies": "cat $here/resources; sleep 0.3; kill -9 $PPID",
        "the agent dies": "head -c 700 $here/resources; exit 0",
        "the command fails": "exit 1",
    }
    for what, script in cases.items():
        with Cilium(server) as cilium:
            good, bad = cilium.nodes
            good.says(**answers)
            bad.says(**answers, resources_sh=script.format(kubelet=bad.process.pid))
            found, took = agents(program, cilium)
            eq((found["accepted"], found["nodes"]), (1, 2), what)
            eq(others(found)["b"][0], "not seen", f"{what}: {found}")
            assert took < 15, (what, took)


@check
def an_agent_that_hangs(server, meshc):
    program = applied(server, meshc)
    with Cilium(server) as cilium:
        good, bad = cilium.nodes
        good.says(**tables(program.configs().values()))
        bad.says(**tables(program.configs().values()), services_sh="sleep 600")
        found, took = agents(program, cilium)
        assert took < 20, took
        eq((found["accepted"], others(found)["b"][0]), (1, "not seen"))
        assert "no whole answer" in others(found)["b"][1], found


@check
def a_node_that_is_gone(server, meshc):
    program = applied(server, meshc)
    with Cilium(server) as cilium:
        good, bad = cilium.nodes
        good.says(**tables(program.configs().values()))
        bad.close()
        found, _ = agents(program, cilium)
        eq((found["accepted"], others(found)["b"][0]), (1, "not seen"))
        server.call("DELETE", f"/api/v1/nodes/{bad.name}")
        found, _ = agents(program, cilium)
        eq((found["accepted"], others(found)["b"][0]), (1, "not seen"))


@check
def wait_until_the_last_node(server, meshc):
    program = Program(server, meshc)
    with Cilium(server) as cilium:
        process = program.start("apply", "--wait", "-o", "json", *cilium.option)
        try:
            end = time.monotonic() + 30
            while not program.configs():
                assert time.monotonic() < end, "nothing was applied"
                time.sleep(0.1)
            configs = list(program.configs().values())
            cilium.nodes[0].says(**tables(configs))
            cilium.nodes[1].says(**tables(configs, kind="Pending"))
            time.sleep(3)
            eq(process.poll(), None, "one node has not accepted")
            cilium.nodes[1].says(**tables(configs))
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
        eq(process.returncode, 0, err)
        assert "accepted" not in err and "\x1b" not in err, f"quiet where nobody looks: {err}"
        assert '"agents":{"accepted":2,"nodes":2,"others":[]}' in out.replace(" ", ""), out


@check
def progress_on_a_terminal(server, meshc):
    program = applied(server, meshc)
    with Cilium(server) as cilium:
        good, slow = cilium.nodes
        good.says(**tables(program.configs().values()))
        slow.says(**tables(program.configs().values(), kind="Pending"))
        code, shown = on_terminal(program, "stderr", "apply", "--wait", "--timeout", "4s", *cilium.option)
        eq(code, 3)
        for word in ("accepted 1 of 2", slow.name, config_name(program)):
            assert word.encode() in shown, f"{word} is not in {shown}"


@check
def wait_without_agents(server, meshc):
    """Nothing is claimed where nothing can be seen."""
    program = Program(server, meshc)
    with Cilium(server, nodes=()) as cilium:
        result = program.run("apply", "--wait", *cilium.option)
        eq(result.code, 3, result)
        assert "not seen" in result.err and cilium.namespace in result.err, result
        eq(len(program.configs()), 1, "it was applied")
        text = program.run("status", *cilium.option).out
        assert "not seen" in text and "accepted" not in text, text


def allow(server, namespace, rules):
    """Gives the deployer a Role in Cilium's namespace."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    server.call("POST", f"{rbac}/roles", {"metadata": {"name": "see"}, "rules": rules})
    subjects = [{"kind": "User", "name": "deployer", "apiGroup": "rbac.authorization.k8s.io"}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "see"}
    body = {"metadata": {"name": "see"}, "subjects": subjects, "roleRef": reference}
    server.call("POST", f"{rbac}/rolebindings", body)


LIST = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
EXEC = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get", "create"]}


@check
def without_permission_nothing_is_accepted(server, meshc):
    program = Program(server, meshc)
    grant(server, program.namespace, ROLE)
    config = server.kubeconfig(DEPLOYER)
    program.apply(config=config)
    for rules, why in (([], "list pods"), ([LIST], "run a command"), ([LIST, EXEC], None)):
        with Cilium(server, nodes=("a",)) as cilium:
            cilium.nodes[0].says(**tables(program.configs().values()))
            if rules:
                allow(server, cilium.namespace, rules)
            result = program.run("status", *cilium.option, config=config)
            eq(result.code, 0, result)
            if why:
                assert "not seen" in result.out and why in result.out, result
                assert "accepted by 1" not in result.out, result
            else:
                assert "accepted by 1 of 1 nodes" in result.out, result


@check
def what_somebody_changed_is_not_accepted(server, meshc):
    program = applied(server, meshc)
    with Cilium(server, nodes=("a",)) as cilium:
        cilium.nodes[0].says(**tables(program.configs().values()))
        path = f"{CEC.format(program.namespace)}/{config_name(program)}"
        program.patch(path, {"spec": {"services": []}})
        result = program.run("status", *cilium.option)
        eq(result.code, 1, result)
        assert "drifted" in result.out and "accepted" not in result.out, result
