"""Malicious owners, writers and creators. postgres is a superuser and the schema's owner; bob may create tallies."""

import psycopg
import pytest
from replica import Replica, truth
from roles import make_roles, refused

EVIL = """
    create function bobs.note() returns void language plpgsql as $$
    begin
      insert into bobs.seen values (current_user, session_user);
    end $$;
    create function bobs.evil(k int) returns int language plpgsql immutable as $$  -- a lie
    begin
      perform bobs.note();
      return k;
    end $$
"""


@pytest.fixture
def bobs(database):
    make_roles(database)
    database.sql.execute("create schema bobs authorization bob; create schema app authorization alice; "
                         "set role alice; create table app.t (k int); reset role; select tally.grant_create('bob')")
    bob = database.connect("bob")
    bob.execute("create table bobs.t (k int); create table bobs.seen (cur text, sess text); "
                "grant usage on schema bobs to public; grant insert on bobs.t to writer; " + EVIL)
    database.bob = bob
    return database


def seen(database):
    return {row[0] for row in database.sql.execute("select cur from bobs.seen").fetchall()}


def test_expressions_run_with_the_owners_rights_only(bobs):
    bobs.bob.execute("select tally.create_tally('t', 'bobs.t', 'bobs.evil(k)')")
    bobs.connect("writer").execute("insert into bobs.t values (1)")
    bobs.sql.execute("insert into bobs.t values (2)")
    bobs.sql.execute("select * from tally.truth('t')")
    bobs.sql.execute("select tally.alter_tally('t', counters => '{\"n\": \"bobs.evil(1)\"}')")  # folded while planning
    assert seen(bobs) == {"bob"}


def test_an_altered_function_runs_nothing_for_its_callers(bobs):
    bobs.bob.execute("select tally.create_tally('t', 'bobs.t', 'bobs.evil(k)', actions => '{\"a\": \"select bobs.evil(1)\"}')")
    bobs.bob.execute("insert into bobs.t values (1); truncate bobs.seen")
    bobs.bob.execute("""
        create function bobs.ne(text, text) returns bool language plpgsql as
          $$begin insert into bobs.seen values (current_user, session_user); return false; end$$;
        create operator bobs.<> (leftarg = text, rightarg = text, function = bobs.ne)""")
    number = bobs.sql.execute("select id from tally.definition").fetchone()[0]
    for function in ("truth()", "lock()", "act(text, text, json)"):
        bobs.bob.execute(f"alter function tally.tally_{number}_{function} security invoker volatile "
                         "set search_path = bobs, pg_catalog")
    for call in ("select * from tally.truth('t')", "select tally.lock_source('t')", "select tally.act('t', 'a', '1', null, null)"):
        error = refused(bobs.sql, call)
        assert error.sqlstate == "42501" and "altered" in str(error)
    assert seen(bobs) == set()
    assert "altered" in str(bobs.sql.execute("select problems from tally.tallies").fetchone())
    bobs.sql.execute("select tally.reload('t')")
    assert bobs.sql.execute("select problems from tally.tallies").fetchone() == ([],)


PATH = "select pg_catalog.set_config('search_path', 'bobs, pg_catalog', false)"


@pytest.fixture
def paths(bobs):
    """Of the names that the schema's functions use, bob has some of his own, for whoever runs under his path."""
    bobs.bob.execute("grant insert on bobs.seen to public")
    for name, result, value in (("to_json(text)", "json", "'1'"), ("format(text, json)", "text", "''"), ("format(text, int)", "text", "''"),
                                ("json_object_keys(json)", "setof text", "'a'"), ("pg_current_xact_id()", "xid8", "'7'"), ("current_setting(text)", "text", "'x'"),
                                ("set_config(text, text, boolean)", "text", "'x'"), ("array_remove(text[], text)", "text[]", "'{}'"),
                                ("array_positions(text[], text)", "int[]", "'{}'"), ("ne(text, text)", "boolean", "true"), ("eq(text, text)", "boolean", "false")):
        value = f"return next {value};" if result.startswith("setof") else f"return {value};"
        bobs.bob.execute(f"create function bobs.{name} returns {result} language plpgsql as $$begin perform bobs.note(); {value} end$$")
    bobs.bob.execute("""create operator bobs.<> (leftarg = text, rightarg = text, function = bobs.ne);
                        create operator bobs.= (leftarg = text, rightarg = text, function = bobs.eq);
                        create function bobs.leave(k int) returns int language plpgsql immutable as
                          $$begin perform pg_catalog.set_config('search_path', 'bobs, pg_catalog', false); return k; end$$""")
    bobs.sql.execute("select tally.grant_server('server')")
    return bobs


