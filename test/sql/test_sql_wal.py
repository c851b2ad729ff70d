"""The transport wal: what is sent by it, and the rights that it needs."""

import threading

import pytest
from postgres import uninstall
from replica import Replica, truth
from roles import make_roles, refused
from stream import Stream
from test_sql_events import Heard, kinds
from transports import EITHER

CREATE = "select tally.create_tally('t', 't', 'k', transport => 'wal')"


@pytest.fixture
def db(database):
    database.sql.execute("create table t (k int)")
    return database


def findings(connection, name="t"):
    return connection.execute("select kind, subject, severity, remedy from tally.findings(%s)", [name]).fetchall()


def fingerprint(connection):
    return connection.execute("select fingerprint from tally.look('t')").fetchone()[0]


# Events ------------------------------------------------------------------------------------------------------------------


def test_a_transport_is_changed_in_both_directions(db):
    """The definition event comes by NOTIFY and by what the tally had or has, before any event of the definition."""
    db.sql.execute("create table o (k int); select tally.create_tally('o', 'o', 'k', transport => 'wal')")
    heard = Heard(db)
    db.sql.execute("select tally.create_tally('t', 't', 'k'); insert into t values (1)")
    notified, streamed = heard.since_last()
    assert (kinds(notified), streamed) == (["definition", "d"], [])
    db.sql.execute("begin; insert into t values (1); select tally.alter_tally('t', transport => 'wal'); insert into t values (2); commit")
    notified, streamed = heard.since_last()
    assert (kinds(notified), kinds(streamed)) == (["d", "definition"], ["definition", "d"])
    [[v]] = db.sql.execute("select v from tally.tallies where name = 't'").fetchall()
    assert {event["v"] for event in streamed} == {v} and notified[0]["v"] < notified[1]["v"] == v
    db.sql.execute("select tally.alter_tally('t', filter => 'k > 0')")  # the transport stays
    db.sql.execute("truncate t; select tally.reload('t')")
    notified, streamed = heard.since_last()
    assert (kinds(notified), kinds(streamed)) == (["definition"], ["definition", "truncate", "reload"])
    db.sql.execute("begin; insert into t values (3); select tally.alter_tally('t', transport => 'notify'); insert into t values (4); commit")
    notified, streamed = heard.since_last()
    assert (kinds(notified), kinds(streamed)) == (["definition", "d"], ["d", "definition"])
    assert notified[1]["v"] == notified[0]["v"] == streamed[1]["v"] > streamed[0]["v"]
    db.sql.execute("select tally.drop_tally('t')")
    notified, streamed = heard.since_last()
    assert (kinds(notified), streamed) == (["definition"], [])
    assert truth(db.sql, "o") == {}


def test_writers_wait_so_that_the_definition_comes_first(db):
    db.sql.execute("select tally.create_tally('t', 't', 'k')")
    db.sql.execute("create table o (k int); select tally.create_tally('o', 'o', 'k', transport => 'wal')")
    stream, writer = Stream(db), db.connect()
    db.sql.execute("begin; select tally.alter_tally('t', transport => 'wal')")
    thread = threading.Thread(target=lambda: writer.execute("insert into t values (1)"))
    thread.start()
    waiting = "select from pg_locks where pid = %s and not granted and relation = 't'::regclass"
    while not db.sql.execute(waiting, [writer.info.backend_pid]).fetchall():
        assert thread.is_alive()
    db.sql.execute("commit")
    thread.join()
    assert kinds(stream.events()) == ["definition", "d"]


def test_what_is_rolled_back_is_not_sent(db):
    db.sql.execute(CREATE)
    stream = Stream(db)
    db.sql.execute("begin; insert into t values (1); rollback; begin; insert into t values (2); savepoint s; insert into t values (3); "
                   "rollback to s; insert into t values (4); commit")
    assert [event["d"] for event in stream.events()] == [[["2", 1]], [["4", 1]]]
    assert stream.others == []  # the publication is empty, so no row comes


def test_a_writer_needs_no_right(db):
    make_roles(db)
    db.sql.execute(CREATE + "; grant insert on t to writer")
    replica = Replica(db, "t")
    db.connect("writer").execute("insert into t values (5)")
    assert replica.check() == {"5": [1]}


