"""DDL of the application: no statement of a writer fails, none of the DDL is refused, and what changed is followed or found."""

import pytest
from replica import Replica, truth
from roles import make_roles, refused
from transports import EITHER


def fingerprint(database, name="t"):
    return dict(database.sql.execute("select name, fingerprint from tally.look()").fetchall())[name]


def findings(database, name="t"):
    return database.sql.execute("select kind, subject, severity, remedy from tally.findings(%s)", [name]).fetchall()


def kinds(database, severity="failed", name="t"):
    return {row[0] for row in findings(database, name) if row[2] == severity}


def everybody_writes(database, statement):
    """In the session that has plans and in a new one."""
    database.sql.execute(statement)
    database.connect().execute(statement)


@pytest.mark.parametrize("counter, change, expected", [
    ("w(n::int)", "alter table s alter n type bigint", 6),
    ("w(n::int)", "alter table s alter n type numeric(12,2)", 6),
    ("w(n::int)", "alter table s rename n to \"n\"\"pgtally\"; alter table s alter \"n\"\"pgtally\" type smallint", 6),
    ("w(n::int) + a[1] + length('pgtally_1_')", "alter table s alter n type bigint, alter a type bigint[]", 6 + 7 + 10),
    ("n + w(m::int)", "alter function w(int) rename to v; alter table s alter m type bigint", 3 + 4),
])
def test_a_reload_keeps_an_expression_that_needs_the_type_that_a_column_had(database, counter, change, expected):
    """PostgreSQL drops a cast to the type that a column has already: nothing but the function's parameter remembers it."""
    database.sql.execute("""create function w(int) returns int language sql immutable as 'select $1 * 2';
                            create table s (k int, n int, m int, a int[]); insert into s values (1, 3, 2, '{7}')""")
    database.sql.execute("select tally.create_tally('t', 's', 'k', json_build_object('c', %s::text))", [counter])
    database.sql.execute(f"begin; {change}; select tally.reload('t'); commit")
    assert truth(database.sql, "t") == {"1": [expected]}
    assert findings(database) == []
    everybody_writes(database, "insert into s values (2, 3, 2, '{7}')")
    assert truth(database.sql, "t") == {"1": [expected], "2": [2 * expected]}
    database.sql.execute("select tally.reload('t')")
    assert truth(database.sql, "t") == {"1": [expected], "2": [2 * expected]}


@EITHER
@pytest.mark.parametrize("before, counters, rename, insert, expected", [
    ("create type a as enum ('rt', 'fav'); create table s (m int, k a)", "case k when 'rt' then 1 end",
     "alter type a rename value 'rt' to 'x'", "insert into s values (1, 'x'), (1, 'fav')", [2]),
    ("create type a as enum ('rt', 'fav'); create table s (m int, k a)", "case k when 'rt' then 1 end",
     "alter type a rename to b", "insert into s values (1, 'rt')", [2]),
    ("create function w(int) returns int language sql immutable as 'select $1 * 2'; create table s (m int, k int)", "w(k)",
     "alter function w(int) rename to v", "insert into s values (1, 3)", [12]),
    ("create schema f; create function f.w(int) returns int language sql immutable as 'select $1 * 2'; create table s (m int, k int)", "f.w(k)",
     "alter schema f rename to g", "insert into s values (1, 3)", [12]),
    ("create domain d as int check (value > 0); create table s (m int, k text)", "length(k::d::text)",
     "alter domain d rename to e", "insert into s values (1, '33')", [4]),
    ("create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); create table s (m int, k text)",
     "case when k = 'A' collate ci then 1 end", "alter collation ci rename to cj", "insert into s values (1, 'a')", [2]),
    ("create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); create table s (m int, k text collate ci)",
     "case when k = 'A' then 1 end", "alter collation ci rename to cj", "insert into s values (1, 'a'), (1, 'b')", [2]),
    ("create table s (m int, k int)", "k", "alter table s rename to z; create view s as select * from z", "insert into z values (1, 4)", [8]),
    ("create schema q; create table q.s (m int, k int); set search_path = q", "k", "alter schema q rename to p", "insert into p.s values (1, 4)", [8]),
    ("create table s (m int, k int)", "s.k", "alter table s rename column k to \"K %1$I ';\"", "insert into s values (1, 4)", [8]),
    ("create table s (m int, k smallint)", "k", "alter table s alter k type smallint using k + 1", "insert into s values (1, 4)", [8]),
    ("create table s (m int, k bigint)", "k", "alter table s alter k type int", "insert into s values (1, 4)", [8]),
    ("create table s (m int, k varchar(9))", "length(k)", "alter table s alter k type text", "insert into s values (1, 'abcd')", [8])])
