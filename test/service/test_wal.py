"""Transport wal from outside: positions that servers share, batches of actions, and what keeps a stream of events away."""

import concurrent.futures
import json
import re
import signal
import socket

import psycopg
import pytest
import requests

from postgres import Cluster, install
from program import TWEETS, eventually, run

KEYS = "/v1/tallies/tweets/keys"
QUICK = ("--heartbeat", "200ms", "--writable")
WAL = "select tally.alter_tally('tweets', transport => 'wal')"
AWAY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def serve(database, own, serve):
    """Ends before its database does: PostgreSQL drops none that a slot is used in."""
    return serve


@pytest.fixture
def tweets(database):
    database.sql.execute(TWEETS)
    database.sql.execute(WAL)
    return database


@pytest.fixture
def pair(serve, tweets):
    return [serve(tweets.dsn, *QUICK).wait_live() for _ in range(2)]


@pytest.fixture
def own():
    """A cluster of its own with the tally by wal: own(settings) -> database."""
    clusters = []

    def make(*settings):
        cluster = Cluster("fsync=off", "full_page_writes=off", "wal_level=logical", *settings)
        clusters.append(cluster)
        cluster.start()
        database = cluster.create_database()
        install(database.sql)
        database.sql.execute(TWEETS)
        database.sql.execute(WAL)
        return database

    yield make
    for cluster in clusters:
        cluster.drop()


def tally(server, admin=False):
    return requests.get((server.admin if admin else server.url) + "/v1/tallies/tweets", timeout=30).json()


def code(answer):
    return answer.status_code, answer.json()["code"]


def exact(server, database):
    truth = database.sql.execute("select coalesce(sum(counters[1]), 0), coalesce(sum(counters[2]), 0) from tally.truth('tweets')").fetchone()
    eventually(lambda: (state := tally(server))["state"] == "live" and tuple(state["sum"].values()) == truth, server.last_lines)


# Positions --------------------------------------------------------------------------------------------------------------


def test_an_action_is_read_on_another_server(pair):
    here, there = pair
    assert tally(here)["epoch"] == tally(there)["epoch"]
    for n in range(1, 31):
        done = here.post(KEYS + "/50/fav")
        assert done.status_code == 201
        position = done.json()["position"]
        assert re.fullmatch(done.json()["epoch"] + r"-\d+", position)
        for path in (KEYS + "/50?", KEYS + "?key=50&"):
            answer = there.get(path + "at_least=" + position)
            counters = answer.json()["keys"]["50"] if "keys" in answer.json() else answer.json()["counters"]
            assert counters == {"rts": 0, "favs": n} and answer.json()["revision"] >= int(position.split("-")[-1])
        assert there.get("/v1/tallies/tweets?at_least=" + position).json()["sum"]["favs"] == 2 + n
        here, there = there, here


def test_a_position_that_is_not_reached(pair):
    here = pair[0]
    epoch, revision = tally(here)["epoch"], tally(here)["revision"]
    assert here.get(f"{KEYS}/33?at_least={epoch}-{revision}").status_code == 200
    assert code(here.get(f"{KEYS}/33?at_least={AWAY}-1")) == (412, "other_epoch")
    assert code(here.get(f"{KEYS}/33?at_least={epoch}-{2**63}")) == (504, "not_yet")
    for wrong in ("", "1", epoch, epoch + "-", epoch + "-x", epoch + "-01", f"{epoch}-{2**64}", epoch.upper() + "-1x"):
        assert code(here.get(f"{KEYS}/33?at_least={wrong}")) == (400, "bad_request"), wrong


def test_a_read_waits_for_the_writer(pair, tweets):
    """The reader asks before the commit: its answer comes by the commit."""
    here = pair[0]
    state = tally(here)
    beyond = state["revision"] + 1
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(here.get, f"{KEYS}/51?at_least={state['epoch']}-{beyond}")
        tweets.sql.execute("insert into tweet.activity (messageid, action) values (51, 'fav')")
        answer = waiting.result().json()
    assert answer["revision"] >= beyond


