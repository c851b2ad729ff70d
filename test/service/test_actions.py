"""Actions: done once or not at all, as the answer says; the table shows how often each was done."""

import concurrent.futures
import itertools
import threading

import pytest
import requests

from away import exact, port_of, tally_of
from postgres import Cluster, install
from program import TWEETS, eventually
from wire import Proxy

QUICK = ("--heartbeat", "200ms", "--writable")
URL = "/v1/tallies/tweets/keys/{}/{}"
KEYS = itertools.count(1000)

DEFERRED = """
create function tweet.full() returns void language plpgsql as
  $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
create function tweet.refuse() returns trigger language plpgsql as
  $$ begin raise exception 'no key % today', new.messageid using errcode = 'P0001'; end $$;
create constraint trigger late after insert on tweet.activity deferrable initially deferred
  for each row when (new.action = 'late') execute function tweet.refuse();
create table tweet.parent (id bigint primary key);
alter table tweet.activity add column parent bigint references tweet.parent deferrable initially deferred;
select tally.alter_tally('tweets', actions => $${
  "fav":     "insert into tweet.activity (messageid, action) values ($1::bigint, 'fav')",
  "late":    "insert into tweet.activity (messageid, action) values ($1::bigint, 'late')",
  "orphan":  "insert into tweet.activity (messageid, action, parent) values ($1::bigint, 'fav', 4711)",
  "slow":    "with s as (select pg_sleep(($2->>'s')::float)) insert into tweet.activity (messageid, action) select $1::bigint, 'fav' from s",
  "twisted": "insert into tweet.activity (messageid, action) select $1::bigint, case when n > 0 then 'fav' end from (select count(*), pg_sleep(0.02) from tweet.activity) as c (n, s)",
  "nothing": "delete from tweet.activity where messageid = $1::bigint and false",
  "full":    "select tweet.full()"}$$);
"""


@pytest.fixture
def tweets(database):
    database.sql.execute(TWEETS)
    database.sql.execute(DEFERRED)
    return database


def act(server, name="fav", key=None, **more):
    """Returns the key, the status and the answer's members."""
    key = next(KEYS) if key is None else key
    answer = requests.post(server.url + URL.format(key, name), timeout=60, **more)
    return key, answer.status_code, answer.json()


def rows(tweets, key):
    return tweets.sql.execute("select count(*) from tweet.activity where messageid = %s", [key]).fetchone()[0]


def judged(tweets, key, status, body):
    """Checks that the table agrees with the answer."""
    found = rows(tweets, key)
    allowed = {201: {1}, 202: {1}, 422: {0}, 429: {0}, 503: {0}, 504: {0, 1}}[status]
    assert found in allowed, (status, body, found)
    if status == 201:
        assert body["counters"] == {"rts": 0, "favs": 1}, body
    return status, found


# Refusals --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, status, code", [("late", 422, "refused"), ("orphan", 422, "refused"), ("full", 503, "not_done"),
                                                ("nope", 404, "unknown_action")])
def test_what_fails_at_commit_or_before_it(server, tweets, name, status, code):
    key, got, body = act(server, name)
    assert (got, body["code"]) == (status, code), body
    assert rows(tweets, key) == 0
    if status == 422:
        assert "today" in body["detail"] or "foreign key" in body["detail"]


def test_an_action_that_changes_nothing_is_applied(server):
    key, status, body = act(server, "nothing")
    assert status == 201 and body["counters"] == {"rts": 0, "favs": 0} and body["key"] == str(key)


def test_a_serialization_failure_is_not_done(serve, tweets):
    """A failure at COMMIT: of two transactions that read what the other writes, at least one succeeds."""
    tweets.sql.execute(f"alter database {tweets.name} set default_transaction_isolation = 'serializable'")
    server = serve(tweets.dsn, *QUICK).wait_live()
    seen = set()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(200):
            answers = list(pool.map(lambda _: act(server, "twisted"), range(4)))
            seen |= {judged(tweets, *answer)[0] for answer in answers}
            if seen == {201, 503}:
                break
    assert seen == {201, 503}
    eventually(lambda: "40001" in server.log(), server.last_lines)


