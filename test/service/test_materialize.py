"""Materialized tables: equal to the truth, key by key, whatever happened to the rows and the servers."""

import random
import signal
import threading

import psycopg
import pytest
import requests

from program import ROOT, eventually

TABLE = """
create schema s;
create table s.likes (id bigint generated always as identity, post {type}, kind text, n bigint default 1);
select tally.create_tally('likes', 's.likes', 'post', materialize => 's.kept', counters =>
  $${{"all": "1", "n": "case kind when 'like' then n when 'unlike' then -n end"}}$$);
"""
FAST = ("--materialize-every", "20ms", "--heartbeat", "200ms")
ONCE = ("--materialize-every", "1h", "--heartbeat", "200ms")
WRITERS = "application_name = 'pgtally materialize' and datname = current_database()"


def make(database, type="bigint"):
    database.sql.execute(TABLE.format(type=type))
    return database


def insert(database, first, last=None):
    database.sql.execute("insert into s.likes (post, kind) select i, 'like' from generate_series(%s::int, %s::int) i", [first, last or first])


def truth(database, tally="likes"):
    return dict(database.sql.execute("select key, counters from tally.truth(%s)", [tally]).fetchall())


def kept(database, table="s.kept", key="key", columns='"all", n'):
    """The rows that are not 0."""
    with database.sql.transaction():
        database.sql.execute("set local timezone = 'UTC'; set local lock_timeout = '10s'")
        rows = database.sql.execute(f"select {key}::text, array[{columns}]::bigint[] from {table}").fetchall()
    return {k: values for k, values in rows if any(v != 0 for v in values)}


def settled(database, **more):
    eventually(lambda: kept(database, **more) == truth(database), "the table did not become the truth")


def sessions(database):
    """The servers that write tables: process IDs, and whether they hold a lock."""
    return dict(database.sql.execute(f"""select pid, exists (select from pg_locks l where l.pid = a.pid and locktype = 'advisory' and granted)
                                           from pg_stat_activity a where {WRITERS}""").fetchall())


def writers(database):
    return [pid for pid, has_lock in sessions(database).items() if has_lock]


def counted(server, name):
    return server.metrics()[f'pgtally_materialize_{name}_total{{tally="likes"}}']


@pytest.fixture
def likes(database):
    return make(database)


def test_rows_are_written_and_become_zero(serve, likes):
    insert(likes, 1, 2500)
    server = serve(likes.dsn, *FAST).wait_live()
    settled(likes)
    likes.sql.execute("insert into s.likes (post, kind) values (7, 'unlike'), (8, 'like'), (-9000, 'other')")
    settled(likes)
    likes.sql.execute("delete from s.likes where post < 100")
    settled(likes)
    assert likes.sql.execute('select "all", n from s.kept where key = 7').fetchone() == (0, 0)
    likes.sql.execute("truncate s.likes")
    settled(likes)
    assert server.metrics()["pgtally_materialized_keys_total"] == 2500 + 3 + 100 + 2401
    # A key that never existed gets no row with 0.
    likes.sql.execute("insert into s.likes (post, kind) values (123456, 'like'); delete from s.likes where post = 123456")
    insert(likes, 1)
    settled(likes)
    assert counted(server, "failures") == counted(server, "refused") == 0


def test_exact_after_random_writes(serve, likes):
    """Several writers at once, bulks larger than a batch and than the list of changes; sessions are cut meanwhile."""
    serve(likes.dsn, *FAST).wait_live()
    failures = []

    def write(seed):
        chance = random.Random(seed)
        post = lambda: int(chance.paretovariate(0.5)) % 30000
        try:
            with psycopg.connect(likes.dsn, autocommit=True) as sql:
                for _ in range(150):
                    try:
                        match chance.randrange(8):
                            case 0: sql.execute("delete from s.likes where post = %s", [post()])
                            case 1: sql.execute("update s.likes set post = %s where post = %s", [post(), post()])
                            case 2: sql.execute("update s.likes set kind = 'unlike', n = n * 3 where post %% 50 = %s", [chance.randrange(50)])
                            case 3 if chance.random() < 0.3:
                                sql.execute("insert into s.likes (post, kind) select i, 'like' from generate_series(%s::int, %s::int) i", [post(), 30000])
                            case 4 if chance.random() < 0.02: sql.execute("truncate s.likes")
                            case _: sql.execute("insert into s.likes (post, kind, n) values (%s, 'like', %s)", [post(), chance.randrange(-3, 9)])
                    except psycopg.errors.DeadlockDetected:
                        pass  # with another writer of this test: the statement was rolled back
        except Exception as failure:  # noqa: BLE001: told below
            failures.append(failure)

    threads = [threading.Thread(target=write, args=[seed]) for seed in range(3)]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        for pid in writers(likes):
            likes.sql.execute("select pg_terminate_backend(%s)", [pid])
        threads[0].join(0.2)
    assert failures == []
    settled(likes)
    assert len(truth(likes)) > 0


