"""A real etcd and a real API server on loopback, with Cilium's own CRDs; only these are ended."""

import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import yaml

ADMIN, DEPLOYER, STRANGER = "admin-token", "deployer-token", "stranger-token"
VISITOR = "visitor-token"
CRDS = "pkg/k8s/apis/cilium.io/client/crds/v2"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def crds(release):
    """Cilium's definitions of a release, from its Go module."""
    command = ["go", "mod", "download", "-json", f"github.com/cilium/cilium@v{release}"]
    answer = subprocess.run(command, check=True, capture_output=True, cwd=tempfile.gettempdir())
    folder = pathlib.Path(json.loads(answer.stdout)["Dir"]) / CRDS
    names = ["ciliumenvoyconfigs.yaml", "ciliumclusterwideenvoyconfigs.yaml"]
    return [yaml.safe_load((folder / name).read_text()) for name in names]


class Refused(Exception):
    """An answer that is not a success."""

    def __init__(self, code, body):
        super().__init__(f"{code}: {body[:300]}")
        self.code = code


class Server:
    """etcd and an API server in a folder of their own; without a release, without Cilium's definitions."""

    def __init__(self, etcd, apiserver, release):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="meshc-deploy-"))
        self.etcd_binary, self.binary = etcd, apiserver
        self.target = "cilium-" + release.rsplit(".", 1)[0] if release else None
        self.client_port, self.peer_port, self.port = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.context = ssl._create_unverified_context()  # the certificate is made by the server itself
        self.etcd = self.process = None
        key = self.folder / "key.pem"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        tokens = f'{ADMIN},admin,1,"system:masters"\n{DEPLOYER},deployer,2\n{STRANGER},stranger,3\n{VISITOR},visitor,4\n'
        (self.folder / "tokens.csv").write_text(tokens)
        try:
            self.start_etcd()
            self.start()
            if release:
                self.define(release)
        except BaseException:
            self.close()
            raise

    def define(self, release):
        for crd in crds(release):
            self.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
        self.wait(lambda: self.call("GET", "/apis/cilium.io/v2/ciliumclusterwideenvoyconfigs"))
        self.wait(lambda: self.call("GET", "/apis/cilium.io/v2/ciliumenvoyconfigs"))

    def _log(self, name):
        return open(self.folder / name, "ab")

    def start_etcd(self):
        client, peer = f"http://127.0.0.1:{self.client_port}", f"http://127.0.0.1:{self.peer_port}"
        command = [
            self.etcd_binary, "--data-dir", self.folder / "etcd", "--unsafe-no-fsync", "--name", "one",
            "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", f"one={peer}",
        ]  # fmt: skip
        self.etcd = subprocess.Popen(command, stdout=self._log("etcd.log"), stderr=subprocess.STDOUT)

    def start(self):
        key = self.folder / "key.pem"
        command = [
            self.binary, f"--etcd-servers=http://127.0.0.1:{self.client_port}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", f"--secure-port={self.port}", f"--cert-dir={self.folder / 'certs'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}", "--authorization-mode=RBAC",
            "--service-account-issuer=https://meshc.test", f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}", "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.96.0.0/12", "--endpoint-reconciler-type=none",
            "--feature-gates=MutatingAdmissionPolicy=true",
            "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=self._log("api.log"), stderr=subprocess.STDOUT)
        self.wait(lambda: self.call("GET", "/readyz", raw=True))

    def wait(self, ready, limit=240):
        end = time.monotonic() + limit
        while True:
            try:
                return ready()
            except (Refused, OSError) as error:
                ended = self.process and self.process.poll() is not None
                if time.monotonic() > end or ended:
                    tail = (self.folder / "api.log").read_text(errors="replace")[-1500:]
                    raise RuntimeError(f"the API server is not ready: {error}\n{tail}") from error
                time.sleep(0.1)

    def kill(self):
        """Ends the API server without a warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def call(self, method, path, body=None, token=ADMIN, content="application/json", raw=False):
        """One request; its JSON."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"authorization": f"Bearer {token}", "content-type": content}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=20) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")) from error
        return text if raw else json.loads(text)

    def kubeconfig(self, token=ADMIN, url=None, user=None):
        """A kubeconfig; `user` replaces the token."""
        path = self.folder / f"kubeconfig-{os.urandom(4).hex()}"
        cluster = {"server": url or self.url}
        if not url:
            cluster["insecure-skip-tls-verify"] = True
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user or {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }  # fmt: skip
        path.write_text(json.dumps(config))
        return str(path)

    def close(self):
        for process in (self.process, self.etcd):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