def test_renames_and_new_types_are_followed(database, before, counters, rename, insert, expected):
    database.sql.execute(before)
    database.sql.execute("select tally.create_tally('t', 's', 'm', json_build_object('c', %s::text))", [counters])
    replica = Replica(database, "t")
    database.sql.execute(rename)
    everybody_writes(database, insert)
    assert replica.check() == {"1": expected}
    assert kinds(database) == set()
    database.sql.execute("select tally.reload('t')")
    everybody_writes(database, insert)
    assert truth(database.sql, "t") == {"1": [2 * expected[0]]}
    assert findings(database) == []


@EITHER
@pytest.mark.parametrize("swap", ["alter table s rename k to z; alter table s rename o to k; alter table s rename z to o",
                                  "alter table s rename k to old_k; alter table s add k int default 7"])
def test_the_column_that_was_meant_is_counted(database, swap):
    database.sql.execute("create table s (k int, o int, n int); select tally.create_tally('t', 's', 'k', '{\"c\": \"n\"}', 'o > 0')")
    replica = Replica(database, "t")
    database.sql.execute("insert into s values (1, 2, 3)")
    database.sql.execute(swap)
    everybody_writes(database, "insert into s values (1, 2, 3)")
    everybody_writes(database, "update s set n = n + 1")
    assert replica.check() == {"1": [15]}


@pytest.mark.parametrize("change", [
    "alter table s alter k type bigint using k + 10", "alter table s alter k type int using k + 10", "alter table s alter p type numeric(10,3)",
    "alter table s drop n; alter table s add n int default 5", "alter table s alter k type text",
    "drop table s; create table s (k int, n int, p numeric(10,2))", "alter table s disable trigger all", "drop trigger tally_1_insert on s",
    "create table c () inherits (s)", "alter function w(int) volatile", "create or replace function w(int) returns int language sql immutable as 'select 2'",
    "alter function tally.tally_1_insert() security invoker", "alter table s owner to bob", "alter table s drop n"])
def test_the_look_sees(database, change):
    make_roles(database)
    database.sql.execute("create function w(int) returns int language sql immutable as 'select 1'; create table s (k int, n int, p numeric(10,2)); "
                         "select tally.create_tally('t', 's', 'p', '{\"c\": \"w(n) + k\"}')")
    before = fingerprint(database)
    for statement in change.split("; "):
        database.sql.execute(statement)
    assert fingerprint(database) != before


@pytest.mark.parametrize("change", [
    "alter table s rename to z", "vacuum full s", "truncate s", "alter table s add x int default 3", "alter function w(int) rename to v",
    "alter type a rename to b", "insert into s values ('rt', 1)", "analyze s", "create index on s (k)", "alter role alice rename to alice2", "comment on table s is 'x'"])
def test_the_look_sees_no_rename(database, change):
    make_roles(database)
    database.sql.execute("create type a as enum ('rt', 'fav'); create function w(int) returns int language sql immutable as 'select 1'; "
                         "create table s (k a, n int); alter table s owner to alice; grant usage, create on schema public to alice; "
                         "select tally.create_tally('t', 's', 'k', '{\"c\": \"w(n)\"}')")
    before = fingerprint(database)
    try:
        database.sql.execute(change)
        assert fingerprint(database) == before and kinds(database) == set()
    finally:
        if "alice2" in change:
            database.sql.execute("alter role alice2 rename to alice")


