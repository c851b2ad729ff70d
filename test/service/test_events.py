"""Server-Sent Events."""

import concurrent.futures
import json
import random
import signal
import socket
import subprocess
import threading

import pytest
import requests

from program import LONG, eventually
from streams import Copy, Events, path_of
from wire import Proxy


@pytest.fixture
def follow(server):
    opened = []

    def open(*keys, headers=None, tally="tweets", of=None, **more):
        opened.append(Events(of or server, path_of(tally, *keys, **more), headers))
        return opened[-1]

    yield open
    for each in opened:
        each.close()


def raw(server, text):
    host, port = server.host.split(":")
    connection = socket.create_connection((host, int(port)), timeout=LONG)
    connection.sendall(text.encode())
    return connection


def read_until(connection, text, seen=b""):
    while text not in seen:
        part = connection.recv(65536)
        assert part, seen
        seen += part
    return seen


def truth(database, tally="tweets"):
    return {key: tuple(counters) for key, counters in database.sql.execute("select * from tally.truth(%s)", [tally]).fetchall()}


def favs(database, *keys):
    for key in keys:
        database.sql.execute("insert into tweet.activity (messageid, action) values (%s, 'fav')", [key])


def test_head_snapshot_change(server, tweets, follow):
    events = follow(33, 99)
    answer = events.answer
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert answer.headers.get_all("Cache-Control") == ["no-store"]
    first = events.next()
    assert 1000 <= events.retry <= 5000
    assert (first.name, first.data["keys"]) == ("snapshot", {"33": {"rts": 2, "favs": 1}, "99": {"rts": 0, "favs": 0}})
    assert first.data["state"] == "live" and "type" not in first.data and "id" not in first.data
    assert first.id == f"{first.data['epoch']}-{first.data['revision']}"
    favs(tweets, 34, 33)
    second = events.next()
    assert (second.name, second.data["keys"]) == ("change", {"33": {"rts": 2, "favs": 2}})
    assert set(second.data) == {"revision", "keys"}
    assert second.id == f"{first.data['epoch']}-{second.data['revision']}"


def test_every_key(server, tweets, follow):
    events = follow()
    assert set(events.next().data["keys"]) == {"33", "34", "-7"}
    favs(tweets, 1)
    assert events.next().data["keys"] == {"1": {"rts": 0, "favs": 1}}


def test_text_is_that_of_the_websocket(server, client, tweets, follow):
    events = follow()
    assert client.ask(type="subscribe", id=1, tally="tweets") == {"type": "snapshot", "id": 1, **events.next().data}
    favs(tweets, 5)
    assert client.receive() == {"type": "change", "id": 1, **events.next().data}


@pytest.mark.parametrize("path, status, code", [
    ("/v1/tallies/nope/events", 404, "unknown_tally"), ("/v1/tallies/%ff/events", 404, "unknown_tally"),
    ("/v1/tallies/tweets/events?key=abc", 400, "bad_key"), ("/v1/tallies/tweets/events?key=%zz", 400, "bad_key"),
    ("/v1/tallies/tweets/events?key=1&key=007", 400, "bad_key"), ("/v1/tallies/tweets/events?key=%ff", 400, "bad_key"),
    ("/v1/tallies/tweets/events?rank=%ff&by=favs", 400, "bad_key"), ("/v1/tallies/tweets/events?top=1&by=nope", 400, "unknown_counter"),
    ("/v1/tallies/tweets/events?" + "&".join(f"key={n}" for n in range(1001)), 400, "too_many_keys"),
    ("/v1/tallies/tweets/events?interval_ms=-1", 400, "bad_request"), ("/v1/tallies/tweets/events?interval_ms=60001", 400, "bad_request"),
    ("/v1/tallies/tweets/events?interval_ms=", 400, "bad_request"), ("/v1/tallies/tweets/events?since=x", 400, "bad_request")])
def test_refused_before_the_stream_begins(server, path, status, code):
    answer = server.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json" and answer.headers["Cache-Control"] == "no-cache"


def test_methods(server):
    head = requests.head(server.url + path_of(), timeout=LONG)
    assert head.status_code == 200 and head.headers["Content-Type"] == "text/event-stream" and head.headers["Cache-Control"] == "no-store"
    assert head.headers["X-Accel-Buffering"] == "no" and "Content-Length" not in head.headers
    assert requests.options(server.url + path_of(), timeout=LONG).headers["Allow"] == "GET, HEAD, OPTIONS"
    assert server.post(path_of()).status_code == 405
    assert server.metrics()['pgtally_clients{protocol="sse"}'] == 0


