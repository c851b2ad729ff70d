"""The end of a server."""

import contextlib
import os
import signal
import socket
import threading

import pytest
import requests

from program import eventually

AT_MOST = 12  # seconds for an end that the program promises within 10


def test_drain(server):
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        assert client.ask(type="subscribe", id=1, tally="tweets")["type"] == "snapshot"
    server.process.send_signal(signal.SIGTERM)
    assert [client.closed_with() for client in clients] == [(1001, "server is shutting down")] * 3
    assert server.process.wait(timeout=10) == 0
    for client in clients:
        client.close()


def test_many_websockets_are_told_why(server):
    clients = [server.connect() for _ in range(45)]
    server.process.send_signal(signal.SIGTERM)
    assert [client.closed_with() for client in clients] == [(1001, "server is shutting down")] * 45
    assert server.process.wait(timeout=AT_MOST) == 0
    for client in clients:
        client.close()


def test_sigint_and_idle_connections(server):
    session = requests.Session()
    assert session.get(server.url + "/livez", timeout=10).ok
    assert server.stop(signal.SIGINT) == 0


def test_not_ready_at_once_then_served_until_the_delay_is_over(serve, tweets):
    server = serve(tweets.dsn, "--drain-delay", "1h").wait_live()
    client = server.connect()
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: server.get("/readyz").status_code == 503)
    assert server.get("/readyz").json()["code"] == "draining"
    assert server.get("/livez").status_code == 200
    assert server.get("/v1/tallies/tweets/keys/33").status_code == 200
    assert client.ask(type="ping") == {"type": "pong"}
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=10) == 1


def test_a_request_under_way_is_finished(server, tweets):
    answers = []
    asking = threading.Thread(target=lambda: answers.append(server.post("/v1/tallies/tweets/keys/33/slow", json={"s": 1})))
    asking.start()
    eventually(lambda: tweets.sql.execute("select count(*) from pg_stat_activity where wait_event = 'PgSleep'").fetchone() == (1,))
    server.process.send_signal(signal.SIGTERM)
    asking.join(20)
    assert answers[0].status_code == 201
    assert server.process.wait(timeout=10) == 0


def test_a_client_that_does_not_answer_the_close_is_cut(server):
    host, port = server.host.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as mute:
        mute.sendall(b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        assert mute.recv(4096).startswith(b"HTTP/1.1 101 ")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=10) == 0


def test_an_action_that_waits_for_its_turn_is_run(server, tweets):
    """More actions than connections: the last one waits in the server."""
    answers = []
    post = lambda: answers.append(server.post("/v1/tallies/tweets/keys/33/slow", json={"s": 2}))
    asking = [threading.Thread(target=post) for _ in range(5)]
    for each in asking:
        each.start()
    eventually(lambda: tweets.sql.execute("select count(*) from pg_stat_activity where wait_event = 'PgSleep'").fetchone() == (4,))
    eventually(lambda: server.metrics()['pgtally_clients{protocol="http"}'] == 6)  # and the connection of this request
    server.process.send_signal(signal.SIGTERM)
    for each in asking:
        each.join(20)
    assert [answer.status_code for answer in answers] == [201] * 5
    assert server.process.wait(timeout=AT_MOST) == 0
    assert tweets.sql.execute("select count(*) from tweet.activity where messageid = 33 and action = 'fav'").fetchone() == (6,)


def test_a_slow_answer_is_finished(serve, tweets, tmp_path):
    size = 16 << 20
    (tmp_path / "large").write_bytes(b"x" * size)
    server = serve(tweets.dsn, "--web", str(tmp_path)).wait_live()
    host, port = server.host.split(":")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.settimeout(20)
        slow.connect((host, int(port)))
        slow.sendall(f"GET /large HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
        head, _, body = slow.recv(65536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "shutting down" in server.log())
        received = len(body)
        while part := slow.recv(65536):
            received += len(part)
    assert received == size
    assert server.process.wait(timeout=AT_MOST) == 0


def backends(database):
    rows = database.sql.execute("select pid from pg_stat_activity where datname = current_database() and application_name ^@ 'pgtally'")
    return [pid for (pid,) in rows.fetchall()]


@contextlib.contextmanager
def stopped(database):
    """A database that no longer answers the server and does not close the connections."""
    pids = backends(database)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def kept(database):
    return dict(database.sql.execute("select key::text, array[rts, favs] from tweet.kept").fetchall())


def test_a_database_that_hangs(serve, tweets):
    tweets.sql.execute("select tally.alter_tally('tweets', materialize => 'tweet.kept')")
    server = serve(tweets.dsn, "--writable", "--materialize-every", "1h", "--heartbeat", "1h").wait_live()
    eventually(lambda: len(kept(tweets)) == 3)
    client = server.connect()
    assert server.post("/v1/tallies/tweets/keys/99/fav").status_code == 201
    with stopped(tweets):
        asking = threading.Thread(target=post_and_forget, args=[server])
        asking.start()
        eventually(lambda: server.metrics()['pgtally_clients{protocol="http"}'] == 2)
        server.process.send_signal(signal.SIGTERM)
        assert client.closed_with() == (1001, "server is shutting down")
        client.close()
        assert server.process.wait(timeout=AT_MOST) == 0
        asking.join(20)
    eventually(lambda: "could not be written in time" in server.log(), server.last_lines)


def post_and_forget(server):
    with contextlib.suppress(requests.ConnectionError):
        server.post("/v1/tallies/tweets/keys/33/fav")


def test_a_load_under_way(serve, tweets):
    lock = tweets.connect()
    lock.autocommit = False
    lock.execute("lock table tweet.activity in access exclusive mode")
    server = serve(tweets.dsn)
    eventually(lambda: tweets.sql.execute("select count(*) from pg_stat_activity where application_name = 'pgtally' and wait_event_type = 'Lock'").fetchone() == (1,))
    assert server.stop() == 0
    lock.rollback()


def test_a_load_whose_database_hangs(serve, tweets):
    lock = tweets.connect()
    lock.autocommit = False
    lock.execute("lock table tweet.activity in access exclusive mode")
    server = serve(tweets.dsn)
    eventually(lambda: tweets.sql.execute("select count(*) from pg_stat_activity where application_name = 'pgtally' and wait_event_type = 'Lock'").fetchone() == (1,))
    with stopped(tweets):
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=AT_MOST) == 0
    lock.rollback()


def test_no_database_at_all(serve):
    server = serve("host=127.0.0.1 port=1 user=nobody")
    assert server.stop() == 0


def test_an_action_that_does_not_end_is_cut(server, tweets):
    asking = threading.Thread(target=lambda: failing(server))
    asking.start()
    eventually(lambda: tweets.sql.execute("select count(*) from pg_stat_activity where wait_event = 'PgSleep'").fetchone() == (1,))
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=AT_MOST) == 0
    asking.join(20)
    eventually(lambda: "did not close in time: cut" in server.log(), server.last_lines)


def failing(server):
    with pytest.raises(requests.ConnectionError):
        server.post("/v1/tallies/tweets/keys/33/slow", json={"s": 9.5})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(server, tweets, number):
    asking = threading.Thread(target=lambda: failing(server))
    asking.start()
    eventually(lambda: tweets.sql.execute("select count(*) from pg_stat_activity where wait_event = 'PgSleep'").fetchone() == (1,))
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: "shutting down" in server.log())
    server.process.send_signal(number)
    assert server.process.wait(timeout=AT_MOST) == 1
    asking.join(20)
    eventually(lambda: "ended by a second signal" in server.log(), server.last_lines)
