"""A terminal, as far as a command uses one."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading


class Terminal:
    """A terminal of 24 lines of 100 characters, as far as the command uses one."""

    def __init__(self, command, environment):
        self.text, self.moves = "", 0
        self.master, slave = pty.openpty()
        self.resize(24, 100)
        self.process = subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave, env=environment)
        os.close(slave)
        threading.Thread(target=self._read, daemon=True).start()

    def resize(self, lines, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self):
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 65536):
                self.text += data.decode()

    def lines(self):
        """What stands there."""
        lines = [""]
        for part in re.split("(\x1b\\[[0-9]*[A-Za-z]|\r\n)", self.text):
            if part == "\r\n":
                lines.append("")
            elif part.endswith("A") and part.startswith("\x1b["):
                up = int(part[2:-1])
                # The cursor stands at the begin of an empty line.
                assert lines[-1] == "" and up < len(lines), lines
                lines = lines[: len(lines) - 1 - up] + [""]
            elif not part.startswith("\x1b["):
                lines[-1] += part
        return lines

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(10)
        os.close(self.master)
