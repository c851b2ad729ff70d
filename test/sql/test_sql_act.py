"""Actions and materialization tables."""

import json

import pytest
from replica import Replica
from roles import make_roles, refused
from transports import EITHER


@pytest.fixture
def app(database):
    make_roles(database)
    database.sql.execute("""
        create schema app authorization alice; set role alice;
        create table app.likes (post_id int not null, body json, who text default current_user, stars int check (stars < 6));
        reset role; select tally.grant_server('server')""")
    return database


def create(database, actions, **more):
    database.sql.execute("select tally.create_tally('likes', 'app.likes', 'post_id', actions => %s)", [json.dumps(actions)])


GOOD = {"like": "insert into app.likes (post_id, body, stars) values ($1::int, $2, ($2 ->> 'stars')::int);",
        "unlike": "-- takes them all\n delete from app.likes where post_id = $1::int",
        "move": "update app.likes set post_id = post_id + 1 where post_id = $1::int returning *",
        "look": "select count(*) from app.likes where post_id = $1::int", "with": "with gone as (delete from app.likes returning *) select * from gone"}


@EITHER
def test_actions_run_as_the_owner(app):
    create(app, GOOD)
    replica = Replica(app, "likes", user="server")
    act = "select tally.act('likes', %s, %s, %s, %s)"
    server = replica.connection
    server.execute(act, ["like", "5", '{"stars": 3}', "b1"])
    server.execute(act, ["like", "5", None, None])
    assert replica.check() == {"5": [2]} and "b1" in replica.barriers
    assert app.sql.execute("select who, stars, body from app.likes").fetchall() == [("alice", 3, {"stars": 3}), ("alice", None, None)]
    server.execute(act, ["move", "5", None, 'with "quotes" \\ and ü'])
    assert replica.check() == {"6": [2]} and 'with "quotes" \\ and ü' in replica.barriers
    server.execute(act, ["look", "6", None, None])
    server.execute(act, ["unlike", "6", None, None])
    assert replica.check() == {}
    server.execute("begin; select tally.act('likes', 'like', '1', null, 'never'); rollback")
    assert replica.check() == {} and "never" not in replica.barriers


def test_what_the_data_breaks_is_reported(app):
    create(app, GOOD)
    server = app.connect("server")
    act = "select tally.act('likes', %s, %s, %s, 'b')"
    assert refused(server, act, ["like", "no number", None]).sqlstate == "22P02"
    assert refused(server, act, ["like", "1", '{"stars": 9}']).sqlstate == "23514"
    assert refused(server, act, ["like", None, None]).sqlstate == "23502"
    assert refused(server, act, ["nope", "1", None]).sqlstate == "TL404"
    assert refused(server, act, [None, "1", None]).sqlstate == "TL404"
    assert refused(server, "select tally.act('nope', 'like', '1', null, null)").sqlstate == "TL404"


def test_deferred_constraints_are_checked_with_the_owners_rights(app):
    app.sql.execute("create table app.posts (id int primary key); alter table app.posts owner to alice; "
                    "alter table app.likes add foreign key (post_id) references app.posts deferrable initially deferred")
    create(app, GOOD)
    assert refused(app.connect("server"), "begin; select tally.act('likes', 'like', '1', null, null); rollback").sqlstate == "23503"


@pytest.mark.parametrize("statement, state", [
    ("select 1; select 2", "42601"), ("insert into app.likes values (1); drop table app.likes", "42601"), ("drop table app.likes", "42601"),
    ("truncate app.likes", "42601"), ("", "42601"), (";", "42601"), ("-- nothing", "42601"), ("explain select 1", "42601"),
    ("/* x */ explain analyze delete from app.likes", "42601"), ("select 1 into x", "42601"), ("create table x as select 1", "42601"), ("begin", "42601"),
    ("copy app.likes to stdout", "42601"), ("insert into app.likes values ($3)", "42P02"), ("select missing from app.likes", "42703"),
    ("insert into nowhere values (1)", "42P01"), ("select 'unterminated", "42601"), ("selec 1", "42601"), ("select $do$ ; drop table app.likes", "42601"),
    ("with x as (select 1) select * from x; delete from app.likes", "42601"), ("do 'begin end'", "42601"), ("call x()", "42601"), ("set role postgres", "42601")])
