"""Admission in one namespace: webhooks on loopback, and policies that the API server runs itself."""

import base64
import http.server
import json
import os
import ssl
import subprocess
import threading
import time

from deploy.program import CEC
from deploy.proxy import Quiet
from deploy.server import Refused, free_port

REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
RULE = {"apiGroups": ["cilium.io"], "apiVersions": ["v2"], "operations": ["CREATE", "UPDATE"], "resources": ["ciliumenvoyconfigs"]}


def certificate(server):
    """A key and a certificate for 127.0.0.1, made once for each server."""
    key, cert = server.folder / "hook-key.pem", server.folder / "hook-cert.pem"
    if not cert.exists():
        command = [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert,
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    return key, cert


def add(path, value):
    """A patch that sets a value."""
    return [{"op": "add", "path": path, "value": value}]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["content-length"])))
        request = review["request"]
        probe = (request.get("object") or {}).get("metadata", {}).get("name", "").startswith("probe-")
        allowed, message, patch = (True, "", None) if probe else self.server.answer(request)
        self.server.seen.append("probe" if probe else bool(request.get("dryRun")))
        response = {"uid": request["uid"], "allowed": allowed, "status": {"message": message, "code": 403}}
        if patch:
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Webhook:
    """A webhook for the configurations of one namespace. `answer(request)` gives whether it allows it, a
    message, and a patch; nobody listens when there is no `answer`."""

    def __init__(self, program, answer=None, mutates=False):
        self.program, self.server, self.answer = program, program.server, answer
        self.kind = "mutatingwebhookconfigurations" if mutates else "validatingwebhookconfigurations"
        self.name, self.port, self.http = f"hook-{os.urandom(3).hex()}", None, None

    def listen(self):
        key, cert = certificate(self.server)
        self.http = Quiet(("127.0.0.1", self.port or 0), Handler)
        self.port = self.http.server_address[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.http.answer, self.http.seen = self.answer, []
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def seen(self):
        """Of each review that was no probe, whether it was of a dry run."""
        return [dry for dry in self.http.seen if dry != "probe"]

    def __enter__(self):
        if self.answer:
            self.listen()
        else:
            self.port = free_port()
        _, cert = certificate(self.server)
        bundle = base64.b64encode(cert.read_bytes()).decode()
        hook = {
            "name": "hook.meshc.test", "admissionReviewVersions": ["v1"], "sideEffects": "NoneOnDryRun",
            "clientConfig": {"url": f"https://127.0.0.1:{self.port}/", "caBundle": bundle}, "rules": [RULE],
            "failurePolicy": "Fail", "timeoutSeconds": 2,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.program.namespace}},
        }  # fmt: skip
        self.server.call("POST", f"{REGISTRATION}/{self.kind}", {"metadata": {"name": self.name}, "webhooks": [hook]})
        until(lambda: "probe" in self.http.seen if self.answer else not admitted(self.program), self.program)
        return self

    def __exit__(self, *_):
        self.server.call("DELETE", f"{REGISTRATION}/{self.kind}/{self.name}")
        if self.http:
            self.http.shutdown()
            self.http.server_close()
        until(lambda: admitted(self.program), self.program)


def probe(program):
    """Tries to make a configuration that is none of the program's; nothing is written."""
    metadata = {"name": f"probe-{os.urandom(3).hex()}"}
    body = {"apiVersion": "cilium.io/v2", "kind": "CiliumEnvoyConfig", "metadata": metadata, "spec": {"resources": []}}
    return program.server.call("POST", CEC.format(program.namespace) + "?dryRun=All", body)


def admitted(program):
    """Whether a configuration is let in."""
    try:
        probe(program)
        return True
    except Refused:
        return False


def until(ready, program):
    """Waits until the API server has taken notice of what was registered."""
    end = time.monotonic() + 30
    while True:
        admitted(program)
        if ready():
            return
        assert time.monotonic() < end, "the API server does not take notice"
        time.sleep(0.1)


class Policy:
    """A ValidatingAdmissionPolicy, or with `mutation` a MutatingAdmissionPolicy, for one namespace."""

    def __init__(self, program, expression, message="", mutation=False):
        self.program, self.server, self.mutation = program, program.server, mutation
        self.name = f"policy-{os.urandom(3).hex()}"
        rule = {"resourceRules": [RULE]}
        if mutation:
            change = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
            spec = {"mutations": [change], "reinvocationPolicy": "Never"}
        else:
            # The probe is refused, too: so it shows that the policy is there.
            spec = {"validations": [{"expression": expression, "message": message}]}
        self.spec = {"failurePolicy": "Fail", "matchConstraints": rule, **spec}

    def _paths(self):
        kind, version = ("mutating", "v1beta1") if self.mutation else ("validating", "v1")
        root = f"/apis/admissionregistration.k8s.io/{version}/{kind}admissionpolic"
        return root + "ies", root + "ybindings"

    def __enter__(self):
        policies, bindings = self._paths()
        self.server.call("POST", policies, {"metadata": {"name": self.name}, "spec": self.spec})
        selector = {"matchLabels": {"kubernetes.io/metadata.name": self.program.namespace}}
        binding = {"policyName": self.name, "matchResources": {"namespaceSelector": selector}}
        if not self.mutation:
            binding["validationActions"] = ["Deny"]
        self.server.call("POST", bindings, {"metadata": {"name": self.name}, "spec": binding})
        until(lambda: self._mutates() if self.mutation else not admitted(self.program), self.program)
        return self

    def _mutates(self):
        return bool(probe(self.program)["metadata"].get("labels"))

    def __exit__(self, *_):
        for path in reversed(self._paths()):
            self.server.call("DELETE", f"{path}/{self.name}")
        until(lambda: not self._mutates() if self.mutation else admitted(self.program), self.program)
