"""Cilium's own controller over compiled manifests: what Envoy would really receive.

The controller runs as the script test of its own package. For each case a script adds the
Services, their endpoints and the objects, and prints the tables. A process runs its cases one
after the other, since they share pinned maps and a log, and ends itself after ten seconds (so the
test says): hence small batches, many at once, which mostly sleep.
"""

import concurrent.futures
import json
import pathlib
import re
import subprocess
import tempfile

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BATCH = 3
AT_ONCE = 16

SCRIPT = """\
db/insert node-addresses addrv4.yaml
hive start
{adds}
sleep 1500ms
envoy/cmp envoy.expected
db/show --format=json services
echo ====
db/show --format=json ciliumenvoyconfigs
-- addrv4.yaml --
addr: 1.1.1.1
nodeport: true
primary: true
devicename: test
-- envoy.expected --
"""


class Case:
    """A manifest with the Services and endpoints that are in the cluster; `steps` are what comes after it:
    `add`, `update` or `delete`, and an object."""

    def __init__(self, name, manifest, catalog=(), endpoints=None, steps=()):
        self.name = name
        self.steps = list(steps)
        self.objects = [item for item in manifest if item]
        self.services = _services(self.objects, catalog)
        self.endpoints = endpoints or {}


class Result:
    """What the controller made of a case."""

    def __init__(self, resources, redirects, configs, complaints, output):
        self.resources = resources
        self.redirects = redirects
        self.configs = configs
        self.complaints = complaints
        self.output = output


def _services(objects, catalog):
    """All Services that must exist: those given, those of the manifest, and a stand-in for the rest."""
    found = {}
    for item in list(catalog) + objects:
        if item and item.get("kind") == "Service":
            meta = item["metadata"]
            found[(meta.get("namespace", "default"), meta["name"])] = item
    for item in objects:
        spec = item.get("spec", {})
        for steered in spec.get("services", []):
            _stand_in(found, steered, steered.get("ports") or [80])
        for backend in spec.get("backendServices", []):
            _stand_in(found, backend, [int(number) for number in backend.get("number", ["80"])])
    return found


def _stand_in(found, reference, ports):
    key = (reference["namespace"], reference["name"])
    known = found.setdefault(key, {"spec": {"ports": []}, "stand-in": True})
    if known.get("stand-in"):
        have = {item["port"] for item in known["spec"]["ports"]}
        known["spec"]["ports"] += [{"name": f"p{port}", "port": port} for port in ports if port not in have]


def _service_objects(case):
    """Services with addresses, and an EndpointSlice for each."""
    for number, ((namespace, name), item) in enumerate(sorted(case.services.items())):
        spec = dict(item["spec"])
        ports = []
        for index, port in enumerate(spec.get("ports", [])):
            ports.append({"protocol": "TCP", "name": port.get("name") or f"port-{index}", **port})
        spec["ports"] = ports
        if spec.get("clusterIP") != "None":
            address = f"10.96.{number // 250}.{number % 250 + 1}"
            spec |= {"clusterIP": address, "clusterIPs": [address], "type": "ClusterIP"}
        meta = {"name": name, "namespace": namespace}
        yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
        tcp = [port for port in ports if port["protocol"] == "TCP"]
        for index, (addresses, target) in enumerate(_endpoints(case, namespace, name, number)):
            yield {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{name}-{index}",
                    "namespace": namespace,
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4",
                "endpoints": [
                    {"addresses": [address], "conditions": {"ready": True, "serving": True, "terminating": False}}
                    for address in addresses
                ],
                "ports": [
                    {"name": port["name"], "port": target.get(port["port"], port["port"]), "protocol": "TCP"}
                    for port in tcp
                    if not target or port["port"] in target
                ],
            }


def _endpoints(case, namespace, name, number):
    """(addresses, {service port: pod port}) of each slice of a Service."""
    given = case.endpoints.get(f"{namespace}/{name}")
    if given is None:
        return [([f"127.1.{number // 250}.{number % 250 + 1}"], {})]
    return given


def _archive(case):
    files = {}
    for index, item in enumerate(_service_objects(case)):
        files[f"k8s-{index:03}.yaml"] = item
    for index, item in enumerate(case.objects):
        if item["kind"] != "Service":
            files[f"policy-{index:03}.yaml"] = item
    adds = "\n".join(f"k8s/add {name}" for name in files)
    for index, (verb, item) in enumerate(case.steps):
        files[f"policy-step-{index:03}.yaml"] = item
        # Each is taken in before the next one comes.
        adds += f"\nsleep 500ms\nk8s/{verb} policy-step-{index:03}.yaml"
    parts = [SCRIPT.format(adds=adds)]
    # JSON is YAML, and has no lines that could be taken for the archive's own.
    parts += [f"-- {name} --\n{json.dumps(item)}\n" for name, item in files.items()]
    return "".join(parts)


