"""Waiting for writers, and reading a load."""

import contextlib
import threading
import time

import psycopg
import pytest
from postgres import SCHEMA
from replica import Replica, truth
from roles import make_roles, refused

UNINSTALL = (SCHEMA / "uninstall.sql").read_text()
CREATE = "select tally.create_tally('t', 't', 'k')"


@pytest.fixture
def db(database):
    database.sql.execute("create table t (k int); insert into t values (1), (1), (2)")
    return database


def wait_until_it_waits(db, who):
    for _ in range(3000):
        if db.sql.execute("select from pg_locks where pid = %s and not granted", [who.info.backend_pid]).fetchone() is not None:
            return
        time.sleep(0.01)
    raise AssertionError("the session waits for no lock")


@pytest.mark.parametrize("call", [CREATE, "select tally.alter_tally('t', filter => 'k > 1')", "select tally.reload('t')", "select tally.drop_tally('t')"])
def test_a_timeout_changes_nothing_and_names_the_holder(db, call):
    if call != CREATE:
        db.sql.execute(CREATE)
    state = "select xmin::text, * from tally.definition"
    before = db.sql.execute(state).fetchall()
    make_roles(db)
    db.sql.execute("grant all on t to bob")
    holder = db.connect("bob", application_name="slow job")
    holder.execute("begin; insert into t values (3)")
    db.sql.execute("set lock_timeout = '50ms'")
    error = refused(db.sql, call)
    assert error.sqlstate == "55P03" and error.diag.message_hint
    for word in (f"pid {holder.info.backend_pid}", "user bob", '"slow job"', "idle in transaction", "public.t"):
        assert word in error.diag.message_primary
    assert db.sql.execute(state).fetchall() == before
    assert db.sql.execute("show lock_timeout").fetchone() == ("50ms",)
    holder.execute("commit")
    db.sql.execute(call)


def test_a_prepared_transaction_is_named_too(db):
    db.sql.execute("begin; insert into t values (3); prepare transaction 'p'; set lock_timeout = '50ms'")
    assert "prepared transaction" in str(refused(db.sql, CREATE))
    db.sql.execute("rollback prepared 'p'")


def test_readers_do_not_stand_in_the_way_of_creating(db):
    reader = db.connect()
    reader.execute("begin; select * from t")
    db.sql.execute("set lock_timeout = '50ms'")
    db.sql.execute(CREATE)
    db.sql.execute("select tally.reload('t')")


def test_without_a_lock_timeout_it_still_ends(db):
    """The session's own timeout is used if it is shorter; 0 and longer ones become ten seconds. It is restored in any case."""
    for setting, inside in (("0", "10s"), ("1h", "10s"), ("3s", "3s")):
        db.sql.execute(f"set lock_timeout = '{setting}'")
        holder, other = db.connect(), db.connect()
        other.execute(f"set lock_timeout = '{setting}'")
        holder.execute("begin; insert into t values (3)")
        thread = threading.Thread(target=lambda: refused(other, CREATE))
        pid = other.info.backend_pid
        thread.start()
        wait_until_it_waits(db, other)
        db.sql.execute("select pg_cancel_backend(%s)", [pid])
        thread.join()
        holder.execute("rollback")
        other.execute(CREATE)
        assert other.execute("show lock_timeout").fetchone()[0] == setting
        other.execute("select tally.drop_tally('t')")


def test_a_load_reads_fence_and_truth_in_one_snapshot(db):
    make_roles(db)
    db.sql.execute(CREATE + "; select tally.grant_server('server')")
    server = db.connect("server")
    server.execute("begin isolation level read committed read only")
    server.execute("select tally.lock_source('t')")
    server.execute("""declare load no scroll cursor for
                      select pg_current_snapshot()::text, null::bigint[] union all select key, counters from tally.truth('t')""")
    writer = db.connect()
    (fence, nothing), = server.execute("fetch 1 from load").fetchall()
    assert nothing is None and fence.count(":") == 2
    writer.execute("insert into t values (1), (9)")  # commits between the fetches
    x = writer.execute("delete from t where k = 2 returning pg_current_xact_id()::text").fetchone()[0]
    rows = dict(server.execute("fetch forward 10000 from load").fetchall())
    assert rows == {"1": [2], "2": [1]}
    assert not server.execute("select pg_visible_in_snapshot(%s::xid8, %s::pg_snapshot)", [x, fence]).fetchone()[0]
    assert truth(server, "t") == {"1": [3], "9": [1]}  # read committed: another query, another snapshot
    # a rewrite has to wait until the load ends
    writer.execute("set lock_timeout = '50ms'")
    assert refused(writer, "truncate t").sqlstate == "55P03"
    server.execute("commit")
    writer.execute("truncate t")


