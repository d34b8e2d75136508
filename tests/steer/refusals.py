"""Where steering is impossible, or not to be trusted: nothing is attached, and the message says why."""

import errno
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import time

from behaviour.client import wait_until
from steer import place, traffic
from steer.place import BPFFS, V4
from steer.steady import check
from steer.traffic import ask
from steer.up import policy, steer

USER = 12345
BOTH = "+bpf,+net_admin"


def refused(up, *words):
    """Ends with 3, having said all of this, and nothing is steered."""
    code, said = up.ends()
    assert code == 3, (code, said)
    for word in words:
        assert word in said, (word, said)
    assert ask()[0] == "direct"


def as_user(capabilities):
    """The words that run a command as another user with these capabilities alone."""
    ids = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    return ["setpriv", *ids, f"--inh-caps=-all,{capabilities}", f"--ambient-caps=-all,{capabilities}"]


def unmount(path, tries=500):
    """Unmounts a program: a keeper that runs it ends a moment after its folder is gone."""
    for _ in range(tries):
        try:
            return place.umount(path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        time.sleep(0.01)
    raise TimeoutError(path)


class Lent:
    """Program, Envoy, cgroup and BPF file system where a user without privilege can use them."""

    def __init__(self, start, cgroup=True, pins=True):
        self.here = start.place
        self.folder = start.shared()
        self.meshc = self.folder / "meshc"
        self.envoy = self.folder / "envoy"
        for source, target in ((start.meshc, self.meshc), (start.envoy, self.envoy)):
            target.touch()
            place.mount(str(source), target, None, place.MS_BIND)
        self.lent = [self.here.cgroup, self.here.cgroup / "cgroup.procs"] if cgroup else []
        for item in self.lent:
            os.chown(item, USER, USER)
        place.umount(BPFFS)
        self.here.mount_bpffs("1777" if pins else "0700")

    def close(self):
        for item in self.lent:
            os.chown(item, 0, 0)
        for item in (self.meshc, self.envoy):
            unmount(item)
        shutil.rmtree(self.folder)


@check
def a_user_with_both_capabilities_steers(start):
    lent = Lent(start)
    try:
        up = start(meshc=lent.meshc, envoy=lent.envoy, under=as_user(BOTH), owner=USER)
        up.wait("steered")
        assert wait_until(lambda: ask()[0] in ("v1", "v2"), 5), (up.events, up.said, up.log())
        words = [*as_user(BOTH), str(lent.meshc), "steer", "status"]
        shown = subprocess.run(words, capture_output=True, text=True)
        assert shown.returncode == 0 and "Envoy answered" in shown.stdout, shown
        # Its folders are not root's, who trusts them not.
        code, _, said = steer(up.meshc, "status")
        assert code == 3 and f"belongs to user {USER}" in said, said
        # A kill, and another one of the same user.
        up.kill()
        again = start(meshc=lent.meshc, envoy=lent.envoy, under=as_user(BOTH), owner=USER)
        again.wait("steered")
        assert wait_until(lambda: ask()[0] in ("v1", "v2"), 5)
        assert again.interrupt() == 0
        assert up.gone() and again.gone()
    finally:
        lent.close()


@check
def a_missing_capability_is_named(start):
    for kept, missing in (("+net_admin", "CAP_BPF"), ("+bpf", "CAP_NET_ADMIN"), ("-bpf", "CAP_BPF, CAP_NET_ADMIN")):
        bounding = {"+net_admin": "-bpf,-sys_admin", "+bpf": "-net_admin,-sys_admin"}.get(kept, "-all")
        up = start(under=["setpriv", f"--bounding-set={bounding}", "--inh-caps=-all"])
        refused(up, f"missing: {missing}\n", "setcap cap_bpf,cap_net_admin+ep", "--no-steer")


@check
def write_access_is_told_apart(start):
    for cgroup, pins, words in ((False, True, "cannot give Envoy a cgroup of its own"), (True, False, "cannot write /sys/fs/bpf/meshc")):
        lent = Lent(start, cgroup, pins)
        try:
            up = start(meshc=lent.meshc, envoy=lent.envoy, under=as_user(BOTH), owner=USER)
            refused(up, words, "ermission denied")
        finally:
            lent.close()


@check
def what_is_not_mounted_is_named(start):
    without = lambda what: ["unshare", "--mount", "sh", "-c", f'umount -l -t {what} -a && exec "$@"', "sh"]  # noqa: E731
    refused(start(under=without("bpf")), "no BPF file system", "mount -t bpf bpf /sys/fs/bpf")
    refused(start(under=without("cgroup2")), "no cgroup v2", "mount -t cgroup2")
    refused(start(options=["--cgroup", "/tmp"]), "/tmp is not a cgroup of the v2 hierarchy")
    code, _, said = steer(start.meshc, "on")
    assert code == 3 and "nothing is steered" in said, said


@check
def a_kernel_that_forbids_bpf_is_named(start):
    # No test locks the machine down, since nothing but a boot undoes that: `bpf()` answers as it does then, and the
    # file that says why is a test's own.
    forbidden = [sys.executable, str(pathlib.Path(__file__).with_name("forbid_bpf.py"))]
    text = "although the capabilities are there"
    refused(start(under=forbidden), text, "not of a container's user namespace", "see `dmesg`")
    for mode in ("[none] integrity confidentiality", "none integrity [confidentiality]"):
        words = f'mount -t tmpfs none /sys/kernel/security && echo "{mode}" >/sys/kernel/security/lockdown && exec "$@"'
        up = start(under=["unshare", "--mount", "sh", "-c", words, "sh", *forbidden])
        refused(up, text, "see `dmesg`" if "[none]" in mode else "the kernel is locked down", "--no-steer")
    assert not list(start.place.cgroup.glob("meshc-*")), "Envoy's cgroup was left"
    # A policy that comes later fares no worse.
    up = start(text=policy().replace(f"at {V4}, {place.V6}", ""), under=forbidden)
    up.wait("live")
    up.save(policy())
    assert text in up.wait("unsteered")["message"]
    assert ask()[0] == "direct"


def section(text, name):
    """Where a section of a 64-bit ELF object begins."""
    table, size, count, names = struct.unpack_from("<Q", text, 40) + struct.unpack_from("<HHH", text, 58)
    headers = [struct.unpack_from("<IIQQQQ", text, table + at * size) for at in range(count)]
    of = lambda header: text[headers[names][4] + header[0] :].split(b"\0")[0].decode()  # noqa: E731
    return next(header[4] for header in headers if of(header) == name)


@check
def what_the_verifier_refuses_is_told(start):
    # The same program, whose object reads beyond its stack: the verifier really refuses it.
    text = (pathlib.Path(__file__).parents[2] / "runtime" / "bpf" / "steer.bpf.o").read_bytes()
    program = bytearray(start.meshc.read_bytes())
    at = program.index(text) + section(text, "cgroup/connect6")
    assert program.count(text) == 1
    program[at : at + 8] = bytes.fromhex("79 a0 08 00 00 00 00 00")  # r0 = *(u64 *)(r10 + 8)
    folder = start.shared()
    broken = folder / "meshc"
    try:
        broken.write_bytes(program)
        broken.chmod(0o755)
        refused(start(meshc=broken), "the kernel refuses the program `meshc_connect6`", "invalid read from stack", "please report it")
        # Nothing of it is attached: neither the ones before it nor a run that is there are touched.
        assert not (BPFFS / "meshc").exists() and not list(start.place.cgroup.glob("meshc-*"))
        start().steers().kill()
        refused_second(start(meshc=broken), "the kernel refuses the program `meshc_connect6`")
        (held,) = start().steers().status()["sets"]
        assert held["drift"] == [] and ask()[0] in ("v1", "v2"), held
    finally:
        shutil.rmtree(folder)


@check
def pins_that_somebody_removes_are_told(start):
    up = start().steers()
    states = lambda: [event["state"] for event in up.of("steering")]  # noqa: E731
    assert wait_until(lambda: states() == ["on"], 5), states()
    shutil.rmtree(BPFFS / "meshc")
    assert wait_until(lambda: ask()[0] == "direct" and states() == ["on", "removed"], 5), states()
    # A change cannot be steered, and is served.
    up.save(policy("route helloworld to v1", at=f"{V4}, {place.SECOND}"))
    assert "/sys/fs/bpf/meshc/default/v1" in up.wait("unsteered")["message"]
    assert wait_until(lambda: {ask("127.0.0.1", 15500)[0] for _ in range(20)} == {"v1"}, 5)
    assert up.interrupt() == 0
    assert start().steers().status()["sets"][0]["drift"] == []


@check
def a_foreign_map_is_not_opened(start):
    folder = BPFFS / "meshc" / "default" / "v1"
    for item in (folder.parent.parent, folder.parent, folder):
        item.mkdir(mode=0o700)
    place.pin_map(folder / "settings", 16, 64)
    up = start()
    refused(up, "/settings is a Hash map with keys of 16 and values of 64 bytes", "rm /sys/fs/bpf/meshc/default/v1/settings")
    # It was there before, and stays.
    assert [item.name for item in folder.iterdir()] == ["settings"]
    shutil.rmtree(BPFFS / "meshc")
    assert not list(start.place.cgroup.glob("meshc-*")), "Envoy's cgroup was left"


@check
def folders_of_others_are_not_trusted(start):
    ours = BPFFS / "meshc"
    ours.mkdir(mode=0o700)
    ours.chmod(0o777)
    refused(start(), "has mode 0777 instead of 0700")
    ours.chmod(0o700)
    os.chown(ours, USER, USER)
    refused(start(), f"belongs to user {USER}")
    ours.rmdir()


@check
def there_is_one_instance_of_a_set(start):
    first = start().steers()
    refused_second(start(), "another `meshc up` steers the set `default`", 'name = "shop"')
    assert ask()[0] in ("v1", "v2")
    # A set of another name has pins of its own.
    other = start(text=policy(at="10.96.0.11"), options=["--first-port", "15700"], name="other")
    other.wait("steered")
    assert wait_until(lambda: ask("10.96.0.11")[0] in ("v1", "v2"), 5)
    assert sorted(item["set"] for item in first.status()["sets"]) == ["default", "other"]


def refused_second(up, *words):
    code, said = up.ends()
    assert code == 3 and all(word in said for word in words), (code, said)


@check
def too_many_addresses_are_refused_whole(start):
    many = ", ".join(f"10.{a}.{b}.{c}" for a in range(100, 102) for b in range(33) for c in range(1, 255))
    refused(start(text=policy(at=many)), "16764 addresses with a port are too many", "at most 16384")
    # While it runs, what was steered stays.
    up = start().steers()
    up.save(policy(at=f"{V4}, {many}"))
    assert "too many" in up.wait("unsteered")["message"]
    assert ask()[0] in ("v1", "v2")
    assert up.status()["sets"][0]["drift"] == []


@check
def a_cgroup_that_goes_is_attached_anew(start):
    chosen = start.place.cgroup / "chosen"
    chosen.mkdir()
    up = start(options=["--cgroup", str(chosen)])
    up.wait("steered")
    assert ask()[0] == "direct"
    assert wait_until(lambda: asked_in(chosen) in ("v1", "v2"), 5)
    up.kill()
    assert up.gone()
    for _ in range(50):
        try:
            chosen.rmdir()
            break
        except OSError:
            time.sleep(0.1)
    # The kernel lets go of it a moment later.
    told = lambda: any("is gone" in item["problem"] for item in up.status()["sets"][0]["drift"])  # noqa: E731
    assert wait_until(told, 5), up.status()
    chosen.mkdir()
    again = start(options=["--cgroup", str(chosen)])
    again.wait("steered")
    assert wait_until(lambda: asked_in(chosen) in ("v1", "v2"), 5)
    assert again.status()["sets"][0]["drift"] == []
    # To another cgroup: what was on the first one goes.
    again.kill()
    assert again.gone()
    start().steers()
    assert ask()[0] in ("v1", "v2")
    assert steer(start.meshc, "status")[0] == 0
    chosen.rmdir()


def asked_in(cgroup):
    """Who answers a process of this cgroup."""

    def there():
        place.Place.enter(cgroup)
        return ask()[0]

    return traffic.in_child(there).strip("'")
