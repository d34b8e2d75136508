"""A place of the test's own: network namespace, BPF file system, cgroup. Nothing of the machine is touched."""

import ctypes
import os
import pathlib
import shutil
import subprocess
import sys

from harness import bpf

BPFFS = pathlib.Path("/sys/fs/bpf")
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 0x40000, 0x1000
V4, V6, SECOND = "10.96.0.10", "fd00::10", "10.96.0.11"

def unshare(flags):
    bpf.checked(bpf.libc.unshare(flags), "unshare")


def mount(source, target, kind, flags=0, data=None):
    text = [item.encode() if isinstance(item, str) else item for item in (source, str(target), kind)]
    bpf.checked(bpf.libc.mount(*text, ctypes.c_ulong(flags), data.encode() if data else None), f"mount {target}")


def umount(target):
    bpf.checked(bpf.libc.umount2(str(target).encode(), 0), f"umount {target}")


def cgroup2():
    """Where cgroup v2 is mounted."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split(" ")
        if kind == "cgroup2":
            return pathlib.Path(place)
    place = pathlib.Path("/run/meshc-cgroup2")
    place.mkdir(exist_ok=True)
    mount("none", place, "cgroup2")
    return place


def addresses():
    """Brings loopback up, with the addresses of a service on it."""
    for words in (
        "link set lo up",
        f"addr add {V4}/32 dev lo",
        f"addr add {SECOND}/32 dev lo",
        f"-6 addr add {V6}/128 dev lo nodad",
    ):
        subprocess.run(["ip", *words.split()], check=True)


class Place:
    """Where all checks happen; this process and its children are in it until they end."""

    def __init__(self):
        unshare(CLONE_NEWNS | CLONE_NEWNET)
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        self.mount_bpffs()
        addresses()
        self.base = cgroup2()
        self.before = pathlib.Path("/proc/self/cgroup").read_text().splitlines()
        self.cgroup = self.base / f"meshc-steer-{os.getpid()}"
        self.cgroup.mkdir()
        self.enter(self.cgroup)

    @staticmethod
    def mount_bpffs(mode="0700"):
        """A fresh BPF file system."""
        mount("bpf", BPFFS, "bpf", 0, f"mode={mode}")

    @staticmethod
    def enter(cgroup):
        """Moves this process."""
        (cgroup / "cgroup.procs").write_text("0")

    def left(self):
        """What is pinned, and which cgroups are there."""
        pinned = BPFFS / "meshc"
        cgroups = (item for item in self.cgroup.iterdir() if item.is_dir())
        return [*([pinned] if pinned.exists() else []), *cgroups]

    def clear(self):
        """Removes what a failed check left."""
        shutil.rmtree(BPFFS / "meshc", ignore_errors=True)
        for item in self.cgroup.iterdir():
            if item.is_dir():
                try:
                    item.rmdir()
                except OSError as error:
                    print(f"   left: {item}: {error}", file=sys.stderr)

    def close(self):
        """Back to the cgroup of before."""
        own = next((line.split(":", 2)[2] for line in self.before if line.startswith("0::")), "/")
        self.enter(self.base / own.lstrip("/"))
        self.cgroup.rmdir()


def pin_map(path, key, value):
    """Pins a map of other sizes, as a stranger would."""
    made = bpf.create(key, value)
    bpf.pin(made, path)
    os.close(made)
