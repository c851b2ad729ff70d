"""Every limit that a test can reach."""

import concurrent.futures
import os
import resource
import signal
import socket
import time

import pytest
import requests

from program import eventually

KEYS = "/v1/tallies/tweets/keys"
FAV = KEYS + "/33/fav", "/v1/tallies/tweets/actions/fav?key=33"  # the same action


def status(answer):
    return int(answer.split(" ", 2)[1])


def head(path, *fields):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *fields, "Connection: close", "", ""])


def test_target(server):
    longest = "/livez?" + "x" * (32768 - 7)
    assert status(server.raw(head(longest))) == 200
    assert status(server.raw(head(longest + "x"))) == 414
    assert status(server.raw(head(longest * 3))) == 414
    assert '"code":"uri_too_long"' in server.raw(head(longest + "x"))


def test_header(server):
    def fields(size):
        rest = size - len("Host: localhost\r\n") - len("Connection: close\r\n") - len("X: \r\n")
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
    assert status(server.raw("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n")) == 400


def test_query_keys(server):
    good = "&".join(f"key={n}" for n in range(1000))
    assert len(server.get(KEYS + "?" + good).json()["keys"]) == 1000
    answer = server.get(KEYS + "?" + good + "&key=0")
    assert answer.status_code == 400 and answer.json()["code"] == "too_many_keys"


@pytest.mark.parametrize("text, wanted", [
    ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
    ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
    ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\nx", 400),
    ("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505), ("nonsense\r\n\r\n", 400), ("GET nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400)])
def test_not_http(server, text, wanted):
    answer = server.raw(text)
    assert status(answer) == wanted
    assert "Connection: close" in answer and answer.count("Server: pgtally") == 1


def test_expect_continue(server):
    answer = server.raw(f"POST {KEYS}/33/fav HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n" + "{}")
    assert answer.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")


def test_clients(serve, tweets):
    server = serve(tweets.dsn, "--max-clients", "2").wait_live()
    eventually(lambda: server.metrics()['pgtally_clients{protocol="http"}'] == 1)
    first, second = server.connect(), server.connect()
    answer = server.get("/livez")
    assert answer.status_code == 503 and answer.json()["code"] == "too_many_clients" and int(answer.headers["Retry-After"]) > 0
    assert server.get("/v1/ws").json()["code"] == "too_many_clients"
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


def test_too_many_clients_of_the_admin_address(server):
    host, port = server.admin.removeprefix("http://").split(":")
    held = [socket.create_connection((host, int(port)), timeout=10) for _ in range(100)]
    answer = requests.get(server.admin + "/livez", timeout=10)
    assert answer.status_code == 503 and answer.json()["code"] == "too_many_clients"
    assert server.get("/livez").status_code == 200
    # A hundred more get an error at their request; the next one is closed without an answer.
    told = [socket.create_connection((host, int(port)), timeout=10) for _ in range(100)]
    eventually(lambda: closed_at_once(host, port))
    told[0].sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert told[0].recv(100).startswith(b"HTTP/1.1 503 ")
    for each in held + told:
        each.close()
    eventually(lambda: requests.get(server.admin + "/livez", timeout=10).status_code == 200)


def closed_at_once(host, port):
    with socket.create_connection((host, int(port)), timeout=1) as one:
        try:
            return one.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def leave_descriptors(server, clients):
    """Lowers the limit so far that clients find this many descriptors; the other half is kept from them."""
    limit = 2 * (len(os.listdir(f"/proc/{server.process.pid}/fd")) + clients)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    return limit


def test_descriptors_are_kept_for_operators_and_the_database(serve, tweets):
    server = serve(tweets.dsn, "--heartbeat", "200ms").wait_live()
    limit = leave_descriptors(server, 10)
    host, port = server.host.split(":")
    held = [socket.create_connection((host, int(port)), timeout=10) for _ in range(2 * limit)]
    eventually(lambda: "cannot accept connections" in server.log())
    assert len(os.listdir(f"/proc/{server.process.pid}/fd")) <= limit // 2 + 1
    operators = [requests.Session() for _ in range(5)]
    assert [one.get(server.admin + "/metrics", timeout=10).status_code for one in operators] == [200] * 5
    # The connections to the database are made anew, and follow it.
    tweets.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
    tweets.sql.execute("insert into tweet.activity (messageid, action) values (33, 'fav')")
    wanted = {"counters": {"rts": 2, "favs": 2}, "state": "live"}
    eventually(lambda: wanted.items() <= operators[0].get(server.admin + KEYS + "/33", timeout=10).json().items())
    assert server.metrics()["pgtally_reconnects_total"] >= 1
    for each in held:
        each.close()
    assert server.get("/livez").status_code == 200


