"""A definition has the same meaning under any settings of the writer, the creator and the server."""

import json

import psycopg
import pytest
from postgres import install, install_version, uninstall
from replica import Replica, truth
from roles import make_roles, refused

HOSTILE = """
    set datestyle = 'German, DMY'; set timezone = 'America/Los_Angeles'; set intervalstyle = 'sql_standard'; set extra_float_digits = -10;
    set bytea_output = 'escape'; set lc_monetary = 'C'; set standard_conforming_strings = off; set backslash_quote = on;
    set quote_all_identifiers = on; set search_path = pg_catalog; set transform_null_equals = on; set array_nulls = off;
    set escape_string_warning = off; set lc_messages = 'C'; set xmloption = document; set default_transaction_isolation = 'repeatable read'
"""

KEYS = {
    "at": ["2026-01-02 03:04:05+00"], "(at at time zone 'UTC')::date": ["2026-01-02"], "day": ["2026-03-04"], "ratio": ["0.1"],
    "span": ["-1 days +02:03:00"], "raw": ["\\x00ff"], "raw::text": ["\\x00ff"], "ratio::text": ["0.1"], "(ratio / 3)::text": ["0.03333333333333333"],
    "case when note = E'back\\\\slash' then 'yes' else 'no' end": ["yes"], "case when day > '2026-03-03' then 'late' else 'early' end": ["late"],
    "case when span < '-1 day 2 hours' then 1 else 2 end": ["2"], "array_length('{a,NULL,b}'::text[], 1)": ["3"], "id": ["5ee1e5a1-0000-4000-8000-000000000001"],
    "flag": ["true"], "mood": ["so\\so"], "s.twice(n)": ["8"], "n": ["4"], "note": ["back\\slash"], "amount": ["1.50"], "letter": ["x"],
}


@pytest.fixture
def things(database):
    database.sql.execute(r"""
        create schema s;
        create type s.mood as enum ('so\so', 'fine');
        create function s.helper(int) returns int language sql immutable as 'select $1 * 2';
        create function s.twice(int) returns int language plpgsql immutable as 'begin return helper($1); end';
        create table s.things (n int, at timestamptz, day date, ratio float8, span interval, raw bytea, note text, id uuid, flag bool,
                               mood s.mood, amount numeric(5, 2), letter char(3))""")
    return database


INSERT = r"""
    insert into s.things values (4, '2026-01-02T03:04:05Z', date '2026-03-04', 0.1, interval 'P-1DT2H3M', decode('00ff', 'hex'), E'back\\slash',
                                 '5ee1e5a1-0000-4000-8000-000000000001', true, E'so\\so', 1.5, 'x')"""


@pytest.mark.parametrize("creator", ["set search_path = s, public", HOSTILE + "; set search_path = s, public"])
def test_writers_settings_do_not_matter(things, creator):
    creator_connection = things.connect()
    creator_connection.execute(creator)
    for number, key in enumerate(KEYS):
        creator_connection.execute("select tally.create_tally(%s, 's.things', %s)", [f"t{number}", key])
    replicas = [Replica(things, f"t{number}") for number in range(len(KEYS))]
    plain, hostile, reader = things.connect(), things.connect(), things.connect()
    hostile.execute(HOSTILE)
    reader.execute(HOSTILE)
    plain.execute(INSERT)
    hostile.execute(INSERT)
    hostile.execute("update s.things set n = n where true")
    for number, (key, texts) in enumerate(KEYS.items()):
        assert replicas[number].check() == {texts[0]: [2]}, key
        assert truth(reader, f"t{number}") == {texts[0]: [2]}, key
    hostile.execute("delete from s.things")
    for replica in replicas:
        assert replica.check() == {}