def test_what_somebody_else_did_is_mended_by_the_next_full_pass(serve, likes):
    insert(likes, 1, 30)
    serve(likes.dsn, *FAST).wait_live()
    settled(likes)
    likes.sql.execute("""update s.kept set "all" = 99 where key = 1; update s.kept set n = -1 where key = 2; delete from s.kept where key = 3;
                         insert into s.kept values (1000, 1, 1), (-5, 0, 7); alter table s.kept alter n drop not null;
                         update s.kept set n = null where key = 4""")
    (pid,) = writers(likes)
    likes.sql.execute("select pg_terminate_backend(%s)", [pid])
    settled(likes)
    assert likes.sql.execute("select key, n from s.kept where key in (1000, -5, 4) order by key").fetchall() == [(-5, 0), (4, 1), (1000, 0)]


def test_an_audit_looks_at_the_table_too(serve, likes):
    insert(likes, 1, 30)
    server = serve(likes.dsn, *ONCE).wait_live()
    settled(likes)
    likes.sql.execute("""update s.kept set "all" = 99 where key = 1; delete from s.kept where key = 3; insert into s.kept values (1000, 1, 1)""")
    assert requests.post(server.admin + "/v1/tallies/likes/audit", timeout=30).json()["drift"] == []
    settled(likes)


@pytest.mark.parametrize("how", ["truncate s.kept", "drop table s.kept; create table s.kept (key bigint unique, n numeric, \"all\" bigint)"])
def test_a_table_that_was_emptied_is_filled_again(serve, likes, how):
    insert(likes, 1, 3000)
    serve(likes.dsn, *FAST).wait_live()
    settled(likes)
    likes.sql.execute(how)
    settled(likes)


def test_a_restart_converges(serve, likes):
    insert(likes, 1, 10)
    server = serve(likes.dsn, *ONCE).wait_live()
    settled(likes)
    server.process.kill()
    server.process.wait()
    insert(likes, 5, 15)
    likes.sql.execute("delete from s.likes where post = 1")
    assert kept(likes) != truth(likes)
    serve(likes.dsn, *ONCE).wait_live()
    settled(likes)


# Refused rows


@pytest.mark.parametrize("constraint", [
    "alter table s.kept add check (key % 100 <> 3 or n < 2)",
    "create table s.post (id bigint primary key); insert into s.post select i from generate_series(0, 3000) i where i % 100 <> 3; "
    "alter table s.kept add foreign key (key) references s.post",
    """create function s.no() returns trigger language plpgsql as 'begin if new.key % 100 = 3 and new.n > 0 then
         raise exception ''not this one'' using errcode = ''ZZ123''; end if; return new; end'; create trigger no before insert or update on s.kept
         for each row execute function s.no()"""])
def test_a_refused_row_is_skipped(serve, likes, constraint):
    likes.sql.execute(constraint)
    insert(likes, 1, 2500)
    insert(likes, 1, 2500)
    server = serve(likes.dsn, *FAST).wait_live()
    wanted = lambda: {key: values for key, values in truth(likes).items() if int(key) % 100 != 3}
    eventually(lambda: kept(likes) == wanted())
    eventually(lambda: counted(server, "refused") == 25)
    eventually(lambda: "skipped until they change" in server.log(), server.last_lines)
    insert(likes, 4)
    insert(likes, 103)
    eventually(lambda: kept(likes) == wanted())
    eventually(lambda: counted(server, "refused") == 26)
    assert counted(server, "failures") == 0
    assert len([line for line in server.lines if "skipped until" in line]) == 1
    # Retried when the row changes, and by a full pass.
    likes.sql.execute("alter table s.kept drop constraint if exists kept_check, drop constraint if exists kept_key_fkey; drop trigger if exists no on s.kept")
    insert(likes, 203)
    eventually(lambda: kept(likes) == {**wanted(), "203": truth(likes)["203"]})
    likes.sql.execute("select pg_terminate_backend(%s)", writers(likes))
    settled(likes)