def test_a_statement_that_takes_too_long_is_not_done(server, tweets):
    key, status, body = act(server, "slow", json={"s": 60})
    assert (status, body["code"]) == (503, "not_done") and rows(tweets, key) == 0
    eventually(lambda: "57014" in server.log(), server.last_lines)


def test_load_is_bounded(serve, tweets):
    """4 run at a time, 256 wait; further ones are told to retry, and are not done."""
    server = serve(tweets.dsn, *QUICK, "--action-batch", "1").wait_live()
    with tweets.connect() as lock, concurrent.futures.ThreadPoolExecutor(300) as pool:
        lock.autocommit = False
        lock.execute("lock table tweet.activity in share mode")
        answers = list(pool.map(lambda _: act(server), range(300)))
        lock.rollback()
    told = [judged(tweets, *answer)[0] for answer in answers]
    assert told.count(429) == 40 and set(told) == {429, 503}, told
    assert act(server)[1] == 201


# Connections that break ------------------------------------------------------------------------------------------------


class At:
    """For a proxy: a fault at the nth message of the action's connection."""

    def __init__(self):
        self.number, self.what, self.step, self.struck = None, None, 0, False
        self.lock = threading.Lock()

    def arm(self, number, what):
        self.number, self.what, self.step, self.struck = number, what, 0, False

    def __call__(self, who, kind, body):
        with self.lock:
            if self.number is None or (self.step == 0 and b"tally.act(" not in body):
                return True
            # One action at a time; heartbeats and other queries use another proxy.
            self.step += 1
            if self.step != self.number:
                return True
            self.struck = True
            self.number = None
            return self.what


@pytest.fixture
def broken(serve, tweets):
    """A server behind a proxy; heartbeats are so rare that they do not count as steps."""
    at = At()
    proxy = Proxy(port_of(tweets.dsn), at)
    yield serve(proxy.dsn(tweets.dsn), "--writable", "--heartbeat", "1h").wait_live(), at
    proxy.close()


@pytest.mark.parametrize("what", ["cut", "cut after"])
def test_cut_at_each_step(broken, tweets, what):
    server, at = broken
    assert act(server)[1] == 201
    outcomes = []
    for _ in range(100):
        at.arm(len(outcomes) + 1, what)
        outcome = judged(tweets, *act(server))
        if at.struck or outcome == (201, 1):
            outcomes.append(outcome)
        # Otherwise the connection broke after the previous answer, which is noticed at its next use.
        if not at.struck and outcome == (201, 1):
            break
        eventually(lambda: tally_of(server, "tweets")["state"] == "live", server.last_lines)
    # Parse, bind, describe, execute, sync; their answers, and the notifications: each was cut at.
    assert len(outcomes) >= 10, outcomes
    assert outcomes[-1] == (201, 1)
    assert (504, 0) in outcomes or (503, 0) in outcomes, outcomes
    assert {status for status, _ in outcomes} <= {201, 202, 503, 504}
    # If the action committed and its barrier arrived, the answer says that it is done.
    assert (201, 1) in outcomes[:-1], outcomes
    at.number = None
    exact(server, tweets.sql, tally="tweets")


def test_a_backend_that_is_terminated(server, tweets):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(act, server, "slow", json={"s": 5})
        eventually(lambda: tweets.sql.execute("""select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where wait_event = 'PgSleep' and datname = current_database()""").fetchone()[0])
        status, found = judged(tweets, *waiting.result())
    assert (status, found) == (504, 0)
    exact(server, tweets.sql, tally="tweets")


def test_a_slow_action_holds_up_no_other(server, tweets):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(act, server, "slow", json={"s": 20})
        eventually(lambda: tweets.sql.execute("""select count(*) from pg_stat_activity
                   where wait_event = 'PgSleep' and datname = current_database()""").fetchone()[0])
        assert [act(server)[1] for _ in range(3)] == [201] * 3 and not slow.done()
        tweets.sql.execute("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()")


