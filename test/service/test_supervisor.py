"""systemd: sd_notify, the watchdog, and the unit of the documentation."""

import re
import shutil
import signal
import socket
import subprocess
import uuid

import pytest

from program import LONG, ROOT

UNIT = ROOT / "server" / "docs" / "pgtally.service"


class Supervisor:
    """Receives what a service says, line by line."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(LONG)
        self.said = []

    def until(self, wanted):
        while not wanted(self.said):
            self.said += self.socket.recv(4096).decode().splitlines()
        return self.said


@pytest.fixture(params=["path", "abstract"])
def supervisor(request, tmp_path):
    name = str(tmp_path / "notify") if request.param == "path" else f"@pgtally-{uuid.uuid4()}"
    it = Supervisor(name.replace("@", "\0", 1))
    it.name = name
    yield it
    it.socket.close()


def test_ready_status_watchdog_and_the_end(serve, tweets, supervisor):
    server = serve(tweets.dsn, env={"NOTIFY_SOCKET": supervisor.name, "WATCHDOG_USEC": "200000"})
    said = supervisor.until(lambda said: "STATUS=1 of 1 tallies live, 0 clients" in said and said.count("WATCHDOG=1") > 3)
    assert said[0] == "READY=1" and said.count("READY=1") == 1
    client = server.connect()
    supervisor.until(lambda said: "STATUS=1 of 1 tallies live, 1 clients" in said)
    client.close()
    server.process.send_signal(signal.SIGTERM)
    assert supervisor.until(lambda said: "STOPPING=1" in said)
    assert server.process.wait(LONG) == 0


def test_a_loop_that_hangs_says_nothing(serve, tweets, supervisor):
    server = serve(tweets.dsn, env={"NOTIFY_SOCKET": supervisor.name, "WATCHDOG_USEC": "200000"})
    supervisor.until(lambda said: "WATCHDOG=1" in said)
    server.process.send_signal(signal.SIGSTOP)
    supervisor.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        supervisor.until(lambda said: len(said) > 1000)
    server.process.send_signal(signal.SIGCONT)
    supervisor.socket.settimeout(LONG)
    heard = supervisor.said.count("WATCHDOG=1")
    supervisor.until(lambda said: said.count("WATCHDOG=1") > heard)


def test_the_database_is_away(serve, supervisor):
    serve("host=127.0.0.1 port=1 dbname=x", env={"NOTIFY_SOCKET": supervisor.name})
    assert "WATCHDOG=1" not in supervisor.until(lambda said: "STATUS=waiting for the database" in said), "nobody asked for a watchdog"


@pytest.mark.parametrize("variables", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"NOTIFY_SOCKET": "x"}, {"NOTIFY_SOCKET": "/" + "x" * 200}, {"NOTIFY_SOCKET": "@"}])
def test_no_supervisor(serve, tweets, variables):
    serve(tweets.dsn, env={**variables, "WATCHDOG_USEC": "1000"}).wait_live()


def test_a_watchdog_for_another_process(serve, tweets, supervisor):
    serve(tweets.dsn, env={"NOTIFY_SOCKET": supervisor.name, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"})
    assert "WATCHDOG=1" not in supervisor.until(lambda said: "STATUS=1 of 1 tallies live, 0 clients" in said)


def test_the_unit():
    text = UNIT.read_text()
    assert re.search(r"(?m)^Type=notify$", text) and re.search(r"(?m)^ExecStart=/usr/bin/pgtally serve --config /etc/pgtally/pgtally\.conf$", text)
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    said = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", UNIT], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
