"""A namespace of a real cluster with Services and slices, the pods behind them, and a run that watches it."""

import http.client
import json
import os
import socket
import subprocess
import threading
import time

from behaviour.client import wait_until
from deploy.server import ADMIN, Refused

# Addresses that a slice may have; the place of the test has them on its loopback.
PODS = ["10.244.0.1", "10.244.0.2", "10.244.0.3", "fd00:244::1"]
PORT = 8080
SERVICE = "helloworld"

POLICY = """\
namespace {namespace}
service helloworld:5000 {{
  selector app=helloworld
  version v1
  version v2
  {more}
}}
route helloworld {{ {rules} }}
"""


def addresses():
    for address in PODS:
        v6 = ":" in address
        words = ["ip", *(["-6"] if v6 else []), "addr", "add", f"{address}/{128 if v6 else 32}", "dev", "lo"]
        subprocess.run([*words, *(["nodad"] if v6 else [])], check=True)


class World:
    """A namespace of its own, with the Services of both versions and the one that they are versions of."""

    def __init__(self, server, first=True):
        self.server = server
        self.namespace = f"n{os.urandom(3).hex()}"
        server.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        for name in (SERVICE, "helloworld-v1", "helloworld-v2") if first else ():
            self.service(name)

    def policy(self, rules="to v1", more=""):
        return POLICY.format(namespace=self.namespace, rules=rules, more=more)

    def _path(self, kind, name=""):
        group = "/api/v1" if kind == "services" else "/apis/discovery.k8s.io/v1"
        return f"{group}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def service(self, name, **spec):
        ports = [{"name": "http", "port": 5000, "targetPort": "web"}, {"name": "admin", "port": 5001}]
        spec = {"selector": {"app": name}, "ports": ports, **spec}
        return self.server.call("POST", self._path("services"), {"metadata": {"name": name}, "spec": spec})

    def no_service(self, name):
        self.server.call("DELETE", self._path("services", name))

    def slice(self, name, service, pods, ready=True, kind="IPv4"):
        """Makes a slice, or changes it."""
        body = {
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
            "addressType": kind,
            "ports": [{"name": "admin", "port": 1, "protocol": "TCP"}, {"name": "http", "port": PORT, "protocol": "TCP"}],
            "endpoints": [{"addresses": [pod], "conditions": {"ready": ready}} for pod in pods],
        }
        try:
            self.server.call("PUT", self._path("endpointslices", name), body)
        except Refused as error:
            if error.code not in (404, 409):
                raise
            self.server.call("POST", self._path("endpointslices"), body)

    def no_slice(self, name):
        self.server.call("DELETE", self._path("endpointslices", name))

    def allow(self, user):
        """What the message about a missing right says to grant."""
        base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        rules = [
            {"apiGroups": [""], "resources": ["services"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ]
        self.server.call("POST", f"{base}/roles", {"metadata": {"name": "meshc-up"}, "rules": rules})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "meshc-up"}
        subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]
        body = {"metadata": {"name": "meshc-up"}, "roleRef": role, "subjects": subjects}
        self.server.call("POST", f"{base}/rolebindings", body)

    @property
    def listener(self):
        return f"{self.namespace}/{SERVICE}:5000"

    def kubeconfig(self, token=ADMIN, url=None):
        return self.server.kubeconfig(token, url)


def port(up, listener):
    """Where a listener is."""
    assert wait_until(lambda: any(listener in (i["name"] for i in live["listeners"]) for live in up.of("live")), 20), (
        up.events, up.said, up.log(),
    )  # fmt: skip
    found = {item["name"]: item["address"] for item in up.of("live")[-1]["listeners"]}
    return int(found[listener].rsplit(":", 1)[1])


def ask(number, host="127.0.0.1"):
    """Status and body of one request; 0 where there is no answer."""
    connection = http.client.HTTPConnection(host, number, timeout=10)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError as error:
        return 0, type(error).__name__
    finally:
        connection.close()


def answers(number, wanted, seconds=20):
    """Waits until just these pods answer."""
    def seen():
        return {ask(number) for _ in range(6)} == {(200, pod) for pod in wanted}

    assert wait_until(seen, seconds), ({ask(number) for _ in range(6)}, wanted)


class Load:
    """Requests all the time, over connections that are kept and over new ones."""

    def __init__(self, number):
        self.number, self.seen, self.over = number, [], threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(kept,), daemon=True) for kept in (True, False)]
        for thread in self.threads:
            thread.start()

    def _run(self, kept):
        connection = None
        while not self.over.is_set():
            if not kept:
                self.seen.append((time.monotonic(), *ask(self.number)))
            else:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.number, timeout=10)
                try:
                    connection.request("GET", "/")
                    answer = connection.getresponse()
                    self.seen.append((time.monotonic(), answer.status, answer.read().decode()))
                except (OSError, http.client.HTTPException) as error:
                    self.seen.append((time.monotonic(), 0, repr(error)))
                    connection = None
            time.sleep(0.002)

    def takes(self, pod, seconds=10):
        """Waits until a pod answers from now on."""
        now = time.monotonic()
        seen = lambda: any(at > now and body == pod for at, _, body in list(self.seen))  # noqa: E731
        assert wait_until(seen, seconds), f"{pod} takes nothing"

    def leaves(self, pod, seconds=10):
        """Waits until a pod does not answer any more."""
        def silent():
            now = time.monotonic()
            time.sleep(0.1)
            return not any(at > now and body == pod for at, _, body in list(self.seen))

        assert wait_until(silent, seconds), f"{pod} takes requests still"

    def end(self, also=frozenset()):
        """Ends it; no request may have failed, but as is said."""
        self.over.set()
        for thread in self.threads:
            thread.join(15)
        failed = [item[1:] for item in self.seen if item[1] not in {200, *also}]
        assert not failed, (len(failed), failed[:5])
        assert self.seen
        print(f"   {len(self.seen)} requests, none failed")


def counters(up, *names):
    """Counters of the run's Envoy."""
    (path,) = up.temporary.glob("*/envoy-admin.sock")
    connection = http.client.HTTPConnection("envoy")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request("GET", "/stats?format=json")
    stats = json.loads(connection.getresponse().read())["stats"]
    connection.close()
    return {item["name"]: item["value"] for item in stats if item.get("name") in names}