def test_by_notify_a_position_is_this_servers(serve, database):
    database.sql.execute(TWEETS)
    server = serve(database.dsn, *QUICK).wait_live()
    done = server.post(KEYS + "/33/fav")
    assert done.status_code == 201 and "position" not in done.json()
    at = f"{done.json()['epoch']}-{done.json()['revision']}"
    assert server.get(f"{KEYS}/33?at_least={at}").json()["counters"] == {"rts": 2, "favs": 2}
    assert code(server.get(f"{KEYS}/33?at_least={at}0000")) == (504, "not_yet")


def test_readers_that_wait_are_bounded_and_those_that_leave_make_room(pair):
    server = pair[0]
    path = f"{KEYS}/33?at_least={tally(server)['epoch']}-{2**63}"
    host, port = server.host.split(":")
    waiting = []
    for _ in range(1000):
        one = socket.create_connection((host, int(port)))
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        waiting.append(one)
    eventually(lambda: code(server.get(path)) == (503, "busy"))
    for one in waiting:
        one.close()
    assert code(server.get(path)) == (504, "not_yet")


def test_tags_hold_on_every_server(pair):
    here, there = pair
    position = here.post(KEYS + "/52/fav").json()["position"]
    tag = here.get(KEYS + "/52").headers["ETag"]
    other = there.get(f"{KEYS}/52?at_least={position}", headers={"If-None-Match": tag})
    assert other.status_code == 304
    here.post(KEYS + "/53/fav")
    assert here.get(KEYS + "/52", headers={"If-None-Match": tag}).status_code == 304
    position = there.post(KEYS + "/52/fav").json()["position"]
    changed = here.get(f"{KEYS}/52?at_least={position}", headers={"If-None-Match": tag})
    assert changed.status_code == 200 and changed.json()["counters"]["favs"] == 2
    # A tag from the future names a state that this server does not know.
    epoch = changed.json()["epoch"]
    assert here.get(KEYS + "/52", headers={"If-None-Match": f'W/"{epoch}-{2**62}"'}).status_code == 200


@pytest.mark.parametrize("transport", ["notify", "wal"])
def test_preconditions_of_actions(serve, database, transport):
    database.sql.execute(TWEETS)
    database.sql.execute("select tally.alter_tally('tweets', transport => %s)", [transport])
    server = serve(database.dsn, *QUICK).wait_live()
    tag = server.get(KEYS + "/33").headers["ETag"]
    for headers, status in (({"If-Match": 'W/"x-1"'}, 412), ({"If-None-Match": tag}, 412), ({"If-None-Match": "*"}, 412),
                            ({"If-Match": tag}, 201), ({"If-Match": tag}, 412), ({"If-Match": "*"}, 201), ({"If-None-Match": tag}, 201)):
        answer = server.post(KEYS + "/33/fav", headers=headers)
        assert answer.status_code == status, (headers, answer.text)
        if status == 412:
            assert answer.json()["code"] == "precondition_failed"
    assert server.get(KEYS + "/33").json()["counters"]["favs"] == 4
    assert server.get(KEYS + "/33", headers={"If-Match": tag}).status_code == 412
    assert server.get(KEYS + "/33", headers={"If-Match": server.get(KEYS + "/33").headers["ETag"]}).status_code == 200


def test_a_client_that_moves_between_servers(pair):
    """Resumed by `since` on the other server, a client sees each value once, and none goes back."""
    known, epoch, revision = {}, None, None
    for n in range(1, 21):
        at = pair[n % 2].post(KEYS + "/54/fav").json()["position"]
        server = pair[(n + 1) % 2]
        client = server.connect()
        try:
            since = {} if epoch is None else {"since": {"epoch": epoch, "revision": int(at.split("-")[-1]) if n % 3 == 0 else revision}}
            snapshot = client.ask(type="subscribe", id=1, tally="tweets", keys=["54"], **since)
            assert snapshot["type"] == "snapshot"
            if since:
                assert snapshot.get("partial"), snapshot
            if n % 3 == 0 and since:
                # The client claims to have this position: the server answers when it is so far, and has nothing newer.
                assert snapshot["revision"] >= since["since"]["revision"] and not snapshot["keys"]
                known["54"] = n
            while known.get("54") != n:
                value = snapshot.get("keys", {}).get("54", {}).get("favs")
                if value is not None:
                    assert value >= known.get("54", 0)
                    known["54"] = value
                epoch = snapshot.get("epoch", epoch)
                revision = snapshot.get("revision", revision)
                if known.get("54") != n:
                    snapshot = client.receive()
            epoch, revision = snapshot.get("epoch", epoch), snapshot.get("revision", revision)
        finally:
            client.close()


