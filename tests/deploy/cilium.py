"""Agents that are not there: pods in the API server, a stand-in kubelet for each node, and what their
command prints, in the formats of Cilium's releases."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from deploy.server import free_port

KUBELET = os.environ.get("MESHC_KUBELET", "")

# What `cilium-dbg` is in a pod: it prints the file that has the name of the question.
COMMAND = """\
#!/bin/sh
here=$(dirname "$0")
case "$*" in
  "shell -- db/show ciliumenvoyconfigs --format=json") file=configs ;;
  "shell -- db/show envoy-resources --format=json") file=resources ;;
  "shell -- db/show services --format=json") file=services ;;
  "bpf lb list -o json") file=balancer ;;
  "envoy admin config") file=envoy ;;
  *) echo "Error: unknown command: $*" >&2; exit 1 ;;
esac
if [ -e "$here/$file.sh" ]; then . "$here/$file.sh"; exit; fi
if [ ! -e "$here/$file" ]; then echo "Error: unknown command: $*" >&2; exit 1; fi
# Some releases print Envoy's configuration on stderr.
if [ $file = envoy ]; then cat "$here/$file" >&2; else cat "$here/$file"; fi
"""
PROXY = 10123


class Node:
    """A node with an agent."""

    def __init__(self, cilium, name, image):
        self.cilium, self.name = cilium, f"{name}-{cilium.namespace}"
        self.pod = f"cilium-{name}"
        self.folder = cilium.folder / self.pod
        self.folder.mkdir()
        command = self.folder / "cilium-dbg"
        command.write_text(COMMAND)
        command.chmod(0o755)
        self.process = None
        self.port = free_port()
        self.start()
        call = cilium.server.call
        call("POST", "/api/v1/nodes", {"metadata": {"name": self.name}})
        node = call("GET", f"/api/v1/nodes/{self.name}")
        node["status"] = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
        }
        call("PUT", f"/api/v1/nodes/{self.name}/status", node)
        container = {"name": "cilium-agent", "image": image}
        pod = {
            "metadata": {"name": self.pod, "labels": {"k8s-app": "cilium"}},
            "spec": {"nodeName": self.name, "containers": [container]},
        }
        call("POST", f"/api/v1/namespaces/{cilium.namespace}/pods", pod)

    def start(self):
        """Starts the kubelet; a port that somebody else took in between is no failure."""
        for _ in range(5):
            if self._started():
                return
            self.port = free_port()
        raise RuntimeError((self.cilium.folder / f"{self.pod}.log").read_text())

    def _started(self):
        log = open(self.cilium.folder / f"{self.pod}.log", "ab")
        command = [KUBELET, str(self.port), str(self.cilium.folder)]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self.process.poll() is None
            except OSError:
                time.sleep(0.05)
        self.close()
        return False

    def says(self, **answers):
        """What the command prints; a name that ends in `_sh` is run instead. Nothing takes one away."""
        for name, text in answers.items():
            name = name.replace("_sh", ".sh")
            new = self.folder / f"{name}.new"
            if text is None:
                (self.folder / name).unlink(missing_ok=True)
            else:
                new.write_text(text)
                new.rename(self.folder / name)

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Cilium:
    """A namespace with agents, and settings."""

    def __init__(self, server, image="quay.io/cilium/cilium:v1.20.2", nodes=("a", "b"), settings=None):
        self.server = server
        self.namespace = f"cilium-{os.urandom(3).hex()}"
        self.folder = server.folder / self.namespace
        self.folder.mkdir()
        self.nodes = []
        server.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        if settings is not None:
            body = {"metadata": {"name": "cilium-config"}, "data": settings}
            server.call("POST", f"/api/v1/namespaces/{self.namespace}/configmaps", body)
        try:
            self.nodes += [Node(self, name, image) for name in nodes]
        except BaseException:
            self.close()
            raise

    @property
    def option(self):
        return ("--cilium-namespace", self.namespace)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for node in self.nodes:
            node.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def place(config):
    """The namespace of an object; none for one of the whole cluster."""
    return config["metadata"].get("namespace", "")


def rows(objects):
    """A table as the agent's shell prints it as JSON."""
    return "".join(json.dumps(item, indent=2) + "\n" for item in objects)


def names(config, kind):
    for resource in config["spec"]["resources"]:
        if resource["@type"].endswith(f".{kind}"):
            yield resource["name"]


