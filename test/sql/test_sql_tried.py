"""Findings by trying: what would run is planned as the owner of the source, and nothing of it runs."""

import pytest
from postgres import install, install_version
from roles import make_roles, refused

ACTIONS = """'{"one": "insert into app.l values ($1::int)", "two": " -- why\\n (select k from app.l)",
               "three": "with x as (delete from app.l where k = $1::int returning k) insert into app.l select k + ($2->>''n'')::int from x",
               "four": "update app.l set k = app.f(k) where k = $1::int"}'"""


@pytest.fixture
def app(database):
    make_roles(database)
    database.sql.execute(f"""
        create schema app authorization alice;
        set role alice;
        create function app.f(int) returns int language sql volatile as 'select $1';
        create table app.t (k int, v int); create table app.l (k int);
        reset role;
        select tally.create_tally('t', 'app.t', 'k', actions => {ACTIONS});
        insert into app.t values (1, 1); insert into app.l values (1);
        select tally.grant_server('server')""")
    return database


def tried(connection):
    """In a transaction that is read only and rolled back, as the program does."""
    with connection.transaction(force_rollback=True):
        connection.execute("set transaction read only")
        rows = connection.execute("select * from tally.tried() order by name, kind, subject").fetchall()
        assert connection.execute("select * from tally.tried() order by name, kind, subject").fetchall() == rows
    assert all(row[4] for row in rows)
    return [(row[0], row[1], row[2], row[5]) for row in rows]


def everything(app):
    return app.sql.execute("select array(select k from app.t), array(select k from app.l)").fetchone()


def test_nothing_is_wrong_and_nothing_runs(app):
    before = everything(app)
    server = app.connect("server")
    assert tried(app.sql) == tried(server) == []
    assert everything(app) == before
    for statement in ("select tally.tally_1_try(null)", "select tally.tally_1_try('one')"):
        assert refused(server, statement).sqlstate == "42501"


@pytest.mark.parametrize("harm, found, remedy", [
    ("alter table app.l rename to m", ["one", "two", "three", "four"], "alter table app.m rename to l"),
    ("alter table app.l rename k to q", ["two", "three", "four"], "alter table app.l rename q to k"),
    ("drop function app.f", ["four"], """select tally.alter_tally('t', actions => '{"four": "update app.l set k = 1"}')"""),
    ("revoke insert on app.l from alice", ["one", "three"], "grant insert on app.l to alice"),
    ("alter table app.l enable row level security, force row level security", [], "select")])
def test_actions(app, harm, found, remedy):
    app.sql.execute(harm)
    assert tried(app.connect("server")) == [("t", "action_fails", name, "warning") for name in sorted(found)]
    [[rows]] = app.sql.execute("select array_agg(message || ' ' || remedy) from tally.tried()").fetchall()
    for row in rows or []:
        assert "(SQLSTATE " in row and ("role alice" in row if "revoke" in harm else "select tally.alter_tally('t', actions => ...)" in row)
    app.sql.execute(remedy)
    assert tried(app.sql) == []


@pytest.mark.parametrize("harm, word, remedy", [
    ("revoke select on app.t from alice", "permission denied for table t", "grant select on app.t to alice"),
    ("revoke usage on schema app from alice", "permission denied for schema app", "grant usage on schema app to alice"),
    ("revoke select (k), select on app.t from alice; grant select (v) on app.t to alice", "permission denied for table t", "grant select on app.t to alice")])
def test_the_truth(app, harm, word, remedy):
    app.sql.execute("select tally.alter_tally('t', actions => '{}')")
    app.sql.execute(harm)
    assert tried(app.sql) == [("t", "truth_fails", "t", "failed")]
    [[message, advice]] = app.sql.execute("select message, remedy from tally.tried()").fetchall()
    assert word in message and "role alice" in advice
    assert word in refused(app.sql, "select * from tally.truth('t')").diag.message_primary
    app.sql.execute(remedy)
    assert tried(app.sql) == [] and app.sql.execute("select * from tally.truth('t')").fetchall() == [("1", [1])]


def test_a_function_that_the_owner_may_not_run(app):
    app.sql.execute("""create schema f; grant usage on schema f to alice; create function f.w(int) returns int language plpgsql immutable as 'begin return $1; end';
                       select tally.alter_tally('t', key => 'f.w(k)', actions => '{}'); revoke execute on function f.w from public""")
    assert tried(app.sql) == [("t", "truth_fails", "t", "failed")]
    app.sql.execute("grant execute on function f.w to alice")
    assert tried(app.sql) == []


