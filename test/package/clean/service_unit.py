"""A service as its unit describes it, started without systemd: its command, its user, its limit of descriptors, and the
protocol of Type=notify. What the unit takes away (ProtectSystem= and the like) is not taken away here."""

import configparser
import os
import resource
import shlex
import signal
import socket
import subprocess

from clean_debian import LONG, Debian

NOTIFY = "/run/systemd/notify"


class Unit:
    def __init__(self, debian: Debian, name):
        self.debian, self.process, self.limit, self.name = debian, None, 0, name
        parsed = configparser.RawConfigParser(strict=False, interpolation=None)
        parsed.optionxform = str
        parsed.read_string(debian.path(f"/lib/systemd/system/{name}.service").read_text())
        self.says = parsed["Service"]
        self.said, self.log = [], debian.folder.parent / f"{name}.log"

    def start(self):
        assert self.says["Type"] == "notify"
        listener = self._listen()
        self.limit = min(int(self.says["LimitNOFILE"]), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        command = ["env", f"NOTIFY_SOCKET={NOTIFY}", *shlex.split(self.says["ExecStart"])]
        self.process = subprocess.Popen(
            self.debian.words(*command, user=self.says["User"]), stderr=self.log.open("w"), stdin=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (self.limit, self.limit)))
        while "READY=1" not in self.said:
            try:
                self.said += listener.recv(4096).decode().splitlines()
            except TimeoutError:
                raise AssertionError(f"{self.name} is not ready: {self.log.read_text()}") from None
            assert self.process.poll() is None, self.log.read_text()
        listener.close()

    def _listen(self):
        """systemd's socket, where the service finds it. It has a name of at most 107 bytes, so from its folder."""
        folder = self.debian.path(NOTIFY).parent
        folder.mkdir(parents=True, exist_ok=True)
        self.debian.path(NOTIFY).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        before = os.getcwd()
        os.chdir(folder)
        listener.bind("notify")
        os.chdir(before)
        self.debian.path(NOTIFY).chmod(0o777)
        listener.settimeout(LONG)
        return listener

    def reload(self):
        assert self.says["ExecReload"] == "/bin/kill -HUP $MAINPID"
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        """Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LONG)
