"""Tallies and their sources change while the server runs: it follows without a restart and without a signal."""

import re

import pytest
import requests

from away import LIKES, Witness, Writer, exact, reason, served, tally_of, truth
from postgres import SCHEMA_VERSION, install, install_version
from program import eventually, run

QUICK = ("--heartbeat", "200ms")


@pytest.fixture
def likes(database):
    database.sql.execute(LIKES)
    return database


@pytest.fixture
def server(serve, likes):
    return serve(likes.dsn, "--writable", *QUICK).wait_live()


@pytest.fixture
def witness(server):
    one = Witness(server)
    yield one
    one.close()


@pytest.fixture
def writer(likes):
    one = Writer(likes.dsn)
    one.start()
    one.go_on()
    yield one
    one.stop()


def wait_reason(server, pattern):
    return eventually(lambda: (found := reason(server)) and re.search(pattern, found) and found,
                      lambda: f"no state like {pattern}: {reason(server)}\n{server.last_lines()}")


def problems(server):
    return server.metrics()['pgtally_problems{tally="likes"}']


# Definitions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change, kinds", [
    ("filter => 'weight > 2'", {"snapshot"}),
    ("counters => '{\"count\": \"1\"}'", {"snapshot"}),
    ("counters => '{\"weight\": \"weight\", \"count\": \"1\"}'", {"snapshot"}),
    ("key => 'post_id % 7'", {"snapshot"}),
    ("key => $$'k' || post_id$$", {"unsubscribed"})])
def test_altered_with_subscribers_on(server, likes, writer, witness, change, kinds):
    """A new meaning is a new epoch: clients get a complete snapshot. A new type of keys is a new tally."""
    before = tally_of(server)["epoch"]
    likes.sql.execute(f"select tally.alter_tally('likes', {change})")
    writer.go_on()
    writer.stop()
    if kinds == {"unsubscribed"}:
        seen = witness.client.until(lambda message: message["type"] == "unsubscribed")
        assert seen[-1]["reason"] == "dropped"
        exact(server, likes.sql)
    else:
        exact(server, likes.sql, witness)
    assert tally_of(server)["epoch"] != before
    assert tally_of(server)["counters"] == list(likes.sql.execute("select counters from tally.tallies").fetchone()[0])


def test_altered_actions_change_no_number(server, likes, witness):
    before = tally_of(server)
    likes.sql.execute("""select tally.alter_tally('likes', actions => '{"like": "insert into likes (post_id) values ($1::bigint)"}')""")
    eventually(lambda: tally_of(server)["actions"] == ["like"] and tally_of(server)["state"] == "live")
    assert tally_of(server)["epoch"] == before["epoch"]
    answer = server.post("/v1/tallies/likes/keys/7/like")
    assert answer.status_code == 201
    exact(server, likes.sql, witness)


def test_dropped_and_created_again(server, likes, writer, witness):
    likes.sql.execute("select tally.drop_tally('likes')")
    witness.client.until(lambda message: message["type"] == "unsubscribed" and message["reason"] == "dropped")
    eventually(lambda: server.get("/v1/tallies").json() == {"tallies": []})
    likes.sql.execute("select tally.create_tally('likes', 'public.likes', 'post_id')")
    writer.go_on()
    writer.stop()
    exact(server, likes.sql)


# Sources ---------------------------------------------------------------------------------------------------------------

REPLACED = """begin; create table fresh (like likes including all); insert into fresh (post_id, weight) select post_id, weight from likes where post_id < 20;
              {}; alter table fresh rename to likes; commit"""


@pytest.mark.parametrize("change, says", [
    (REPLACED.format("drop table likes"), "dropped and another table has its name"),
    (REPLACED.format("alter table likes rename to old_likes"), "renamed to public.old_likes and another table has its name")])
def test_a_source_that_is_lost(server, likes, witness, change, says):
    """Without any call, the tally is live again after the remedy."""
    likes.sql.execute(change)
    found = wait_reason(server, "^failed: source .*" + says)
    assert found.endswith("remedy: select tally.reload('likes')")
    eventually(lambda: found.removeprefix("failed: ") in server.log(), server.last_lines)
    assert problems(server) >= 1
    # The values stay as they were; a reconnect does not make the values of the other table live.
    revision = tally_of(server)["revision"]
    likes.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgtally' and datname = current_database()")
    eventually(lambda: server.metrics()["pgtally_reconnects_total"] >= 1)
    wait_reason(server, "^failed: source .*" + says)
    assert tally_of(server)["revision"] == revision
    likes.sql.execute("select tally.reload('likes')")
    eventually(lambda: tally_of(server)["state"] == "live", server.last_lines)
    likes.sql.execute("insert into likes (post_id) values (4711)")
    exact(server, likes.sql, witness)
    eventually(lambda: problems(server) == 0)
    eventually(lambda: "problem resolved: source" in server.log(), server.last_lines)


