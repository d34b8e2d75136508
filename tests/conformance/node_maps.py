"""`meshc doctor --node` over maps that Cilium's own code fills: node_maps.py MESHC CONTROLLER…. Needs root.

The script test of each release's controller takes in a compiled policy, and its reconciler writes the kernel's maps.
These are pinned where the agent pins them, and each frontend of which the doctor speaks must be there as
`lb/maps-dump`, Cilium's own view, has it: before the policy comes, while it is there, and after it is gone.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import controller  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
STAGES = ("before", "steered", "after")
POLICY = "namespace shop\nroute cart:80 timeout 1s\nroute local:80 timeout 1s\nroute only:8080 timeout 1s\n"


def _service(name, ports, **spec):
    spec["ports"] = [{"protocol": "TCP", "name": f"p{item['port']}{item.get('protocol', '')}".lower(), **item} for item in ports]
    spec["clusterIPs"] = [spec["clusterIP"], *spec.pop("more", [])]
    families = ["IPv6" if ":" in address else "IPv4" for address in spec["clusterIPs"]]
    spec |= {"ipFamilies": families, "ipFamilyPolicy": "RequireDualStack" if len(families) == 2 else "SingleStack"}
    status = {"loadBalancer": {"ingress": [{"ip": ip} for ip in spec.pop("ingress", [])]}}
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec, "status": status}


SERVICES = [
    # Each kind of frontend, in both families, with ports that no policy steers.
    _service(
        "cart",
        [{"port": 80, "nodePort": 30080}, {"port": 81, "nodePort": 30081}, {"port": 80, "protocol": "UDP", "nodePort": 30082}],
        type="LoadBalancer",
        clusterIP="10.96.50.104",
        more=["fd00::10"],
        externalIPs=["192.0.2.1"],
        ingress=["192.0.2.2"],
    ),
    # Its frontends outside and inside the cluster have entries of their own.
    _service("local", [{"port": 80, "nodePort": 30090}], type="NodePort", clusterIP="10.96.50.105", externalTrafficPolicy="Local"),
    _service("only", [{"port": 8080}, {"port": 9090}], type="ClusterIP", clusterIP="10.96.50.106"),
    _service("unsteered", [{"port": 80}], type="ClusterIP", clusterIP="10.96.50.107"),
]


def _slices():
    for number, service in enumerate(SERVICES, 1):
        name = service["metadata"]["name"]
        for family in service["spec"]["ipFamilies"]:
            address = f"10.244.1.{number}" if family == "IPv4" else f"fd00:10:244::{number}"
            yield {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{name}-{family.lower()}",
                    "namespace": "shop",
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": family,
                "endpoints": [{"addresses": [address], "conditions": {"ready": True, "serving": True, "terminating": False}}],
                "ports": [{"name": p["name"], "port": p["port"], "protocol": p["protocol"]} for p in service["spec"]["ports"]],
            }


def _archive(folder, meshc, policies):
    """The script: at each stage what the doctor says, and then what the maps are."""
    files = {f"k8s-{at:03}.yaml": item for at, item in enumerate([*SERVICES, *_slices()])}
    objects = {f"policy-{at:03}.yaml": item for at, item in enumerate(policies)}
    steps = {"before": "", "steered": "k8s/add ", "after": "k8s/delete "}
    lines = ["db/insert node-addresses addrv4.yaml", "db/insert node-addresses addrv6.yaml", "hive start", "k8s/add " + " ".join(files)]
    doctor = f"{meshc} doctor --node {folder / 'policy.mesh'} --catalog {folder / 'services.yaml'} -o json"
    for stage in STAGES:
        lines += [steps[stage] + " ".join(objects)] if steps[stage] else []
        lines += ["sleep 1000ms", f"exec {sys.executable} {HERE / 'pin_maps.py'} {folder / stage} {doctor}", f"lb/maps-dump {folder / stage}.dump"]
    addresses = {"addrv4.yaml": "1.1.1.1", "addrv6.yaml": "2001::1"}
    text = "\n".join(lines) + "\n"
    text += "".join(f"-- {name} --\naddr: {ip}\nnodeport: true\nprimary: true\ndevicename: test\n" for name, ip in addresses.items())
    return text + "".join(f"-- {name} --\n{json.dumps(item)}\n" for name, item in (files | objects).items())


def dumped(text):
    """(address and port) → what Cilium says of that frontend over TCP, outside the cluster."""
    found = {}
    for line in text.splitlines():
        if entry := re.match(r"SVC: ID=\d+ ADDR=(\S+)/(?:TCP|ANY) SLOT=0 (?:L7Proxy=(\d+))?", line):
            port = entry.group(2)
            found[entry.group(1)] = "not steered" if port is None else f"steered to the proxy's port {port}"
    return found


def run(binary, meshc, target):
    """Each stage's findings of the doctor, held against the dump."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "policy.mesh").write_text(POLICY)
        (folder / "services.yaml").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": SERVICES}))
        words = [meshc, "compile", folder / "policy.mesh", "--catalog", folder / "services.yaml", "--target", target]
        compiled = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        data = folder / "testdata"
        data.mkdir()
        (data / "maps.txtar").write_text(_archive(folder, meshc, controller.load(compiled)))
        inner = 'mount -t bpf bpf /sys/fs/bpf && exec "$0" "$@"'
        command = ["unshare", "-m", "sh", "-c", inner, binary, "-test.run", "TestScript", "-test.v"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            sys.exit(f"the script of {target} failed:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
        for stage in STAGES:
            told = json.loads((folder / stage).read_text())
            yield stage, told, dumped((folder / f"{stage}.dump").read_text())


def problems(stage, told, dump):
    """Where the doctor does not say what Cilium says, or not whether that is right."""
    if told["pinned"] != ["cilium_lb4_services_v2", "cilium_lb6_services_v2"] or not told["out"]:
        return [f"no verdict: {told}"]
    found, spoken = [], set()
    for finding in json.loads(told["out"])["findings"]:
        place = re.fullmatch(r"shop/\w+:(\d+) at (\S+) \((\w+)\)", finding["subject"])
        spoken.add(place.group(2))
        cilium = dump.get(place.group(2), "no such frontend")
        wanted = place.group(1) in ("80", "8080")
        steered = cilium.startswith("steered")
        state = "ok" if steered == wanted else "fails"
        if (finding["found"], finding["state"]) != (cilium, state):
            found.append(f"{finding['subject']}: {finding['state']}, {finding['found']}; Cilium says {cilium}")
    # Everything that Cilium steers is spoken of, but for the node's own addresses: they are as those of all zeros.
    silent = {at for at, what in dump.items() if what.startswith("steered")} - spoken
    found += [f"{at} is steered, and nothing is said of it" for at in silent if not re.match(r"1\.1\.1\.1:|\[2001::1\]:", at)]
    return found + ([] if told["code"] == (0 if stage == "steered" else 3) else [f"exit code {told['code']}"])


def main():
    meshc, *binaries = sys.argv[1:]
    meshc, failed, said = str(pathlib.Path(meshc).resolve()), 0, 0
    for target, binary in zip(("cilium-1.18", "cilium-1.20"), binaries, strict=True):
        stages = list(run(binary, meshc, target))
        (_, told, _), (stage, _, dump), _ = stages
        assert problems(stage, told, dump), "what was said before the policy came passes for what is there with it"
        for stage, told, dump in stages:
            wrong = problems(stage, told, dump)
            steered = sum(what.startswith("steered") for what in dump.values())
            assert (steered > 0) == (stage == "steered"), (stage, dump)
            said += len(json.loads(told["out"])["findings"])
            failed += len(wrong)
            for line in wrong:
                print(f"{target}, {stage}: {line}")
    print(f"{said} verdicts compared with Cilium's own view, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
