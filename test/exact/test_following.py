"""What the service must notice without a signal."""

import asyncio
import contextlib
import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from service import Service, eventually  # noqa: E402


@pytest.fixture
def likes(database):
    database.sql.execute("create table likes (post_id bigint); insert into likes values (33)")
    database.sql.execute("select tally.create_tally('likes', 'public.likes', 'post_id')")
    return database


@pytest.fixture
def service(likes, tmp_path):
    service = Service(likes.dsn, tmp_path / "serve.log")
    asyncio.run(service.ready())
    yield service
    service.stop()


def test_a_schema_that_is_dropped(likes, service):
    likes.sql.execute("drop schema tally cascade")
    asyncio.run(eventually(lambda: service.tally("likes")["state"] == "failed"))
    assert "not installed" in service.tally("likes")["reason"]


def test_an_event_after_the_transport_was_lost_and_the_loads_connection_hangs(likes, service):
    """A connection that worked for the last load may be dead at the next one."""
    query = """select pid from pg_stat_activity where application_name = 'pgtally' and state = 'idle'
               and query ~ 'pg_notify' and query !~ 'usage' and datname = current_database()"""
    asyncio.run(eventually(lambda: likes.sql.execute(query).fetchall()))
    idle = likes.sql.execute(query).fetchall()
    assert idle
    try:
        for (pid,) in idle:
            os.kill(pid, signal.SIGSTOP)
        likes.sql.execute("insert into likes values (33)")
        likes.sql.execute("select tally.reload('likes')")
        revision = service.tally("likes")["revision"]
        asyncio.run(eventually(lambda: service.tally("likes")["state"] == "live"))
        assert service.get("/v1/tallies/likes/keys/33")["counters"] == {"count": 2}
        assert service.tally("likes")["revision"] >= revision
    finally:
        for (pid,) in idle:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_a_listener_that_hangs(likes, service):
    """The listener's backend neither answers nor delivers: three missing heartbeats reveal that."""
    (pid,), = likes.sql.execute("""select pid from pg_stat_activity where query ~* '^listen' and datname = current_database()""").fetchall()
    os.kill(pid, signal.SIGSTOP)
    try:
        likes.sql.execute("insert into likes values (34)")
        asyncio.run(eventually(lambda: service.reconnects() == 1 and service.tally("likes")["state"] == "live"))
        assert service.get("/v1/tallies/likes/keys/34")["counters"] == {"count": 1}
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_named_tally_that_does_not_exist_yet(likes, tmp_path):
    service = Service(likes.dsn, tmp_path / "serve.log", "--tally", "likes", "--tally", "later")
    try:
        asyncio.run(service.ready())
        assert [tally["name"] for tally in service.get("/v1/tallies")["tallies"]] == ["likes"]
        likes.sql.execute("select tally.create_tally('later', 'public.likes', 'post_id')")
        asyncio.run(eventually(lambda: [tally["state"] for tally in service.get("/v1/tallies")["tallies"]] == ["live", "live"]))
    finally:
        service.stop()
