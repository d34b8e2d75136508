"""What stands between the API server and its storage: policies and webhooks."""

import itertools
import threading
import time

from deploy.check import check, eq
from deploy.program import CEC, Program, split
from deploy.webhook import Policy, Webhook, add

SERVED = "/apis/admissionregistration.k8s.io/v1beta1/mutatingadmissionpolicies"


def configs_of(program):
    return list(program.configs().values())


@check
def a_validating_policy_denies(server, meshc):
    """What the API server would not take is found by the dry run: nothing is written, its words are shown."""
    program = Program(server, meshc)
    with Policy(program, "size(object.spec.resources) > 99", "only the network team writes these"):
        refused = program.run("apply")
        eq(refused.code, 3, refused)
        assert "only the network team writes these" in refused.err, refused
        eq((program.members(), program.record(), program.secrets()), ([], None, []))
    program.apply()


@check
def a_mutating_policy_adds(server, meshc):
    """Fields of others that a policy adds are no drift, and a repeated apply writes nothing."""
    program = Program(server, meshc)
    expression = 'Object{metadata: Object.metadata{labels: {"team": "net"}}}'
    server.call("GET", SERVED)
    with Policy(program, expression, mutation=True):
        program.apply()
        eq([c["metadata"]["labels"].get("team") for c in configs_of(program)], ["net"])
        eq(program.apply()["writes"], 0)
        eq(program.run("status").code, 0)
        eq(program.run("diff").code, 0)
        program.write(split(50))
        program.apply()
        eq(program.apply()["writes"], 0)


@check
def a_webhook_that_mutates(server, meshc):
    """What it adds beside our fields is left to it; what it makes of our fields is not written again and again."""
    program = Program(server, meshc)

    def note(request):
        return True, "", add("/metadata/annotations/theirs", "1")

    with Webhook(program, note, mutates=True) as hook:
        program.apply()
        eq([c["metadata"]["annotations"]["theirs"] for c in configs_of(program)], ["1"])
        assert True in hook.seen and False in hook.seen, hook.seen
        eq(program.apply()["writes"], 0)
        eq(program.run("status").code, 0)

    def ours(request):
        return True, "", add("/metadata/labels/app.kubernetes.io~1managed-by", "somebody")

    with Webhook(program, ours, mutates=True):
        program.write(split(50))
        program.apply()
        eq([c["metadata"]["labels"]["app.kubernetes.io/managed-by"] for c in configs_of(program)], ["somebody"])
        before = program.versions()
        eq(program.apply()["writes"], 0, "a write would change nothing")
        eq(program.run("status").code, 0, "nor is it drift")
        eq(program.versions(), before)


@check
def a_webhook_that_changes_an_annotation_each_time(server, meshc):
    """It is not drift, and no reason to write."""
    program = Program(server, meshc)
    count = itertools.count()
    with Webhook(program, lambda r: (True, "", add("/metadata/annotations/turn", str(next(count)))), mutates=True):
        program.apply()
        before = program.versions()
        for _ in range(3):
            eq(program.apply()["writes"], 0)
            eq(program.run("diff").code, 0)
            eq(program.run("status").code, 0)
        eq(program.versions(), before)
        program.write(split(50))
        words = program.words(program.apply())
        eq(sorted(words.values()), ["changed", "unchanged", "unchanged"])
        eq(program.apply()["writes"], 0)


@check
def a_webhook_that_denies_only_the_real_write(server, meshc):
    """The dry run cannot foresee it: the report says what was done, and the next run finishes."""
    program = Program(server, meshc)

    def answer(request):
        return bool(request.get("dryRun")), "not in business hours", None

    with Webhook(program, answer) as hook:
        result = program.run("apply", "-o", "json")
        eq(result.code, 3, result)
        assert "not in business hours" in result.err, result
        # A refusal of the real write is looked at twice.
        eq((hook.seen[0], set(hook.seen[1:])), (True, {False}))
        eq(sorted(o["result"] for o in result.json["objects"]), ["created", "created", "failed"])
        eq(program.record()["data"], {"run": "", "revision": "0"})
    report = program.apply()
    eq((sorted(program.words(report).values()), report["revision"]), (["created", "unchanged", "unchanged"], 1))
    eq(len(program.secrets()), 1)


@check
def a_webhook_that_is_dead(server, meshc):
    """Until the deadline it may come back; then the run ends with its name, and nothing is written."""
    program = Program(server, meshc)
    with Webhook(program):
        start = time.monotonic()
        refused = program.run("apply", "--timeout", "5s")
        eq(refused.code, 3, refused)
        assert "hook.meshc.test" in refused.err and time.monotonic() - start < 8, refused
        eq((program.members(), program.record()), ([], None))
    hook = Webhook(program)
    with hook:
        hook.answer = lambda request: (True, "", None)
        alarm = threading.Timer(2, hook.listen)
        alarm.start()
        program.apply("--timeout", "40s")
        alarm.join()
    eq(len(program.configs()), 1)


@check
def a_webhook_that_denies_the_restoring(server, meshc):
    """Without the last good spec an agent would keep what it has: then the object stays, and it is said."""
    program = Program(server, meshc, "route cart:5000 to cart\n")
    program.apply()
    (name,) = program.configs()
    program.patch(f"{CEC.format(program.namespace)}/{name}", {"spec": {"resources": [{"@type": "nonsense"}]}})
    with Webhook(program, lambda request: (False, "frozen", None)):
        refused = program.run("delete", "--yes")
        eq(refused.code, 3, refused)
        assert "frozen" in refused.err, refused
    eq(list(program.configs()), [name])
    program.json("delete", "--yes")
    eq((program.configs(), program.record()), ({}, None))
