"""Transport wal: streams of events and long polls that move between servers by their positions."""

import concurrent.futures

import pytest

from program import LONG, TWEETS, eventually
from streams import Events, path_of

KEY = "/v1/tallies/tweets/keys/33"


@pytest.fixture
def pair(database, serve):
    database.sql.execute(TWEETS)
    database.sql.execute("select tally.alter_tally('tweets', transport => 'wal')")
    servers = [serve(database.dsn, "--heartbeat", "200ms").wait_live() for _ in range(2)]
    yield servers
    for server in servers:
        assert server.stop() == 0  # PostgreSQL drops no database that a slot is used in


def position(answer):
    return f"{answer.json()['epoch']}-{answer.json()['revision']}"


def fav(database):
    return database.sql.execute("insert into tweet.activity (messageid, action) values (33, 'fav')")


def test_events_resume_on_the_other_server(pair, database):
    one = Events(pair[0], path_of("tweets", 33, 34))
    one.next()
    fav(database)
    change = one.next()
    one.close()
    fav(database)
    other = Events(pair[1], path_of("tweets", 33, 34), {"Last-Event-ID": change.id})
    first = other.next()
    if "33" not in first.data["keys"]:  # it came before the second insert arrived
        first = other.next()
    assert first.data["keys"] == {"33": {"rts": 2, "favs": 3}}
    other.close()


def test_a_poll_of_the_other_servers_position(pair, database):
    fav(database)
    eventually(lambda: pair[0].get(KEY).json()["counters"]["favs"] == 2)
    since = position(pair[0].get(KEY))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(pair[1].get, f"{KEY}?since={since}&wait=60")
        eventually(lambda: pair[1].metrics()["pgtally_long_polls"] == 1)
        fav(database)
        assert answer.result(LONG).json()["counters"]["favs"] == 3


def test_a_position_ahead_is_waited_for(pair):
    """The stream passes it, at the next heartbeat; nothing changed, so the wait goes on. One far ahead is answered, in the end."""
    epoch, revision = position(pair[0].get(KEY)).rsplit("-", 1)
    assert pair[0].get(f"{KEY}?since={epoch}-{int(revision) + 1}&wait=2").status_code == 204
    far = pair[0].get(f"{KEY}?since={epoch}-{int(revision) + 10**12}&wait=60")
    assert far.status_code == 200 and far.json()["counters"] == {"rts": 2, "favs": 1}