# Actions in batches -----------------------------------------------------------------------------------------------------

SETTINGS = """
create table tweet.noted (who text);
create function tweet.note(k text, who text) returns void language plpgsql as $$
begin
  if who is not null then perform set_config('app.who', who, true); end if;
  insert into tweet.noted values (coalesce(nullif(current_setting('app.who', true), ''), 'nobody'));
  insert into tweet.activity (messageid, action) values (k::bigint, 'fav');
end $$;
create function tweet.refuse() returns trigger language plpgsql as
  $$ begin raise exception 'no key % today', new.messageid using errcode = 'P0001'; end $$;
create constraint trigger late after insert on tweet.activity deferrable initially deferred
  for each row when (new.action = 'late') execute function tweet.refuse();
select tally.alter_tally('tweets', actions => $${
  "fav":   "insert into tweet.activity (messageid, action) values ($1::bigint, 'fav')",
  "note":  "select tweet.note($1, $2->>'who')",
  "late":  "insert into tweet.activity (messageid, action) values ($1::bigint, 'late')",
  "never": "insert into tweet.activity (messageid, action) values ($1::bigint, 'never')",
  "held":  "with s as (select pg_advisory_xact_lock(4711)) insert into tweet.activity (messageid, action) select $1::bigint, 'fav' from s"}$$);
"""


def behind_a_lock(server, database, orders):
    """Runs orders that arrive while all connections for actions are busy. Returns their answers, in their order."""
    with database.connect() as lock, concurrent.futures.ThreadPoolExecutor(len(orders) + 4) as pool:
        lock.execute("select pg_advisory_lock(4711)")
        busy = []
        for n in range(4):  # one after the other, so that each has a connection
            busy.append(pool.submit(server.post, f"{KEYS}/{n}/held"))
            eventually(lambda: database.sql.execute("select count(*) from pg_locks where locktype = 'advisory' and not granted").fetchone()[0] == n + 1)  # noqa: B023
        waiting = [pool.submit(server.post, f"{KEYS}/{key}/{name}", json=body) for key, name, body in orders]
        eventually(lambda: server.metrics()['pgtally_clients{protocol="http"}'] >= len(orders) + 4)
        lock.execute("select pg_advisory_unlock(4711)")
        assert {each.result().status_code for each in busy} == {201}
        return [each.result() for each in waiting]


@pytest.mark.parametrize("transport", ["notify", "wal"])
@pytest.mark.parametrize("batch", [64, 1])
def test_a_batch_answers_as_each_alone(serve, database, transport, batch):
    database.sql.execute(TWEETS)
    database.sql.execute(SETTINGS)
    database.sql.execute("select tally.alter_tally('tweets', transport => %s)", [transport])
    server = serve(database.dsn, *QUICK, "--action-batch", str(batch)).wait_live()
    orders = [(100 + n, {5: "never", 6: "late", 9: "never"}.get(n, "note" if n in (3, 4) else "fav"),
               {"who": "somebody"} if n == 3 else None) for n in range(12)]
    answers = behind_a_lock(server, database, orders)
    for (key, name, _), answer in zip(orders, answers):
        body = answer.json()
        done = database.sql.execute("select count(*) from tweet.activity where messageid = %s", [key]).fetchone()[0]
        if name in ("never", "late"):
            assert code(answer) == (422, "refused") and done == 0, body
            assert "today" in body["detail"] if name == "late" else "violates check" in body["detail"]
        else:
            assert answer.status_code == 201 and body["counters"] == {"rts": 0, "favs": 1} and done == 1, body
            assert ("position" in body) == (transport == "wal")
    # What one action sets for its transaction, the next does not see.
    assert sorted(database.sql.execute("select who from tweet.noted").fetchall()) == [("nobody",), ("somebody",)]
    transactions = database.sql.execute("select count(distinct xmin::text) from tweet.activity where messageid between 100 and 111").fetchone()[0]
    assert transactions == 9  # xmin is that of the subtransaction
    exact(server, database)