def test_the_look_sees_another_label_of_a_key(database):
    """The label is the key's text."""
    for type_of_key in ("a", "d", "range_of_a"):
        database.sql.execute("create type a as enum ('rt', 'fav'); create domain d as a; create type range_of_a as range (subtype = a)")
        database.sql.execute(f"create table s (k {type_of_key}); select tally.create_tally('t', 's', 'k')")
        before = fingerprint(database)
        database.sql.execute("alter type a rename value 'rt' to 'x'")
        assert fingerprint(database) != before
        database.sql.execute("select tally.drop_tally('t'); drop table s; drop type range_of_a; drop domain d; drop type a")


def test_installations_differ(cluster, template):
    """A copy of a database has the same numbers of everything."""
    for_all = "create table s (k int); select tally.create_tally('t', 's', 'k')"
    one, two = cluster.create_database(f"template {template}"), None
    try:
        one.sql.execute(for_all)
        first = fingerprint(one)
        one.close()
        two = cluster.create_database(f"template {one.name}")
        assert fingerprint(two) != first
        two.sql.execute("insert into s values (1)")
        assert truth(two.sql, "t") == {"1": [1]} and findings(two) == []
    finally:
        for database in filter(None, (one, two)):
            database.drop()


@pytest.mark.parametrize("change, remedy", [
    ("create table big (k int) partition by list (k); alter table big attach partition s for values in (1)", "alter table big detach partition s"),
    ("create table c () inherits (s)", "alter table c no inherit s"), ("create table parent (k int); alter table s inherit parent", "alter table s no inherit parent")])
def test_a_source_that_became_a_part_of_something(database, change, remedy):
    database.sql.execute("create table s (k int); select tally.create_tally('t', 's', 'k'); " + change)
    assert kinds(database) == {"source_changed"}
    error = refused(database.sql, "select tally.reload('t')")
    assert error.sqlstate == "42809"
    everybody_writes(database, "insert into s values (1)")
    database.sql.execute(remedy)
    assert findings(database) == [] and truth(database.sql, "t") == {"1": [2]}


def test_partitions_that_come_and_go_are_found(database):
    database.sql.execute("""create table s (k int, d int) partition by list (d); create table s1 partition of s for values in (1);
                            select tally.create_tally('t', 's', 'k'); create table s2 partition of s for values in (2)""")
    assert kinds(database) == {"missing_trigger"}
    database.sql.execute("select tally.reload('t')")
    assert findings(database) == []
    database.sql.execute("alter table s detach partition s1")
    assert kinds(database) == {"left_behind"}
    database.sql.execute("select tally.reload('t')")
    assert findings(database) == []


def test_a_foreign_table_as_a_partition(database):
    database.sql.execute("""create extension file_fdw; create server f foreign data wrapper file_fdw;
        create table s (k int, d int) partition by list (d); create table s1 partition of s for values in (1)""")
    foreign = "create foreign table s2 partition of s for values in (2) server f options (filename '/dev/null')"
    database.sql.execute(foreign)
    error = refused(database.sql, "select tally.create_tally('t', 's', 'k')")
    assert error.sqlstate == "42809" and "foreign table as a partition, public.s2" in str(error) and "detach partition public.s2" in error.diag.message_hint
    database.sql.execute("drop foreign table s2; select tally.create_tally('t', 's', 'k')")
    database.sql.execute(foreign)
    assert kinds(database) == {"source_changed"}
    assert refused(database.sql, "select tally.reload('t')").sqlstate == "42809"
    everybody_writes(database, "insert into s values (7, 1)")
    database.sql.execute("alter table s detach partition s2")
    assert findings(database) == [] and truth(database.sql, "t") == {"7": [2]}