def test_rows_that_cannot_be_made_are_skipped_and_others_written(serve, likes):
    """A table of the application, with more columns."""
    likes.sql.execute("""create table s.post (id bigint primary key, title text not null, "all" bigint, n bigint, check (title <> ''));
                         insert into s.post select i, 'title ' || i from generate_series(1, 50) i;
                         select tally.alter_tally('likes', materialize => 's.post')""")
    insert(likes, 40, 60)
    server = serve(likes.dsn, *FAST).wait_live()
    wanted = lambda: {key: values for key, values in truth(likes).items() if int(key) <= 50}
    eventually(lambda: kept(likes, table="s.post", key="id") == wanted())
    eventually(lambda: counted(server, "refused") == 10)
    insert(likes, 1, 60)
    eventually(lambda: kept(likes, table="s.post", key="id") == wanted())
    eventually(lambda: counted(server, "refused") == 20)
    assert likes.sql.execute("select count(*) from s.post where title is null").fetchone() == (0,)


# Several servers


def test_one_of_two_servers_writes_and_the_other_takes_over(serve, likes):
    insert(likes, 1, 5)
    first = serve(likes.dsn, *FAST).wait_live()
    settled(likes)
    second = serve(likes.dsn, *FAST).wait_live()
    eventually(lambda: "another server keeps its table" in second.log())
    (pid,) = writers(likes)
    insert(likes, 3, 9)
    settled(likes)
    assert second.metrics()["pgtally_materialized_keys_total"] == 0
    likes.sql.execute("update s.kept set n = 1000 where key = 1")  # before the second looks at the whole table
    first.process.kill()
    first.process.wait()
    eventually(lambda: second.metrics()["pgtally_materialized_keys_total"] > 0)
    insert(likes, 7, 12)
    settled(likes)
    assert writers(likes) != [pid] and len(writers(likes)) == 1


def test_who_loses_the_session_loses_the_lock(serve, likes):
    servers = [serve(likes.dsn, *FAST).wait_live() for _ in range(2)]
    for n in range(6):
        eventually(lambda: len(writers(likes)) == 1)
        likes.sql.execute("select pg_terminate_backend(%s)", writers(likes))
        insert(likes, n, n + 5)
        settled(likes)
        assert len(writers(likes)) <= 1
    assert sum(counted(server, "failures") for server in servers) > 0


def test_a_server_that_does_not_follow_leaves_the_lock_to_another(serve, likes, cluster):
    likes.sql.execute("drop role if exists blind; create role blind login; select tally.grant_server('blind'); grant usage on schema s to blind; "
                      "grant select, insert, update on s.kept to blind")
    insert(likes, 1, 5)
    try:
        first = serve(cluster.dsn(likes.name, "blind"), *FAST).wait_live()
        settled(likes)
        eventually(lambda: len(writers(likes)) == 1)
        likes.sql.execute("revoke execute on function tally.truth(text) from blind; select tally.reload('likes')")
        eventually(lambda: first.get("/v1/tallies/likes").json()["state"] == "failed" if first.get("/v1/tallies/likes").ok else True)
        eventually(lambda: writers(likes) == [])
        insert(likes, 1, 9)
        assert kept(likes) != truth(likes)
        serve(likes.dsn, *FAST).wait_live()
        settled(likes)
    finally:
        first.stop()
        likes.sql.execute("drop owned by blind; drop role blind")


# Definitions, tables


def test_alter_names_another_table_or_none(serve, likes):
    insert(likes, 1, 5)
    serve(likes.dsn, *FAST).wait_live()
    settled(likes)
    likes.sql.execute("""create table s.other (k bigint primary key, "all" numeric, n bigint, remark text default 'x');
                         insert into s.other values (3, 7, 7), (100, 7, 7); select tally.alter_tally('likes', materialize => 's.other')""")
    eventually(lambda: kept(likes, table="s.other", key="k") == truth(likes))
    old = kept(likes)
    insert(likes, 1, 3)
    eventually(lambda: kept(likes, table="s.other", key="k") == truth(likes))
    assert kept(likes) == old
    likes.sql.execute("select tally.alter_tally('likes', materialize => '')")
    eventually(lambda: sessions(likes) == {})
    insert(likes, 1, 3)
    likes.sql.execute("select tally.alter_tally('likes', materialize => 's.kept')")
    settled(likes)
    likes.sql.execute("""select tally.alter_tally('likes', materialize => 's.third', counters => '{"twice": "2"}')""")
    eventually(lambda: kept(likes, table="s.third", columns="twice") == truth(likes))