def test_the_truth_of_an_old_snapshot(db):
    db.sql.execute(CREATE)
    reader = db.connect()
    reader.execute("begin isolation level repeatable read; select 1")
    db.sql.execute("insert into t values (7)")
    assert truth(reader, "t") == {"1": [2], "2": [1]}


def test_the_lock_covers_partitions(database):
    database.sql.execute("""create table p (k int) partition by list (k); create table p1 partition of p for values in (1);
                            create table p2 partition of p default; select tally.create_tally('p', 'p', 'k')""")
    server = database.connect()
    server.execute("begin; select tally.lock_source('p')")
    database.sql.execute("set lock_timeout = '50ms'")
    assert refused(database.sql, "truncate p2").sqlstate == "55P03"
    database.sql.execute("insert into p values (2)")


def test_a_look_waits_for_no_lock_and_takes_none_on_a_source(database):
    """A server looks every few seconds: it neither waits for an application's DDL nor stands in its way."""
    database.sql.execute("""create table p (k int) partition by list (k); create table p1 partition of p for values in (1) partition by list (k);
                            create table p11 partition of p1 for values in (1); create table p2 partition of p default;
                            select tally.create_tally('p', 'p', 'k')""")
    writer, server = database.connect(), database.connect()
    server.execute("set lock_timeout = '50ms'")
    locks = """select relation::regclass::text from pg_locks where pid = %s and locktype = 'relation'
                and relation in (select oid from pg_class where relnamespace = 'public'::regnamespace)"""
    for table in ("p11", "p2", "p1", "p"):
        writer.execute(f"begin; lock table only {table} in access exclusive mode")
        server.execute("begin")
        assert [name for name, in server.execute("select name from tally.look()").fetchall()] == ["p"]
        assert server.execute("select * from tally.findings()").fetchall() == server.execute("select * from tally.findings('p')").fetchall() == []
        assert server.execute("select problems from tally.tallies").fetchall() == [([],)]
        assert database.sql.execute(locks, [server.info.backend_pid]).fetchall() == []
        server.execute("commit")
        writer.execute("rollback")


def test_the_parts_are_those_of_postgresql(database):
    database.sql.execute("""create table p (k int) partition by list (k); create table p1 partition of p for values in (1) partition by list (k);
                            create table p11 partition of p1 for values in (1); create table p2 partition of p default;
                            create table t (k int); create table child () inherits (t); create index on p (k)""")
    parts = lambda table: sorted(database.sql.execute("select tally.parts(%s)::text", [table]).fetchall())
    for table in ("p", "p1", "p11"):
        assert parts(table) == sorted(database.sql.execute("select relid::regclass::text from pg_partition_tree(%s)", [table]).fetchall())
    assert parts("p") == [("p",), ("p1",), ("p11",), ("p2",)]
    assert parts("t") == [("t",)]
    database.sql.execute("create table gone (k int)")
    (oid,), = database.sql.execute("select 'gone'::regclass::oid").fetchall()
    database.sql.execute("drop table gone")
    assert parts(str(oid)) == []


def test_creating_at_the_same_time(database):
    """Many sessions create tallies of many tables at once: none fails with "tuple concurrently updated"."""
    errors = []
    for number in range(6):
        database.sql.execute(f"create table t{number} (k int)")

    def work(number):
        connection = database.connect()
        try:
            for _ in range(3):
                connection.execute(f"select tally.create_tally('t{number}', 't{number}', 'k')")
                connection.execute(f"select tally.create_tally('same{number % 2}', 't0', 'k')")
                connection.execute(f"select tally.drop_tally('t{number}')")
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {row[0] for row in database.sql.execute("select name from tally.tallies")} == {"same0", "same1"}


def test_no_transaction_is_split_over_two_definitions(db):
    """A writer that began before the tally and continues after it would be counted in part: creating waits for it."""
    writer, creator = db.connect(), db.connect()
    writer.execute("begin; insert into t values (5)")
    thread = threading.Thread(target=lambda: creator.execute(CREATE))
    thread.start()
    while not db.sql.execute("select 1 from pg_locks where pid = %s and not granted", [creator.info.backend_pid]).fetchone():
        pass
    writer.execute("insert into t values (5); commit")
    thread.join()
    replica = Replica(db, "t")
    db.sql.execute("insert into t values (5)")
    assert replica.check()["5"] == [3]


