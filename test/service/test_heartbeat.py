"""A tally is live only if heartbeats come back: deaf listeners, poolers, standbys, hanging links."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
import requests

from away import LIKES, Witness, Writer, exact, port_of, reason, served, tally_of, truth
from postgres import Cluster
from program import LONG, eventually, run
from wire import Proxy

QUICK = ("--heartbeat", "200ms")


@pytest.fixture
def likes(database):
    database.sql.execute(LIKES)
    return database


def wait_reason(server, pattern):
    return eventually(lambda: (found := reason(server)) and re.search(pattern, found) and found,
                      lambda: f"no state like {pattern}: {reason(server)}\n{server.last_lines()}")


class Pooler:
    """pgbouncer in transaction mode."""

    def __init__(self, cluster, mode="transaction"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pgtally-pooler-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.log = self.folder / "log"
        (self.folder / "users").write_text('"postgres" ""\n')
        probe = Proxy(1)  # a free port
        self.port = probe.port
        probe.close()
        (self.folder / "ini").write_text(f"""[databases]
* = host=127.0.0.1 port={port_of(cluster.dsn())}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {self.folder}/users
pool_mode = {mode}
ignore_startup_parameters = extra_float_digits
user = nobody
""")
        self.process = subprocess.Popen(["pgbouncer", str(self.folder / "ini")], stdout=subprocess.DEVNULL, stderr=self.log.open("w"))
        eventually(lambda: "process up" in self.log.read_text(), "pgbouncer did not start")

    def dsn(self, of):
        return of.replace(f"port={port_of(of)}", f"port={self.port}")

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder)


@pytest.fixture
def pooler(cluster):
    made = []

    def make(mode):
        made.append(Pooler(cluster, mode))
        return made[-1]

    yield make
    for each in made:
        each.close()


class Deaf:
    """For a proxy: swallows notifications while `hearing` is False."""

    hearing = True

    def __call__(self, who, kind, body):
        return self.hearing or not (who == "server" and kind == b"A")


def test_a_listener_that_postgresql_forgot(serve, likes):
    """The session exists and answers, but gets no notifications."""
    deaf = Deaf()
    proxy = Proxy(port_of(likes.dsn), deaf)
    writer = Writer(likes.dsn)
    try:
        server = serve(proxy.dsn(likes.dsn), *QUICK).wait_live()
        witness = Witness(server)
        writer.start()
        writer.go_on()
        deaf.hearing = False
        found = wait_reason(server, "^(stale|failed): .*heartbeat")
        assert "notif" in found, found
        eventually(lambda: " W no heartbeat" in server.log(), server.last_lines)
        writer.go_on()
        # The new connection is deaf too: the tally does not become live.
        before = server.metrics()["pgtally_reconnects_total"]
        eventually(lambda: server.metrics()["pgtally_reconnects_total"] >= before + 2)
        assert tally_of(server)["state"] != "live"
        deaf.hearing = True
        writer.go_on()
        writer.stop()
        exact(server, likes.sql, witness)
    finally:
        proxy.close()


def test_deaf_from_the_start(serve, likes):
    """A tally that was never live does not count as loaded."""
    deaf = Deaf()
    deaf.hearing = False
    proxy = Proxy(port_of(likes.dsn), deaf)
    try:
        server = serve(proxy.dsn(likes.dsn), *QUICK)
        wait_reason(server, "^failed: .*heartbeat")
        seen = {reason(server) for _ in range(100)}
        assert len(seen) == 1, seen
        assert server.get("/v1/tallies/likes/keys/1").status_code == 503
        deaf.hearing = True
        exact(server, likes.sql)
    finally:
        proxy.close()


def findings(dsn):
    return json.loads(run("check", "--json", "--dsn", dsn).stdout)["findings"]


def test_a_pooler_in_transaction_mode(serve, likes, pooler):
    one = pooler("transaction")
    server = serve(one.dsn(likes.dsn), *QUICK)
    found = wait_reason(server, "^failed: .*pooler")
    assert "directly" in found and "session mode" in found
    eventually(lambda: "pooler" in server.log(), server.last_lines)
    [finding] = [each for each in findings(one.dsn(likes.dsn)) if each["check"] == "pooler"]
    assert "directly" in finding["remedy"]
    assert run("check", "--dsn", likes.dsn).returncode == 0


def test_a_pooler_in_session_mode(serve, likes, pooler):
    """It is not noticed."""
    one = pooler("session")
    server = serve(one.dsn(likes.dsn), *QUICK).wait_live()
    likes.sql.execute("insert into likes (post_id) values (1), (2)")
    exact(server, likes.sql)
    assert run("check", "--dsn", one.dsn(likes.dsn)).returncode == 0
    assert "pooler" not in server.log()


def test_a_pooler_before_the_writers_only(serve, likes, pooler):
    one = pooler("transaction")
    server = serve(likes.dsn, *QUICK).wait_live()
    witness = Witness(server)
    writers = [Writer(one.dsn(likes.dsn), seed) for seed in range(3)]
    for each in writers:
        each.start()
        each.go_on(50)
    for each in writers:
        each.stop()
    exact(server, likes.sql, witness)
    assert server.metrics()["pgtally_reconnects_total"] == 0


def listed(server):
    """As operators see it."""
    return requests.get(server.admin + "/v1/tallies", timeout=LONG).text


def test_a_standby(serve, likes, cluster):
    standby = Cluster("hot_standby=on", "fsync=off", "max_prepared_transactions=10")
    try:
        standby.follow(cluster)
        standby.start()
        # By default a standby is skipped; with target_session_attrs=any the error says that it is one.
        server = serve(standby.dsn(likes.name), *QUICK)
        eventually(lambda: "session is read-only" in listed(server), server.last_lines)
        insisting = serve(standby.dsn(likes.name) + " target_session_attrs=any", *QUICK)
        eventually(lambda: "standby" in listed(insisting), insisting.last_lines)
        assert tally_of(insisting).get("state", "loading") != "live"
        [finding] = findings(standby.dsn(likes.name))
        assert finding["check"] == "standby"
        assert "primary" in finding["remedy"]
        # Promoted, it is a server like any other.
        standby.promote()
        with standby.connect(likes.name) as sql:
            sql.execute("insert into likes (post_id) values (4711)")
            exact(server, sql)
            exact(insisting, sql)
    finally:
        standby.drop()


def test_a_link_that_hangs(serve, likes):
    """The link stays open but silent: the heartbeat reveals it, and changes arrive on a new connection."""
    proxy = Proxy(port_of(likes.dsn))
    try:
        server = serve(proxy.dsn(likes.dsn), *QUICK).wait_live()
        witness = Witness(server)
        proxy.stall()
        likes.sql.execute("insert into likes (post_id) values (1), (2)")
        wait_reason(server, "^stale: .")
        state, values = served(server)
        assert state == "stale" and values != truth(likes.sql)
        proxy.pass_on()
        exact(server, likes.sql, witness)
    finally:
        proxy.close()