def test_origins(server):
    answer = server.get(path_of(), headers={"Origin": "http://elsewhere.example"})
    assert answer.status_code == 403 and answer.json()["code"] == "bad_origin"
    with server.get(path_of(), headers={"Origin": "http://localhost:3000"}, stream=True) as allowed:
        assert allowed.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"


def test_resumes_by_last_event_id(server, tweets, follow):
    events = follow()
    first = events.next()
    events.close()
    favs(tweets, 34, 50)
    tweets.sql.execute("delete from tweet.activity where messageid = -7")
    eventually(lambda: server.get("/v1/tallies/tweets/keys/-7").json()["counters"]["rts"] == 0)
    for position in ({"headers": {"Last-Event-ID": first.id}}, {"since": first.id},
                     {"headers": {"Last-Event-ID": first.id}, "since": first.id[:-1] + "999999"}):
        resumed = follow(**position).next()
        assert resumed.name == "snapshot" and resumed.data["partial"] is True
        assert resumed.data["keys"] == {"34": {"rts": 0, "favs": 2}, "50": {"rts": 0, "favs": 1}, "-7": {"rts": 0, "favs": 0}}
        assert resumed.id and resumed.id != first.id


@pytest.mark.parametrize("position", ["nonsense", "00000000-0000-4000-8000-000000000000-1", ""])
def test_a_position_of_nobody_gets_everything(follow, position):
    first = follow(headers={"Last-Event-ID": position}).next()
    assert "partial" not in first.data and set(first.data["keys"]) == {"33", "34", "-7"}


def test_resumes_without_a_hole(server, tweets):
    """Readers that lose their connections all the time, beside a writer: in the end they have the truth."""
    written = threading.Event()

    def write():
        with tweets.connect() as sql:
            for round in range(400):
                sql.execute("insert into tweet.activity (messageid, action) select floor(random() * 40), "
                            "(array['fav', 'rt', 'de-rt'])[1 + floor(random() * 3)::int] from generate_series(1, 3)")
                if round % 40 == 39:
                    sql.execute("delete from tweet.activity where messageid = %s", [round % 7])
        written.set()
        favs(tweets, 1)  # for those that wait for an event

    def read(seed):
        chance, copy, position = random.Random(seed), Copy(), ""
        while not (written.is_set() and copy.counters() == truth(tweets)):
            events = Events(server, path_of(), {"Last-Event-ID": position} if position else {})
            for _ in range(chance.randint(1, 6)):
                copy.take(events.next())
                position = events.position
                if written.is_set():
                    break  # further events may not come
            events.close()  # in the middle of whatever is on the way
        return True

    with concurrent.futures.ThreadPoolExecutor() as pool:
        readers = [pool.submit(read, seed) for seed in range(3)]
        pool.submit(write).result(2 * LONG)
        assert [each.result(2 * LONG) for each in readers] == [True] * 3


def test_ten_thousand_and_one_keys_come_in_parts(server, tweets, follow):
    tweets.sql.execute("insert into tweet.activity (messageid, action) select i, 'fav' from generate_series(1001, 10998) i")
    eventually(lambda: server.get("/v1/tallies/tweets").json()["size"] == 10001)
    events, copy = follow(), Copy()
    parts = events.until(lambda event: not event.data.get("more"))
    assert [len(part.data["keys"]) for part in parts] == [10000, 1]
    assert [part.id for part in parts] == [None, events.position] and events.position
    assert len({part.data["revision"] for part in parts}) == 1
    for part in parts:
        copy.take(part)
    assert copy.counters() == truth(tweets)
    tweets.sql.execute("insert into tweet.activity (messageid, action) select i, 'rt' from generate_series(1001, 11001) i")
    while copy.counters() != truth(tweets):
        copy.take(events.next())


def test_interval(server, tweets, follow):
    slow, quick = follow(interval_ms=5000), follow()
    for events in slow, quick:
        events.next()
    for expected in 1, 2, 3:
        favs(tweets, 1)
        assert quick.next().data["keys"] == {"1": {"rts": 0, "favs": expected}}
    assert [slow.next().data["keys"] for _ in range(2)] == [{"1": {"rts": 0, "favs": 1}}, {"1": {"rts": 0, "favs": 3}}]


def test_state(server, tweets, follow):
    events = follow(33)
    events.next()
    tweets.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name ^@ 'pgtally' and pid <> pg_backend_pid()")
    stale = events.next()
    assert (stale.name, stale.data["state"], stale.id) == ("state", "stale", None) and stale.data["reason"]
    assert events.until(lambda event: event.data.get("state") == "live")[-1].data == {"state": "live"}


