"""The end of a server."""

import signal
import socket
import threading

import requests

from program import eventually


def test_drain(server):
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        assert client.ask(type="subscribe", id=1, tally="tweets")["type"] == "snapshot"
    server.process.send_signal(signal.SIGTERM)
    assert [client.closed_with() for client in clients] == [(1001, "server is shutting down")] * 3
    assert server.process.wait(timeout=10) == 0


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
        mute.sendall(b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        assert mute.recv(4096).startswith(b"HTTP/1.1 101 ")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=10) == 0
