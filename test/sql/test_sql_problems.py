"""Changes that triggers do not see are listed with their remedy, which is a reload."""

import pytest
from postgres import install
from replica import Replica, truth
from roles import refused
from transports import EITHER


@pytest.fixture
def db(database):
    database.sql.execute("create table t (k int); select tally.create_tally('t', 't', 'k'); insert into t values (1)")
    return database


def problems(database):
    return database.sql.execute("select problems from tally.tallies").fetchone()[0]


@pytest.mark.parametrize("harm, lost", [
    ("select", False), ("alter table t rename to old", False), ("alter table t rename to old; create table t (k int)", True),
    ("drop table t", True), ("drop table t; create table t (k int)", True), ("create schema s; alter table t set schema s", False),
    ("drop trigger tally_1_update on t", False), ("alter table t add source text", False), ("alter table t rename column k to l", False)])
def test_a_lost_source_is_told_apart(db, harm, lost):
    """As servers ask; those of version 2 of the schema look for the same words in a problem's text."""
    db.sql.execute(harm)
    assert db.sql.execute("select tally.lost_source('t')").fetchone() == (problems(db)[0] if lost else None,)
    words = [p for p in problems(db) if p.startswith("source ") and (" was dropped" in p or " was renamed to " in p)]
    assert bool(words) == lost, problems(db)
    assert db.sql.execute("select tally.lost_source('nope')").fetchone() == (None,)


def check_counts(database):
    assert problems(database) == []
    replica = Replica(database, "t")
    database.sql.execute("insert into t values (1); update t set k = k + 1; delete from t where k = 3; insert into t values (9)")
    replica.check()
    database.sql.execute("truncate t")
    assert replica.check() == {}
    assert replica.reloads == 0


@EITHER
@pytest.mark.parametrize("harm, word", [
    ("drop trigger tally_1_update on t", "no update trigger"), ("alter table t disable trigger tally_1_insert", "insert trigger of public.t is disabled"),
    ("alter table t disable trigger all", "is disabled"), ("alter table t enable trigger tally_1_delete", "session_replication_role"),
    ("alter table t enable replica trigger tally_1_truncate", "session_replication_role"),
    ("alter table t rename to old; create table t (k int)", "another table has its name"), ("drop table t; create table t (k int)", "another table has its name"),
    ("alter function tally.tally_1_insert() security invoker", "altered"), ("drop function tally.tally_1_truth()", "tally.tally_1_truth is gone"),
    ("drop function tally.tally_1_try(text)", "tally.tally_1_try is gone")])
def test_reload_mends(db, harm, word):
    listener = Replica(db, "t")
    db.sql.execute(harm)
    assert word in problems(db)[0] and "remedy: select tally.reload('t')" in problems(db)[0]
    db.sql.execute("select tally.reload('t')")
    assert problems(db) == []
    assert listener.drain().reloads == 1
    check_counts(db)


def test_a_source_that_is_gone(db):
    db.sql.execute("drop table t")
    assert "dropped" in problems(db)[0] and "drop_tally" in problems(db)[0]
    error = refused(db.sql, "select tally.reload('t')")
    assert error.sqlstate == "42P01" and "drop_tally" in error.diag.message_hint
    assert refused(db.sql, "select * from tally.truth('t')").sqlstate == "42P01"
    db.sql.execute("select tally.drop_tally('t')")
    assert db.sql.execute("select count(*) from pg_proc where proname ~ '^tally_[0-9]'").fetchone() == (0,)


def test_a_column_that_is_gone(db):
    """Dropping a column that a tally reads is allowed, and writers write on: what cannot be counted is an event."""
    replica = Replica(db, "t")
    db.sql.execute("alter table t add v int; alter table t drop k; insert into t values (1)")
    assert replica.drain().events[-1]["broken"] == "42703 column k of public.t does not exist any more"
    error = refused(db.sql, "select tally.reload('t')")
    assert error.sqlstate == "42703" and "select tally.alter_tally('t', key => ...)" in error.diag.message_hint
    db.sql.execute("select tally.alter_tally('t', key => 'v')")
    db.sql.execute("insert into t values (5)")
    assert truth(db.sql, "t") == {"1": [1], "5": [1]}


