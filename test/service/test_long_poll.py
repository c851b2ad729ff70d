"""Requests that wait for a change: ?since=<epoch>-<revision>&wait=20."""

import concurrent.futures
import contextlib
import signal
import socket
import threading

import pytest
import requests

from program import LONG, eventually

KEY, KEYS, TALLY = "/v1/tallies/tweets/keys/33", "/v1/tallies/tweets/keys?key=33&key=34", "/v1/tallies/tweets"


def position(answer):
    return f"{answer.json()['epoch']}-{answer.json()['revision']}"


def ask(server, path, since, wait=20, **more):
    return server.get(f"{path}{'&' if '?' in path else '?'}since={since}&wait={wait}", **more)


def waiting(server):
    return server.metrics()["pgtally_long_polls"]


@contextlib.contextmanager
def asking(server, path, since, wait=20):
    """A request that waits; `result()` is its answer."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(ask, server, path, since, wait)
        eventually(lambda: waiting(server) == 1)
        yield answer


def fav(database, key):
    database.sql.execute("insert into tweet.activity (messageid, action) values (%s, 'fav')", [key])


@pytest.mark.parametrize("path", [KEY, KEYS, TALLY])
def test_answered_by_a_change(server, tweets, path):
    first = server.get(path)
    with asking(server, path, position(first)) as answer:
        fav(tweets, 33)
        then = answer.result(LONG)
    assert then.status_code == 200 and then.headers.get("Cache-Control") == "public, max-age=1"
    assert then.json()["revision"] > first.json()["revision"] and then.headers["ETag"]
    assert then.json() == server.get(path).json()


def test_not_answered_by_a_change_of_another_key(server, tweets):
    with asking(server, KEYS, position(server.get(KEYS))) as answer:
        fav(tweets, 35)
        eventually(lambda: server.get("/v1/tallies/tweets/keys/35").json()["counters"]["favs"] == 1)
        assert not answer.done()
        fav(tweets, 34)
        assert answer.result(LONG).json()["keys"]["34"] == {"rts": 0, "favs": 2}


def test_a_change_of_before_is_answered_at_once(server, tweets):
    first = position(server.get(KEY))
    fav(tweets, 33)
    eventually(lambda: server.get(KEY).json()["counters"]["favs"] == 2)
    assert ask(server, KEY, first, 60).json()["counters"]["favs"] == 2


@pytest.mark.parametrize("path", [KEY, KEYS, TALLY])
def test_nothing_changed(server, path):
    since = position(server.get(path))
    answer = ask(server, path, since, 1)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["ETag"] == f'W/"{since}"' and answer.headers["Cache-Control"] == "public, max-age=1"
    assert "Content-Length" not in answer.headers


def test_a_position_of_nobody_is_answered_at_once(server):
    epoch, revision = position(server.get(KEY)).rsplit("-", 1)
    for since in f"00000000-0000-4000-8000-000000000000-{revision}", f"{epoch}-{int(revision) + 1000}":
        assert ask(server, KEY, since, 60).json()["counters"] == {"rts": 2, "favs": 1}
    assert server.get(KEY + f"?since={epoch}-0&wait=60").status_code == 200


def test_without_wait_it_does_not(server, tweets):
    since = position(server.get(KEY))
    assert server.get(KEY + "?since=" + since).status_code == 204
    fav(tweets, 33)
    eventually(lambda: server.get(KEY + "?since=" + since).status_code == 200)


@pytest.mark.parametrize("query", ["since=x&wait=1", "wait=1", "since={0}&wait=0", "since={0}&wait=61", "since={0}&wait=1.5", "since={0}&wait="])
def test_refused(server, query):
    answer = server.get(KEY + "?" + query.format(position(server.get(KEY))))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert answer.headers["Cache-Control"] == "no-cache"


def test_the_admin_address_is_for_no_cache(server):
    answer = requests.get(f"{server.admin}{KEY}?since={position(server.get(KEY))}&wait=1", timeout=LONG)
    assert answer.status_code == 204 and answer.headers["Cache-Control"] == "no-cache"


def test_head_and_conditions(server):
    first = server.get(KEY)
    url = f"{server.url}{KEY}?since={position(first)}&wait=1"
    assert requests.head(url, timeout=LONG).status_code == 204
    old = f"{server.url}{KEY}?since={first.json()['epoch']}-0&wait=1"
    assert requests.get(old, headers={"If-None-Match": first.headers["ETag"]}, timeout=LONG).status_code == 304


def test_the_state_is_an_answer_too(server, tweets):
    """A tally that does not follow proves nothing, so it answers with its state, not with 204."""
    with asking(server, KEY, position(server.get(KEY))) as answer:
        tweets.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name ^@ 'pgtally' and pid <> pg_backend_pid()")
        assert answer.result(LONG).json()["state"] == "stale"
    assert answer.result().json()["counters"] == {"rts": 2, "favs": 1} and "ETag" not in answer.result().headers


def test_a_tally_that_is_dropped(server, tweets):
    with asking(server, KEY, position(server.get(KEY))) as answer:
        tweets.sql.execute("select tally.drop_tally('tweets')")
        assert answer.result(LONG).json().get("state") == "stale" or answer.result().json()["code"] == "unknown_tally"
    since = "00000000-0000-4000-8000-000000000000-1"
    eventually(lambda: ask(server, KEY, since).status_code == 404)
    gone = ask(server, KEY, since)
    assert gone.json()["code"] == "unknown_tally" and gone.headers["Cache-Control"] == "no-cache"


def test_drain_answers(server):
    since = position(server.get(KEY))
    with asking(server, KEY, since, 60) as answer:
        server.process.send_signal(signal.SIGTERM)
        assert answer.result(LONG).status_code == 204
    assert server.process.wait(timeout=12) == 0


@pytest.mark.parametrize("more", ["", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"], ids=["alone", "after a further request"])
def test_a_client_that_goes_away_frees_its_place(server, more):
    since = position(server.get(KEY))
    host, port = server.host.split(":")
    with socket.create_connection((host, int(port)), timeout=LONG) as connection:
        connection.sendall((f"GET {KEY}?since={since}&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n" + more).encode())
        eventually(lambda: waiting(server) == 1)
    eventually(lambda: waiting(server) == 0)


def test_more_than_may_wait(server, tweets):
    """5,000 requests wait; one more is refused, and all are answered by one change."""
    since = position(server.get(KEY))
    host, port = server.host.split(":")
    request = f"GET {KEY}?since={since}&wait=60 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    held = [socket.create_connection((host, int(port)), timeout=LONG) for _ in range(5000)]
    try:
        for each in held:
            each.sendall(request)
        eventually(lambda: waiting(server) == 5000)
        assert ask(server, KEY, since, 1).json()["code"] == "busy"
        assert int(ask(server, KEY, since, 1).headers["Retry-After"]) > 0
        held.pop().close()
        eventually(lambda: ask(server, KEY, since, 1).status_code == 204)
        fav(tweets, 33)
        assert all(b'"favs":2' in read_all(each) for each in held)
    finally:
        for each in held:
            each.close()


def read_all(connection):
    seen = b""
    while part := connection.recv(65536):
        seen += part
    return seen


def test_follows_to_the_truth(server, tweets):
    """Clients that do nothing but poll, beside a writer: in the end they have the truth."""
    written = threading.Event()

    def follow():
        answer = server.get(KEY)
        while not written.is_set() or answer.json()["counters"]["favs"] != 301:
            then = ask(server, KEY, position(answer), 5)
            if then.status_code == 200:
                assert then.json()["counters"]["favs"] >= answer.json()["counters"]["favs"]
                answer = then
        return True

    with concurrent.futures.ThreadPoolExecutor() as pool:
        followers = [pool.submit(follow) for _ in range(8)]
        for _ in range(300):
            fav(tweets, 33)
        written.set()
        fav(tweets, 34)
        assert [each.result(LONG) for each in followers] == [True] * 8
