"""Cilium's own controller over what is in the API server: the tables that a real agent would show."""

import json
import pathlib
import subprocess
import tempfile

SCRIPT = """\
db/insert node-addresses addrv4.yaml
hive start
{adds}
sleep 1500ms
db/show --format=json ciliumenvoyconfigs
echo meshc-end
db/show --format=json envoy-resources
echo meshc-end
db/show --format=json services
echo meshc-end
-- addrv4.yaml --
addr: 1.1.1.1
nodeport: true
primary: true
devicename: test
"""


def archive(objects):
    """A script that adds the objects and shows the tables."""
    files = {f"k8s-{index:03}.yaml": item for index, item in enumerate(objects)}
    parts = [SCRIPT.format(adds="\n".join(f"k8s/add {name}" for name in files))]
    # JSON is YAML, and has no lines that could be taken for the archive's own.
    parts += [f"-- {name} --\n{json.dumps(item)}\n" for name, item in files.items()]
    return "".join(parts)


def plain(item, kind, version):
    """An object without what only the API server has to do with."""
    metadata = {k: v for k, v in item["metadata"].items() if k in ("name", "namespace", "labels", "annotations")}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": item["spec"]}


def broken(text, width=40):
    """A text as the client of earlier releases prints it: lines longer than its buffer are
    broken. Here the buffer is small, so that there are such lines."""
    lines = [line[at : at + width] for line in text.splitlines() for at in range(0, max(len(line), 1), width)]
    return "\n".join(lines) + "\n"


def tables(controller, configs, services):
    """What the tables of an agent with these objects are, as its shell prints them."""
    objects = [plain(item, "Service", "v1") for item in services]
    objects += [plain(item, "CiliumEnvoyConfig", "cilium.io/v2") for item in configs]
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "testdata").mkdir()
        (pathlib.Path(folder) / "testdata" / "one.txtar").write_text(archive(objects))
        # The load balancer wants a bpf file system; it gets one that is gone with the process.
        inner = 'mount -t bpf bpf /sys/fs/bpf && exec "$0" "$@"'
        command = ["unshare", "-m", "sh", "-c", inner, controller, "-test.run", "TestScript", "-test.v"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    log = done.stdout + done.stderr
    parts = log.split("> db/show --format=json ")[1:]
    assert len(parts) == 3, log[-3000:]
    found = {}
    for part in parts:
        name, _, rest = part.partition("\n")
        lines = [line.strip() for line in rest.split("> echo meshc-end")[0].splitlines()]
        text = "\n".join(line for line in lines if not line.startswith(("[stdout]", "[stderr]", "logger.go", "time=")))
        found[name.strip()] = text + "\n"
    return {"configs": found["ciliumenvoyconfigs"], "resources": found["envoy-resources"], "services": found["services"]}