def resources(config):
    """What the agent made of an object: its listeners are enough to tell one version from another."""
    listeners = {name: {"name": name, "from": config["spec"]["resources"]} for name in names(config, "Listener")}
    return {"Listeners": listeners, "Secrets": {}, "Routes": {}, "Clusters": {}, "Endpoints": {}}


def table_of_configs(configs, selected=True):
    return rows(
        {
            "Name": {"Namespace": place(c), "Name": c["metadata"]["name"]},
            "Spec": c["spec"],
            "Labels": c["metadata"].get("labels"),
            "SelectsLocalNode": selected,
            "Listeners": [{"k": name, "v": PROXY} for name in names(c, "Listener")],
            "Resources": resources(c),
        }
        for c in configs
    )


def status(release, kind, error):
    if release >= 19:
        found = {"updated-at": "2026-05-05T05:05:05.0Z", "id": 7, "kind": kind}
        return {**found, "error": error} if error else found
    return {"Kind": kind, "UpdatedAt": "2026-05-05T05:05:05.0Z", "Error": error}


def table_of_resources(configs, release=20, kind="Done", error=""):
    def row(origin, namespace, name, made):
        return {
            "Name": {"Origin": origin, "Cluster": "", "Namespace": namespace, "Name": name},
            "Status": status(release, kind if origin == "cec" else "Done", error if origin == "cec" else ""),
            "Resources": made,
            "ReconciledResources": None,
            "Redirects": [],
            "ReconciledRedirects": [],
            "ReferencedServices": [],
        }

    sync = [row("backendsync", place(c), "web", {"Listeners": None}) for c in configs]
    own = [row("cec", place(c), c["metadata"]["name"], resources(c)) for c in configs]
    return rows([*sync, *own])


def table_of_services(configs, release=20, port=PROXY):
    def row(service):
        namespace, name, ports = service["namespace"], service["name"], service.get("ports")
        redirect = {"ProxyPort": port, "Ports": ports}
        if release >= 20:
            return {"Name": f"{namespace}/{name}", "Source": "k8s", "ProxyRedirects": [redirect]}
        name = {"namespace": namespace, "name": name}
        return {"Name": name, "Source": "k8s", "ProxyRedirect": redirect}

    return rows(row(service) for c in configs for service in c["spec"]["services"])


def tables(configs, release=20, kind="Done", error=""):
    """All tables of an agent that has these objects."""
    return {
        "configs": table_of_configs(configs),
        "resources": table_of_resources(configs, release, kind, error),
        "services": table_of_services(configs, release),
    }


def snake(value):
    """A message as Envoy prints it: fields in snake case."""
    if isinstance(value, dict):
        return {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): snake(v) for key, v in value.items()}
    return [snake(item) for item in value] if isinstance(value, list) else value


def dump(configs, refused=None):
    """Envoy's configuration, as `envoy admin config` prints it."""
    def of(kind):
        return [snake(r) for c in configs for r in c["spec"]["resources"] if r["@type"].endswith(f".{kind}")]

    def listener(value):
        value = {**value, "listener_filters": [{"name": "cilium.bpf_metadata"}, *value.get("listener_filters", [])]}
        entry = {"name": value["name"], "active_state": {"version_info": "7", "listener": value}}
        return {**entry, "error_state": {"details": refused}} if refused else entry

    api = "type.googleapis.com/envoy.admin.v3."
    return json.dumps({"configs": [
        {"@type": f"{api}BootstrapConfigDump", "bootstrap": {}},
        {"@type": f"{api}ClustersConfigDump", "dynamic_active_clusters": [{"cluster": c} for c in of("Cluster")]},
        {"@type": f"{api}ListenersConfigDump", "dynamic_listeners": [listener(v) for v in of("Listener")]},
        {"@type": f"{api}RoutesConfigDump",
         "dynamic_route_configs": [{"route_config": r} for r in of("RouteConfiguration")]},
    ]}, indent=1)  # fmt: skip


def balancer(addresses, steered=True):
    """The load balancer's map, as `bpf lb list -o json` prints it."""
    flags = "ClusterIP, non-routable" + (", l7-load-balancer" if steered else "")
    more = f" (L7LB Proxy Port: {PROXY})" if steered else ""
    return json.dumps({f"{a}:5000": [f"0.0.0.0:0 (4) (0) [{flags}]{more}"] for a in addresses}, indent=2)