def run(controller, prototext2json, cases):
    """The results of all cases, in their order."""
    batches = [cases[start : start + BATCH] for start in range(0, len(cases), BATCH)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(lambda batch: _batch(controller, prototext2json, batch), batches)
        return [result for batch in results for result in batch]


def _batch(controller, prototext2json, cases):
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder, "testdata")
        data.mkdir()
        for index, case in enumerate(cases):
            (data / f"c{index:03}.txtar").write_text(_archive(case))
        # The load balancer wants a bpf file system; it gets one that is gone with the process.
        inner = 'mount -t bpf bpf /sys/fs/bpf && exec "$0" "$@"'
        command = ["unshare", "-m", "sh", "-c", inner, controller]
        command += ["-test.run", "TestScript", "-scripttest.update", "-test.v", "-test.parallel", "1"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        outputs = _split(done.stdout + done.stderr)
        results = []
        for index in range(len(cases)):
            name = f"c{index:03}.txtar"
            archive = (data / name).read_text()
            results.append(_result(archive, outputs.get(name, done.stdout[-2000:] + done.stderr[-2000:]), prototext2json))
        return results


def _split(log):
    """The output of each case: Go marks where it changes from one to another."""
    outputs, current = {}, None
    for line in log.splitlines():
        mark = re.match(r"\s*(?:=== (?:CONT|NAME|RUN)|--- (?:PASS|FAIL):)\s+TestScript/(\S+)", line)
        if mark:
            current = mark.group(1)
        if current:
            outputs.setdefault(current, []).append(line)
    return {name: "\n".join(lines) for name, lines in outputs.items()}


def _result(archive, output, prototext2json):
    sections = archive.split("-- envoy.expected --\n", 1)[1].split("\n-- k8s-", 1)[0]
    sections = sections.split("-- k8s-", 1)[0].split("-- policy-", 1)[0]
    done = subprocess.run([prototext2json], input=sections, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"the final resources cannot be read: {done.stderr}\n{output[-3000:]}")
    tables = [_json(part) for part in output.split("> db/show --format=json ")[1:]]
    complaints = [line.strip() for line in output.splitlines() if re.search(r"level=(WARN|ERROR|warn|error|fatal)", line)]
    if "--- FAIL" in output:
        complaints.append("the script failed: " + output[-1500:])
    services, configs = (tables + [[], []])[:2]
    return Result(json.loads(done.stdout), _redirects(services), configs, complaints, output)


def _json(part):
    """The JSON objects that stand in a part of the log."""
    lines = [line.strip() for line in part.split("====")[0].splitlines()[1:]]
    text = "\n".join(lines)
    decoder, found, at = json.JSONDecoder(), [], text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            break
        found.append(value)
        at = text.find("{", end)
    return found


def _redirects(services):
    """`namespace/name` → the ports that are redirected."""
    out = {}
    for item in services:
        redirects = item.get("ProxyRedirects") or ([item["ProxyRedirect"]] if item.get("ProxyRedirect") else [])
        ports = sorted(port for redirect in redirects for port in redirect.get("Ports") or ["all"])
        if ports:
            name = item.get("Name")
            out[name if isinstance(name, str) else f"{name['namespace']}/{name['name']}"] = ports
    return out


def problems(case, result):
    """Everything that the controller did not do as the manifest says."""
    found = list(result.complaints)
    final = result.resources
    names = {kind: {item.get("cluster_name") or item.get("name") for item in final[kind]} for kind in final}
    wanted_redirects = {}
    for item in case.objects:
        if item["kind"] == "Service":
            continue
        for resource in item["spec"]["resources"]:
            kind = {"Listener": "listeners", "RouteConfiguration": "routes", "Cluster": "clusters"}
            kind = kind[resource["@type"].rsplit(".", 1)[1]]
            if resource["name"] not in names[kind]:
                found.append(f"dropped: {resource['name']} of {kind}")
        for steered in item["spec"].get("services", []):
            key = f"{steered['namespace']}/{steered['name']}"
            wanted_redirects.setdefault(key, []).extend(steered.get("ports") or ["all"])
    wanted_redirects = {key: sorted(ports) for key, ports in wanted_redirects.items()}
    if wanted_redirects != result.redirects:
        found.append(f"redirects: wanted {wanted_redirects}, set {result.redirects}")
    found += _open_references(final, names)
    return found


def _open_references(final, names):
    found = []
    known = names["clusters"] | {"/envoy-admin"}
    for cluster in final["clusters"]:
        service = (cluster.get("eds_cluster_config") or {}).get("service_name")
        if service and service not in names["endpoints"]:
            found.append(f"{cluster['name']}: no endpoints are published as {service}")
    for config in final["routes"]:
        for host in config["virtual_hosts"]:
            for route in host.get("routes", []):
                action = route.get("route") or {}
                targets = [action.get("cluster")] + [item["name"] for item in (action.get("weighted_clusters") or {}).get("clusters", [])]
                found += [f"{config['name']}: no cluster {target}" for target in targets if target and target not in known]
    for name in _rds_names(final["listeners"]):
        if name not in names["routes"]:
            found.append(f"no route configuration {name}")
    return found


def _rds_names(value):
    if isinstance(value, dict):
        if "rds" in value:
            yield value["rds"]["route_config_name"]
        for inner in value.values():
            yield from _rds_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _rds_names(inner)


def load(text):
    """The documents of a YAML stream."""
    return [item for item in yaml.load_all(text, Loader=LOADER) if item]