def test_actions_that_are_refused(app, statement, state):
    error = refused(app.sql, "select tally.create_tally('likes', 'app.likes', 'post_id', actions => %s)", [json.dumps({"ok": "select 1", "bad": statement})])
    assert error.sqlstate == state and error.diag.message_primary.startswith('actions: "bad"') and error.diag.message_hint
    assert app.sql.execute("select to_regclass('app.likes') is not null, count(*) from tally.definition").fetchone() == (True, 0)


def test_actions_are_altered_and_removed(app):
    create(app, {"like": "insert into app.likes values ($1::int)"})
    app.sql.execute("""select tally.alter_tally('likes', actions => '{"boo": "select $do$ quotes ''and'' \\\\ $do$, $1"}')""")
    assert app.sql.execute("select actions ->> 'like', actions is null from tally.tallies").fetchone() == (None, False)
    app.sql.execute("select tally.act('likes', 'boo', 'x', null, null)")
    app.sql.execute("select tally.alter_tally('likes', filter => 'stars > 1')")
    app.sql.execute("select tally.act('likes', 'boo', 'x', null, null)")
    app.sql.execute("select tally.alter_tally('likes', actions => '{}')")
    assert refused(app.sql, "select tally.act('likes', 'boo', 'x', null, null)").sqlstate == "TL404"
    assert app.sql.execute("select actions from tally.tallies").fetchone() == (None,)


MATERIALIZE = "select tally.create_tally('likes', 'app.likes', 'post_id', '{\"n\": \"1\", \"stars\": \"stars\"}', materialize => %s)"


def test_a_table_is_made(app):
    app.sql.execute(MATERIALIZE, ["app.counters"])
    columns = app.sql.execute("""select attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
                                   from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
                                  where attrelid = 'app.counters'::regclass and attnum > 0 order by attnum""").fetchall()
    assert columns == [("key", "integer", True, None), ("n", "bigint", True, "0"), ("stars", "bigint", True, "0")]
    assert app.sql.execute("select relowner::regrole::text from pg_class where oid = 'app.counters'::regclass").fetchone() == ("alice",)
    assert app.sql.execute("select materialize from tally.tallies").fetchone() == ("app.counters",)
    assert app.sql.execute("select bool_and(has_table_privilege('server', 'app.counters', p)) from unnest('{select,insert,update}'::text[]) p").fetchone()[0]
    app.sql.execute(MATERIALIZE, ["app.counters"])  # the same again
    app.sql.execute("select tally.alter_tally('likes', materialize => '')")
    assert app.sql.execute("select materialize, to_regclass('app.counters') is not null from tally.tallies").fetchone() == (None, True)


def can_write(app, table, role="server"):
    return app.sql.execute("""select has_schema_privilege(%(role)s, split_part(%(table)s, '.', 1), 'usage')
                                     and bool_and(has_table_privilege(%(role)s, %(table)s, p)) from unnest('{select,insert,update}'::text[]) p""",
                           {"role": role, "table": table}).fetchone()[0]


def test_servers_may_write_tables_before_and_after_they_are_made(app):
    app.sql.execute("set role alice; create table app.there (post_id int primary key, n bigint, stars bigint); reset role")
    app.sql.execute(MATERIALIZE, ["app.there"])
    assert can_write(app, "app.there")
    app.sql.execute("revoke all on app.there from server; revoke usage on schema app from server; select tally.grant_server('server')")
    assert can_write(app, "app.there")
    app.sql.execute("revoke all on app.there from server")
    app.sql.execute("select tally.alter_tally('likes', materialize => 'app.made')")
    assert can_write(app, "app.made") and not can_write(app, "app.there")
    assert not can_write(app, "app.made", "bob")
    assert app.sql.execute("select to_regprocedure('pg_temp.pgtally_owner(text, boolean)')").fetchone() == (None,)