def test_virtual_columns_are_refused(database):
    if database.sql.info.server_version < 180000:
        pytest.skip("PostgreSQL 18 has virtual columns")
    database.sql.execute("create table s (id int, v int generated always as (id % 3))")
    for arguments in ("'v'", "'id', '{\"c\": \"v\"}'", "'id', null, 'v > 0'"):
        error = refused(database.sql, f"select tally.create_tally('t', 's', {arguments})")
        assert error.sqlstate == "0A000" and "column v is a virtual generated column" in str(error) and "stored" in error.diag.message_hint
    database.sql.execute("select tally.create_tally('t', 's', 'id')")  # one that no expression reads
    replica = Replica(database, "t")
    everybody_writes(database, "insert into s values (1), (2)")
    assert replica.check() == {"1": [2], "2": [2]}
    # a column that is virtual now
    database.sql.execute("create table r (id int, k int); select tally.create_tally('r', 'r', 'k'); insert into r values (3, 4); "
                         "alter table r drop k; alter table r add k int generated always as (id % 3)")
    everybody_writes(database, "insert into r (id) values (1)")


@EITHER
@pytest.mark.parametrize("ddl", [
    "alter table s add x int default 5", "alter table s add x int generated always as (k + 1) stored", "alter table s alter k type bigint",
    "alter table s alter n type text", "alter table s drop n", "alter table s drop k", "drop table s", "truncate s", "alter table s set schema q",
    "alter table s rename to z", "alter table s rename k to z", "alter table s set unlogged", "alter table s owner to bob", "alter table s alter k set not null",
    "alter table s add primary key (k)", "alter table s add check (k > 0)", "alter table s enable row level security", "cluster s using si",
    "alter table s replica identity full", "alter table s drop constraint sc", "drop index si", "alter table s alter n drop default", "alter type e rename to f",
    "alter type e add value 'z'", "alter domain dom rename to dom2", "alter domain dom add check (value < 1000)", "alter function w(int) rename to v",
    "create or replace function w(int) returns int language sql immutable as 'select 2'", "alter function w(int) volatile", "drop schema q2 cascade",
    "alter table s disable trigger all", "comment on column s.k is 'x'", "create table kid () inherits (s)", "alter table s add constraint u unique (k)",
    "alter table s no inherit parent"])
def test_no_ddl_is_refused_and_no_writer_fails(database, ddl):
    """Whatever PostgreSQL allows without a tally, it allows with one that reads all that the table has."""
    make_roles(database)
    setup = """create schema q; create schema q2; create function q2.f(int) returns int language sql immutable as 'select 1'; create type e as enum ('a', 'b');
        create domain dom as int check (value > 0); create function w(int) returns int language sql immutable as 'select 1';
        create table parent (); create table s (k int, n int default 3, l e, d dom, constraint sc check (n > 0)); create index si on s (k);
        insert into s values (1, 1, 'a', 1)"""
    database.sql.execute(setup)
    database.sql.execute("""select tally.create_tally('t', 's', 'k', '{"a": "w(n)", "b": "case l when ''a'' then 1 end", "c": "d::int", "d": "q2.f(k)"}')""")
    try:
        database.sql.execute(ddl)
    except Exception as error:
        with_tally = str(error)
        database.sql.execute("select tally.drop_tally('t')")
        assert str(refused(database.sql, ddl)) == with_tally  # PostgreSQL's own
    table = database.sql.execute("select min(oid::regclass::text) from pg_class where relname in ('s', 'z') and relkind = 'r'").fetchone()[0]
    if table:
        for connection in (database.sql, database.connect()):
            connection.execute(f"insert into {table} default values" if "not null" not in ddl and "primary" not in ddl else f"insert into {table} (k) values ({id(connection) % 100000 + 2})")
            connection.execute(f"update {table} set l = null; delete from {table}")


@EITHER
@pytest.mark.parametrize("breaks, counter", [
    ("drop function w(int) cascade", "w(k)"), ("drop type e cascade", "case l when 'a' then 1 end"), ("drop schema q cascade", "q.f(k)")])