def test_actions_that_wait_share_a_commit(serve, tweets):
    server = serve(tweets.dsn, *QUICK).wait_live()
    tweets.sql.execute("create table tweet.seen (x text); create function tweet.see() returns trigger language plpgsql as "
                       "$$ begin insert into tweet.seen values (pg_current_xact_id()::text); return null; end $$; "
                       "create trigger see after insert on tweet.activity for each row execute function tweet.see()")
    tweets.sql.execute("""select tally.alter_tally('tweets', actions => $${"fav": "insert into tweet.activity (messageid, action) values ($1::bigint, 'fav')",
        "held": "with s as (select pg_advisory_xact_lock(4711)) insert into tweet.activity (messageid, action) select $1::bigint, 'fav' from s"}$$)""")
    eventually(lambda: "held" in tally(server)["actions"] and tally(server)["state"] == "live")
    answers = behind_a_lock(server, tweets, [(100 + n, "fav", None) for n in range(40)])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["position"] for answer in answers}) < 20
    assert tweets.sql.execute("select count(distinct x) < 24, count(*) from tweet.seen").fetchone() == (True, 44)
    for key, answer in enumerate(answers, 100):
        assert answer.json()["key"] == str(key) and answer.json()["counters"]["favs"] == 1
    exact(server, tweets)


# Metrics, and what keeps the events away --------------------------------------------------------------------------------


def test_every_series_exists_from_the_beginning(serve, tweets):
    server = serve(tweets.dsn, *QUICK).wait_live()
    metrics = server.metrics()
    for cause in ("start", "reconnect", "reload", "definition", "broken", "look", "reset", "retry", "audit"):
        assert metrics[f'pgtally_loads_total{{tally="tweets",cause="{cause}"}}'] == (1 if cause == "start" else 0)
    for reason in ("too_long", "not_json", "wrong_shape", "wrong_number", "wrong_width", "wrong_key", "outdated"):
        assert metrics[f'pgtally_events_dropped_total{{reason="{reason}"}}'] == 0
    assert metrics["pgtally_wal_lag_bytes"] >= 0 and metrics["pgtally_reconnects_total"] == 0
    for transport in ("notify", "wal"):
        assert 0 <= metrics[f'pgtally_heartbeat_age_seconds{{transport="{transport}"}}'] < 30


def test_wal_level_lowered_and_back(serve, own):
    database = own()
    server = serve(database.dsn, *QUICK).wait_live()
    cluster = database.cluster
    for level, state in (("replica", "failed"), ("logical", "live")):
        cluster.stop()
        cluster.settings = tuple(one for one in cluster.settings if not one.startswith("wal_level")) + (f"wal_level={level}",)
        cluster.start()
        eventually(lambda: tally(server, admin=True)["state"] == state, server.last_lines)  # noqa: B023
        if state == "failed":
            assert "wal_level" in tally(server, admin=True)["reason"]
            found = json.loads(run("check", "--json", "--dsn", database.dsn).stdout)["findings"]
            assert [one["kind"] for one in found if one["severity"] == "error"] == ["wal_level"]
    database.sql = database.connect()
    database.sql.execute("insert into tweet.activity (messageid, action) values (60, 'fav')")
    exact(server, database)


def test_a_slot_that_waits_names_whom(serve, own):
    database = own()
    with database.connect() as old:
        old.autocommit = False
        old.execute("insert into tweet.activity (messageid, action) values (61, 'fav')")
        server = serve(database.dsn, *QUICK)
        eventually(lambda: f"process {old.info.backend_pid} of role postgres" in tally_reason(server, admin=True), server.last_lines)
        assert "postgres" not in tally_reason(server)
        found = json.loads(run("check", "--json", "--dsn", database.dsn).stdout)["findings"]
        assert [(one["check"], one["kind"]) for one in found if one["severity"] != "note"] == [("replication", "slot_waits")]
        assert str(old.info.backend_pid) in found[0]["message"]
        old.commit()
    server.wait_live()
    exact(server, database)