def test_definitions_that_change_again_and_again(serve, likes):
    """Statements belong to one definition: values of another must not get into them."""
    likes.sql.execute("""create table s.all (k bigint primary key, a bigint, b bigint, c bigint);
                         select tally.alter_tally('likes', materialize => 's.all', counters => '{"a": "1"}')""")
    insert(likes, 1, 300)
    serve(likes.dsn, "--materialize-every", "10ms", "--heartbeat", "200ms").wait_live()
    for n in range(30):
        names = [["a", "b", "c"], ["c"], ["b", "a"], ["c", "b"]][n % 4]
        counters = ", ".join(f'"{name}": "{number + 1}"' for number, name in enumerate(names))
        likes.sql.execute("select tally.alter_tally('likes', counters => %s::json)", ["{" + counters + "}"])
        if n % 3 == 0:
            settled(likes, table="s.all", key="k", columns=", ".join(names))
    settled(likes, table="s.all", key="k", columns=", ".join(names))


def test_a_table_whose_key_is_generated(serve, likes):
    likes.sql.execute("""create table s.post (id bigint generated always as identity primary key, title text not null default 'x', "all" bigint, n bigint);
                         insert into s.post (title) select 'title ' || i from generate_series(1, 5) i;
                         select tally.alter_tally('likes', materialize => 's.post')""")
    insert(likes, 3, 8)
    serve(likes.dsn, *FAST).wait_live()
    settled(likes, table="s.post", key="id")
    assert likes.sql.execute("select count(*) from s.post").fetchone() == (8,)


def test_a_tally_that_comes_later(serve, database):
    serve(database.dsn, *FAST).wait_live()
    make(database)
    insert(database, 1, 5)
    settled(database)
    database.sql.execute("select tally.drop_tally('likes')")
    eventually(lambda: sessions(database) == {})


@pytest.mark.parametrize("harm, why, mend", [
    ("alter table s.kept rename to gone", "there is no table s.kept", "alter table s.gone rename to kept"),
    ("alter table s.kept rename n to m", 'has no column "n"', "alter table s.kept rename m to n"),
    ("alter table s.kept drop constraint kept_pkey", "has no unique column of type bigint", "alter table s.kept add unique (key)"),
    ("alter table s.kept add other bigint unique", "has several unique columns of type bigint", "alter table s.kept drop other")])
def test_a_table_that_cannot_be_written_is_said_once_and_tried_again(serve, likes, harm, why, mend):
    insert(likes, 1, 5)
    server = serve(likes.dsn, *FAST).wait_live()
    settled(likes)
    likes.sql.execute(harm)
    eventually(lambda: counted(server, "failures") >= 3)
    assert len([line for line in server.lines if why in line and "materialization" in line]) == 1, server.log()
    assert server.get("/v1/tallies/likes").status_code == 200
    likes.sql.execute(mend)
    insert(likes, 1, 9)
    settled(likes)
    eventually(lambda: "its table is written again" in server.log())


def test_a_role_without_rights(serve, likes, cluster):
    likes.sql.execute("drop role if exists keeper; create role keeper login; select tally.grant_server('keeper'); revoke all on s.kept from keeper; "
                      "revoke usage on schema s from keeper")
    insert(likes, 1, 5)
    try:
        server = serve(cluster.dsn(likes.name, "keeper"), *FAST).wait_live()
        eventually(lambda: "(42501)" in server.log())
        eventually(lambda: "grant usage on its schema, and select, insert, update on the table" in server.log(), server.last_lines)
        likes.sql.execute("grant usage on schema s to keeper; grant select, insert, update on s.kept to keeper")
        settled(likes)
    finally:
        server.stop()
        likes.sql.execute("drop owned by keeper; drop role keeper")


