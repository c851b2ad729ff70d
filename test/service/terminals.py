"""Programs on a terminal."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios

from program import LONG, PROGRAM, environment


class Terminal:
    """Runs the program with stdout and stderr on a terminal of so many columns. `seen` is what it has printed, as bytes."""

    def __init__(self, *arguments, columns=80, env=None):
        self.controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen([PROGRAM, *arguments], env=environment(**{"TERM": "xterm", "NO_COLOR": "", **(env or {})}), stdin=terminal,
                                        stdout=terminal, stderr=terminal)
        os.close(terminal)
        self.seen = b""

    def until(self, text):
        while text not in self.seen:
            self.seen += os.read(self.controller, 4096)

    def rest(self):
        """All that it prints until it ends, as text."""
        with contextlib.suppress(OSError):  # EIO at the end
            while data := os.read(self.controller, 4096):
                self.seen += data
        os.close(self.controller)
        self.process.wait(timeout=LONG)
        return self.seen.decode().replace("\r\n", "\n")
