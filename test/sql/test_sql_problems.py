"""What triggers do not see is listed with its remedy, and reload is the remedy."""

import pytest
from replica import Replica, truth
from roles import refused


@pytest.fixture
def db(database):
    database.sql.execute("create table t (k int); select tally.create_tally('t', 't', 'k'); insert into t values (1)")
    return database


def problems(database):
    return database.sql.execute("select problems from tally.tallies").fetchone()[0]


def check_counts(database):
    assert problems(database) == []
    replica = Replica(database, "t")
    database.sql.execute("insert into t values (1); update t set k = k + 1; delete from t where k = 3; insert into t values (9)")
    replica.check()
    database.sql.execute("truncate t")
    assert replica.check() == {}
    assert replica.reloads == 0


@pytest.mark.parametrize("harm, word", [
    ("drop trigger tally_1_update on t", "no update trigger"), ("alter table t disable trigger tally_1_insert", "insert trigger of public.t is disabled"),
    ("alter table t disable trigger all", "is disabled"), ("alter table t enable trigger tally_1_delete", "session_replication_role"),
    ("alter table t enable replica trigger tally_1_truncate", "session_replication_role"), ("alter table t rename to old", "renamed to public.old"),
    ("alter table t rename to old; create table t (k int)", "another table has its name"), ("drop table t; create table t (k int)", "another table has its name"),
    ("create schema s; alter table t set schema s", "renamed to s.t"), ("alter function tally.tally_1_insert() security invoker", "altered")])
def test_reload_mends(db, harm, word):
    listener = Replica(db, "t")
    db.sql.execute(harm)
    assert word in problems(db)[0] and "remedy: select tally.reload('t')" in problems(db)[0]
    db.sql.execute("select tally.reload('t')")
    assert problems(db) == []
    assert listener.drain().reloads == 1
    if "rename to old" in harm and "create" not in harm:
        db.sql.execute("alter table old rename to t; select tally.reload('t')")
    if "set schema" in harm:
        db.sql.execute("set search_path = s")
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
    """Dropping a column that a tally reads is not refused; writers then see the error with the tally's name."""
    db.sql.execute("alter table t add v int; alter table t drop k")
    error = refused(db.sql, "insert into t values (1)")
    assert error.sqlstate == "42703" and 'tally "t"' in error.diag.internal_query
    db.sql.execute("select tally.alter_tally('t', key => 'v')")
    db.sql.execute("insert into t values (5)")
    assert truth(db.sql, "t") == {"5": [1]}


def test_triggers_of_an_older_generator(db):
    db.sql.execute("update tally.definition set generator = 0")
    assert "older version" in problems(db)[0]
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