def test_a_locked_table_keeps_nobody_waiting(serve, likes):
    insert(likes, 1, 5)
    server = serve(likes.dsn, *FAST).wait_live()
    settled(likes)
    other = likes.connect()
    other.autocommit = False
    other.execute("lock table s.kept in access exclusive mode")
    insert(likes, 1)
    eventually(lambda: likes.sql.execute(f"select count(*) from pg_stat_activity where {WRITERS} and wait_event_type = 'Lock'").fetchone() == (1,))
    for n in range(2, 6):
        insert(likes, 1)
        eventually(lambda: server.get("/v1/tallies/likes/keys/1").json()["counters"] == {"all": n + 1, "n": n + 1})
    eventually(lambda: "another session holds a lock" in server.log())
    other.rollback()
    settled(likes)


# Keys and names


KEYS = {
    "smallint": [1, -32768, 32767], "integer": [0, -5, 2147483647], "text": ["", " ", 'a"b\\c', "{a,b}", "NULL", "null", "tab\there", "grün 😀", "x" * 500, "'"],
    "uuid": ["8c5d8c8e-5c0a-4b59-9b0a-0d0e1c0f0a0b"], "date": ["2018-07-01", "0044-03-15 BC", "infinity"],
    "timestamptz": ["2018-07-01 12:00:00.123456+02", "2018-12-01 00:00:00+00"], "timestamp": ["2018-07-01 12:00:00.5"], "numeric": ["1.50", "2", "-0.001", "1e20"],
    "char(5)": ["ab", "abcde"], "varchar(10)": ["ab", "ab  "], "double precision": ["0.1", "1e300", "-5.5"], "interval": ["1 day 02:03:04", "-1 mon"],
    "bytea": ["\\x00ff", "\\x"], "boolean": [True, False], "inet": ["10.0.0.1", "10.0.0.0/8"], "s.mood": ["happy", "so so"], "time": ["12:00:01.5"]}


@pytest.mark.parametrize("type", KEYS)
def test_types_of_keys(serve, database, type):
    database.sql.execute("create schema s; create type s.mood as enum ('happy', 'so so')")
    # Neither the role's settings nor the database's may change a key.
    database.sql.execute(f"""alter database {database.name} set datestyle = 'German'; alter database {database.name} set timezone = 'America/Los_Angeles';
                             alter database {database.name} set intervalstyle = 'iso_8601'; alter database {database.name} set bytea_output = 'escape';
                             alter database {database.name} set extra_float_digits = 0""")
    database.sql.execute(TABLE.replace("create schema s;", "").format(type=type))
    add = lambda: [database.sql.execute(f"insert into s.likes (post, kind) values (%s::text::{type}, 'like')", [str(key)]) for key in KEYS[type]]
    add()
    server = serve(database.dsn, *FAST).wait_live()
    assert len(truth(database)) == len(KEYS[type])
    settled(database)
    add()
    settled(database)
    database.sql.execute("select pg_terminate_backend(%s)", writers(database))
    rows = database.sql.execute("select count(*) from s.kept").fetchone()
    eventually(lambda: counted(server, "failures") > 0)
    database.sql.execute("delete from s.likes where id = 1")
    settled(database)
    assert database.sql.execute("select count(*) from s.kept").fetchone() == rows
    assert counted(server, "refused") == 0


def test_keys_that_the_column_would_round(serve, database):
    make(database, "numeric")
    database.sql.execute("alter table s.kept alter key type numeric(10, 1)")
    server = serve(database.dsn, *FAST).wait_live()
    eventually(lambda: "s.kept rounds its keys: make column key of type numeric" in server.log())
    database.sql.execute("alter table s.kept alter key type numeric; insert into s.likes (post) values (1.25)")
    settled(database)


def test_equal_keys_of_different_text_are_refused(serve, database):
    make(database, "numeric")
    database.sql.execute("insert into s.likes (post) values (1.0), (1.00), (2)")
    server = serve(database.dsn, *FAST).wait_live()
    eventually(lambda: kept(database).get("2") == [1, 0])
    assert server.get("/v1/tallies/likes").json()["size"] == 3
    eventually(lambda: database.sql.execute("select count(*) from s.kept").fetchone() == (2,))


