"""Databases that are moved: dumps and restores of every sort, other owners, roles with other names."""

import itertools
import subprocess

import pytest
from postgres import client_program, install
from replica import Replica, truth
from roles import make_roles, refused
from stream import Stream

APPLICATION = """
    create schema app authorization alice;
    set role alice;
    create type app.kind as enum ('rt', 'fav');
    create function app.w(app.kind) returns int language sql immutable as $$select case $1 when 'rt' then 1 else 2 end$$;
    create table app.s (gone int, k int, a app.kind, at date, d int); alter table app.s drop gone;
    insert into app.s values (1, 'rt', '2026-01-02', 1), (2, 'fav', null, 1);
    create table app.p (x int, d int, k int) partition by list (d);
    create table app.p1 partition of app.p for values in (1);
    create table app.p2 (k int, x int, d int); alter table app.p attach partition app.p2 for values in (2);
    reset role;
    select tally.create_tally('t', 'app.s', 'k', '{"n": "app.w(a)", "one": "1"}', 'at is null or at > ''2026-01-01''');
    select tally.create_tally('day', 'app.s', 'at', materialize => 'app.days');
    select tally.create_tally('w', 'app.s', 'd', transport => 'wal');
    select tally.create_tally('p', 'app.p', 'k', '{"x": "x"}', actions => '{"add": "insert into app.p values (1, 2, $1::int)"}');
"""
WRITES = ["insert into app.s values (1, 'fav', '2026-02-03', 1), (7, 'rt', null, 2)", "update app.s set k = k + 1", "delete from app.s where k = 3",
          "insert into app.p values (5, 1, 1), (6, 2, 2)", "insert into app.p2 values (9, 9, 2)", "update app.p set d = 3 - d"]
EXPECTED = {"t": {"2": [3, 2], "8": [1, 1]}, "day": {"2026-01-02": [1], "2026-02-03": [1]}, "w": {"1": [2], "2": [1]}, "p": {"1": [5], "2": [6], "9": [9]}}


def run(cluster, name, *arguments, **options):
    return subprocess.run([client_program(name, cluster), *arguments], check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def counts_there(copy, writer="postgres"):
    """The application writes, and the counters equal the truth. `writer` is the owner of the source."""
    replicas = {name: Replica(copy, name) for name in EXPECTED}
    connection = copy.connect(writer)
    for statement in WRITES:
        connection.execute(statement)
    for name, replica in replicas.items():
        assert not [event for event in replica.drain().events if "broken" in event], replica.events
        assert replica.check() == EXPECTED[name], name


@pytest.fixture
def source(empty_database):
    """The schema is installed by a role that is no superuser; alice owns the application."""
    make_roles(empty_database)
    make_roles(empty_database, "installer")
    sql = empty_database.sql
    sql.execute(f"grant create on database {empty_database.name} to installer")
    installer = empty_database.connect("installer")
    install(installer)
    installer.execute("select tally.grant_server('server'); select tally.grant_create('alice')")
    sql.execute(APPLICATION)
    return empty_database


DUMPS = [("-Fp",), ("-Fp", "-O"), ("-Fp", "-x"), ("-Fp", "-O", "-x"), ("-Fc",), ("-Fc", "-x")]


@pytest.mark.parametrize("options, restore, into", [
    *itertools.product(DUMPS, [()], ["postgres"]), (("-Fc",), ("-1",), "postgres"), (("-Fc",), ("-O", "-x"), "postgres"), (("-Fc",), ("-j", "2"), "postgres"), (("-Fc", "-x"), ("-1",), "postgres"),
    (("-Fp", "-O", "-x"), (), "bob"), (("-Fc",), ("-O", "-x", "-1"), "bob"), (("-Fc",), ("--section=pre-data", "--section=data", "--section=post-data"), "postgres")])
def test_it_counts_where_it_is_restored(cluster, source, tmp_path, options, restore, into):
    dump = tmp_path / "dump"
    run(cluster, "pg_dump", *options, "-f", str(dump), source.dsn)
    copy = cluster.create_database()
    try:
        copy.sql.execute(f"alter database {copy.name} owner to {into}")
        target = cluster.dsn(copy.name, into)
        if "-Fp" in options:
            run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(dump), target)
        else:
            run(cluster, "pg_restore", *restore, "-d", target, str(dump))
        owner = copy.sql.execute("select relowner::regrole::text from pg_class where oid = 'app.s'::regclass").fetchone()[0]
        assert owner == (into if "-O" in options + restore else "alice")
        failed = copy.sql.execute("select * from tally.findings() where severity = 'failed'").fetchall()
        assert failed == []
        counts_there(copy, owner)
        public = copy.sql.execute("select oid::regprocedure::text from pg_proc where pronamespace = 'tally'::regnamespace and "
                                  "has_function_privilege('public', oid, 'execute') and proname !~ '^tally_[0-9]'").fetchall()
        assert public == []
        for name in EXPECTED:
            copy.sql.execute("select tally.reload(%s)", [name])
        assert copy.sql.execute("select * from tally.findings()").fetchall() == []
        copy.sql.execute("select tally.create_tally('new', 'app.s', 'a'); alter table app.s rename k to key; insert into app.s values (8, 'rt', null, 2)")
        assert truth(copy.sql, "new") == {"rt": [3], "fav": [1]} and truth(copy.sql, "t")["8"] == [2, 2]
    finally:
        copy.drop()