@pytest.mark.parametrize("change, name", [
    ("alter table likes rename to loved", "public.loved"),
    ("create schema attic; alter table likes set schema attic", "attic.likes"),
    ("alter schema public rename to attic", "attic.likes"),
    ("alter table likes rename to loved; create view likes as select 1 as post_id", "public.loved")])
def test_a_source_that_is_renamed_is_followed(server, likes, witness, change, name):
    """No change is lost and no state is told; the new name is shown."""
    epoch = tally_of(server)["epoch"]
    likes.sql.execute(change + f"; insert into {name} (post_id) values (4711)")
    eventually(lambda: tally_of(server)["source"] == name, server.last_lines)
    likes.sql.execute(f"insert into {name} (post_id) values (4712)")
    exact(server, likes.sql, witness)
    assert tally_of(server)["epoch"] == epoch
    assert not [state for state, _ in witness.states if state != "live"]
    assert problems(server) == 0


def test_a_source_that_is_dropped(server, likes, witness):
    likes.sql.execute("drop table likes cascade")
    wait_reason(server, "^failed: source .* was dropped; remedy: select tally.drop_tally")
    likes.sql.execute("select tally.drop_tally('likes')")
    eventually(lambda: server.get("/v1/tallies").json() == {"tallies": []})
    witness.client.until(lambda message: message["type"] == "unsubscribed")


def test_lost_at_start(serve, likes):
    likes.sql.execute(REPLACED.format("drop table likes"))
    server = serve(likes.dsn, *QUICK)
    wait_reason(server, "^failed: source .* another table has its name")
    assert server.get("/v1/tallies/likes/keys/1").status_code == 503
    likes.sql.execute("select tally.reload('likes')")
    exact(server, likes.sql)


def test_a_source_that_is_lost_with_the_schema_one_version_back(serve, empty_database):
    install_version(empty_database.sql, SCHEMA_VERSION - 1)
    empty_database.sql.execute(LIKES)
    server = serve(empty_database.dsn, *QUICK).wait_live()
    empty_database.sql.execute(REPLACED.format("drop table likes"))
    wait_reason(server, "^failed: source .* another table has its name")
    empty_database.sql.execute("select tally.reload('likes')")
    exact(server, empty_database.sql)


def test_with_the_schema_one_version_back(serve, empty_database):
    """As it was shipped. An upgrade meanwhile changes nothing."""
    assert SCHEMA_VERSION == 6, "print the version before into test/sql, and install it here"
    install_version(empty_database.sql, 5)
    empty_database.sql.execute(LIKES)
    empty_database.sql.execute("select tally.alter_tally('likes', materialize => 'kept'); drop table kept")
    server = serve(empty_database.dsn, *QUICK, "--materialize-every", "20ms").wait_live()
    eventually(lambda: empty_database.sql.execute("select to_regclass('kept') is not null").fetchone()[0])  # a repair
    kept = lambda: dict(empty_database.sql.execute("select key::text, array[count, weight] from kept where count <> 0 or weight <> 0").fetchall())
    truth = lambda: dict(empty_database.sql.execute("select * from tally.truth('likes')").fetchall())
    empty_database.sql.execute("insert into likes (post_id) select 1 from generate_series(1, 3)")
    eventually(lambda: kept() == truth())
    found = run("check", "--dsn", empty_database.dsn)
    assert found.returncode == 1 and "the schema has version 5" in found.stdout and "run pgtally install" in found.stdout
    install(empty_database.sql)
    empty_database.sql.execute("insert into likes (post_id) select 2 from generate_series(1, 5)")
    exact(server, empty_database.sql)
    eventually(lambda: kept() == truth())
    assert run("check", "--dsn", empty_database.dsn).returncode == 0


# Findings: what a load does not cure ----------------------------------------------------------------------------------

PARTITIONED = """create table vote (ballot int, points int) partition by range (ballot);
                 create table vote_1 partition of vote for values from (0) to (100);
                 select tally.create_tally('likes', 'public.vote', 'ballot', '{"points": "points"}');
                 insert into vote values (1, 1), (2, 2)"""
ATTACHED = """create table vote_2 (ballot int, points int); insert into vote_2 values (100, 5), (101, 7);
              alter table vote attach partition vote_2 for values from (100) to (200)"""