def unharmed(database, server):
    """Nobody ran under bob's path but bob, and the session of the server is as it was."""
    assert server.execute("show search_path").fetchone() == ('"$user", public',)
    return seen(database) <= {"bob"}


def test_an_action_leaves_no_path(paths):
    paths.bob.execute("select tally.create_tally('t', 'bobs.t', 'k', actions => %s)",
                      ['{"path": "' + PATH + '", "like": "insert into bobs.t values ($1::int)", "fold": "select bobs.leave(1)"}'])
    server = paths.connect("server")
    for name in ("path", "fold", "like"):
        server.execute("select tally.act('t', %s, '1', null, 'b')", [name])
        assert unharmed(paths, server)
        server.execute("select tally.act_all('{t,t}', %s, '{1,2}', '{\"\",\"\"}', 'b', '{}', '{}')", [["like", name]])
        assert unharmed(paths, server)
    assert "fold" not in str(paths.sql.execute("select * from tally.tried()").fetchall())
    assert unharmed(paths, server) and unharmed(paths, paths.sql)


def test_an_expression_leaves_no_path(paths):
    paths.bob.execute("select tally.create_tally('t', 'bobs.t', 'bobs.leave(k)'); insert into bobs.t values (1)")
    server = paths.connect("server")
    assert server.execute("select * from tally.truth('t')").fetchall() == [("1", [1])]
    assert unharmed(paths, server)
    server.execute("select tally.lock_source('t')")
    assert unharmed(paths, server)


def test_an_altered_path_leaves_no_path(paths):
    """The functions still run as their owner, so that nothing of them looks altered but their path."""
    paths.bob.execute("select tally.create_tally('t', 'bobs.t', 'k', actions => %s)", ['{"path": "' + PATH + '"}'])
    number = paths.sql.execute("select id from tally.definition").fetchone()[0]
    server = paths.connect("server")
    for function in ("act(text, text, json)", "acts(text[], text[], text[], text[])", "truth()", "lock()", "try(text)"):
        paths.bob.execute(f"alter function tally.tally_{number}_{function} set search_path = bobs, pg_catalog")
    paths.bob.execute("""create or replace function bobs.ne(text, text) returns boolean language plpgsql as $$begin
                           perform bobs.note(); perform pg_catalog.set_config('search_path', 'bobs, pg_catalog', false); return true; end$$""")
    for call in ("select tally.act('t', 'path', '1', null, 'b')", "select tally.act_all('{t,t}', '{path,path}', '{1,2}', '{\"\",\"\"}', 'b', '{}', '{}')",
                 "select * from tally.truth('t')", "select tally.lock_source('t')"):
        server.execute(call)
        assert unharmed(paths, server), call
    paths.sql.execute("select * from tally.tried()")
    assert unharmed(paths, paths.sql)


def test_the_stand_in_cannot_be_forged(bobs):
    """While a superuser creates a tally for bob, bob's code replaces the stand-in by one with the caller's rights."""
    bobs.bob.execute("""
        create function bobs.do_swap() returns void language plpgsql as $f$
        begin
          create or replace function pg_temp.pgtally_owner(statement text, reads boolean) returns text
            language plpgsql as $$declare r text; begin
              perform bobs.note();
              if reads then execute statement into r; else execute statement; end if; return r; end$$;
        end $f$;
        create function bobs.swap(k int) returns int language plpgsql immutable as
          $$begin perform bobs.do_swap(); return k; end$$;
        create function bobs.do_flip() returns void language sql as
          'alter function pg_temp.pgtally_owner(text, boolean) security invoker';
        create function bobs.flip(k int) returns int language plpgsql immutable as
          $$begin perform bobs.do_flip(); perform bobs.note(); return k; end$$""")
    for attack in ("swap", "flip"):
        error = refused(bobs.sql, f"select tally.create_tally('t', 'bobs.t', 'bobs.{attack}(1)')")
        assert error.sqlstate == "42501" and "has not proven" in str(error)
    # nor can it take the role back
    bobs.bob.execute("""create function bobs.back(k int) returns int language plpgsql immutable as
                        $$begin perform set_config('role', 'postgres', true); return k; end$$""")
    assert "security-definer" in str(refused(bobs.sql, "select tally.create_tally('t', 'bobs.t', 'bobs.back(1)')"))
    assert "postgres" not in seen(bobs)
    assert bobs.sql.execute("select count(*) from tally.tallies").fetchone() == (0,)


