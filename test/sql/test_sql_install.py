"""Installation: new, repeated, over an older version, over a newer one; uninstallation."""

import psycopg
import pytest
from postgres import SCHEMA, SCHEMA_VERSION, client_program, install, install_version, schema_files, uninstall
from replica import Replica, truth
from roles import make_roles, refused

EVERYTHING = """
    select 'proc', oid::regprocedure::text from pg_proc where oid >= 16384
    union all select 'class', oid::regclass::text from pg_class where oid >= 16384
    union all select 'trigger', tgrelid::regclass || tgname from pg_trigger where oid >= 16384
    union all select 'schema', nspname || coalesce(nspacl::text, '') from pg_namespace where nspname !~ '^pg_(toast_)?temp'
    union all select 'type', oid::regtype::text from pg_type where oid >= 16384
    union all select 'depend', count(*)::text from pg_depend where objid >= 16384 or refobjid >= 16384
    union all select 'shdepend', count(*)::text from pg_shdepend where dbid = (select oid from pg_database where datname = current_database())
    union all select 'default', defaclacl::text from pg_default_acl
    union all select 'acl', coalesce(datacl::text, '') from pg_database where datname = current_database()
    order by 1, 2"""


def everything(connection):
    return connection.execute(EVERYTHING).fetchall()


def test_installing_again_changes_nothing(database):
    definitions = "select oid::regprocedure::text, pg_get_functiondef(oid), proacl::text from pg_proc where pronamespace = 'tally'::regnamespace order by 1"
    database.sql.execute("create table t (k int); select tally.create_tally('t', 't', 'k')")
    before = everything(database.sql), database.sql.execute(definitions).fetchall()
    install(database.sql)
    assert (everything(database.sql), database.sql.execute(definitions).fetchall()) == before


def test_the_files_need_nothing_of_psql():
    for path in schema_files():
        assert not any(line.startswith("\\") for line in path.read_text().splitlines()), path


def test_installing_leaves_the_session_as_it_was(empty_database):
    state = "select current_user::text, current_setting('role'), current_setting('search_path'), current_setting('client_min_messages')"
    before = empty_database.sql.execute(state).fetchone()
    install(empty_database.sql)
    assert empty_database.sql.execute(state).fetchone() == before
    assert empty_database.sql.execute("select tally.version()").fetchone() == (SCHEMA_VERSION,)


def test_installing_waits_for_no_source(database):
    database.sql.execute("create table t (k int); select tally.create_tally('t', 't', 'k')")
    holder = database.connect()
    holder.execute("begin; lock table t in access exclusive mode")
    database.sql.execute("set lock_timeout = '100ms'")
    install(database.sql)
    uninstall_error = refused(database.sql, "drop schema tally cascade")
    assert uninstall_error.sqlstate == "55P03"  # that one does, so the timeout above meant something


