"""Processes by where they work, and what they inherit."""

import os
import pathlib
import signal


def hear_hangups():
    """What is started from now on hears SIGHUP, even if whoever runs the tests does not want to (`nohup`)."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


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
