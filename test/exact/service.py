"""The program under test, as a process."""

import asyncio
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import urllib.error
import urllib.request

PROGRAM = os.environ.get("PGTALLY_PROGRAM", str(pathlib.Path(__file__).parents[2] / "build/release/pgtally"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


async def eventually(condition, seconds=60):
    """Polls until it is true. A deadline turns a hang into a failure."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Service:
    def __init__(self, dsn, log, *options):
        self.port, self.admin = free_port(), free_port()
        self.log = open(log, "w")  # noqa: SIM115: as long as the process
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--dsn", dsn, "--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin}",
             "--heartbeat", "1s", *options], stderr=self.log, stdout=self.log)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def tally(self, name):
        return self.get(f"/v1/tallies/{name}")

    def live(self):
        return all(tally["state"] == "live" for tally in self.get("/v1/tallies")["tallies"])

    def reconnects(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("pgtally_reconnects_total"))

    def url(self):
        return f"ws://127.0.0.1:{self.port}/v1/ws"

    async def ready(self):
        def answers():
            assert self.process.poll() is None, "the service ended"
            with contextlib.suppress(OSError):
                return self.get("/readyz")

        await eventually(answers)

    def stop(self):
        self.process.terminate()
        try:
            assert self.process.wait(15) == 0
        finally:
            self.process.kill()
            self.log.close()
