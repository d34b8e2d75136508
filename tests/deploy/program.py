"""A program in a namespace of its own, and the command that brings it to the server."""

import json
import os
import pathlib
import subprocess
import tempfile

from deploy.server import ADMIN, Refused

CEC = "/apis/cilium.io/v2/namespaces/{}/ciliumenvoyconfigs"
PART_OF = "applyset.kubernetes.io/part-of"
# The hash of an object's content, which has the namespace in it.
CONTENT = "meshc.dev/content"

VERSIONS = """\
service helloworld {{
  selector app=helloworld
  version v1
  version v2
}}

route helloworld {first}% v1, {second}% v2
"""


def split(first=90):
    """A route over two versions, whose Services are made."""
    return VERSIONS.format(first=first, second=100 - first)


class Result:
    """What a run of the command gave."""

    def __init__(self, process):
        self.code = process.returncode
        self.out, self.err = process.stdout, process.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


class Program:
    """A namespace with Services, and a folder with policies."""

    count = 0

    def __init__(self, server, meshc, policy=None, name="shop"):
        Program.count += 1
        self.server, self.meshc, self.name = server, meshc, name
        self.namespace = f"n{os.urandom(3).hex()}"
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=server.folder))
        self.config = server.kubeconfig()
        server.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        for service in ("helloworld", "cart", "web"):
            self.service(service)
        self.settings(name)
        self.write(policy if policy is not None else split())

    def settings(self, name):
        text = f'name = "{name}"\nnamespace = "{self.namespace}"\ntargets = ["{self.server.target}"]\n'
        (self.folder / "meshc.toml").write_text(text)

    def service(self, name, annotations=None):
        body = {
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 5000}]},
        }
        self.server.call("POST", f"/api/v1/namespaces/{self.namespace}/services", body)

    def write(self, policy, file="policy.mesh"):
        (self.folder / file).write_text(policy)

    def start(self, *arguments, config=None):
        command = [self.meshc, *arguments, "--kubeconfig", config or self.config]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.folder, text=True, **pipes)

    def run(self, *arguments, config=None, limit=120):
        process = self.start(*arguments, config=config)
        try:
            process.stdout_text, process.stderr_text = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        finished = subprocess.CompletedProcess(process.args, process.returncode, process.stdout_text, process.stderr_text)
        return Result(finished)

    def json(self, *arguments, config=None, code=0, limit=120):
        result = self.run(*arguments, "-o", "json", config=config, limit=limit)
        assert result.code == code, result
        return result.json

    def apply(self, *arguments, **options):
        return self.json("apply", *arguments, **options)

    def words(self, report):
        """Kind and name of each object → what became of it."""
        return {f"{o['kind']} {o['name']}": o["result"] for o in report["objects"]}

    def items(self, path, token=ADMIN):
        return self.server.call("GET", path, token=token)["items"]

    def configs(self):
        return {item["metadata"]["name"]: item for item in self.items(CEC.format(self.namespace))}

    def services(self):
        return {i["metadata"]["name"]: i for i in self.items(f"/api/v1/namespaces/{self.namespace}/services")}

    def members(self):
        """All objects with a set's label."""
        objects = [*self.configs().values(), *self.services().values()]
        return [item for item in objects if PART_OF in item["metadata"].get("labels", {})]

    def secrets(self):
        return self.items(f"/api/v1/namespaces/{self.namespace}/secrets")

    def record(self):
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/meshc-{self.name}"
        try:
            return self.server.call("GET", path)
        except Refused as error:
            if error.code == 404:
                return None
            raise

    def versions(self):
        """The resourceVersion of everything that a run may write."""
        items = [*self.configs().values(), *self.services().values(), *self.secrets()]
        versions = {(i.get("kind"), i["metadata"]["name"]): i["metadata"]["resourceVersion"] for i in items}
        record = self.record()
        return versions, record and record["metadata"]["resourceVersion"]

    def patch(self, path, body, manager="kubectl-edit"):
        path = f"{path}?fieldManager={manager}"
        return self.server.call("PATCH", path, body, content="application/merge-patch+json")

    def state(self):
        """What the cluster holds of the set, without what differs from run to run."""
        def plain(item):
            metadata = item["metadata"]
            notes = {k: v for k, v in metadata.get("annotations", {}).items() if k != "meshc.dev/revision"}
            labels = {k: v for k, v in metadata.get("labels", {}).items() if k not in (PART_OF, CONTENT)}
            spec = {k: v for k, v in item["spec"].items() if k not in ("clusterIP", "clusterIPs")}
            managers = sorted({e["manager"] for e in metadata.get("managedFields", [])})
            return [metadata["name"], labels, notes, spec, managers]

        record = self.record()
        parts = {
            "members": sorted((plain(item) for item in self.members()), key=lambda p: (p[0], json.dumps(p))),
            "secrets": sorted(s["metadata"]["name"] for s in self.secrets()),
            "record": record and [record["data"], record["metadata"]["annotations"]],
        }
        return json.loads(json.dumps(parts).replace(self.namespace, "NAMESPACE"))