TRIGGERS = pytest.mark.parametrize("change, says", [
    ("drop trigger tally_{}_insert on likes", "source public.likes has no insert trigger, its changes are not counted"),
    ("alter table likes disable trigger tally_{}_insert", "the insert trigger of public.likes is disabled"),
    ("alter table likes enable trigger tally_{}_insert", "the insert trigger of public.likes does not fire for every session_replication_role")])


def change_triggers(likes, change):
    """And writes a row that they do not see."""
    (number,) = likes.sql.execute("select id from tally.definition").fetchone()
    likes.sql.execute("set session_replication_role = replica;" + change.format(number) + "; insert into likes (post_id) values (4711)")
    likes.sql.execute("reset session_replication_role")


def told(server, says):
    """Once when it is found, and once when it is gone."""
    eventually(lambda: f"problem resolved: {says}" in server.log(), server.last_lines)
    found, gone = (line for line in server.lines if says in line)
    assert f" E tally likes: {says}; remedy: select tally.reload('likes')" in found and " I tally likes: problem resolved" in gone
    assert problems(server) == 0


@pytest.fixture
def plain_role(cluster):
    """A role that serves, and may not call tally.reload."""
    with cluster.connect() as sql:
        sql.execute("create role plain login")
    yield "plain"
    with cluster.connect() as sql:
        sql.execute("drop role plain")


@pytest.fixture
def plain(serve, cluster, plain_role, likes):
    """A server of that role."""
    likes.sql.execute(f"select tally.grant_server('{plain_role}')")
    yield serve(cluster.dsn(likes.name, plain_role), *QUICK).wait_live()
    likes.sql.execute(f"drop owned by {plain_role}")


@TRIGGERS
def test_triggers_are_repaired(server, likes, witness, change, says):
    """The server's role may call tally.reload, so nobody else has to."""
    change_triggers(likes, change)
    exact(server, likes.sql, witness)
    likes.sql.execute("insert into likes (post_id) values (4712)")
    exact(server, likes.sql, witness)
    told(server, says)
    assert server.log().count("tally likes: repaired by tally.reload") == 1


@TRIGGERS
def test_triggers_that_the_server_may_not_repair(plain, likes, change, says):
    """The tally fails, with what to do as its reason; what it showed stays."""
    before = served(plain)[1]
    change_triggers(likes, change)
    found = wait_reason(plain, "^failed: ")
    assert found == f"failed: {says}; remedy: select tally.reload('likes')"
    assert problems(plain) == 1
    assert served(plain) == ("failed", before)
    answer = requests.post(f"{plain.admin}/v1/tallies/likes/audit", timeout=30)
    assert answer.status_code == 503 and answer.json()["code"] == "not_live"
    likes.sql.execute("insert into likes (post_id) values (4712); select tally.reload('likes')")
    exact(plain, likes.sql)
    told(plain, says)
    assert "tally.reload cannot repair it" not in plain.log()


def test_partitions_attached_and_detached(serve, database):
    """Each change of partitions is repaired."""
    database.sql.execute(PARTITIONED)
    server = serve(database.dsn, *QUICK).wait_live()
    database.sql.execute(ATTACHED)
    exact(server, database.sql)
    eventually(lambda: "problem resolved: partition public.vote_2 has no truncate trigger" in server.log(), server.last_lines)
    database.sql.execute("insert into vote_2 values (100, 1)")
    exact(server, database.sql)
    database.sql.execute("alter table vote detach partition vote_1; insert into vote_1 values (3, 3)")
    exact(server, database.sql)
    eventually(lambda: "problem resolved: public.vote_1 is no part of the source any more" in server.log(), server.last_lines)
    database.sql.execute("insert into vote_1 values (3, 3); insert into vote_2 values (100, 1)")
    exact(server, database.sql)
    assert problems(server) == 0


@pytest.mark.parametrize("what", ["perform pg_sleep(3)", "raise insufficient_privilege"])
def test_a_look_that_is_not_allowed_or_too_slow_harms_nothing(server, likes, witness, what):
    likes.sql.execute(f"""create or replace function tally.look(tally text default null) returns table (name text, v bigint, fingerprint text)
                          language plpgsql stable as $$ begin {what}; end $$""")
    eventually(lambda: "cannot look for problems" in server.log(), server.last_lines)
    likes.sql.execute("insert into likes (post_id) values (1), (2)")
    exact(server, likes.sql, witness)
    assert not [state for state, _ in witness.states if state != "live"]
    assert server.metrics()["pgtally_reconnects_total"] == 0
    install(likes.sql)
    likes.sql.execute("alter table likes alter post_id type bigint using post_id + 1000")
    eventually(lambda: server.metrics().get('pgtally_loads_total{tally="likes",cause="look"}') == 1, server.last_lines)
    exact(server, likes.sql, witness)