def test_no_more_is_given_than_the_sources_owner_has(app):
    """alice may write to a table of bob's but not grant that: not even through a superuser's grant."""
    app.sql.execute("""create schema bobs authorization bob; set role bob; create table bobs.t (post_id int primary key, n bigint, stars bigint);
                       grant usage on schema bobs to alice; grant insert, update on bobs.t to alice; reset role""")
    app.sql.execute(MATERIALIZE, ["bobs.t"])
    notices = []
    app.sql.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    app.sql.execute("select tally.grant_server('server')")
    assert not can_write(app, "bobs.t")
    assert notices == ['tally "likes": to write table bobs.t role server needs more rights: '
                       "grant usage on schema bobs to server; grant select, insert, update on bobs.t to server"]
    app.sql.execute("set role bob; grant usage on schema bobs to server; grant select, insert, update on bobs.t to server; reset role")
    notices.clear()
    app.sql.execute("select tally.grant_server('server')")
    assert notices == []


def test_a_table_is_made_for_keys_of_any_length(app):
    app.sql.execute("set role alice; create table app.codes (code char(8)); reset role")
    app.sql.execute("select tally.create_tally('codes', 'app.codes', 'code', materialize => 'app.kept')")
    app.sql.execute("insert into app.kept values ('12345678', 1)")


def test_a_table_that_is_there_is_checked(app):
    app.sql.execute("set role alice")
    for number, columns in enumerate(("post_id int unique, n bigint, stars bigint, extra text", "stars numeric, n bigint, post_id int, primary key (post_id)")):
        app.sql.execute(f"create table app.ok{number} ({columns})")
        app.sql.execute("reset role")
        app.sql.execute(MATERIALIZE.replace("'likes'", f"'likes{number}'", 1), [f"app.ok{number}"])
        app.sql.execute("set role alice")
    app.sql.execute("""create table app.no_counter (post_id int primary key, n bigint); create table app.no_key (post_id int, n bigint, stars bigint);
                       create table app.text_key (post_id text primary key, n bigint, stars bigint); create view app.v as select 1 as n;
                       create table app.pair (post_id int, x int, n bigint, stars bigint, unique (post_id, x));
                       create table app.partial (post_id int, n bigint, stars bigint); create unique index on app.partial (post_id) where n > 1;
                       create table app.two (a int unique, b int unique, n bigint, stars bigint);
                       create table app.narrow (post_id int primary key, n int, stars bigint); reset role;
                       create table foreigner (post_id int primary key, n bigint, stars bigint)""")
    for table, state in (("app.no_counter", "42703"), ("app.no_key", "42P10"), ("app.text_key", "42P10"), ("app.v", "42809"), ("app.pair", "42P10"),
                         ("app.partial", "42P10"), ("app.two", "42P10"), ("app.narrow", "42703"), ("foreigner", "42501"), ("app.likes", "22023"),
                         ("nowhere.x", "3F000"), ("a.b.c", "42602"), ("x y", "42602"), ("pg_class", "42809"), ("tally.definition", "42809")):
        error = refused(app.sql, MATERIALIZE, [table])
        assert error.sqlstate == state and error.diag.message_primary.startswith("materialize:") and error.diag.message_hint, table
    app.sql.execute("revoke create on schema public from public")  # as it is from PostgreSQL 15 on
    error = refused(app.sql, MATERIALIZE, ["unqualified"])
    assert error.sqlstate == "42501" and "public.unqualified" in str(error) and "alice" in error.diag.message_hint


@pytest.mark.parametrize("statement, hint", [
    ("selec 1", "exactly one"), ("select from where", "exactly one"), ("select * from nowhere", "Names were looked for in"),
    ("insert into app.likes values ($1)", "$1::bigint")])
def test_the_hint_of_a_refused_action_fits_the_error(app, statement, hint):
    error = refused(app.sql, "select tally.create_tally('likes', 'app.likes', 'post_id', actions => %s)", [json.dumps({"bad": statement})])
    assert hint in error.diag.message_hint, error


BATCH = "select tally.act_all(%s, %s, %s, %s, %s, %s, %s)"