def test_everything_works_under_hostile_settings(empty_database):
    make_roles(empty_database)
    sql = empty_database.sql
    sql.execute("create schema s; create table s.t (k int, at timestamptz); grant all on schema s to bob; alter table s.t owner to bob")
    sql.execute(HOSTILE.replace("repeatable read", "read committed"))
    install_version(sql, 1)
    sql.execute("select tally.grant_create('bob'); select tally.grant_server('server')")
    actions = {"add": "/* x */ -- y\n insert into s.t values ($1::int)", "look": " ( select 1 )"}
    sql.execute("select tally.create_tally('t', 's.t', 'k', materialize => 's.counters', actions => %s)", [json.dumps(actions)])
    install(sql)
    install(sql)
    replica = Replica(empty_database, "t")
    sql.execute("select tally.act('t', 'add', '1', null, null); select tally.reload('t')")
    assert replica.drain().counters == {"1": [1]}
    assert "Write (at at time zone 'UTC')::date" in refused(sql, "select tally.create_tally('u', 's.t', 'at::date')").diag.message_hint
    sql.execute("select tally.alter_tally('t', filter => 'k > 0'); select tally.drop_tally('t')")
    assert sql.execute("select has_sequence_privilege('bob', 'tally.event_number', 'usage')").fetchone() == (False,)
    assert sql.execute("select count(*) from pg_proc where proname ~ '^tally_[0-9]'").fetchone() == (0,)
    uninstall(sql)


def test_settings_are_paid_for_only_where_they_matter(things):
    for name, key, counter in (("plain", "n", "case mood when 'fine' then 1 end"), ("dates", "day", "1"), ("own", "n", "s.twice(n)"),
                               ("hidden", "n", "length((n::float8 / 3)::text)")):
        things.sql.execute("set search_path = s, public")
        things.sql.execute("select tally.create_tally(%s, 's.things', %s, json_build_object('c', %s::text))", [name, key, counter])
    settings = dict(things.sql.execute("""
        select d.name, p.proconfig from tally.definition d join pg_proc p on p.proname = format('tally_%s_insert', d.id)""").fetchall())
    assert settings["plain"] == ["search_path=pg_catalog, pg_temp"]
    for name in ("dates", "own", "hidden"):
        assert "TimeZone=UTC" in settings[name] and any(s.endswith("pg_temp") and "s, public" in s for s in settings[name])


def test_names_are_those_of_the_creator(things):
    """An unqualified name is resolved when the tally is created."""
    things.sql.execute("set search_path = s, public; select tally.create_tally('t', 'things', 'twice(n)')")
    other = things.connect()
    other.execute("create schema other; create function other.twice(int) returns int language sql immutable as 'select 0'; "
                  "create function other.helper(int) returns int language sql immutable as 'select 0'; set search_path = other, s")
    replica = Replica(things, "t")
    other.execute(INSERT)
    assert replica.check() == {"8": [1]}


def test_errors_are_found_under_messages_in_german(things):
    try:
        things.sql.execute("set lc_messages = 'de_DE.UTF-8'")
    except psycopg.Error:
        pytest.skip("the system has no German locale")
    error = refused(things.sql, "select tally.create_tally('t', 's.things', 'at::date')")
    assert error.sqlstate == "42P17" and "time zone 'UTC'" in error.diag.message_hint
    things.sql.execute("""select tally.create_tally('t', 's.things', 'n', actions =>
        '{"add": "insert into s.things (n) values ($1::int)", "look": "select 1", "drop": "delete from s.things"}')""")
    assert refused(things.sql, """select tally.create_tally('u', 's.things', 'n', actions => '{"two": "select 1; select 2"}')""").sqlstate == "42601"



def test_what_servers_ask_at_every_heartbeat_is_not_compiled(database):
    """Compiling takes ten times as long as the queries, which a service repeats while it sends heartbeats."""
    database.sql.execute("create table t (k int); select tally.create_tally(n, 't', 'k') from unnest(array['a', 'b', 'c']) as n")
    database.sql.execute("load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on; "
                         "set auto_explain.log_nested_statements = on; set auto_explain.log_level = notice; set jit_above_cost = 0; set client_min_messages = notice")
    plans = []
    database.sql.add_notice_handler(lambda notice: plans.append(notice.message_primary))
    database.sql.execute("select count(*) from tally.definition")
    if not any("JIT:" in plan for plan in plans):
        pytest.skip("this server has no JIT")
    for query in ("select * from tally.look()", "select * from tally.findings()", "select * from tally.findings('a')", "select tally.problems('a')"):
        plans.clear()
        database.sql.execute(query)
        inner = [plan for plan in plans if query not in plan]
        assert inner
        assert not [plan for plan in inner if "JIT:" in plan], query
