"""Arguments: what is refused, with which message; repeating; altering."""

import json

import pytest
from replica import Replica, truth
from roles import refused


@pytest.fixture
def db(database):
    database.sql.execute("""
        create table likes (post_id int, stars int, note text, tags text[], at timestamptz default now(), score numeric);
        create view likes_view as select * from likes;
        create materialized view likes_mat as select * from likes;
        create table base (k int); create table child () inherits (base);
        create foreign data wrapper w; create server s foreign data wrapper w; create foreign table remote (k int) server s;
        create sequence seq; create temp table gone_soon (k int)""")
    return database


CREATE = "select tally.create_tally(name => %(name)s, source => %(source)s, key => %(key)s, counters => %(counters)s, filter => %(filter)s, transport => %(transport)s)"
GOOD = {"name": "t", "source": "likes", "key": "post_id", "counters": '{"n": "1"}', "filter": None, "transport": "notify"}


@pytest.mark.parametrize("name", [None, "", "A", "1a", "_a", "a-b", "ä", "a b", "a" * 64, 'a"b', "a\n"])
def test_names(db, name):
    error = refused(db.sql, CREATE, GOOD | {"name": name})
    assert error.sqlstate == "42602" and error.diag.message_primary.startswith("name:") and error.diag.message_hint


@pytest.mark.parametrize("counters, state", [
    ('{"n": "1", "n": "2"}', "42710"), ("{}", "22023"), ("[]", "22023"), ('"n"', "22023"), ("3", "22023"), ('{"n": 1}', "22023"),
    ('{"n": null}', "22023"), ('{"N": "1"}', "42602"), ('{"": "1"}', "42602"), ('{"%s": "1"}' % ("n" * 64), "42602"),
    (json.dumps({f"c{i}": "1" for i in range(65)}), "22023"), ('{"n": "score"}', "42804"), ('{"n": "note"}', "42804"),
    ('{"n": "\'1\'"}', "42804"), ('{"n": "missing"}', "42703"), ('{"n": "stars +"}', "42601"), ('{"n": "1.5"}', "42804"),
    ('{"n": "null"}', "42804"), ('{"n": "true"}', "42804"), ('{"n": "stars::real"}', "42804")])
def test_counters(db, counters, state):
    error = refused(db.sql, CREATE, GOOD | {"counters": counters})
    assert error.sqlstate == state and error.diag.message_primary.startswith("counters:") and error.diag.message_hint is not None


@pytest.mark.parametrize("key, state", [
    (None, "22004"), ("", "22004"), ("missing", "42703"), ("tags", "42804"), ("likes", "42804"), ("row(1, 2)", "42804"),
    ("sum(post_id)", "42803"), ("count(*) over ()", "42P20"), ("generate_series(1, post_id)", "0A000"),
    ("(select 1)", "0A000"), ("exists (select from likes)", "0A000"), ("now()", "42P17"), ("random()", "42P17"),
    ("at::date", "42P17"), ("at::text", "42P17"), ("current_user", "42P17"), ("ctid", None), ("tableoid", None), ("$1", "42P02"),
    ("post_id, stars", "42804"), ("*", None), ("default", None)])
def test_keys(db, key, state):
    error = refused(db.sql, CREATE, GOOD | {"key": key})
    assert error.diag.message_primary.startswith("key:"), error
    if state:
        assert error.sqlstate == state, error


def test_the_day_of_a_timestamp(db):
    error = refused(db.sql, CREATE, GOOD | {"key": "at::date"})
    assert "IMMUTABLE" in str(error) and "(at at time zone 'UTC')::date" in error.diag.message_hint
    assert "(datetime at time zone 'UTC')::date" in refused(db.sql, CREATE, GOOD | {"filter": "at::date > '2026-01-01'"}).diag.message_hint
    db.sql.execute(CREATE, GOOD | {"key": "(at at time zone 'UTC')::date"})
    assert db.sql.execute("select key_type from tally.tallies").fetchone() == ("date",)


@pytest.mark.parametrize("source, state, word", [
    ("likes_view", "42809", "a view"), ("likes_mat", "42809", "a materialized view"), ("remote", "42809", "foreign"),
    ("base", "42809", "parent in table inheritance"), ("child", "42809", "child in table inheritance"), ("seq", "42809", "not a table"),
    ("pg_class", "42501", "system table"), ("pg_catalog.pg_type", "42501", "system table"), ("tally.definition", "42501", "system table"),
    ("gone_soon", "42809", "temporary"), ("nowhere", "42P01", "no table"), ("no.where", "42P01", "no table"),
    ("a.b.c.d", "42602", "not the name"), ("a.b.c", "42602", "not the name"), ("x y", "42602", "not the name"), ("", "22004", "needed"), (None, "22004", "needed"),
    ("likes; drop table likes", "42602", "not the name"), ("information_schema.sql_features", "42501", "system table")])