def test_names_that_need_quotes(serve, database):
    database.sql.execute("""
        create schema "S ""1";
        create table "S ""1"."Like's" ("Post Id" bigint, "select" int);
        create table "S ""1"."T; drop" ("The Key""s" bigint primary key, "order" bigint, t bigint, n bigint, c1 bigint, k bigint, i bigint, "key" bigint);
        select tally.create_tally('likes', '"S ""1"."Like''s"', '"Post Id"', materialize => '"S ""1"."T; drop"',
          counters => '{"order": "1", "t": "1", "n": "1", "c1": "1", "k": "1", "i": "1", "key": "1"}')""")
    serve(database.dsn, *FAST).wait_live()
    database.sql.execute("""insert into "S ""1"."Like's" select i from generate_series(1, 5) i""")
    more = {"table": '"S ""1"."T; drop"', "key": '"The Key""s"', "columns": '"order", t, n, c1, k, i, key'}
    settled(database, **more)
    database.sql.execute("""delete from "S ""1"."Like's" where "Post Id" = 3""")
    settled(database, **more)


def test_a_partitioned_table(serve, likes):
    likes.sql.execute("""drop table s.kept; create table s.kept (key bigint primary key, "all" bigint not null, n bigint not null) partition by range (key);
                         create table s.low partition of s.kept for values from (0) to (10)""")
    insert(likes, 5, 14)
    server = serve(likes.dsn, *FAST).wait_live()
    eventually(lambda: counted(server, "refused") == 5)
    assert sorted(kept(likes)) == ["5", "6", "7", "8", "9"]
    likes.sql.execute("create table s.high partition of s.kept for values from (10) to (100)")
    likes.sql.execute("select pg_terminate_backend(%s)", writers(likes))
    settled(likes)


def test_the_tables_of_the_tweets(serve, database):
    for name in ("1-schema.sql", "2-cast.sql", "3-tally.sql"):
        database.sql.execute((ROOT / "schema" / "tweet" / name).read_text())
    user = database.sql.execute("select userid from tweet.users limit 1").fetchone()[0]
    database.sql.execute("insert into tweet.message (userid, message) select %s, 'hello ' || i from generate_series(1, 20) i", [user])
    database.sql.execute("insert into tweet.activity (messageid, action) select messageid, 'fav' from tweet.message")
    server = serve(database.dsn, *FAST, "--writable").wait_live()
    database.sql.execute("""insert into tweet.activity (messageid, datetime, action)
                              select messageid, '2018-06-01 10:00+00'::timestamptz + messageid * interval '7 hours', a::tweet.action_t
                                from tweet.message, unnest(array['rt', 'rt', 'de-rt', 'de-fav']) as a where messageid % 3 <> 0""")
    assert server.post("/v1/tallies/tweets/keys/7/fav").status_code in (201, 422)
    settle = lambda tally, table, key, columns: eventually(
        lambda: kept(database, table=table, key=key, columns=columns) == truth(database, tally))
    settle("tweets", "twcache.counters", "messageid", "rts, favs")
    settle("daily", "twcache.daily_counters", "day", "rts, de_rts, favs, de_favs")
    assert database.sql.execute("""select count(*) from twcache.counters full join tweet.message_with_counters m using (messageid)
                                    where (coalesce(counters.rts, 0), coalesce(counters.favs, 0)) <> (m.rts, m.favs)""").fetchone() == (0,)


# The end


def test_the_last_rows_are_written_at_the_end(serve, likes):
    server = serve(likes.dsn, *ONCE).wait_live()
    insert(likes, 1, 30)
    eventually(lambda: server.get("/v1/tallies/likes").json()["size"] == 30)
    assert server.stop() == 0
    assert kept(likes) == truth(likes)
    assert sessions(likes) == {} or eventually(lambda: sessions(likes) == {})


def test_a_table_locked_until_after_the_end(serve, likes):
    insert(likes, 1, 5)
    server = serve(likes.dsn, *ONCE).wait_live()
    settled(likes)
    other = likes.connect()
    other.autocommit = False
    other.execute("lock table s.kept in access exclusive mode")
    insert(likes, 1, 9)
    eventually(lambda: server.get("/v1/tallies/likes").json()["size"] == 9)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=12) == 0
    eventually(lambda: "the last changes of 1 table(s) could not be written" in server.log())
    other.rollback()
    serve(likes.dsn, *ONCE).wait_live()
    settled(likes)