def test_functions_of_an_older_version(db):
    """Nobody has to remember a number: an installation looks whether it would generate the same text."""
    functions = "select array_agg(regexp_replace(prosrc, '\"v\":[0-9]+|<= [0-9]+|>= [0-9]+', '', 'g') order by proname) from pg_proc where proname ~ '^tally_[0-9]+_'"
    [[as_it_is]] = db.sql.execute(functions).fetchall()
    [older] = db.sql.execute("select replace(pg_get_functiondef('tally.event_head'::regproc), '\"at\":', '\"when\":')").fetchone()
    db.sql.execute(older)
    db.sql.execute("select tally.reload('t')")
    assert db.sql.execute(functions).fetchone() != (as_it_is,)
    install(db.sql)
    assert problems(db) == [] and db.sql.execute(functions).fetchone() == (as_it_is,)


def test_functions_that_an_installation_could_not_generate(db):
    db.sql.execute("update tally.definition set generated = ''")
    assert "older version" in problems(db)[0] and "select tally.reload('t')" in problems(db)[0]
    db.sql.execute("select tally.reload('t')")
    assert problems(db) == []


def test_reload_in_the_transaction_of_the_change(db):
    replica = Replica(db, "t")
    db.sql.execute("begin; alter table t disable trigger user; insert into t values (5); alter table t enable trigger user; "
                   "select tally.reload('t'); commit")
    assert replica.drain().reloads == 1
    replica.load()
    assert replica.check() == {"1": [1], "5": [1]}
    check_counts(db)


def test_reload_beside_deferred_checks(db):
    db.sql.execute("create table parent (k int primary key); insert into parent values (1), (5); "
                   "alter table t add foreign key (k) references parent deferrable initially deferred")
    replica = Replica(db, "t")
    triggers = db.sql.execute("select oid, xmin::text from pg_trigger where tgname like 'tally_%' order by 1").fetchall()
    db.sql.execute("begin; insert into t values (5); select tally.reload('t'); select tally.alter_tally('t', filter => 'k > 1'); commit")
    assert replica.drain().reloads == 1
    replica.load()
    assert replica.check() == {"5": [1]}
    assert db.sql.execute("select oid, xmin::text from pg_trigger where tgname like 'tally_%' order by 1").fetchall() == triggers


def test_renames_are_followed(database):
    """At once, in sessions that are warm and in new ones; reload makes writers as fast as before."""
    sql = database.sql
    sql.execute("""create table r (dropped int, a int, b int, "C c" int, d int); alter table r drop dropped;
        select tally.create_tally('r', 'r', 'a + 1', '{"n": "b", "one": "1"}', '"C c" > 0 or "C c" is null')""")
    replica = Replica(database, "r")
    sql.execute("alter table r rename d to e; alter table r add f int")  # nothing that it reads
    assert problems(database) == []
    sql.execute("insert into r values (1, 5, 1), (2, 5, 0)")
    for rename in ("alter table r rename a to z", 'alter table r rename "C c" to c', "alter table r rename b to \"B%1$I\"",
                   "begin; alter table r rename z to tmp; alter table r rename c to z; alter table r rename tmp to c; commit"):
        sql.execute(rename)
        for connection in (sql, database.connect()):
            connection.execute("insert into r values (1, 5, 1), (2, 5, 0); update r set e = 1; delete from r where e is null")
        assert replica.check()["2"][1] > 1
    assert sorted(problem.split(" is named")[0] for problem in problems(database)) == ['column "C c"', "column a", "column b"]
    sql.execute("select tally.reload('r')")
    assert problems(database) == []
    sql.execute("insert into r values (1, 5, 1)")
    replica.load()
    replica.check()


def test_a_column_that_a_counter_reads_is_dropped(database):
    sql = database.sql
    sql.execute("""create table r (a int, b int, e int); select tally.create_tally('r', 'r', 'a + 1', '{"n": "b", "one": "1"}')""")
    sql.execute("alter table r drop b")
    (problem,) = problems(database)
    assert problem.startswith("its counters reads column b, which public.r does not have any more; remedy: select tally.alter_tally('r', counters => ...)")
    sql.execute("insert into r (e) values (1); select tally.alter_tally('r', counters => '{\"n\": \"e\"}')")
    assert problems(database) == []
    sql.execute("alter table r drop e; alter table r add e int default 5; insert into r (a) values (0)")  # the same column, as by name
    assert truth(sql, "r") == {"1": [5]}


def test_a_column_of_another_type(db):
    db.sql.execute("alter table t alter k type bigint")
    (problem,) = problems(db)
    assert "its key reads column k, which is of type bigint now, not integer; remedy: select tally.reload('t')" in problem
    db.sql.execute("select tally.reload('t')")
    assert problems(db) == []
    assert db.sql.execute("select key_type from tally.tallies").fetchone() == ("bigint",)
