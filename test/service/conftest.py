"""`pgtally serve` on free ports, a new database per test.

serve      starts it: serve(dsn, *options) -> Server; stopped with the test; its exit status must be 0
tweets     a database with the tally "tweets" over tweet.activity
server     a server of that, writable and live
client     a WebSocket connection to it
"""

import pytest

import answers
import seen
from program import TWEETS, Server


@pytest.fixture(scope="session", autouse=True)
def held_against_the_documents():
    """All that the tests get by HTTP, and by WebSocket (program.py), is checked against the documents of the API."""
    with pytest.MonkeyPatch.context() as patch:
        answers.watch_requests(patch)
        yield
    seen.write()


@pytest.fixture
def serve():
    started = []

    def start(dsn, *options, **more):
        started.append(Server(dsn, *options, **more))
        return started[-1]

    yield start
    for each in started:
        ended_itself = each.process.poll() is not None
        status = each.stop()
        assert ended_itself or status == 0, each.log()


@pytest.fixture
def tweets(database):
    database.sql.execute(TWEETS)
    return database


@pytest.fixture
def server(serve, tweets):
    return serve(tweets.dsn, "--writable", "--heartbeat", "200ms").wait_live()


@pytest.fixture
def client(server):
    one = server.connect()
    yield one
    one.close()
