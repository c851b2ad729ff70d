"""The referee's stage: a cluster that crashes, the proxy in front of it, the service, and the log of faults."""

import collections
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import psycopg
import requests

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "exact"))

from proxy import Proxy  # noqa: E402
from service import PROGRAM, free_port  # noqa: E402
from story import is_lost  # noqa: E402

FAULTS_KEPT = 50
LOG_KEPT = 40
DEADLOCK_LINES = 30
LONG = 60  # seconds after which an expected event counts as missing


class Wrong(AssertionError):
    """An error that the referee found."""


def eventually(what, why, seconds=LONG):
    """Polls what() and returns its first true value. `why` is a text or a function that returns one."""
    until = time.monotonic() + seconds
    while not (value := what()):
        if time.monotonic() > until:
            raise Wrong(why() if callable(why) else why)
        time.sleep(0.05)
    return value


class Program:
    """`pgtally serve`, on the same addresses after each restart."""

    def __init__(self, dsn, log):
        self.port, self.admin_port = free_port(), free_port()
        self.url, self.admin = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.admin_port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}/v1/ws"
        self.dsn, self.path = dsn, log
        self.process, self.stopped = None, False
        self.start()

    def start(self):
        """Retries, because the kernel or another program may hold the address for a moment."""
        def up():
            if self.process is None or self.process.poll() is not None:
                with open(self.path, "a") as log:
                    self.process = subprocess.Popen(
                        [PROGRAM, "serve", "--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin_port}",
                         "--heartbeat", "1s", "--materialize-every", "1s", "--writable"],
                        stderr=log, stdout=log, env={**os.environ, "PGTALLY_DSN": self.dsn})
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", self.port), timeout=5):
                    return True
        eventually(up, lambda: f"the service does not start:\n{self.log()}")

    def kill(self):
        self.process.kill()
        self.process.wait(30)
        self.process, self.stopped = None, False

    def halt(self):
        self.stopped = True
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        if self.stopped:
            self.process.send_signal(signal.SIGCONT)
        self.stopped = False

    def end(self):
        """Sends SIGTERM and returns the exit status."""
        self.go_on()
        self.process.terminate()
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()

    def log(self, lines=LOG_KEPT):
        with open(self.path) as log:
            return "".join(collections.deque(log, lines))

    def get(self, path):
        answer = requests.get(self.url + path, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def states(self):
        """name -> state; empty while it does not answer."""
        try:
            return {tally["name"]: tally["state"] for tally in self.get("/v1/tallies")["tallies"]}
        except requests.RequestException:
            return {}

    def reason(self, tally):
        """All that it says is wrong, with names and remedies."""
        tallies = requests.get(f"{self.admin}/v1/tallies", timeout=30).json()["tallies"]  # also of one that was never loaded
        return next((one.get("reason", "") for one in tallies if one["name"] == tally), "")

    def loads(self, tally):
        """The number of loads so far, without audits."""
        lines = requests.get(f"{self.admin}/metrics", timeout=30).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines
                   if line.startswith("pgtally_loads_total{") and f'tally="{tally}"' in line and 'cause="audit"' not in line)

    def post(self, path, seconds=60):
        return requests.post(self.admin + path, timeout=seconds)


class Server:
    """A service and the proxy between it and PostgreSQL."""

    def __init__(self, database, log):
        parts = psycopg.conninfo.conninfo_to_dict(database.dsn)
        self.proxy = Proxy(parts["host"], int(parts["port"]))
        through = psycopg.conninfo.make_conninfo(database.dsn, port=self.proxy.port, sslmode="disable", gssencmode="disable")
        self.program = Program(through, log)

    def close(self):
        self.program.go_on()
        self.program.process.kill()
        self.proxy.close()


class Stage:
    """`servers`: the first one has all viewers and actions; clients move between them all."""

    def __init__(self, cluster, database, folder, servers=1):
        self.cluster, self.database = cluster, database
        self.began = time.monotonic()
        self.faults = collections.deque(maxlen=FAULTS_KEPT)
        self.number_of_faults = collections.Counter()
        self.servers = [Server(database, folder / f"serve{number}.log") for number in range(servers)]
        self.program = self.servers[0].program
        self.connection = None

    def close(self):
        for server in self.servers:
            server.close()
        if self.connection:
            self.connection.close()

    def seconds(self):
        return time.monotonic() - self.began

    def note(self, name, detail=""):
        self.number_of_faults[name] += 1
        self.say(f"{name} {detail}".strip())

    def say(self, what):
        self.faults.append(f"{self.seconds():7.2f} s  {what}")

    def sql(self, statement, arguments=None):
        """Runs SQL as a superuser, not through the proxy. Repeats it after a crash, so use it only for what may be done twice."""
        until = time.monotonic() + LONG
        while True:
            try:
                if self.connection is None or self.connection.closed:
                    self.connection = psycopg.connect(self.database.dsn, autocommit=True, connect_timeout=20, application_name="referee")
                cursor = self.connection.execute(statement, arguments)
                return cursor.fetchall() if cursor.description else []
            except psycopg.Error as error:
                if not is_lost(error) or time.monotonic() > until:
                    raise
                self.connection = None
                time.sleep(0.1)

    def server_version(self):
        return self.sql("select current_setting('server_version_num')::integer")[0][0]

    def report(self):
        faults = "\n".join(self.faults)
        logs = "\n".join(f"the log of server {number} ends:\n{server.program.log()}" for number, server in enumerate(self.servers))
        return f"the last faults:\n{faults}\nnow {self.seconds():.2f} s; {logs}\nthe last deadlock in PostgreSQL's log:\n{self.deadlock()}"

    def deadlock(self):
        """Who met whom: PostgreSQL tells the statements only to its log."""
        with open(self.cluster.folder / "data" / "log", errors="replace") as log:
            _, found, after = log.read().rpartition("deadlock detected")
        return "\n".join((found + after).splitlines()[:DEADLOCK_LINES]) if found else "none"
