"""`meshc doctor --node` against maps laid out as Cilium's, filled by hand."""

import json
import os
import pathlib
import subprocess
import tempfile

from up import check

from harness import bpf

POLICY = "namespace shop\nroute cart:80 timeout 1s\n"
SERVICES = """
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: cart, namespace: shop}
  spec:
    clusterIP: 10.96.50.104
    clusterIPs: [10.96.50.104, "fd00::10"]
    ports:
    - {name: http, port: 80, nodePort: 30080}
    - {name: other, port: 81}
    - {name: more, port: 82}
- apiVersion: v1
  kind: Service
  metadata: {name: unsteered, namespace: shop}
  spec: {clusterIP: 10.96.50.105, ports: [{port: 80}]}
"""
# Worked out by hand from `lb4_key`, `lb6_key` and `lb4_service`:
# address, port, slot, protocol, scope, padding -> port or number, count, reverse NAT, flags, quarantined
V4 = {
    "0a 60 32 68 00 50 00 00 06 00 00 00": "27 10 00 00 01 00 00 04 00 04 00 00",  # 80: to 10000
    "0a 60 32 68 00 50 01 00 06 00 00 00": "07 00 00 00 00 00 00 04 00 04 00 00",  # its backend
    "0a 60 32 68 00 51 00 00 06 00 00 00": "00 00 00 01 01 00 00 05 00 00 00 00",  # 81: not steered
    "0a 60 32 68 00 52 00 00 06 00 00 00": "27 12 00 00 01 00 00 06 00 04 00 00",  # 82: steered by somebody
    "00 00 00 00 75 80 00 00 06 00 00 00": "27 10 00 00 01 00 00 07 02 04 00 00",  # the node port
}
V6 = {
    # As agents up to 1.16 write it, without a protocol.
    "fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 10 00 50 00 00 00 00 00 00": "27 11 00 00 01 00 00 08 00 04 00 00",
}


def pinned(path, key_size, value_size, entries):
    """A hash map with these entries, pinned."""
    handle = bpf.create(key_size, value_size, 100)
    for key, value in entries.items():
        bpf.update(handle, bytes.fromhex(key), bytes.fromhex(value))
    bpf.pin(handle, path)
    os.close(handle)


class Node:
    """A folder with a policy, and a bpffs of its own."""

    def __init__(self, meshc):
        self.meshc = meshc
        self.base = pathlib.Path(tempfile.mkdtemp())
        self.maps = self.base / "bpf"

    def __enter__(self):
        (self.base / "policy.mesh").write_text(POLICY)
        (self.base / "services.yaml").write_text(SERVICES)
        self.maps.mkdir()
        subprocess.run(["mount", "-t", "bpf", "bpf", self.maps], check=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.maps], check=True)
        for path in (self.base / "policy.mesh", self.base / "services.yaml"):
            path.unlink()
        self.maps.rmdir()
        self.base.rmdir()

    def doctor(self, *options):
        """What is said: the exit code, the findings by their subjects, and stderr."""
        command = [self.meshc, "doctor", "--node", self.base / "policy.mesh", "--maps", self.maps, "-o", "json"]
        command += ["--catalog", self.base / "services.yaml", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        found = json.loads(done.stdout)["findings"] if done.stdout else []
        return done.returncode, {f["subject"]: (f["state"], f["found"]) for f in found}, done.stderr


def able():
    """Whether this machine lets maps be made; says so where it does not, which CI may not."""
    if os.geteuid() == 0:
        return True
    assert os.environ.get("CI") != "true", "this check takes root"
    print("   skipped: it takes root")
    return False


@check
def a_node_is_held_against_its_policies(start):
    if not able():
        return
    with Node(start.meshc) as node:
        pinned(node.maps / "cilium_lb4_services_v2", 12, 12, V4)
        pinned(node.maps / "cilium_lb6_services_v2", 24, 12, V6)
        code, found, said = node.doctor()
        expected = {
            "shop/cart:80 at 10.96.50.104:80 (ClusterIP)": ("ok", "steered to the proxy's port 10000"),
            "shop/cart:80 at [fd00::10]:80 (ClusterIP)": ("ok", "steered to the proxy's port 10001"),
            "shop/cart:80 at 0.0.0.0:30080 (NodePort)": ("ok", "steered to the proxy's port 10000"),
            "shop/cart:80 at [::]:30080 (NodePort)": ("fails", "no such frontend"),
            "shop/cart:81 at 10.96.50.104:81 (ClusterIP)": ("ok", "not steered"),
            "shop/cart:81 at [fd00::10]:81 (ClusterIP)": ("ok", "no such frontend"),
            "shop/cart:82 at 10.96.50.104:82 (ClusterIP)": ("fails", "steered to the proxy's port 10002"),
            "shop/cart:82 at [fd00::10]:82 (ClusterIP)": ("ok", "no such frontend"),
        }
        assert found == expected, (found, said)
        assert code == 3, code


@check
def a_node_that_is_right_is_said_to_be(start):
    if not able():
        return
    with Node(start.meshc) as node:
        right = {key: value for key, value in V4.items() if not key.startswith("0a 60 32 68 00 52")}
        (node.base / "services.yaml").write_text(SERVICES.replace(', "fd00::10"', ""))
        pinned(node.maps / "cilium_lb4_services_v2", 12, 12, right)
        code, found, said = node.doctor()
        assert code == 0, (code, found, said)


@check
def maps_that_are_not_ciliums_are_not_read(start):
    if not able():
        return
    with Node(start.meshc) as node:
        code, _, said = node.doctor()
        assert code == 3 and "no load-balancer maps of Cilium" in said, (code, said)
        pinned(node.maps / "cilium_lb4_services_v2", 12, 16, {})
        code, _, said = node.doctor()
        assert code == 3 and "is not laid out as Cilium's releases" in said, (code, said)