def actions_of(version, table):
    """Version 1 had no actions."""
    return ", actions => '{\"add\": \"insert into %s (k) values ($1::int)\"}'" % table if version > 1 else ""


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_upgrade(empty_database, version):
    """From each version as it was shipped, with tallies of two owners, one of them kept in a table, while writers write. The
    upgrade leaves nothing of the old version behind."""
    make_roles(empty_database)
    sql = empty_database.sql
    install_version(sql, version)
    assert sql.execute("select tally.version()").fetchone() == (version,)
    sql.execute(f"""select tally.grant_server('server'); select tally.grant_create('bob'); create table t (k int, v int);
                   select tally.create_tally('t', 't', 'k', materialize => 'kept' {actions_of(version, "t")});
                   select tally.create_tally('gone', 't', 'k'); create schema bobs authorization bob""")
    bob = empty_database.connect("bob")
    bob.execute(f"create table bobs.t (k int); select tally.create_tally('b', 'bobs.t', 'k', filter => 'k > 1' {actions_of(version, 'bobs.t')})")
    replicas = [Replica(empty_database, name) for name in ("t", "b")]
    writer, server = empty_database.connect(), empty_database.connect("server")
    assert truth(server, "t") == {}  # plans of the old version
    writer.execute("begin; insert into t values (1); insert into bobs.t values (1), (2)")  # open across the upgrade
    sql.execute("set lock_timeout = '100ms'")
    install(sql)
    writer.execute("insert into t values (1); update t set k = 2; commit; insert into bobs.t values (3)")
    assert sql.execute("select tally.version()").fetchone() == (SCHEMA_VERSION,)
    assert sql.execute("select name, problems from tally.tallies").fetchall() == [("t", []), ("gone", []), ("b", [])]
    assert [replica.check() for replica in replicas] == [{"2": [2]}, {"2": [1], "3": [1]}]
    if version > 1:
        server.execute("select tally.act('t', 'add', '7', null, null); select tally.act('b', 'add', '8', null, null)")
        assert [replica.check() for replica in replicas] == [{"2": [2], "7": [1]}, {"2": [1], "3": [1], "8": [1]}]
    writer.execute("alter table t rename k to l")
    writer.execute("insert into t (l) values (9)")  # held by object now
    assert replicas[0].check()["9"] == [1]
    assert server.execute("select identity is not null, key_columns, columns from tally.materialize_target('public.kept', 'integer', '{count}')"
                          ).fetchone() == (True, ["key"], ["count"])
    assert server.execute("select count(*) from tally.look()").fetchone() == (3,)
    bob.execute("select tally.alter_tally('b', filter => 'k = 1')")
    assert truth(server, "b") == {"1": [1]}
    sql.execute("select tally.alter_tally('t', key => 'v', materialize => ''); select tally.reload('t'); select tally.drop_tally('gone'); "
                "select tally.create_tally('new', 't', 'l')")
    names = ("select oid::regprocedure::text from pg_proc where pronamespace = 'tally'::regnamespace and proname !~ '^tally_[0-9]' union all "
             "select attname::text from pg_attribute where attrelid = 'tally.definition'::regclass and attnum > 0 and not attisdropped order by 1")
    upgraded = sql.execute(names).fetchall()
    uninstall(sql)
    install(sql)
    assert sql.execute(names).fetchall() == upgraded


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_upgrade_passes_over_what_it_does_not_understand(empty_database, version):
    """A column that an expression reads was dropped: the other tallies are upgraded, and this one has a finding."""
    sql = empty_database.sql
    install_version(sql, version)
    sql.execute("create table t (k int, l int); select tally.create_tally('t', 't', 'k'); select tally.create_tally('u', 't', 'l'); "
                "alter table t drop k")
    install(sql)
    problems = dict(sql.execute("select name, problems from tally.tallies").fetchall())
    assert problems["u"] == [] and any("older version" in problem for problem in problems["t"])
    sql.execute("select tally.alter_tally('t', key => 'l'); insert into t values (1)")
    assert truth(sql, "t") == truth(sql, "u") == {"1": [1]}


def test_upgrade_by_a_role_that_may_not_act_for_every_owner(cluster, empty_database):
    make_roles(empty_database)
    empty_database.sql.execute(f"alter database {empty_database.name} owner to alice; create schema bobs authorization bob; "
                               "create schema alices authorization alice")
    alice, bob = empty_database.connect("alice"), empty_database.connect("bob")
    install_version(alice, 2)
    alice.execute("select tally.grant_create('bob'); create table alices.t (k int); select tally.create_tally('a', 'alices.t', 'k')")
    bob.execute("create table bobs.t (k int); select tally.create_tally('b', 'bobs.t', 'k', actions => '{\"x\": \"select 1\"}')")
    install(alice)
    problems = dict(alice.execute("select name, problems from tally.tallies").fetchall())
    assert problems["a"] == [] and len(problems["b"]) == 1
    assert "older version" in problems["b"][0] and "select tally.reload('b')" in problems["b"][0]
    bob.execute("insert into bobs.t values (1)")  # keeps counting
    assert truth(alice, "b") == {"1": [1]}
    bob.execute("select tally.reload('b')")
    alice.execute("select tally.act('b', 'x', '1', null, null)")
    assert dict(alice.execute("select name, problems from tally.tallies").fetchall()) == {"a": [], "b": []}
    uninstall(alice)  # the schema's owner may, whoever owns the sources
    assert bob.execute("select count(*) from pg_trigger").fetchone() == (0,)
    bob.execute("insert into bobs.t values (1)")


def test_a_newer_version_is_refused(database):
    database.sql.execute("create or replace function tally.version() returns int language sql immutable as 'select 99'")
    with pytest.raises(psycopg.Error) as caught:
        install(database.sql)
    assert caught.value.sqlstate == "55000" and "99" in str(caught.value) and caught.value.diag.message_hint
    assert database.sql.execute("select tally.version()").fetchone() == (99,)