@EITHER
def test_actions_of_a_batch_fail_alone(app):
    create(app, GOOD)
    replica = Replica(app, "likes", user="server")
    server = replica.connection
    like = (["likes"] * 3, ["like"] * 3, ["5", "6", "7"])
    assert server.execute(BATCH, [*like, ["", '{"stars": 3}', ""], "all", [], []]).fetchone() == ([],)
    assert replica.check() == {"5": [1], "6": [1], "7": [1]} and "all" in replica.barriers
    # What is wrong with one is no matter of the others: the constraint, the tally, the key, the body.
    for names, keys, body in ((["likes"] * 3, ["5", "6", "7"], '{"stars": 9}'), (["likes", "nope", "likes"], ["5", "6", "7"], ""),
                              (["likes"] * 3, ["5", "x", "7"], ""), (["likes"] * 3, ["5", "6", "7"], "{")):
        assert server.execute(BATCH, [names, ["like"] * 3, keys, ["", body, ""], "some", [], []]).fetchone() == ([2],)
    assert replica.check() == {"5": [5], "6": [1], "7": [5]} and "some" not in replica.barriers


def test_actions_of_a_batch_do_not_see_each_others_settings(app):
    create(app, {"set": "insert into app.likes (post_id, who) select $1::int, set_config('app.who', 'me', true)",
                 "see": "insert into app.likes (post_id, who) values ($1::int, current_setting('app.who', true))"})
    server = app.connect("server")
    server.execute("select set_config('statement_timeout', '77s', false), set_config('app.who', 'session', false)")
    got = server.execute(BATCH, [["likes"] * 3, ["set", "see", "see"], ["1", "2", "3"], [""] * 3, "b", ["statement_timeout", "no_such_setting"], ["77s", "1"]])
    assert got.fetchone() == ([],)
    seen = dict(app.sql.execute("select post_id, coalesce(who, '') from app.likes").fetchall())
    assert seen == {1: "me", 2: "", 3: ""}
    assert server.execute("show statement_timeout").fetchone() == ("77s",)
    assert server.execute("show search_path").fetchone() == ('"$user", public',)


FORMS = [
    "insert into app.likes (post_id, stars) values ($1::int, ($2 ->> 'stars')::int)", "\n  INSERT into app.likes (post_id) values ($1::int) ; ",
    "insert into app.likes (post_id, who) values ($1::int, 'put; into') -- the end", "insert into app.likes (post_id, who) values ($1::int, 'goes into')",
    "insert into app.likes (post_id) select x from generate_series(1, 3) as x returning post_id", "/* a like */ insert into app.likes (post_id) values ($1::int)",
    "update app.likes set stars = 2 where post_id = $1::int", "update app.likes set stars = 2 where post_id = $1::int returning *",
    "delete from app.likes where post_id = $1::int", "with gone as (delete from app.likes returning *) insert into app.likes (post_id) select post_id + 1 from gone",
    "select app.put($1::int)", "SELECT app.put(x) from generate_series(1, 100) as x -- all of them", "(select app.put($1::int))", "\tselect app.put(1) union all select app.put(2)",
    "with x as (select 7 as found) select app.put(found) from x", "insert into app.likes (post_id) select found from (values (8)) as f (found)",
    "insert into app.likes (post_id) select key + action + body from (values (1, 2, 3)) as f (key, action, body)",
    "insert into app.likes (post_id) select \"$1\" from (values (8)) as f (\"$1\")", "insert into app.ruled values ($1::int)",
    "select from app.likes as loop where post_id = $1::int for update", "update app.likes set stars = 5 where post_id=5returning *",
    "insert into app.likes (post_id, who) values ($1::int, E'\\141')",
]


@pytest.mark.parametrize("statement", FORMS)
def test_a_statement_does_as_an_action_what_it_does_alone(app, statement):
    """Its plan is kept if PL/pgSQL surely reads it as SQL does."""
    if "5returning" in statement and app.sql.info.server_version >= 150000:
        pytest.skip("from PostgreSQL 15 on a word after a number is an error")
    app.sql.execute("""set role alice; insert into app.likes (post_id) values (5), (6);
        create function app.put(n int) returns void language sql as 'insert into app.likes (post_id) values (n)';
        create table app.ruled (n int); create rule more as on insert to app.ruled do also select app.put(new.n); reset role""")
    create(app, {"it": statement})
    server = app.connect("server")

    def done():
        return app.sql.execute("""select (select array_agg(l order by l::text) from (select post_id, stars, who from app.likes) as l)::text,
                                         (select array_agg(n) from app.ruled)""").fetchone()

    def undo(before):
        app.sql.execute("truncate app.likes, app.ruled; insert into app.likes (post_id, who) values (5, 'alice'), (6, 'alice')")
        assert done() == before

    before = done()
    app.sql.execute(f"set role alice; prepare it (text, json) as {statement}\n; execute it ('5', '{{\"stars\": 3}}'); deallocate it; reset role")
    alone = done()
    for run in range(7):  # a plan is kept from the sixth run on
        undo(before)
        server.execute("select tally.act('likes', 'it', '5', '{\"stars\": 3}', null)")
        assert done() == alone
    undo(before)
    assert server.execute(BATCH, [["likes"], ["it"], ["5"], ['{"stars": 3}'], "b", [], []]).fetchone() == ([],)
    assert done() == alone