def test_a_dropped_tally_ends_the_stream(server, tweets, follow):
    events = follow(33)
    events.next()
    tweets.sql.execute("select tally.drop_tally('tweets')")
    last = events.ended()
    assert [(event.name, event.data) for event in last][-1] == ("unsubscribed", {"reason": "dropped"})
    assert server.get(path_of()).status_code == 404


def test_definitions_not_known_yet(serve, tweets):
    """The stream begins with the state; what it waited for begins, or is refused by an event."""
    nobody = socket.create_server(("127.0.0.1", 0))
    closed = nobody.getsockname()[1]
    nobody.close()
    ports = {False: closed, True: int(dict(word.split("=") for word in tweets.dsn.split())["port"])}
    reachable = []
    proxy = Proxy(lambda number: ports[bool(reachable)])
    server = serve(proxy.dsn(tweets.dsn))
    streams = [Events(server, path) for path in (path_of("tweets", 33), path_of("other"), path_of("tweets", "abc"))]
    for events in streams:
        first = events.next()
        assert (events.answer.status, first.name, first.data["state"]) == (200, "state", "loading")
    reachable.append(True)
    good = streams[0].until(lambda event: event.name == "snapshot")[-1]
    assert good.data["keys"] == {"33": {"rts": 2, "favs": 1}}
    for events, code in (streams[1], "unknown_tally"), (streams[2], "bad_key"):
        last = events.ended()[-1]
        assert (last.name, last.data["code"]) == ("error", code)
    for events in streams:
        events.close()
    server.stop()
    proxy.close()


def test_drain_ends_streams(server, tweets, follow):
    streams = [follow() for _ in range(30)]
    for events in streams:
        events.next()
    eventually(lambda: server.metrics()['pgtally_clients{protocol="sse"}'] == 30)
    server.process.send_signal(signal.SIGTERM)
    assert [events.ended() for events in streams] == [[]] * 30  # http.client raises IncompleteRead without the last chunk
    assert server.process.wait(timeout=12) == 0


def test_counts(server, tweets, follow):
    before = server.metrics()
    streams = [follow() for _ in range(3)]
    for events in streams:
        events.next()
    favs(tweets, 33)
    for events in streams:
        events.next()
    now = server.metrics()
    assert now["pgtally_changes_pushed_total"] - before["pgtally_changes_pushed_total"] == 3
    assert now["pgtally_sent_bytes_total"] - before["pgtally_sent_bytes_total"] > sum(len(line) for events in streams for line in events.lines)
    assert now['pgtally_requests_total{route="/v1/tallies/{tally}/events",status="200"}'] == 3


def test_a_thousand_streams_have_the_same_values(server, tweets):
    request = f"GET {path_of()} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    streams = [raw(server, request) for _ in range(1000)]
    eventually(lambda: server.metrics()['pgtally_clients{protocol="sse"}'] == 1000)
    seen = [read_until(each, b'"34"') for each in streams]
    favs(tweets, 50)
    ends = {read_until(each, b"event: change").partition(b"event: change")[2] for each in streams}
    assert len(seen) == 1000 and len(ends) == 1 and b'"keys":{"50":{"rts":0,"favs":1}}' in ends.pop()
    for each in streams:
        each.close()
    eventually(lambda: server.metrics()['pgtally_clients{protocol="sse"}'] == 0)


def test_clients_count(serve, tweets):
    server = serve(tweets.dsn, "--max-clients", "2").wait_live()
    eventually(lambda: server.metrics()['pgtally_clients{protocol="http"}'] == 1)
    streams = [Events(server, path_of()) for _ in range(2)]
    assert server.get(path_of()).json()["code"] == "too_many_clients"
    streams[0].close()
    eventually(lambda: server.get("/livez").status_code == 200)
    streams[1].close()


def test_http_1_0_ends_with_the_connection(server, tweets):
    with raw(server, f"GET {path_of('tweets', 33)} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") as connection:
        seen = read_until(connection, b"data: {")
        head, _, body = seen.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200 ") and b"Transfer-Encoding" not in head and b"Connection: close" in head
        favs(tweets, 33)
        body = read_until(connection, b"event: change", body)
        assert body.startswith(b"retry: ")
        server.process.send_signal(signal.SIGTERM)
        while connection.recv(65536):
            pass


def test_a_second_request_is_not_answered(server, tweets):
    ask = f"GET {path_of('tweets', 33)} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with raw(server, ask + ask) as connection:
        seen = read_until(connection, b"event: snapshot")
        connection.sendall(ask.encode())
        favs(tweets, 33)
        seen = read_until(connection, b"event: change", seen)
        assert seen.count(b"HTTP/1.1") == 1 and b"Connection: close" in seen
        with pytest.raises(ConnectionError):  # more than 64 KiB end the stream
            for _ in range(1000):
                connection.sendall(b"x" * 65536)
                if not connection.recv(65536):
                    raise ConnectionResetError
    eventually(lambda: server.metrics()['pgtally_clients{protocol="sse"}'] == 0)