def test_a_forged_stand_in_cannot_use_the_moment_in_which_the_owner_may_create(bobs):
    bobs.bob.execute("select tally.create_tally('t', 'bobs.t', 'k')")
    number = bobs.sql.execute("select id from tally.definition").fetchone()[0]
    bobs.bob.execute("""
        create function pg_temp.pgtally_owner(statement text, reads boolean) returns text language plpgsql security definer as $$
        begin
          create function tally.truth(varchar) returns int language sql as 'select 1';
          return null;
        end $$""")
    for call in (f"tally.build({number}, true)", "tally.register(tally.look_up('t'), '{}')", "tally.unregister('t')"):
        assert refused(bobs.bob, f"select {call}").sqlstate == "42501"
    bobs.bob.execute("drop function pg_temp.pgtally_owner; select tally.open_stand_in('bob'::regrole)")
    bobs.bob.execute("select tally.register(tally.look_up('t'), '{}')")  # the genuine one may


def test_internal_helpers_give_nothing(bobs):
    bob = bobs.bob
    assert refused(bob, "select tally.open_stand_in('alice'::regrole)").sqlstate == "42501"
    assert refused(bob, "select tally.as_owner('alice'::regrole, 'drop table app.t')").sqlstate == "42501"
    # his own stand-in gives no rights on others' tables
    register = """select tally.register(row(null, 'x', 'app.t'::regclass, 'app.t', 'k', '{"n": "1"}', null, 'notify', null, null,
                  'pg_temp', 'integer', '{}', '', null, null, null)::tally.definition, '{key,counters}')"""
    bobs.sql.execute("grant usage on schema app to bob")
    bob.execute("begin; select tally.open_stand_in('bob'::regrole)")
    assert refused(bob, register).sqlstate == "42501"
    bobs.sql.execute("select tally.create_tally('t', 'app.t', 'k')")
    for call in ("select tally.unregister('t')", "select tally.build(1, true)", "select tally.build(2, true)"):
        bob.execute("begin; select tally.open_stand_in('bob'::regrole)")
        assert refused(bob, call).sqlstate in ("42501", "P0002")
    # nor may he take over a tally for a table of his own
    takeover = """do $$ declare d tally.definition := tally.look_up('t'); begin
                    perform tally.open_stand_in('bob'::regrole); d.source := 'bobs.t'; d.source_name := 'bobs.t';
                    perform tally.register(d, '{}'); end $$"""
    assert refused(bob, takeover).sqlstate == "42501"
    # no way to create in schema tally
    assert refused(bob, "create function tally.truth(varchar) returns int language sql as 'select 1'").sqlstate == "42501"
    bob.execute("begin; select tally.create_tally('mine', 'bobs.t', 'k')")
    assert refused(bob, "create function tally.truth(varchar) returns int language sql as 'select 1'").sqlstate == "42501"
    number = bobs.sql.execute("select max(id) from tally.definition").fetchone()[0]
    bob.execute("select tally.create_tally('mine', 'bobs.t', 'k')")
    number = bobs.sql.execute("select max(id) from tally.definition").fetchone()[0]
    assert refused(bob, f"create or replace function tally.tally_{number}_truth() returns table (k text, c bigint[]) "
                        "language sql as 'select null, null'").sqlstate == "42501"


FORGED = """select tally.register(row(null, 'x', 'bobs.t'::regclass, {source_name}, {key}, {counters}, null, 'notify', null, null,
    {path}, 'integer', {code}, '', null, null, null)::tally.definition, {fresh})"""


@pytest.mark.parametrize("argument, forged", [
    ("code", """$j${"key": {"sql": "bobs.evil(1)", "type": "integer", "columns": []}, "native": true, "columns": [],
                    "counters": [{"sql": "1", "type": "integer", "columns": []}], "plain": true}$j$"""),
    ("fresh", "'{}'"), ("fresh", "null"), ("source_name", "'bobs.t; drop table bobs.victim'"),
    ("key", "'k; drop table bobs.victim'"), ("counters", """'{"n": "1; drop table bobs.victim"}'"""),
    ("path", """$$pg_temp as 'begin end'; create function tally.create_tally(text, text, text) returns void language sql as 'select bobs.note()';
                  create or replace function tally.z(action text, key text, body json) returns void language plpgsql set search_path = pg_temp$$"""),
    ("path", "'bobs, \"x\"; create table tally.planted (), pg_temp'")])