@pytest.mark.parametrize("moment", ["'now'", "'now'::timestamptz", "E'\\\\156ow'", "U&'\\\\006eow'", "upper('[now,infinity)'::tstzrange)", "now()", "clock_timestamp()"])
def test_a_moment_is_that_of_the_action(app, moment):
    app.sql.execute("alter table app.likes add at timestamptz")
    moment = moment.replace("upper", "lower").replace("\\\\", "\\")
    create(app, {"like": f"insert into app.likes (post_id, at) values ($1::int, {moment})"})
    server = app.connect("server")
    for _ in range(3):
        server.execute("select tally.act('likes', 'like', '1', null, null)")
        assert server.execute(BATCH, [["likes"], ["like"], ["2"], [""], "b", [], []]).fetchone() == ([],)
    assert app.sql.execute("select count(distinct at) from app.likes").fetchone() == (6,)


def test_a_batch_of_a_tally_without_actions(app):
    """Its last action was removed a moment ago."""
    create(app, {"like": "insert into app.likes (post_id) values ($1::int)"})
    server = app.connect("server")
    batch = [["likes", "likes"], ["like", "x"], ["1", "1"], ["", ""], "b", [], []]
    assert server.execute(BATCH, batch).fetchone() == ([2],)
    app.sql.execute("select tally.alter_tally('likes', actions => '{}')")
    assert server.execute(BATCH, batch).fetchone() == ([1, 2],)
    number = app.sql.execute("select id from tally.definition").fetchone()[0]
    assert refused(app.sql, f"select tally.tally_{number}_act('like', '1', null)").sqlstate == "TL404"


def test_an_action_that_is_not_understood_any_more(app):
    """As after an upgrade of PostgreSQL, to which a number before a word is an error. Counting and the other actions go on."""
    create(app, {"like": "insert into app.likes (post_id) values ($1::int)", "old": "select 1"})
    app.sql.execute("""update tally.definition set actions = '{"like": "insert into app.likes (post_id) values ($1::int)", "old": "select 1 frm x y z"}'""")
    app.sql.execute("select tally.reload('likes')")
    server = app.connect("server")
    assert server.execute(BATCH, [["likes"] * 2, ["like", "old"], ["1", "1"], ["", ""], "b", [], []]).fetchone() == ([2],)
    assert refused(server, "select tally.act('likes', 'old', '1', null, null)").sqlstate == "42601"
    assert app.sql.execute("select count(*) from app.likes").fetchone() == (1,)


def test_odd_batches(app):
    create(app, {"like": "insert into app.likes (post_id) values ($1::int)"})
    server = app.connect("server")
    call = "select tally.act_all(%s, '{like,like}', '{1,2}', '{\"\",\"\"}', 'b', '{}', '{}')"
    assert server.execute(call, ["[5:6]={likes,likes}"]).fetchone() == ([],)
    assert server.execute(call, ["{likes,NULL}"]).fetchone() == ([2],)
    assert server.execute("select tally.act_all('{}', '{}', '{}', '{}', 'b', '{}', '{}')").fetchone() == ([],)
    assert app.sql.execute("select array_agg(post_id order by post_id) from app.likes").fetchone() == ([1, 1, 2],)


def test_a_batch_sets_no_more_than_the_servers_times(app):
    create(app, {"like": "insert into app.likes (post_id) values ($1::int)"})
    server = app.connect("server")
    before = server.execute("show max_stack_depth").fetchone()
    server.execute(BATCH, [["likes"], ["like"], ["1"], [""], "b", ["session_replication_role", "max_stack_depth", "statement_timeout"], ["replica", "7000", "77s"]])
    assert [server.execute(f"show {name}").fetchone() for name in ("session_replication_role", "max_stack_depth", "statement_timeout")] == [
        ("origin",), before, ("77s",)]