def test_a_client_that_closes_half_gets_the_end(server):
    with raw(server, f"GET {path_of('tweets', 33)} HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        seen = read_until(connection, b"event: snapshot")
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65536):
            seen += part
        assert seen.endswith(b"\r\n0\r\n\r\n")


def test_a_client_that_is_gone_frees_its_place(server):
    for _ in range(5):
        Events(server, path_of()).close()
    eventually(lambda: server.metrics()['pgtally_clients{protocol="sse"}'] == 0)


def test_comments(server, follow):
    """The one test here that waits for a time: the first comment comes after 15 s."""
    events = follow(33)
    events.next()
    while not events.comments:
        line = events.answer.readline().decode()
        assert line in (":\n", "\n")
        events.comments += line == ":\n"


def test_a_slow_client_is_cut_and_its_memory_bounded(server, tweets):
    """It takes nothing while every key changes again and again: at most one message waits for it."""
    tweets.sql.execute("insert into tweet.activity (messageid, action) select i, 'fav' from generate_series(1000, 7999) i")
    eventually(lambda: server.get("/v1/tallies/tweets").json()["size"] == 7003)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = server.host.split(":")
        slow.connect((host, int(port)))
        slow.sendall(f"GET {path_of()} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        eventually(lambda: server.metrics()['pgtally_clients{protocol="sse"}'] == 1)
        before = server.metrics()
        for _ in range(30):
            tweets.sql.execute("insert into tweet.activity (messageid, action) select i, 'fav' from generate_series(1000, 7999) i")
        eventually(lambda: server.get("/v1/tallies/tweets").json()["sum"]["favs"] == 2 + 31 * 7000)
        after = server.metrics()
        assert after["process_resident_memory_bytes"] - before["process_resident_memory_bytes"] < 16 << 20
        eventually(lambda: "took no byte for 30 s: cut" in server.log(), longest=2 * LONG)
        eventually(lambda: server.metrics()['pgtally_clients{protocol="sse"}'] == 0)


def test_curl(server, tweets):
    curl = subprocess.Popen(["curl", "-sN", server.url + path_of("tweets", 33)], stdout=subprocess.PIPE, text=True)
    try:
        lines = [curl.stdout.readline() for _ in range(5)]
        assert lines[0].startswith("retry: ") and lines[1:3] == ["\n", "event: snapshot\n"] and lines[3].startswith("id: ")
        assert json.loads(lines[4].removeprefix("data: "))["keys"] == {"33": {"rts": 2, "favs": 1}}
        server.stop()
        assert curl.wait(LONG) == 0  # 18 if the body ended without its last chunk
    finally:
        curl.kill()
        curl.wait()


@pytest.mark.parametrize("query, first, second", [
    ("top=2&by=favs", {"top": [{"key": "33", "counters": {"rts": 2, "favs": 1}}, {"key": "34", "counters": {"rts": 0, "favs": 1}}]},
     {"top": [{"key": "34", "counters": {"rts": 0, "favs": 2}}, {"key": "33", "counters": {"rts": 2, "favs": 1}}]}),
    ("sum", {"sum": {"rts": 3, "favs": 2}, "size": 3}, {"sum": {"rts": 3, "favs": 3}, "size": 3}),
    ("rank=34&by=favs", {"rank": {"key": "34", "place": 2, "of": 3}}, {"rank": {"key": "34", "place": 1, "of": 3}})])
def test_questions(server, tweets, query, first, second):
    events = Events(server, f"/v1/tallies/tweets/events?{query}")
    snapshot = events.next()
    assert snapshot.name == "snapshot" and first.items() <= snapshot.data.items() and snapshot.id
    favs(tweets, 34)
    change = events.next()
    assert change.name == "change" and second.items() <= change.data.items() and change.id
    events.close()


@pytest.mark.parametrize("query, code", [
    ("top=2", "bad_request"), ("top=0&by=favs", "bad_request"), ("top=1001&by=favs", "bad_request"), ("top=2&by=nothing", "unknown_counter"),
    ("rank=33", "bad_request"), ("rank=abc&by=favs", "bad_key"), ("rank=33&by=favs&around=51", "bad_request"), ("sum&top=2&by=favs", "bad_request"),
    ("sum&key=33", "bad_request")])
def test_questions_that_are_refused(server, query, code):
    answer = server.get(f"/v1/tallies/tweets/events?{query}")
    assert answer.status_code == 400 and answer.json()["code"] == code