def test_what_a_definition_says_of_itself_is_not_believed(bobs, argument, forged):
    """bob calls register directly, past the checks of create_tally."""
    before = bobs.sql.execute("select oid::regprocedure::text from pg_proc where pronamespace = 'tally'::regnamespace").fetchall()
    bobs.bob.execute("create table bobs.victim ()")
    values = {"source_name": "'bobs.t'", "key": "'k'", "counters": """'{"n": "1"}'""", "path": "'pg_temp'", "code": "'{}'",
              "fresh": "'{key,counters}'", argument: forged}
    bobs.bob.execute("begin; select tally.open_stand_in('bob'::regrole)")
    try:
        bobs.bob.execute(FORGED.format(**values))
        bobs.bob.execute("commit")
    except psycopg.Error:
        bobs.bob.execute("rollback")
    bobs.sql.execute("insert into bobs.t values (1)")
    if bobs.sql.execute("select 1 from tally.definition").fetchone():
        assert truth(bobs.sql, "x") == {"1": [1]}
    after = bobs.sql.execute("select oid::regprocedure::text from pg_proc where pronamespace = 'tally'::regnamespace "
                             "and proname !~ '^tally_[0-9]+_(key|c1|insert|update|delete|truncate|truth|lock|run|acts?|try)$'").fetchall()
    assert set(after) == set(before)
    assert seen(bobs) == set()
    assert bobs.sql.execute("select to_regclass('bobs.victim') is not null, to_regclass('tally.planted') is null").fetchone() == (True, True)


@pytest.mark.parametrize("smuggled", [
    "1) from bobs.t; drop table bobs.victim; select (1",
    "1) from bobs.t limit 0) as s(x) right join (values (1)) as one on true; drop table bobs.victim; select * from (select (1", "1]) is null; drop table bobs.victim; --", "1); drop table bobs.victim; --",
    "1), (2", "k) desc, (k", "k), array[(k", "1; drop table bobs.victim", "k -- ); drop", "k /*", "k'", 'k"', "k $$", "", " ", "k)",
    "1]; drop table bobs.victim; select ($$", "1); drop table bobs.victim; select array[$$", "1]; drop table bobs.victim; select ('", "(k", "k]", "[k", "k,k", "k as x", "k from bobs.t"])
def test_no_sql_is_smuggled_in_an_expression(bobs, smuggled):
    bobs.bob.execute("create table bobs.victim ()")
    for argument in ("key => %s, counters => '{\"n\": \"1\"}'", "key => 'k', filter => %s",
                     "key => 'k', counters => json_build_object('n', %s::text)"):
        if smuggled == "k -- ); drop" and "filter" not in argument:
            continue  # a comment is part of an expression
        if smuggled == "" and "filter" in argument:
            continue  # not a filter
        refused(bobs.bob, f"select tally.create_tally('t', 'bobs.t', {argument})", [smuggled])
    assert bobs.sql.execute("select to_regclass('bobs.victim') is not null, count(*) from tally.definition").fetchone() == (True, 0)


def test_a_hostile_writer_changes_nothing(bobs):
    bobs.bob.execute("select tally.create_tally('t', 'bobs.t', 'k', '{\"n\": \"1\", \"big\": \"case when k > 1 then 1 end\"}', 'k <> 9')")
    replica = Replica(bobs, "t")
    bobs.sql.execute("create schema trap; grant all on schema trap to writer")
    writer = bobs.connect("writer")
    writer.execute("""
        create function trap.wrong(int, int) returns bool language sql as 'select true';
        create operator trap.<> (leftarg = int, rightarg = int, function = trap.wrong);
        create operator trap.> (leftarg = int, rightarg = int, function = trap.wrong);
        create function trap.sum(int) returns bigint language sql as 'select 42';
        create function trap.pg_notify(text, text) returns void language sql as '';
        create function trap.nextval(text) returns bigint language sql as 'select 1::bigint';
        create temp table new_rows (k int); insert into new_rows values (66);
        create temp table t (k int); create temp sequence event_number;
        create function pg_temp.array_to_string(text[], text) returns text language sql as $$select ''$$;
        set search_path = trap, pg_temp, pg_catalog;
        set plpgsql.variable_conflict = use_variable;
        insert into bobs.t values (1), (2), (9)""")
    assert replica.check() == {"1": [1, 0], "2": [1, 1]}