def test_a_crash_in_the_middle(serve):
    own = Cluster("fsync=off", "full_page_writes=off")
    try:
        own.start()
        database = own.create_database()
        install(database.sql)
        database.sql.execute(TWEETS)
        server = serve(database.dsn, *QUICK).wait_live()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            stop = threading.Event()

            def keep_acting(_):
                answers = []
                while not stop.is_set():
                    answers.append(act(server))
                return answers

            acting = [pool.submit(keep_acting, n) for n in range(8)]
            answers = []
            for _ in range(3):
                before = server.metrics()['pgtally_revision{tally="tweets"}']
                eventually(lambda: server.metrics()['pgtally_revision{tally="tweets"}'] > before + 20, server.last_lines)  # noqa: B023
                own.crash()
                answers.append(act(server))  # the others wait for barriers, perhaps all of them
                own.start()
            stop.set()
            answers += [answer for each in acting for answer in each.result()]
        database.sql = database.connect()
        told = [judged(database, *answer) for answer in answers]
        assert {201, 503} <= {status for status, _ in told}
        exact(server, database.sql, tally="tweets")
    finally:
        own.drop()


def test_the_barrier_comes_back_while_the_tally_is_not_live(server, tweets):
    """A load that waits for a lock: 202, and never numbers without the action."""
    lock = tweets.connect()
    tweets.sql.execute("""create or replace function tally.lock_source(name text) returns void language plpgsql security definer as
                          $$ begin perform pg_advisory_xact_lock(33); end $$""")
    lock.execute("select pg_advisory_lock(33)")
    tweets.sql.execute("select tally.reload('tweets')")
    eventually(lambda: tally_of(server, "tweets")["state"] != "live")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(act, server)
        late = act(server)
        assert late[1] == 202 and late[2] == {"committed": True, "applied": False}
        assert judged(tweets, *answer.result()) == (202, 1)
        # And one that waits until the tally is live.
        answer = pool.submit(act, server, key=7)
        eventually(lambda: rows(tweets, 7))
        lock.execute("select pg_advisory_unlock(33)")
        assert judged(tweets, *answer.result()) == (201, 1)
    exact(server, tweets.sql, tally="tweets")


def test_the_tally_is_dropped_meanwhile(server, tweets):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(act, server, "slow", json={"s": 1})
        eventually(lambda: tweets.sql.execute("select count(*) from pg_stat_activity where wait_event = 'PgSleep'").fetchone()[0])
        tweets.sql.execute("delete from tally.definition where name = 'tweets'")  # drop_tally would wait for the action
        tweets.sql.execute("""select pg_notify('tally', '{"t":"tweets","x":"3","n":1,"definition":true}')""")
        eventually(lambda: server.get("/v1/tallies").json() == {"tallies": []})
        assert judged(tweets, *answer.result()) == (202, 1)
    assert act(server)[1] == 404


def test_a_database_that_is_stalled(serve, tweets):
    """Connections stay open but silent: actions that were sent have an unknown outcome, waiting ones are not begun."""
    proxy = Proxy(port_of(tweets.dsn))
    try:
        server = serve(proxy.dsn(tweets.dsn), *QUICK).wait_live()
        assert act(server)[1] == 201
        proxy.stall()
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            waiting = [pool.submit(act, server) for _ in range(12)]
            answers = [each.result() for each in waiting]
        proxy.pass_on()
        eventually(lambda: tally_of(server, "tweets")["state"] == "live", server.last_lines)
        told = [status for _, status, _ in answers]
        assert set(told) <= {503, 504} and 503 in told, told
        for answer in answers:
            judged(tweets, *answer)
        exact(server, tweets.sql, tally="tweets")
        assert act(server)[1] == 201
    finally:
        proxy.close()
