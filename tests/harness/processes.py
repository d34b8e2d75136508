"""Processes by where they work."""

import os
import pathlib


def working_in(folder):
    """The ids of the processes whose current folder lies in this one."""
    found = []
    for process in pathlib.Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if str(folder) in os.readlink(process / "cwd"):
                    found.append(int(process.name))
            except OSError:
                pass
    return found