def tally_reason(server, admin=False):
    answer = requests.get((server.admin if admin else server.url) + "/v1/tallies", timeout=30).json()
    return answer["tallies"][0].get("reason", "") if "tallies" in answer else ""


def test_an_old_writer_delays_a_load_and_is_named(serve, own):
    database = own()
    server = serve(database.dsn, *QUICK).wait_live()
    with database.connect() as old:
        old.autocommit = False
        old.execute("insert into tweet.activity (messageid, action) values (62, 'fav')")
        requests.post(server.admin + "/v1/tallies/tweets/reset", timeout=30)
        eventually(lambda: f"process {old.info.backend_pid}" in server.log(), server.last_lines)
        assert tally(server)["state"] == "live"
        old.commit()
    eventually(lambda: server.metrics()['pgtally_loads_total{tally="tweets",cause="reset"}'] == 1)
    exact(server, database)


def test_a_slot_over_the_limit_is_dropped_and_loaded_again(serve, own):
    database = own()
    server = serve(database.dsn, *QUICK, "--wal-lag-limit", "1MiB").wait_live()
    with database.connect() as old:
        # An open transaction keeps the slot's restart position where it is.
        old.autocommit = False
        old.execute("select pg_current_xact_id()")
        database.sql.execute("create table noise (t text)")

        def write():
            database.sql.execute("insert into noise select repeat('x', 1000) from generate_series(1, 1000)")
            database.sql.execute("checkpoint")
            return "more than --wal-lag-limit" in server.log()
        eventually(write, server.last_lines)
        old.rollback()
    eventually(lambda: server.metrics()['pgtally_loads_total{tally="tweets",cause="reconnect"}'] >= 1, server.last_lines)
    exact(server, database)


def test_a_service_that_is_stopped_longer_than_wal_sender_timeout(serve, own):
    database = own("wal_sender_timeout=1s")
    server = serve(database.dsn, *QUICK).wait_live()
    slots = "select count(*) from pg_replication_slots"
    assert database.sql.execute(slots).fetchone() == (1,)
    server.process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: database.sql.execute(slots).fetchone() == (0,), "PostgreSQL keeps the slot")
        database.sql.execute("insert into tweet.activity (messageid, action) values (63, 'fav')")
    finally:
        server.process.send_signal(signal.SIGCONT)
    eventually(lambda: server.metrics()["pgtally_reconnects_total"] >= 1, server.last_lines)
    exact(server, database)


# check ------------------------------------------------------------------------------------------------------------------


def found_by_check(dsn):
    found = json.loads(run("check", "--json", "--dsn", dsn).stdout)["findings"]
    return [(one["check"], one["kind"], one["remedy"]) for one in found if one["severity"] != "note"]


def test_check_tries_to_replicate(own):
    database = own("max_wal_senders=1", "max_replication_slots=1")
    assert found_by_check(database.dsn) == []
    assert database.sql.execute("select count(*) from pg_replication_slots").fetchone() == (0,)
    database.sql.execute("create role server login; select tally.grant_server('server')")
    dsn = psycopg.conninfo.make_conninfo(database.dsn, user="server")
    [(check, kind, remedy)] = found_by_check(dsn)
    assert (check, kind) == ("replication", "replication_right")
    database.sql.execute(remedy)
    assert found_by_check(dsn) == []
    database.sql.execute("select pg_create_physical_replication_slot('other')")
    assert [kind for _, kind, _ in found_by_check(database.dsn)] == ["slots"]
    database.sql.execute("select pg_drop_replication_slot('other')")
    database.sql.execute("drop publication tally")
    found = found_by_check(database.dsn)
    assert [kind for _, kind, _ in found] == ["publication_missing"]
    database.sql.execute(found[0][2].replace(", then ", "; "))
    assert found_by_check(database.dsn) == []