def test_sources(db, source, state, word):
    error = refused(db.sql, CREATE, GOOD | {"source": source, "key": "k"})
    assert error.sqlstate == state and word in error.diag.message_primary, error
    assert error.diag.message_primary.startswith("source:") and error.diag.message_hint


@pytest.mark.parametrize("change, state", [({"transport": "pigeon"}, "22023"), ({"transport": "WAL"}, "22023"), ({"transport": ""}, "22023"),
                                           ({"filter": "stars"}, "42804"), ({"filter": "missing > 1"}, "42703")])
def test_transport_and_filter(db, change, state):
    error = refused(db.sql, CREATE, GOOD | change)
    assert error.sqlstate == state and error.diag.message_primary.startswith(next(iter(change)) + ":")
    assert error.diag.message_hint


def catalog(connection):
    return connection.execute("""
        select oid::regprocedure::text from pg_proc where oid >= 16384
        union all select oid::regclass::text from pg_class where oid >= 16384 and relnamespace <> 'pg_toast'::regnamespace
        union all select tgname from pg_trigger
        union all select pubname::text from pg_publication
        union all select nspname || nspacl::text from pg_namespace where nspname !~ '^pg_(toast_)?temp' order by 1""").fetchall()


def test_nothing_is_left_behind(db):
    db.sql.execute("create table other (k int); select tally.create_tally('o', 'other', 'k')")
    before = catalog(db.sql)
    for change in ({"key": "now()"}, {"counters": '{"a": "1", "b": "score"}'}, {"filter": "stars"}, {"transport": "pigeon"}, {"transport": "wal", "key": "now()"}):
        refused(db.sql, CREATE, GOOD | change)
    assert catalog(db.sql) == before
    db.sql.execute(CREATE, GOOD)
    assert catalog(db.sql) != before
    db.sql.execute("select tally.drop_tally('t')")
    assert catalog(db.sql) == before


def test_the_same_again_does_nothing(db):
    state = "select xmin::text, * from tally.definition"
    db.sql.execute(CREATE, GOOD)
    before = db.sql.execute(state).fetchall()
    db.sql.execute(CREATE, GOOD)
    db.sql.execute(CREATE, GOOD | {"source": "public.likes", "counters": '{\n "n":"1" }', "filter": ""})
    assert db.sql.execute(state).fetchall() == before
    for change in ({"key": "stars"}, {"counters": '{"n": "2"}'}, {"counters": '{"n": "1", "m": "1"}'}, {"filter": "stars > 1"}, {"source": "other"}):
        db.sql.execute("create table if not exists other (post_id int)")
        error = refused(db.sql, CREATE, GOOD | change)
        assert error.sqlstate == "42710" and "alter_tally" in error.diag.message_hint
    assert db.sql.execute(state).fetchall() == before


def test_the_order_of_counters_is_part_of_the_definition(db):
    db.sql.execute(CREATE, GOOD | {"counters": '{"b": "1", "a": "stars"}'})
    assert refused(db.sql, CREATE, GOOD | {"counters": '{"a": "stars", "b": "1"}'}).sqlstate == "42710"
    db.sql.execute("insert into likes values (1, 7)")
    assert truth(db.sql, "t") == {"1": [1, 7]}


def test_defaults(db):
    db.sql.execute("select tally.create_tally('likes', 'public.likes', 'post_id')")
    row = db.sql.execute("select name, source, key, counters, filter, transport, materialize, actions, problems, key_type from tally.tallies").fetchone()
    assert row == ("likes", "public.likes", "post_id", {"count": "1"}, None, "notify", None, None, [], "integer")


def test_alter(db):
    db.sql.execute(CREATE, GOOD)
    db.sql.execute("insert into likes values (1, 5), (2, 1)")
    replica = Replica(db, "t")

    def alter(arguments):
        db.sql.execute(f"select tally.alter_tally('t', {arguments})")
        replica.load()
        db.sql.execute("insert into likes values (1, 3)")
        return replica.check()

    assert alter("counters => '{\"n\": \"1\", \"s\": \"stars\"}'") == {"1": [2, 8], "2": [1, 1]}
    assert alter("filter => 'stars > 2'") == {"1": [3, 11]}
    assert alter("key => 'stars'") == {"3": [3, 9], "5": [1, 5]}
    assert alter("filter => ''") == {"1": [1, 1], "3": [4, 12], "5": [1, 5]}
    db.sql.execute("create table likes2 (stars int)")
    assert alter("source => 'likes2'") == {}
    db.sql.execute("insert into likes2 values (4)")
    assert replica.check() == {"4": [1, 4]}
    assert db.sql.execute("select count(*) from pg_trigger where tgrelid = 'likes'::regclass").fetchone() == (0,)
    assert refused(db.sql, "select tally.alter_tally('t', key => 'post_id')").sqlstate == "42703"
    assert refused(db.sql, "select tally.alter_tally('t', transport => 'pigeon')").sqlstate == "22023"
    assert refused(db.sql, "select tally.alter_tally('nope')").sqlstate == "42704"
    assert db.sql.execute("select key, filter from tally.tallies").fetchone() == ("stars", None)


