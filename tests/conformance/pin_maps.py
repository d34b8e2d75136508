"""Run by Cilium's script test: pins the test's load-balancer maps where an agent pins them, and runs a command there.

pin_maps.py ANSWER COMMAND…: in a test, Cilium's code makes real maps and pins none, so they are taken from the
process of the test, by the names that Cilium gave them. What the command says is written to ANSWER.
"""

import ctypes
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import bpf  # noqa: E402

FOLDER = pathlib.Path("/sys/fs/bpf/tc/globals")
PIDFD_GETFD = 438
# The kernel keeps 15 characters of a name.
NAMES = {name[:15]: name for name in ("cilium_lb4_services_v2", "cilium_lb6_services_v2")}


def _name(fd):
    """The name of a map: behind type, id, and four sizes of `struct bpf_map_info`."""
    info = ctypes.create_string_buffer(256)
    bpf.bpf(bpf.INFO, "IIQ", fd, 256, info)
    return info.raw[24:40].split(b"\0")[0].decode()


def maps_of(process):
    """The load-balancer maps that a process has open: name and descriptor."""
    handle = os.pidfd_open(process)
    for entry in pathlib.Path(f"/proc/{process}/fd").iterdir():
        try:
            if os.readlink(entry) == "anon_inode:bpf-map":
                own = bpf.checked(bpf.libc.syscall(PIDFD_GETFD, handle, int(entry.name), 0), "pidfd_getfd")
                name = _name(own)
                if name in NAMES:
                    yield NAMES[name], own
        except FileNotFoundError:
            pass


def main():
    answer, *command = sys.argv[1:]
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.iterdir():
        path.unlink()
    for name, fd in maps_of(os.getppid()):
        bpf.pin(fd, FOLDER / name)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    told = {"pinned": sorted(item.name for item in FOLDER.iterdir()), "code": done.returncode}
    pathlib.Path(answer).write_text(json.dumps(told | {"out": done.stdout, "said": done.stderr}))
    # The next scripts find none of these.
    for path in FOLDER.iterdir():
        path.unlink()


if __name__ == "__main__":
    main()