def test_a_reason_that_is_found_already_is_not_told_twice(app):
    app.sql.execute("alter table app.t drop column k")
    assert [kind for (kind,) in app.sql.execute("select kind from tally.findings()")] == ["column_dropped"]
    assert tried(app.sql) == []


def test_a_lock_does_not_stop_it(app):
    lock = app.connect()
    lock.autocommit = False
    lock.execute("lock table app.t in access exclusive mode")
    app.sql.execute("set lock_timeout = '50ms'")
    assert tried(app.sql) == [("t", "truth_fails", "t", "warning")]
    lock.rollback()
    assert tried(app.sql) == []


def test_code_of_the_owner_gains_nothing(app):
    app.sql.execute("""
        create table public.seen (who text); grant insert on public.seen to public;
        alter function app.f(int) immutable;
        create or replace function app.f(int) returns int language plpgsql immutable as
          'begin if current_user <> ''alice'' then raise exception ''as %'', current_user; end if; return $1; end';
        select tally.alter_tally('t', key => 'app.f(7) + k', actions => '{"four": "update app.l set k = app.f(9)"}')""")
    assert tried(app.sql) == []
    alice = app.connect("alice")
    alice.execute("alter function tally.tally_1_try(text) security invoker")
    assert {row[1] for row in tried(app.sql)} <= {"truth_fails", "action_fails"} and tried(app.sql)
    assert [kind for (kind,) in app.sql.execute("select kind from tally.findings()")] == ["altered"]
    app.sql.execute("select tally.reload('t')")
    assert tried(app.sql) == [] and app.sql.execute("select * from tally.findings()").fetchall() == []


# What a server's role lacks ---------------------------------------------------------------------------------------------


def lacking(connection, role="server"):
    return connection.execute("select name, kind, subject, remedy, severity from tally.server_findings(%s) order by 1 nulls first, 3", [role]).fetchall()


def test_every_right_of_a_server(app):
    functions, = app.sql.execute("select tally.server_functions()").fetchone()
    server = app.connect("server")
    assert lacking(server) == []
    for function in functions:
        app.sql.execute(f"revoke execute on function tally.{function} from server")
        [row] = lacking(app.sql)
        assert row == (None, "rights", "tally." + function, "select tally.grant_server('server')", "failed")
        app.sql.execute(row[3])
        assert lacking(server) == []
    app.sql.execute("revoke select on tally.tallies from server; revoke usage on schema tally from server")
    assert [row[2] for row in lacking(app.sql)] == ["tally", "tally.tallies"]


def test_rights_on_tables(app):
    app.sql.execute("create schema kept; grant usage on schema kept to alice; grant create on schema kept to alice; "
                    "select tally.alter_tally('t', materialize => 'kept.t')")
    app.sql.execute("grant usage on schema kept to server")
    assert lacking(app.sql) == []
    app.sql.execute("revoke update on kept.t from server")
    assert lacking(app.sql) == [("t", "rights", "kept.t", "grant update on kept.t to server", "failed")]


def test_roles_of_an_older_version(empty_database):
    make_roles(empty_database)
    install_version(empty_database.sql, 4)
    empty_database.sql.execute("create table t (k int); select tally.create_tally('t', 't', 'k'); select tally.grant_server('server')")
    install(empty_database.sql)
    server = empty_database.connect("server")
    assert lacking(server) == [] and tried(server) == []


# Rows that nobody's trigger sees -----------------------------------------------------------------------------------------


def test_rows_by_a_subscription(app):
    """As after `create subscription`, without a publisher."""
    app.sql.execute("create subscription s connection 'host=127.0.0.1 port=1' publication p with (connect = false)")
    try:
        assert app.sql.execute("select * from tally.findings()").fetchall() == []
        app.sql.execute("insert into pg_subscription_rel (srsubid, srrelid, srsubstate) select oid, 'app.t'::regclass, 'r' from pg_subscription")
        [[kind, subject, severity]] = app.sql.execute("select kind, subject, severity from tally.findings()").fetchall()
        assert (kind, subject, severity) == ("replicated", "app.t", "warning")
    finally:
        app.sql.execute("alter subscription s disable; alter subscription s set (slot_name = none); drop subscription s")