def test_an_action_follows_what_it_uses(app):
    app.sql.execute("set role alice; create function app.put(n int) returns void language sql as 'insert into app.likes (post_id) values (n)'; reset role")
    create(app, {"like": "insert into app.likes (post_id, stars) values ($1::int, 1)", "put": "select app.put($1::int)"})
    server = app.connect("server")
    both = [["likes"] * 2, ["like", "put"], ["1", "1"], [""] * 2, "b", [], []]

    def counted():
        assert server.execute(BATCH, both).fetchone() == ([],)
        got = app.sql.execute("select post_id, count(*) from app.likes group by 1 order by 1").fetchall()
        app.sql.execute("truncate app.likes")
        return got

    assert [counted() for _ in range(7)] == [[(1, 2)]] * 7
    app.sql.execute("create or replace function app.put(n int) returns void language sql as 'insert into app.likes (post_id) values (n + 1)'")
    assert counted() == [(1, 1), (2, 1)]
    app.sql.execute("alter table app.likes alter stars type bigint, add again int default 7")
    assert counted() == [(1, 1), (2, 1)]
    app.sql.execute("alter table app.likes rename to old; create table app.likes (like app.old including all); alter table app.likes owner to alice")
    assert counted() == [(1, 1), (2, 1)]
    assert app.sql.execute("select count(*) from app.old").fetchone() == (0,)


def test_a_batch_of_several_tallies(app):
    """Those of a tally run in their order; those that its functions cannot run together are returned, to run alone."""
    app.sql.execute("create table app.votes (id int generated always as identity, n int); alter table app.votes owner to alice")
    create(app, GOOD)
    app.sql.execute("""select tally.create_tally('votes', 'app.votes', 'n', actions => '{"vote": "insert into app.votes (n) values ($1::int)"}')""")
    server = app.connect("server")
    mixed = [["votes", "likes", "votes", "likes"], ["vote", "like", "vote", "nope"], ["2", "1", "1", "1"], [""] * 4, "b", [], []]
    assert server.execute(BATCH, mixed).fetchone() == ([4],)
    assert app.sql.execute("select array_agg(n order by id) from app.votes").fetchone() == ([2, 1],)
    # An older version generated no function for several.
    number = app.sql.execute("select id from tally.definition where name = 'votes'").fetchone()[0]
    app.sql.execute(f"drop function tally.tally_{number}_acts")
    assert server.execute(BATCH, mixed).fetchone() in (([1, 3, 4],), ([4, 1, 3],))
    server.execute("select tally.act('votes', 'vote', '3', null, null)")
    assert app.sql.execute("select array_agg(n order by id) from app.votes").fetchone() == ([2, 1, 3],)
    assert app.sql.execute("select count(*) from app.likes").fetchone() == (2,)
    app.sql.execute("select tally.reload('votes')")
    assert server.execute(BATCH, mixed).fetchone() == ([4],)


def test_the_functions_of_actions_are_not_for_others(app):
    create(app, GOOD)
    number = app.sql.execute("select id from tally.definition").fetchone()[0]
    for role in ("server", "bob"):
        app.sql.execute(f"grant usage on schema tally to {role}")
        for call in (f"tally.tally_{number}_run('5', null, 'like')", f"tally.tally_{number}_act('like', '5', null)",
                     f"tally.tally_{number}_acts('{{likes}}', '{{like}}', '{{5}}', '{{\"\"}}')"):
            assert refused(app.connect(role), f"select {call}").sqlstate == "42501"
    # Their owner cannot have them run with the rights of the schema's owner.
    for name in ("act(text, text, json)", "acts(text[], text[], text[], text[])"):
        app.sql.execute(f"set role alice; alter function tally.tally_{number}_{name} security invoker; reset role")
    server = app.connect("server")
    assert refused(server, "select tally.act('likes', 'like', '5', null, null)").sqlstate == "42501"
    assert server.execute(BATCH, [["likes"], ["like"], ["5"], [""], "b", [], []]).fetchone() == ([1],)
    assert app.sql.execute("select count(*) from app.likes").fetchone() == (0,)
