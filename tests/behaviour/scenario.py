"""A scenario: a policy, its backends, and what requests must show. Each runs the whole way: policy →
meshc → Cilium's controller → its final resources → Envoy → requests; and, by the target `envoy`,
without a cluster."""

import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from behaviour import client  # noqa: E402
from behaviour.backend import Backend  # noqa: E402
from behaviour.proxy import Proxy, free_port  # noqa: E402
from harness import bootstrap, controller, corpus  # noqa: E402

ALL = []


def scenario(policy=None, example=None, backends=None, ways=("cilium-1.20", "envoy")):
    """Registers a check. `backends` are lists of factories by `service:port`, in `default`."""

    def register(check):
        ALL.append(Scenario(check, policy, example, backends or {}, ways))
        return check

    return register


class Scenario:
    def __init__(self, check, policy, example, backends, ways):
        self.name = check.__name__
        self.check = check
        self.policy = policy
        self.example = example
        self.backends = backends
        self.ways = ways

    def compile(self, meshc, target, servers):
        """The compiled objects. A policy may name the backends' addresses: `{a:80/0}`, `{a:80/0.port}`."""
        if self.example:
            command = [meshc, "compile", str(corpus.ROOT / "examples" / self.example), "--target", target]
            return _objects(subprocess.run(command, capture_output=True, text=True, timeout=60))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "policy.mesh")
            text = self.policy
            for service, backends in servers.items():
                for index, server in enumerate(backends):
                    text = text.replace(f"{{{service}/{index}}}", f"127.0.0.1:{server.port}")
                    text = text.replace(f"{{{service}/{index}.port}}", str(server.port))
            path.write_text(text)
            command = [meshc, "compile", str(path), "--target", target]
            return _objects(subprocess.run(command, capture_output=True, text=True, timeout=60))


def _objects(done):
    if done.returncode != 0:
        raise AssertionError(f"the policy does not compile: {done.stderr}")
    return controller.load(done.stdout)


class Run:
    """One way of one scenario: what it compiled to, its backends, and its Envoy."""

    def __init__(self, of, target, meshc):
        self.scenario = of
        self.target = target
        self.name = f"{of.name} ({target})"
        self.servers = {}
        for service, factories in of.backends.items():
            self.servers[service] = [factory(f"{service.split(':')[0]}-{i}") for i, factory in enumerate(factories)]
        self.manifest = of.compile(meshc, target, self.servers)
        self.ports = {}
        self.proxy = None

    def case(self):
        """What the controller is given."""
        endpoints = {}
        for service, servers in self.servers.items():
            name, port = service.split(":")
            slices = [(["127.0.0.1"], {int(port): server.port}) for server in servers]
            endpoints.setdefault(f"default/{name}", []).extend(slices)
        return controller.Case(self.name, self.manifest, (), endpoints)

    def without_agent(self):
        """The resources as compiled, with the endpoints that an agent would publish: for releases
        whose agent is not among the parts."""
        resources = bootstrap.resources_of(self.manifest)
        for service, servers in self.servers.items():
            endpoints = [{"endpoint": {"address": bootstrap.socket_address("127.0.0.1", s.port)}} for s in servers]
            assignment = {"cluster_name": f"default/{service}", "endpoints": [{"lb_endpoints": endpoints}]}
            resources["endpoints"].append(assignment)
        return resources

    def start(self, envoy, final=None):
        """Starts Envoy, with the final resources of the controller or with the bootstrap."""
        config = self._of_controller(final) if final else self._of_bootstrap()
        self.proxy = Proxy(envoy, config, self.ports.values())

    def _of_controller(self, final):
        names = {}
        for item in self.manifest:
            for steered in item.get("spec", {}).get("services", []) if item["kind"] != "Service" else []:
                names[steered["listener"]] = ":".join([steered["name"], *map(str, steered.get("ports", []))])

        def address(listener):
            # Without `ports` the listener's name ends in service and port; a listener of the node
            # keeps its name's last part, the address that it was written for.
            last = listener["name"].rsplit("/", 1)[1]
            key = names.get(listener["name"], last)
            key = key if ":" in key else last
            self.ports[key] = free_port()
            return bootstrap.socket_address("127.0.0.1", self.ports[key])

        return bootstrap.from_resources(final, address, "admin.sock")

    def _of_bootstrap(self):
        config = self.manifest[0]
        for listener in config["static_resources"]["listeners"]:
            written = listener["address"]["socket_address"]
            key = listener["name"].split("/")[1]
            if listener["name"].startswith("listen/"):
                key = f"[{written['address']}]:{written['port_value']}"
            self.ports[key] = free_port()
            listener["address"] = bootstrap.socket_address("127.0.0.1", self.ports[key])
        for cluster in config["static_resources"]["clusters"]:
            if cluster["type"] != "STRICT_DNS":
                continue
            # There is no cluster DNS here; what it would answer is known.
            written = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
            if not written["address"].endswith(".svc.cluster.local"):
                continue
            service = f"{written['address'].split('.')[0]}:{written['port_value']}"
            cluster["type"] = "STATIC"
            cluster.pop("dns_lookup_family")
            # As where it is resolved, the name stays with the endpoints.
            endpoints = [
                {"endpoint": {"address": bootstrap.socket_address("127.0.0.1", server.port), "hostname": written["address"]}}
                for server in self.servers[service]
            ]
            cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
        return config

    def port(self, service=None):
        """Where a service, or the only one, is reached."""
        if service is None:
            (port,) = self.ports.values()
            return port
        return self.ports[service]

    def get(self, path="/", headers=(), method="GET", service=None, host="shop.example", source=None):
        """One request."""
        return client.get(self.port(service), path, headers, method, host, source)

    def close(self):
        if self.proxy:
            self.proxy.close()
        for servers in self.servers.values():
            for server in servers:
                server.close()


def plain(name):
    """A backend that always answers 200."""
    return Backend(name)


def dead(name):
    """A backend that refuses connections."""
    return Backend(name, dead=True)


def behaving(behave, **options):
    """A backend that answers as `behave` says."""
    return lambda name: Backend(name, behave, **options)