def test_what_is_gone_with_its_structure_is_an_event(database, breaks, counter):
    database.sql.execute("""create schema q; create function q.f(int) returns int language sql immutable as 'select 1'; create type e as enum ('a', 'b');
        create function w(int) returns int language sql immutable as 'select 1'; create table s (k int, l e)""")
    database.sql.execute("select tally.create_tally('t', 's', 'k', json_build_object('c', %s::text))", [counter])
    replica = Replica(database, "t")
    database.sql.execute(breaks)
    everybody_writes(database, "insert into s values (1)")
    everybody_writes(database, "update s set k = 2")
    everybody_writes(database, "truncate s")
    events = replica.drain().events
    assert len(events) == 6 and all(event["broken"][:5] in ("42883", "42703") for event in events[:4])
    assert kinds(database) & {"function_gone", "column_dropped"}
    assert refused(database.sql, "select * from tally.truth('t')").sqlstate in ("42883", "42703")
    database.sql.execute("select tally.alter_tally('t', counters => '{\"c\": \"1\"}')")
    assert findings(database) == []
    everybody_writes(database, "insert into s values (1)")
    assert truth(database.sql, "t") == {"1": [2]}


@EITHER
def test_whatever_an_expression_raises_stays_in_the_tally(database):
    """Any SQLSTATE that a block can catch; the writer's own savepoints and transaction go on."""
    database.sql.execute("""create function boom(state text) returns int language plpgsql immutable as
        $$begin raise exception 'on purpose' using errcode = state; end$$; create table s (state text);
        select tally.create_tally('t', 's', '1', '{"c": "boom(state)"}')""")
    replica = Replica(database, "t")
    states = ["40001", "40P01", "53200", "53100", "55P03", "P0001", "22012", "XX000", "25006", "57P03", "54001", "42501", "23505"]
    for state in states:
        database.sql.execute("begin; savepoint a")
        database.sql.execute("insert into s values (%s)", [state])
        database.sql.execute("release a; commit")
    assert [event["broken"] for event in replica.drain().events] == [f"{state} on purpose" for state in states]
    assert database.sql.execute("select count(*) from s").fetchone() == (len(states),)


@EITHER
def test_long_and_odd_messages_fit_into_an_event(database):
    database.sql.execute("""create table s (m text); create function boom(m text) returns int language plpgsql immutable as
        $$begin raise exception '%', m; end$$; select tally.create_tally('t', 's', '1', '{"c": "boom(m)"}')""")
    replica = Replica(database, "t")
    for message in ("\x01" * 5000, '"\\\u2028é' * 2000, ""):
        database.sql.execute("insert into s values (%s)", [message])
    assert [len(payload.encode()) < 8000 for payload in replica.drain().payloads] == [True] * 3
    assert [event["broken"][:6] for event in replica.events] == ["P0001 "] * 3


@EITHER
def test_a_statement_gets_no_id_of_a_subtransaction(database):
    database.sql.execute("create table s (k int); select tally.create_tally('t', 's', 'k')")
    with database.sql.transaction():
        for _ in range(3):
            database.sql.execute("insert into s values (1)")
        xids = database.sql.execute("select count(distinct xmin::text), min(xmin::text::bigint) = (pg_current_xact_id()::text::bigint % 4294967296) from s").fetchone()
        database.sql.execute("create temp table after_all ()")
        assert database.sql.execute("select xmin::text::bigint = pg_current_xact_id()::text::bigint % 4294967296 from pg_class where relname = 'after_all'").fetchone() == (True,)
    assert xids == (1, True)
    next_one = database.sql.execute("select pg_current_xact_id()::text::bigint").fetchone()[0]
    with database.sql.transaction():
        first = database.sql.execute("select pg_current_xact_id()::text::bigint").fetchone()[0]
        for _ in range(5):
            database.sql.execute("insert into s values (1)")
    assert database.sql.execute("select pg_current_xact_id()::text::bigint").fetchone()[0] == first + 1 == next_one + 2


