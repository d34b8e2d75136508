"""The kernel's bpf() call, as far as the tests need it: maps and programs by hand, as no tool would make them."""

import ctypes
import os
import platform
import struct

_NUMBER = {"x86_64": 321, "aarch64": 280}[platform.machine()]
CREATE, UPDATE, PIN, OPEN, PROGRAM_BY_ID, INFO = 0, 2, 6, 7, 13, 15
HASH = 1

libc = ctypes.CDLL(None, use_errno=True)


def checked(result, what):
    """A system call's result; OSError where it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def bpf(command, form, *fields):
    """The result of a command. A field that is bytes stands for the address of them."""
    kept = [ctypes.create_string_buffer(f, len(f)) if isinstance(f, bytes) else f for f in fields]
    plain = [ctypes.addressof(f) if isinstance(f, ctypes.Array) else f for f in kept]
    attributes = ctypes.create_string_buffer(struct.pack(f"={form}", *plain), 128)
    return checked(libc.syscall(_NUMBER, command, attributes, 128), f"bpf({command})")


def create(key_size, value_size, entries=1):
    """A new hash map; its descriptor."""
    return bpf(CREATE, "IIIII", HASH, key_size, value_size, entries, 0)


def update(fd, key, value):
    """Sets an entry of a map, both sides as bytes."""
    bpf(UPDATE, "IxxxxQQQ", fd, key, value, 0)


def pin(fd, path):
    bpf(PIN, "QII", str(path).encode() + b"\0", fd, 0)


def opened(path):
    """What is pinned at a path, as a descriptor."""
    return bpf(OPEN, "QII", str(path).encode() + b"\0", 0, 0)


def told(fd):
    """What the kernel says of a descriptor: name → text."""
    with open(f"/proc/self/fdinfo/{fd}") as lines:
        return dict(map(str.strip, line.split(":", 1)) for line in lines)