@EITHER
def test_two_phase_commit(database):
    """PostgreSQL refuses it after NOTIFY only."""
    database.sql.execute("create table t (k int); select tally.create_tally('t', 't', 'k')")
    replica = Replica(database, "t")
    prepare = "begin; insert into t values (%s); prepare transaction 'p_%s'"
    if replica.transport == "notify":
        assert refused(database.sql, prepare % (1, 1)).sqlstate == "0A000"
        return
    database.sql.execute(prepare % (1, 1))
    database.sql.execute(prepare % (2, 2))
    database.sql.execute("insert into t values (3)")
    assert replica.check() == {"3": [1]}
    database.sql.execute("commit prepared 'p_1'")
    database.sql.execute("rollback prepared 'p_2'")
    assert replica.check() == {"1": [1], "3": [1]}


@EITHER
def test_a_role_that_may_not_send_is_found_and_no_writer_fails(database):
    """Of the roles that send, the owner of the source, whose triggers send, and the schema's owner, who sends the rest."""
    make_roles(database)
    sql = database.sql
    sql.execute("create schema a authorization alice; create table a.t (k int); alter table a.t owner to alice; select tally.create_tally('t', 'a.t', 'k')")
    sender, = sql.execute("select tally.sender(transport)::regprocedure::text from tally.tallies").fetchone()
    replica, before, alice = Replica(database, "t"), fingerprint(sql), database.connect("alice")
    sql.execute(f"revoke execute on function {sender} from public")
    alice.execute("insert into a.t values (1), (2); update a.t set k = 3 where k = 1; delete from a.t where k = 2; truncate a.t; insert into a.t values (7)")
    assert replica.drain().events == [] and truth(sql, "t") == {"7": [1]}
    [(kind, subject, severity, remedy)] = findings(sql)
    assert (kind, subject, severity) == ("rights", "alice", "failed") and fingerprint(sql) != before
    error = refused(sql, "select tally.create_tally('u', 'a.t', 'k', transport => 'wal')") if replica.transport == "wal" else None
    assert error is None or (error.sqlstate == "42501" and error.diag.message_hint == remedy and "alice" in str(error))
    sql.execute("select tally.alter_tally('t', transport => %s)", ["notify" if replica.transport == "wal" else "wal"])  # the other way out
    sql.execute("select tally.alter_tally('t', transport => %s)", ["notify"])
    sql.execute(remedy)
    assert findings(sql) == []
    replica = Replica(database, "t")
    alice.execute("insert into a.t values (8)")
    assert replica.check() == {"7": [1], "8": [1]}
    sql.execute(f"revoke execute on function {sender} from alice; grant execute on function {sender} to public")


def test_uninstalling_tells_by_wal_too(db):
    db.sql.execute(CREATE + "; select tally.create_tally('n', 't', 'k')")
    heard = Heard(db)
    uninstall(db.sql)
    notified, streamed = heard.since_last()
    assert sorted(event["t"] for event in notified) == ["n", "t"] and [event["t"] for event in streamed] == ["t"]
    assert all(event["definition"] is True for event in notified + streamed)


# A server's right --------------------------------------------------------------------------------------------------------


def test_the_right_to_replicate(db):
    make_roles(db)
    notices = []
    db.sql.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    right = "select kind, subject, severity from tally.server_findings('server')"
    db.sql.execute("select tally.create_tally('n', 't', 'k'); select tally.grant_server('server')")
    assert notices == [] and db.sql.execute(right).fetchall() == []
    db.sql.execute(CREATE + "; select tally.grant_server('server')")
    assert len(notices) == 1 and "alter role server replication" in notices[0]
    assert db.connect("server").execute(right).fetchall() == [("replication_right", "server", "warning")]
    db.sql.execute("alter role server replication")
    try:
        assert db.sql.execute(right).fetchall() == []
    finally:
        db.sql.execute("alter role server noreplication")
    assert db.sql.execute("select count(*) from tally.server_findings('postgres')").fetchone() == (0,)