PARTED = """create table p (k int) partition by list (k); create table p1 partition of p for values in (1); create table p2 partition of p default;"""
WRITES, READS = "insert into {} values ({})", "select from {}"
TALLY = "select tally.create_tally('p', 'p', 'k')"
# What there is before, the change, and what the application did first: a writer of events holds up the end of the schema in any case.
CHANGES = {"create": ("", TALLY, WRITES),
           "alter": (TALLY, "select tally.alter_tally('p', filter => 'k > 0')", WRITES),
           "reload": (TALLY, "select tally.reload('p')", WRITES),
           "drop": (TALLY, "select tally.drop_tally('p')", WRITES),
           "drop beside readers": (TALLY, "select tally.drop_tally('p')", READS),
           "former": (TALLY + "; alter table p detach partition p1", "select tally.reload('p')", WRITES),
           "uninstall": ("alter table p detach partition p1;" + TALLY + "; select tally.create_tally('p1', 'p1', 'k')", UNINSTALL, READS)}


def attempt(connection, sql):
    try:
        connection.execute(sql)
    except psycopg.Error as error:
        connection.execute("rollback")
        return error
    return None


@contextlib.contextmanager
def waiting(database, sql, other=None):
    """Inside, another session waits for a lock that the statement needs; at the end, it has succeeded."""
    other, failed = other or database.connect(), []
    thread = threading.Thread(target=lambda: failed.append(attempt(other, sql)))
    thread.start()
    wait_until_it_waits(database, other)
    yield
    thread.join()
    assert failed == [None]


@pytest.mark.parametrize("change", CHANGES)
def test_no_application_is_the_victim_of_a_deadlock(database, change):
    """An application that holds what the change waits for, and waits for what the change holds, gets through."""
    before, call, first = CHANGES[change]
    database.sql.execute(PARTED + before)
    application = database.connect()
    for table, key, then in (("p1", 1, "p values (3)"), ("p2", 2, "p values (1)"), ("p", 2, "p1 values (1)")):
        application.execute("begin; " + first.format(table, key))
        with waiting(database, f"begin; {call}; rollback"):
            application.execute(f"insert into {then}; rollback")


@pytest.mark.parametrize("change", [change for change in CHANGES if change != "drop"])  # a writer's trigger reads p: it waits for p only
def test_it_does_not_wait_while_an_application_looks_for_a_deadlock(database, change):
    """An application waits behind the change for one table and holds another one. The change gets the first table shortly before
    the application has waited for deadlock_timeout: waiting for the other one as long as it may would end the application's."""
    before, call, first = CHANGES[change]
    database.sql.execute(PARTED + before)
    application, slow = database.connect(), database.connect()
    (wanted, key), (held, other) = (("p2", 3), ("p1", 1)) if change == "former" else (("p1", 1), ("p2", 3))
    slow.execute("begin; " + first.format(wanted, key))
    application.execute("begin; " + first.format(held, other))
    with waiting(database, f"begin; {call}; rollback"):
        time.sleep(0.7)  # from now on the change waits for this table alone
        with waiting(database, f"insert into {wanted} values ({key}); rollback", application):
            time.sleep(0.8)  # of deadlock_timeout, one second
            slow.execute("rollback")


def test_a_session_that_holds_the_definitions_is_no_victim_either(database):
    """It created a tally, has not committed yet, and writes to the source of another one that is being changed."""
    database.sql.execute("create table a (k int); create table b (k int); select tally.create_tally('a', 'a', 'k')")
    application = database.connect()
    application.execute("begin; select tally.create_tally('b', 'b', 'k')")
    with waiting(database, "select tally.reload('a')"):
        application.execute("insert into a values (1); commit")


def test_a_reader_that_writes_later_is_no_victim_when_the_source_has_another_owner(database):
    database.sql.execute("create table a (k int); select tally.create_tally('a', 'a', 'k')")
    make_roles(database)
    database.sql.execute("alter table a owner to alice")
    reader = database.connect()
    reader.execute("begin; select from a")
    with waiting(database, "select tally.reload('a')"):
        reader.execute("insert into a values (1); commit")
    assert truth(database.sql, "a") == {"1": [1]}


def test_it_hurries_for_less_than_the_deadlock_timeout_and_the_lock_timeout(database):
    for deadlock, lock, hurry in (("1s", "0", 500), ("1h", "0", 500), ("100ms", "1h", 50), ("1s", "70ms", 70)):
        database.sql.execute(f"set deadlock_timeout = '{deadlock}'; set lock_timeout = '{lock}'")
        assert database.sql.execute("select 1000 * extract(epoch from tally.hurry())").fetchone()[0] == hurry