def test_out_of_descriptors(serve, tweets):
    server = serve(tweets.dsn, "--heartbeat", "200ms").wait_live()
    client = server.connect()
    assert client.ask(type="subscribe", id=1, tally="tweets", keys=["33"])["type"] == "snapshot"
    session = requests.Session()
    assert session.get(server.url + "/livez", timeout=10).ok
    leave_descriptors(server, 3)
    host, port = server.host.split(":")
    held = [socket.create_connection((host, int(port)), timeout=10) for _ in range(8)]
    eventually(lambda: "cannot accept connections" in server.log())
    # Existing connections are served.
    tweets.sql.execute("insert into tweet.activity (messageid, action) values (33, 'fav')")
    assert client.receive()["keys"] == {"33": {"rts": 2, "favs": 2}}
    assert session.get(server.url + "/v1/tallies/tweets/keys/33", timeout=10).json()["counters"] == {"rts": 2, "favs": 2}
    # At the limit it is logged once, however often a client leaves and another comes.
    for _ in range(5):
        held.pop(0).close()
        held.append(socket.create_connection((host, int(port)), timeout=10))
        time.sleep(0.3)
    for each in held:
        each.close()
    assert server.get("/livez").status_code == 200
    eventually(lambda: "accepting connections again" in server.log())
    assert server.log().count("cannot accept connections") == 1
    client.close()


def test_a_load_that_must_keep_too_many_events_is_given_up_and_tried_again(serve, tweets):
    """A load waits for its fence because the source is locked; meanwhile 64 MiB of events are forged."""
    server = serve(tweets.dsn, "--heartbeat", "2s").wait_live()
    lock = tweets.connect()
    lock.autocommit = False
    waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    forged = """select count(pg_notify('tally', format('{"t":"tweets","x":"%s","n":%s,"at":1,"d":[%s]}', pg_current_xact_id(), n, deltas)))
                  from generate_series(1, 4500) n, (select string_agg(format('["%s",1,1]', 1000 + i), ',') as deltas from generate_series(1, 560) i) as d"""
    dropped = lambda: sum(value for name, value in server.metrics().items() if name.startswith("pgtally_events_dropped_total"))
    why = "more events arrived before the load's snapshot than may be kept"
    for _ in range(10):  # the load waits only 10 s; then the next one must be caught
        lock.execute("lock table tweet.activity in access exclusive mode")
        requests.post(server.admin + "/v1/tallies/tweets/reset", timeout=10)
        eventually(lambda: tweets.sql.execute(waits).fetchone() == (1,))
        before = dropped()
        tweets.sql.execute(forged)
        tweets.sql.execute("notify tally, 'junk'")
        eventually(lambda: dropped() > before)
        lock.rollback()
        server.wait_live()
        if why in server.log():
            break
    eventually(lambda: why in server.log(), server.last_lines)
    eventually(lambda: server.get("/v1/tallies/tweets").json()["size"] == 3)
    assert server.get(KEYS + "/33").json()["counters"] == {"rts": 2, "favs": 1}


def test_actions_are_bounded(serve, tweets):
    server = serve(tweets.dsn, "--writable", "--action-batch", "1").wait_live()  # one for each connection
    lock = tweets.connect()
    lock.autocommit = False
    lock.execute("lock table tweet.activity in access exclusive mode")
    post = lambda n: server.post(FAV[n % 2])
    with concurrent.futures.ThreadPoolExecutor(270) as pool:
        answers = list(pool.map(post, range(270)))
    codes = [(answer.status_code, answer.json()["code"]) for answer in answers]
    assert set(codes) == {(429, "too_many_requests"), (503, "not_done")}
    assert codes.count((429, "too_many_requests")) == 270 - 256 - 4
    lock.rollback()
    assert post(0).json()["counters"] == {"rts": 2, "favs": 2}


def test_an_action_may_take_so_long(server, tweets):
    answer = server.post(KEYS + "/33/slow", json={"s": 60})
    assert answer.status_code == 503 and answer.json()["code"] == "not_done"
    assert server.post(KEYS + "/33/fav").json()["counters"] == {"rts": 2, "favs": 2}


def test_an_action_that_is_not_seen_is_committed(serve, tweets):
    server = serve(tweets.dsn, "--writable", "--heartbeat", "1h").wait_live()
    (pid,), = tweets.sql.execute("select pid from pg_stat_activity where datname = current_database() and query ~* '^listen'").fetchall()
    os.kill(pid, signal.SIGSTOP)
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(server.post, FAV))
        for answer in answers:
            assert answer.status_code == 202 and answer.json() == {"committed": True, "applied": False}
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: server.get(KEYS + "/33").json()["counters"] == {"rts": 2, "favs": 3})


def test_a_file_of_the_web(serve, tweets, tmp_path):
    (tmp_path / "largest").write_bytes(b"x" * (16 << 20))
    (tmp_path / "larger").write_bytes(b"x" * ((16 << 20) + 1))
    server = serve(tweets.dsn, "--web", str(tmp_path))
    assert len(server.get("/largest").content) == 16 << 20
    assert server.get("/larger").status_code == 404


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