def test_a_migration_again_after_its_schema_was_dropped(database):
    migration = "create table app.t (k int, n int); select tally.create_tally('t', 'app.t', 'k', '{\"n\": \"n\"}')"
    database.sql.execute("create schema app; " + migration + "; insert into app.t values (1, 1)")
    database.sql.execute("drop schema app cascade; create schema app; " + migration + "; insert into app.t values (2, 5)")
    assert truth(database.sql, "t") == {"2": [5]} and findings(database) == []
    database.sql.execute("drop table app.t; create table app.t (k int, n int, o int)")
    assert refused(database.sql, "select tally.create_tally('t', 'app.t', 'k', '{\"n\": \"o\"}')").sqlstate == "42710"  # another one


@pytest.mark.parametrize("source", ["x y", "a b.c", "", "a..b", '"', "a.b.c.d", "1x"])
def test_what_is_no_name(database, source):
    error = refused(database.sql, "select tally.create_tally('t', %s, 'k')", [source])
    assert error.sqlstate in ("42602", "22004"), error


def test_an_event_trigger_that_fails_is_named(database):
    database.sql.execute("""create table s (k int); create function site() returns event_trigger language plpgsql as
        $$begin if tg_tag = 'CREATE FUNCTION' then perform * from nowhere; end if; end$$; create event trigger site on ddl_command_end execute function site()""")
    error = refused(database.sql, "select tally.create_tally('t', 's', 'k')")
    assert error.sqlstate == "42P01" and error.diag.message_primary == 'role postgres cannot create a function in pg_temp: relation "nowhere" does not exist' and "event trigger" in error.diag.message_hint
    database.sql.execute("drop event trigger site; select tally.create_tally('t', 's', 'k')")


@pytest.mark.parametrize("type_of_key", ["regclass", "regproc", "regrole", "regtype", "regnamespace"])
def test_a_key_that_a_rename_would_change_is_refused(database, type_of_key):
    database.sql.execute(f"create table s (k {type_of_key})")
    error = refused(database.sql, "select tally.create_tally('t', 's', 'k')")
    assert error.sqlstate == "42P17" and "oid" in error.diag.message_hint
    database.sql.execute("select tally.create_tally('t', 's', 'k::oid')")


def test_a_collation_of_a_column_is_kept(database):
    """A parameter of a function has the collation of its type: the expression names that of the column."""
    database.sql.execute("""create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false); create table s (k text collate ci, "K" text collate "C", n text);
        select tally.create_tally('t', 's', 'n', '{"same": "case when k = ''A'' then 1 end", "c": "case when \\"K\\" < ''a'' then 1 end",
                                                   "both": "case when k = ''k'' and \\"K\\" = ''k'' and n = ''K'' then 1 end"}')""")
    replica = Replica(database, "t")
    everybody_writes(database, "insert into s values ('a', 'B', 'x'), ('b', 'b', 'y'), ('K', 'k', 'K')")
    assert replica.check() == {"x": [2, 2, 0], "K": [0, 0, 2]}
    database.sql.execute("alter table s rename k to l; select tally.reload('t')")
    replica.load()
    everybody_writes(database, "insert into s values ('a', 'B', 'x')")
    assert replica.check() == {"x": [4, 4, 0], "K": [0, 0, 2]}


def test_a_column_that_takes_the_name_of_a_dropped_one_stays_itself(database):
    database.sql.execute("create table s (k int, n int, m text); select tally.create_tally('t', 's', 'k', '{\"n\": \"n\", \"m\": \"length(m)\"}')")
    database.sql.execute("alter table s drop n; alter table s rename m to n")
    everybody_writes(database, "insert into s values (1, 'abc')")
    assert kinds(database) == {"column_dropped"}
    assert all("alter_tally" in remedy for kind, _, _, remedy in findings(database) if kind == "column_dropped")
    database.sql.execute("select tally.alter_tally('t', counters => '{\"m\": \"length(n)\"}')")
    assert truth(database.sql, "t") == {"1": [6]} and findings(database) == []
