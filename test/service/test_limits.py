"""Every limit that is in reach."""

import concurrent.futures
import os
import resource
import socket
import time

import pytest
import requests

from program import eventually

KEYS = "/v1/tallies/tweets/keys"


def status(answer):
    return int(answer.split(" ", 2)[1])


def head(path, *fields):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *fields, "Connection: close", "", ""])


def test_target(server):
    longest = "/livez?" + "x" * (32768 - 7)
    assert status(server.raw(head(longest))) == 200
    assert status(server.raw(head(longest + "x"))) == 414
    assert status(server.raw(head(longest * 3))) == 414
    assert '"code":"uri_too_long"' in server.raw(head(longest + "x"))


def test_header(server):
    def fields(size):
        rest = size - len("Host: x\r\n") - len("Connection: close\r\n") - len("X: \r\n")
        return "X: " + "y" * rest
    assert status(server.raw(head("/livez", fields(16384)))) == 200
    assert status(server.raw(head("/livez", fields(16385)))) == 431
    assert status(server.raw(head("/livez", fields(100000)))) == 431
    assert status(server.raw(head("/livez", *[f"X{n}: {n}" for n in range(3000)]))) == 431


def test_body(server):
    largest = b'"' + b"x" * (65536 - 2) + b'"'
    assert requests.post(server.url + KEYS + "/33/fav", data=largest, timeout=10).status_code == 201
    answer = requests.post(server.url + KEYS + "/33/fav", data=largest + b" ", timeout=10)
    assert answer.status_code == 413 and answer.json()["code"] == "body_too_large"
    assert status(server.raw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n")) == 400


def test_query_keys(server):
    good = "&".join(f"key={n}" for n in range(1000))
    assert len(server.get(KEYS + "?" + good).json()["keys"]) == 1000
    answer = server.get(KEYS + "?" + good + "&key=0")
    assert answer.status_code == 400 and answer.json()["code"] == "too_many_keys"


@pytest.mark.parametrize("text, wanted", [
    ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 411),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\nx", 400),
    ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505), ("nonsense\r\n\r\n", 400), ("GET nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400)])
def test_not_http(server, text, wanted):
    answer = server.raw(text)
    assert status(answer) == wanted
    assert "Connection: close" in answer and answer.count("Server: pgtally") == 1


def test_expect_continue(server):
    answer = server.raw(f"POST {KEYS}/33/fav HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n" + "{}")
    assert answer.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")


def test_clients(serve, tweets):
    server = serve(tweets.dsn, "--max-clients", "2").wait_live()
    eventually(lambda: server.metrics()['pgtally_clients{protocol="http"}'] == 1)
    first, second = server.connect(), server.connect()
    answer = server.get("/livez")
    assert answer.status_code == 503 and answer.json()["code"] == "too_many_clients" and int(answer.headers["Retry-After"]) > 0
    assert requests.get(server.admin + "/livez", timeout=10).status_code == 200
    first.close()
    eventually(lambda: server.get("/livez").status_code == 200)
    second.close()


def test_a_client_that_takes_nothing_is_closed(server, tweets):
    tweets.sql.execute("insert into tweet.activity (messageid, action) select i, 'fav' from generate_series(1000, 3999) i")
    eventually(lambda: server.get("/v1/tallies/tweets").json()["size"] == 3003)
    host, port = server.host.split(":")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(30)
        slow.connect((host, int(port)))
        message = b'{"type":"subscribe","id":1,"tally":"tweets"}'
        slow.sendall(f"GET /v1/ws HTTP/1.1\r\nHost: {server.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
        assert slow.recv(1024).startswith(b"HTTP/1.1 101 ")
        slow.sendall(b"\x81" + bytes([0x80 | len(message)]) + b"\0\0\0\0" + message)
        time.sleep(20)
        assert "took no byte" not in server.log()
        eventually(lambda: "took no byte for 30 s: closed" in server.log())
        rest = b""
        while b"\x03\xf5" not in rest:
            part = slow.recv(65536)
            assert part, rest[-100:]
            rest += part


def test_out_of_descriptors(serve, tweets):
    server = serve(tweets.dsn).wait_live()
    open_now = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (open_now + 3, open_now + 3))
    host, port = server.host.split(":")
    held = [socket.create_connection((host, int(port)), timeout=10) for _ in range(8)]
    eventually(lambda: "no more connections for now" in server.log())
    for each in held:
        each.close()
    assert server.get("/livez").status_code == 200
    eventually(lambda: "connections are taken again" in server.log())


def test_bypass_is_bounded(server, tweets):
    lock = tweets.connect()
    lock.autocommit = False
    lock.execute("lock table tweet.activity in access exclusive mode")
    ask = lambda _: requests.get(server.admin + KEYS + "/33?source=database", timeout=30)
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(ask, range(30)))
    assert {answer.status_code for answer in answers} == {503}
    assert {"busy", "timeout"} == {answer.json()["code"] for answer in answers}
    lock.rollback()
    assert ask(0).json()["counters"] == {"rts": 2, "favs": 1}