@pytest.mark.parametrize("may_create", [True, False])
def test_restored_without_its_publication(cluster, source, tmp_path, may_create):
    """The last step of the restore creates it, if the schema's owner may."""
    run(cluster, "pg_dump", "-Fc", "-f", str(tmp_path / "dump"), source.dsn)
    copy = cluster.create_database()
    try:
        if may_create:
            copy.sql.execute(f"grant create on database {copy.name} to installer")
        run(cluster, "pg_restore", "--no-publications", "-d", copy.dsn, str(tmp_path / "dump"))
        if not may_create:
            [(name, kind, remedy)] = copy.sql.execute("select name, kind, remedy from tally.findings()").fetchall()
            assert (name, kind) == ("w", "publication_missing")
            for statement in remedy.split(", then "):
                copy.sql.execute(statement)
        assert copy.sql.execute("select * from tally.findings()").fetchall() == []
        counts_there(copy, "alice")
    finally:
        copy.drop()


@pytest.mark.parametrize("options", [("--clean", "--if-exists"), ("--clean", "--if-exists", "-1")])
def test_restored_over_itself(cluster, source, tmp_path, options):
    run(cluster, "pg_dump", "-Fc", "-f", str(tmp_path / "dump"), source.dsn)
    before = source.sql.execute("select name, fingerprint from tally.look() order by 1").fetchall()
    source.sql.execute("insert into app.s values (77, 'rt', null, 2)")
    run(cluster, "pg_restore", *options, "-d", source.dsn, str(tmp_path / "dump"))
    after = source.sql.execute("select name, fingerprint from tally.look() order by 1").fetchall()
    assert all(was != now for was, now in zip(before, after, strict=True))
    assert "77" not in truth(source.sql, "t")
    assert source.sql.execute("select * from tally.findings() where severity = 'failed'").fetchall() == []
    counts_there(source, "alice")


def test_a_dump_without_data_leaves_triggers_that_say_nothing(cluster, source, tmp_path):
    run(cluster, "pg_dump", "-s", "-f", str(tmp_path / "dump"), source.dsn)
    copy = cluster.create_database()
    try:
        run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(tmp_path / "dump"), copy.dsn)
        found = copy.sql.execute("select distinct kind, subject, name from tally.findings()").fetchall()
        assert {("orphan", table, None) for table in ("app.s", "app.p", "app.p1", "app.p2")} <= set(found)
        payloads = []
        listener = copy.connect()
        listener.add_notify_handler(lambda n: payloads.append(n.payload))
        listener.execute("listen tally")
        stream = Stream(copy)
        for statement in WRITES + ["truncate app.s"]:
            copy.sql.execute(statement)
        listener.execute("select 1")
        assert payloads == [] and stream.drain() == []
        # a namesake, on another table and on the same
        notices = []
        copy.sql.add_notice_handler(lambda n: notices.append(n.message_primary))
        copy.sql.execute("create table ballots (k int); select tally.create_tally('t', 'ballots', 'k')")
        assert any("app.s" in text and "is dropped" in text for text in notices), notices
        assert not [row for row in copy.sql.execute("select kind from tally.findings()").fetchall() if row[0] == "orphan"]
        replica = Replica(copy, "t")
        copy.sql.execute("insert into app.s values (1); insert into ballots values (5)")
        assert replica.check() == {"5": [1]} and len(replica.events) == 1
    finally:
        copy.drop()


