"""A real Envoy with what agents up to 1.17 would give it: its own word for its configuration."""

import copy
import http.client
import json
import pathlib
import subprocess
import tempfile
import time

from deploy.server import free_port

KINDS = (".Listener", ".Cluster")
API = "type.googleapis.com/envoy.config."


def source(folder, resources):
    """Where Envoy finds resources: a file with just these, since a subscription by file gets all of it."""
    path = folder / f"{len(list(folder.iterdir()))}.json"
    path.write_text(json.dumps({"version_info": "1", "resources": resources}))
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def of_agent(resource, routes, folder):
    """A resource with what the agent adds: an address, and where the rest comes from."""
    resource = copy.deepcopy(resource)
    if resource["@type"].endswith(".Listener"):
        resource["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": free_port()}}
        for chain in resource["filter_chains"]:
            for rds in (entry["typed_config"].get("rds") for entry in chain["filters"]):
                if rds:
                    rds["config_source"] = source(folder, [routes[rds["route_config_name"]]])
    if resource.get("type") == "EDS":
        name = resource["eds_cluster_config"]["service_name"]
        nobody = {"@type": f"{API}endpoint.v3.ClusterLoadAssignment", "cluster_name": name}
        resource["eds_cluster_config"]["eds_config"] = source(folder, [nobody])
    return resource


def dump(envoy, configs, change=lambda listener: None):
    """`config_dump` of an Envoy that has these objects; `change` spoils a listener."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        every = [resource for config in configs for resource in config["spec"]["resources"]]
        routes = {r["name"]: r for r in every if r["@type"].endswith(".RouteConfiguration")}
        of = {kind: [of_agent(r, routes, folder) for r in every if r["@type"].endswith(kind)] for kind in KINDS}
        for listener in of[".Listener"]:
            change(listener)
        port = free_port()
        dynamic = {"lds_config": source(folder, of[".Listener"]), "cds_config": source(folder, of[".Cluster"])}
        address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        bootstrap = {"node": {"id": "a", "cluster": "a"}, "admin": {"address": address}, "dynamic_resources": dynamic}
        (folder / "bootstrap.json").write_text(json.dumps(bootstrap))
        with open(folder / "log", "wb") as log:
            command = [envoy, "-c", folder / "bootstrap.json", "--concurrency", "1", "--use-dynamic-base-id"]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            return _settled(port, len(of[".Listener"]), folder / "log")
        finally:
            process.kill()
            process.wait()


def _settled(port, listeners, log, limit=30):
    """The dump, once every listener is active or refused."""
    end = time.monotonic() + limit
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/config_dump")
            text = connection.getresponse().read().decode()
            found = [entry for c in json.loads(text)["configs"] for entry in c.get("dynamic_listeners", [])]
            if len([e for e in found if "active_state" in e or "error_state" in e]) >= listeners:
                return text
        except (OSError, http.client.HTTPException):
            pass
        if time.monotonic() > end:
            raise RuntimeError(f"Envoy does not settle:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.2)
