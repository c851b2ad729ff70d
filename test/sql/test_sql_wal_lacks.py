"""Servers on which the transport wal does not work: a new tally is refused, and one that is there has findings."""

import subprocess

import pytest
from postgres import Cluster, client_program, install
from replica import truth
from roles import refused

CREATE = "select tally.create_tally('new', 't', 'k', transport => 'wal')"
ALTER = "select tally.alter_tally('n', transport => 'wal')"
FAST = "fsync=off", "full_page_writes=off"
ENOUGH = "wal_level=logical", "max_replication_slots=1", "max_wal_senders=1"


class Poor:
    """A cluster of its own, with a tally by each transport. Settings change by a restart."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.restart(*ENOUGH)
        self.database = cluster.create_database()
        install(self.database.sql)
        self.database.sql.execute("create table t (k int); select tally.create_tally('n', 't', 'k'); select tally.create_tally('w', 't', 'k', transport => 'wal')")

    def restart(self, *settings):
        if self.cluster.base:
            self.cluster.stop()
        self.cluster.settings = FAST + settings
        self.cluster.start()

    def connect(self):
        self.notices = []
        connection = self.database.connect()
        connection.add_notice_handler(lambda notice: self.notices.append((notice.severity, notice.message_primary)))
        return connection


@pytest.fixture(scope="module")
def poor():
    cluster = Cluster()
    try:
        yield Poor(cluster)
    finally:
        cluster.drop()


def findings(sql, name="w"):
    return [(kind, severity) for kind, severity, remedy in sql.execute("select kind, severity, remedy from tally.findings(%s)", [name]).fetchall() if remedy]


def check_refused(sql, state, word):
    before = sql.execute("select xmin::text, * from tally.definition").fetchall(), sql.execute("select count(*) from pg_proc").fetchone()
    for call in (CREATE, ALTER):
        error = refused(sql, call)
        assert error.sqlstate == state and error.diag.message_primary.startswith("transport: ") and word in error.diag.message_primary
        assert "transport => 'notify'" in error.diag.message_hint
    assert (sql.execute("select xmin::text, * from tally.definition").fetchall(), sql.execute("select count(*) from pg_proc").fetchone()) == before


def check_kept(poor, sql):
    """What is there goes on: writers write, and the tally can be altered and reloaded. PostgreSQL warns of nothing."""
    number = truth(sql, "w").get("1", [0])[0]
    sql.execute("insert into t values (1)")
    assert truth(sql, "w")["1"] == [number + 1]
    sql.execute("select tally.alter_tally('w', filter => %s)", [f"k < {1000 + number}"])
    sql.execute("drop publication if exists tally; select tally.reload('w'); select tally.create_tally('w', 't', 'k', filter => %s, transport => 'wal')"
                .replace("%s", f"'k < {1000 + number}'"))
    assert sql.execute("select count(*) from pg_publication").fetchone() == (1,)
    assert poor.notices == []


@pytest.mark.parametrize("settings, state, word, found", [
    (("wal_level=replica",), "55000", "wal_level is replica", ["wal_level"]),
    (("wal_level=minimal", "max_wal_senders=0"), "55000", "wal_level is minimal", ["wal_level", "senders"]),
    (("wal_level=logical", "max_replication_slots=0"), "55000", "max_replication_slots is 0", ["slots"]),
    (("wal_level=logical", "max_wal_senders=0"), "55000", "max_wal_senders is 0", ["senders"])])
def test_settings(poor, settings, state, word, found):
    poor.restart(*ENOUGH)
    sql = poor.connect()
    before = sql.execute("select fingerprint from tally.look('w')").fetchone()
    assert findings(sql) == []
    poor.restart(*settings)
    sql = poor.connect()
    assert findings(sql) == [(kind, "failed") for kind in found] and findings(sql, "n") == []
    assert (sql.execute("select fingerprint from tally.look('w')").fetchone() == before) == ("wal_level" not in found)
    check_refused(sql, state, word)
    check_kept(poor, sql)


def test_no_slot_is_free(poor):
    poor.restart(*ENOUGH)
    sql = poor.connect()
    sql.execute("select pg_create_physical_replication_slot('other')")
    try:
        assert findings(sql) == [("slots", "warning")] and findings(sql, "n") == []
        check_refused(sql, "53400", "all 1 replication slots are in use")
        check_kept(poor, sql)
    finally:
        sql.execute("select pg_drop_replication_slot('other')")
    server = poor.connect()
    server.execute("select pg_create_logical_replication_slot('pgtally_1', 'pgoutput', true)")
    assert findings(sql) == []  # a server of pgtally has the slot
    sql.execute("begin; " + CREATE + "; " + ALTER + "; rollback")


# Its commits would be acknowledged by a server of pgtally.
@pytest.mark.parametrize("names, refuses", [("*", True), ("ANY 1 (a, *)", True), ("2 (*)", True), ('FIRST 1 ("*")', True), ("a, b", False), ('"a*"', False)])
def test_a_server_that_is_taken_for_a_standby(poor, names, refuses):
    poor.restart(*ENOUGH)
    sql = poor.connect()
    sql.execute("set synchronous_commit = local")
    sql.execute(f"alter system set synchronous_standby_names = '{names}'")
    try:
        sql.execute("select pg_reload_conf()")
        sql = poor.connect()
        sql.execute("set synchronous_commit = local")
        assert findings(sql) == ([("sync_standby", "warning")] if refuses else [])
        if refuses:
            check_refused(sql, "55000", "synchronous_standby_names has *")
    finally:
        sql.execute("alter system reset synchronous_standby_names")
        sql.execute("select pg_reload_conf()")


def test_no_wal_sender_is_free(poor):
    poor.restart(*ENOUGH)
    sql = poor.connect()
    sender = poor.database.connect(replication="database")
    assert findings(sql) == [("senders", "warning")]
    check_refused(sql, "53300", "all 1 WAL senders are in use")
    check_kept(poor, sql)
    sender.close()


def test_a_dump_is_restored_where_wal_is_not_decoded(poor, cluster, database):
    """Triggers emit all the same, and the finding says why no server hears them."""
    poor.restart("wal_level=replica")
    database.sql.execute("create table t (k int); select tally.create_tally('w', 't', 'k', transport => 'wal'); insert into t values (1)")
    dump = subprocess.run([client_program("pg_dump", cluster), database.dsn], check=True, stdout=subprocess.PIPE).stdout
    copy = poor.cluster.create_database()
    try:
        subprocess.run([client_program("psql", cluster), "-qXv", "ON_ERROR_STOP=1", copy.dsn], check=True, input=dump,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert findings(copy.sql) == [("wal_level", "failed")]
        copy.sql.execute("insert into t values (1), (2); update t set k = 3 where k = 2")
        assert truth(copy.sql, "w") == {"1": [2], "3": [1]}
        copy.sql.execute("select tally.alter_tally('w', transport => 'notify')")
        assert findings(copy.sql) == []
    finally:
        copy.drop()