def test_a_table_restored_beside_its_source_is_named(source):
    """The trigger on it calls the functions of the tally."""
    source.sql.execute("create schema copy; create table copy.s (like app.s); "
                       "create trigger tally_1_insert after insert on copy.s referencing new table as new_rows for each statement execute function tally.tally_1_insert()")
    assert source.sql.execute("select kind, subject, severity from tally.findings('t')").fetchall() == [("left_behind", "copy.s", "failed")]
    source.sql.execute("alter table copy.s owner to alice; grant usage on schema copy to alice; select tally.reload('t')")
    assert source.sql.execute("select * from tally.findings('t')").fetchall() == []


def test_roles_with_other_names(source):
    source.sql.execute("alter role alice rename to alice2; alter role installer rename to installer2")
    try:
        assert source.sql.execute("select * from tally.findings()").fetchall() == []
        counts_there(source, "alice2")
        source.sql.execute("select tally.act('p', 'add', '1', null, null)")
        assert truth(source.sql, "p")["1"] == [6]
        source.connect("alice2").execute("select tally.reload('t')")
        install(source.connect("installer2"))
        assert source.sql.execute("select * from tally.findings()").fetchall() == []
    finally:
        source.sql.execute("alter role alice2 rename to alice; alter role installer2 rename to installer")


def test_another_owner(source):
    source.sql.execute("alter table app.s owner to bob; grant usage on schema app to bob")
    found = dict(source.sql.execute("select kind, severity from tally.findings('t')").fetchall())
    assert found == {"owner_changed": "failed"}  # alice may not read it any more
    source.connect("bob").execute("insert into app.s values (1)")
    source.sql.execute("grant create on schema app to bob; select tally.reload('t'); select tally.reload('day')")
    assert source.sql.execute("select * from tally.findings('t')").fetchall() == []
    source.connect("bob").execute("insert into app.s values (1)")
    assert truth(source.sql, "t")["1"] == [5, 3]


def test_a_restore_that_settles_nothing_says_so(source):
    """The refresh at the end of a restore never fails."""
    source.sql.execute("drop function tally.grant_owner(oid)")
    notices = []
    source.sql.add_notice_handler(lambda n: notices.append(n.message_primary))
    source.sql.execute("refresh materialized view tally.restored")
    assert any(text.startswith("pgtally: ") for text in notices)


def test_rights_that_a_reload_needs(source):
    source.sql.execute(f"revoke temporary on database {source.name} from public")
    [(kind, severity, remedy)] = source.sql.execute("select kind, severity, remedy from tally.findings('t')").fetchall()
    assert (kind, severity) == ("rights", "warning")
    assert refused(source.sql, "select tally.reload('t')").sqlstate == "42501"
    source.sql.execute(remedy)
    source.sql.execute("select tally.reload('t')")
    assert source.sql.execute("select * from tally.findings('t')").fetchall() == []


def test_no_server_repairs_while_a_restore_is_under_way(database):
    """A restore creates the tables, then the triggers, and refreshes materialized views at its end."""
    database.sql.execute("create table s (k int); select tally.create_tally('t', 's', 'k')")
    can = lambda: database.sql.execute("select tally.can_reload('t')").fetchone()[0]
    assert can()
    database.sql.execute("drop materialized view tally.restored")
    assert not can()
    database.sql.execute("create materialized view tally.restored as select tally.settle() as settled_at with no data")
    assert not can()
    database.sql.execute("refresh materialized view tally.restored")
    assert can()
