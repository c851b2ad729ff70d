"""The server's sessions and the locks of an application: DDL never fails because of a session that reads."""

import time

import pytest
import requests

from program import eventually

PARTS = """create table p (k int) partition by list (k); create table p1 partition of p for values in (1);
           create table p2 partition of p for values in (2); insert into p values (1), (2), (2);
           select tally.create_tally('parts', 'p', 'k')"""
WAITING = "select from pg_locks where not granted and relation = %s::regclass"


@pytest.fixture
def parts(database):
    database.sql.execute(PARTS)
    return database


def application(database):
    session = database.connect()
    session.autocommit = False
    return session


def wait_longer_than_a_deadlock_may(database, table):
    """Gives a session that waits for the table the time to look for a deadlock before there is one: another session's look then finds it."""
    eventually(lambda: database.sql.execute(WAITING, [table]).fetchall())
    until = time.monotonic() + 2
    while time.monotonic() < until and not database.sql.execute(f"{WAITING} and clock_timestamp() - waitstart > '1200 ms'", [table]).fetchall():
        time.sleep(0.02)


def test_ddl_wins_against_a_load(serve, parts):
    server = serve(parts.dsn, "--heartbeat", "500ms").wait_live()
    session = application(parts)
    session.execute("lock table only p2 in access exclusive mode")
    requests.post(f"{server.admin}/v1/tallies/parts/reset", timeout=10)
    wait_longer_than_a_deadlock_may(parts, 'p2')
    session.execute("alter table p add column more int")  # the load has p, and waits for p2
    session.execute("insert into p values (1)")
    session.commit()
    eventually(lambda: server.wait_live() and server.get("/v1/tallies/parts/keys?key=1&key=2").json()["keys"]
               == {"1": {"count": 2}, "2": {"count": 2}}, server.last_lines)


def test_ddl_wins_against_a_reading_of_the_definitions(serve, parts):
    server = serve(parts.dsn, "--heartbeat", "500ms").wait_live()
    session = application(parts)
    session.execute("lock table only tally.definition in access exclusive mode")
    parts.sql.execute("""select pg_notify('tally', '{"t":"parts","x":"9","n":1,"definition":true}')""")
    wait_longer_than_a_deadlock_may(parts, 'tally.definition')
    session.execute("drop view tally.tallies cascade")
    session.rollback()
    server.wait_live()


def test_a_reading_by_sql_does_not_wait_for_ddl(serve, parts):
    server = serve(parts.dsn).wait_live()
    session = application(parts)
    session.execute("lock table only p2 in access exclusive mode")
    answer = requests.get(f"{server.admin}/v1/tallies/parts/keys/1?source=database", timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (503, "timeout")
    eventually(lambda: "lock timeout" in server.log())
    session.rollback()