def test_another_encoding_is_refused(cluster):
    database = cluster.create_database("template template0 encoding 'SQL_ASCII' locale 'C'")
    try:
        with pytest.raises(psycopg.Error) as caught:
            install(database.sql)
        assert caught.value.sqlstate == "0A000" and "UTF8" in str(caught.value) and "template0" in caught.value.diag.message_hint
    finally:
        database.drop()


def test_a_schema_of_somebody_else_is_refused(empty_database):
    empty_database.sql.execute("create schema tally; create table tally.mine ()")
    for run in (install, uninstall):
        with pytest.raises(psycopg.Error) as caught:
            run(empty_database.sql)
        assert caught.value.sqlstate == "42P06"
    empty_database.sql.execute("drop table tally.mine")
    install(empty_database.sql)  # an empty one is as good as none


def test_uninstall_leaves_nothing(empty_database):
    make_roles(empty_database)
    sql = empty_database.sql
    sql.execute("""create schema s; create table s.t (k int, d int) partition by list (d); create table s.t1 partition of s.t default;
                   create schema bobs authorization bob; create table bobs.t (k int); alter table bobs.t owner to bob""")
    before = everything(sql)
    install(sql)
    sql.execute("select tally.grant_server('server'); select tally.grant_create('bob')")
    bob = empty_database.connect("bob")
    sql.execute("select tally.create_tally('s', 's.t', 'k')")
    bob.execute("select tally.create_tally('b', 'bobs.t', 'k', actions => '{\"x\": \"select 1\"}')")
    assert everything(sql) != before
    error = refused(bob, (SCHEMA / "uninstall.sql").read_text())
    assert error.sqlstate == "42501" and "belongs to postgres" in str(error)
    uninstall(sql)
    assert everything(sql) == before
    sql.execute("insert into s.t values (1, 1); insert into bobs.t values (1)")
    uninstall(sql)  # nothing to do
    install(sql)


def test_a_dump_is_restored_with_its_tallies(cluster, database):
    import subprocess
    pg_dump, psql = (client_program(name, cluster) for name in ("pg_dump", "psql"))
    database.sql.execute("""create table filler (); create table t (k int, day date); insert into t values (1, '2026-01-02');
        select tally.create_tally('t', 't', 'k', actions => '{"add": "insert into t values ($1::int)"}');
        select tally.create_tally('d', 't', 'day', filter => $$day > '2026-01-01'$$)""")
    dump = subprocess.run([pg_dump, database.dsn], check=True, stdout=subprocess.PIPE).stdout
    copy = cluster.create_database()
    try:
        subprocess.run([psql, "-qXv", "ON_ERROR_STOP=1", copy.dsn], check=True, input=dump, stdout=subprocess.DEVNULL)
        assert copy.sql.execute("select problems from tally.tallies").fetchall() == [([],), ([],)]
        replicas = [Replica(copy, name) for name in ("t", "d")]
        copy.sql.execute("select tally.act('t', 'add', '1', null, null); update t set day = '2026-01-03'")
        assert [replica.check() for replica in replicas] == [{"1": [2]}, {"2026-01-03": [2]}]
        copy.sql.execute("select tally.alter_tally('t', filter => 'k > 1'); select tally.drop_tally('d'); select tally.create_tally('e', 't', 'k')")
    finally:
        copy.drop()


def test_uninstalling_tells_the_servers(database):
    """Uninstalling sends the definition event of every tally, like drop_tally, and only if it commits."""
    import json
    got = []
    listener = database.connect()
    listener.add_notify_handler(lambda n: got.append(json.loads(n.payload)))
    database.sql.execute("create table t (k int); select tally.create_tally(n, 't', 'k') from unnest(array['a', 'b', 'gone']) as n")
    listener.execute("listen tally")
    database.sql.execute("select tally.drop_tally('gone')")
    database.sql.execute("begin; " + (SCHEMA / "uninstall.sql").read_text() + "; rollback")
    with database.sql.transaction():
        x = database.sql.execute("select pg_current_xact_id()::text").fetchone()[0]
        database.sql.execute((SCHEMA / "uninstall.sql").read_text())
    listener.execute("select 1")
    assert [event["t"] for event in got[:1]] == ["gone"] and sorted(event["t"] for event in got[1:]) == ["a", "b"]
    assert all({*event, "v"} == set(got[0]) and event["definition"] is True and isinstance(event["n"], int) for event in got)
    assert {event["x"] for event in got[1:]} == {x} and len({event["n"] for event in got[1:]}) == 2