@pytest.mark.parametrize("call", ["drop_tally('nope')", "reload('nope')", "lock_source('nope')", "truth('nope')"])
def test_unknown_tallies(db, call):
    error = refused(db.sql, f"select tally.{call}")
    assert error.sqlstate == "42704" and error.diag.message_hint


def test_columns_with_names_of_the_generated_code(database):
    database.sql.execute("""
        create table "Odd ""one" (k int, c1 int, part int, parts int, deltas int, sums int, new_rows int, is_new bool, w1 int, "Mixed ""Case" text, tg_op int);
        select tally.create_tally('odd', '"Odd ""one"', '"Mixed ""Case"',
          '{"c1": "c1", "part": "part + parts + deltas", "w": "w1 + sums + new_rows + k", "tg": "tg_op"}', 'is_new')""")
    replica = Replica(database, "odd")
    database.sql.execute("""insert into "Odd ""one" values (1, 2, 3, 4, 5, 6, 7, true, 8, 'x"y', 9), (1, 2, 3, 4, 5, 6, 7, false, 8, 'z', 9)""")
    database.sql.execute("""update "Odd ""one" set c1 = 3""")
    assert replica.check() == {'x"y': [3, 12, 22, 9]}
    assert database.sql.execute("select source from tally.tallies").fetchone() == ('public."Odd ""one"',)


def test_altering_in_another_search_path_keeps_the_meaning(database):
    database.sql.execute("""create schema a; create schema b; create function a.f(int) returns int language sql immutable as 'select $1 + 1';
        create function b.f(int) returns int language sql immutable as 'select 0'; create function b.g(int) returns int language sql immutable as 'select 5';
        create table t (k int); set search_path = a, public; select tally.create_tally('t', 't', 'f(k)'); set search_path = b, public""")
    database.sql.execute("""select tally.alter_tally('t', counters => '{"n": "g(k)"}'); select tally.alter_tally('t', filter => 'k > 0')""")
    database.sql.execute("insert into public.t values (1)")
    assert truth(database.sql, "t") == {"2": [5]}


@pytest.mark.parametrize("argument", ["actions", "counters"])
@pytest.mark.parametrize("value, kind", [("[]", "array"), ("null", "null"), ("3", "number"), ('"x"', "string"), ("true", "boolean")])
def test_actions_and_counters_that_are_no_object(db, argument, value, kind):
    db.sql.execute(CREATE, GOOD)
    for call in (f"select tally.create_tally('z', 'likes', 'post_id', {argument} => %s)",
                 f"select tally.create_tally('t', 'likes', 'post_id', {argument} => %s)", f"select tally.alter_tally('t', {argument} => %s)"):
        error = refused(db.sql, call, [value])
        assert error.sqlstate == "22023" and error.diag.message_primary == f"{argument}: a JSON object is needed, not {kind}"
        assert "For example" in error.diag.message_hint


@pytest.mark.parametrize("expression, message, hint", [
    ("nope", 'column "nope" does not exist', "post_id, stars, note"), ("post_id post_id", "syntax error", "expression over one row"),
    ("stars +", "syntax error at the end", "expression over one row"), ("(select 1)", "subquery in an expression over one row", "without"),
    ("sum(stars)", "aggregate functions are not allowed in an expression over one row", "without aggregate"),
    ("row_number()", "row_number", "without aggregate, window"), ("row_number() over ()", "allowed in an expression over one row", "without aggregate, window"),
    ("generate_series(1, 2)", "allowed in an expression over one row", "set-returning"), ("nofunction(stars)", "nofunction", "o function"),
    ("s.f(stars)", "schema", "Names were looked for in public"), ("stars::notype", "notype", "Names were looked for in public"),
    ("stars /*", 'unterminated /* comment at or near "/*"', "expression over one row"), ("$1", "$1", "expression over one row"),
    ("'x'::int", "invalid input syntax", "expression over one row")])
@pytest.mark.parametrize("argument", ["key", "counters", "filter"])
def test_every_refused_expression_has_a_hint(db, argument, expression, message, hint):
    error = refused(db.sql, CREATE, GOOD | {argument: json.dumps({"n": expression}) if argument == "counters" else expression})
    assert error.diag.message_primary.startswith(argument + ":") and message in error.diag.message_primary, error
    assert hint in (error.diag.message_hint or ""), error
    assert "is null" not in str(error) and "WHERE" not in str(error) and "pgtally_" not in str(error)


def test_another_tally_by_the_name_names_the_argument(db):
    db.sql.execute(CREATE, GOOD)
    assert refused(db.sql, CREATE, GOOD | {"key": "stars"}).diag.message_primary.startswith('name: there is a tally "t" already')
