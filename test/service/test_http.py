"""HTTP as clients and proxies write it, over raw sockets. Each row is a request that was answered wrongly, or its neighbour."""

import re
import socket
import time

from program import LONG

KEYS = "/v1/tallies/tweets/keys"
FAV = KEYS + "/33/fav"
CLOSE = "Connection: close\r\n"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def status(answer):
    return int(answer.split(" ", 2)[1])


def statuses(answer):
    return [int(each) for each in re.findall(r"HTTP/1\.[01] (\d{3}) ", answer)]


def get(path="/livez", fields="", host="localhost", version="1.1"):
    return f"GET {path} HTTP/{version}\r\nHost: {host}\r\n{fields}\r\n"


def post(fields, body="", path=FAV, version="1.1"):
    return f"POST {path} HTTP/{version}\r\nHost: localhost\r\n{fields}\r\n{body}"


def chunked(body, path=FAV):
    return post("Transfer-Encoding: chunked\r\n" + CLOSE, body, path)


def upgrade(path="/v1/ws", key=KEY, connection="Connection: Upgrade\r\n", more="", version="13"):
    return (f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n{connection}Sec-WebSocket-Version: {version}\r\n"
            f"Sec-WebSocket-Key: {key}\r\n{more}\r\n")


def head_of(server, text):
    """Sends it, and returns the head of the answer, without waiting for the end."""
    with connected(server) as one:
        one.sendall(text.encode("latin-1"))
        got = b""
        while b"\r\n\r\n" not in got:
            part = one.recv(65536)
            assert part, got
            got += part
    return got.partition(b"\r\n\r\n")[0].decode("latin-1")


def connected(server):
    host, port = server.host.split(":")
    return socket.create_connection((host, int(port)), timeout=LONG)


def favs(server, key=33):
    return server.get(f"{KEYS}/{key}").json()["counters"]["favs"]


# Lists over several lines.

def test_a_list_over_several_lines_is_one_list(server):
    both = "Connection: keep-alive\r\nConnection: Upgrade\r\n"
    assert status(head_of(server, upgrade(connection=both))) == 101
    assert status(head_of(server, upgrade(more="Upgrade: other\r\n"))) == 101
    offered = head_of(server, upgrade(more="Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: pgtally.v1\r\n"))
    assert "Sec-WebSocket-Protocol: pgtally.v1" in offered and status(offered) == 101
    assert server.raw(get(fields="Connection: keep-alive\r\nConnection: close\r\n") + get()).count("HTTP/1.1 ") == 1


def test_conditions_are_lists(server):
    tag = server.get(KEYS + "/33").headers["ETag"]
    for fields in f"If-None-Match: \"x\"\r\nIf-None-Match: {tag}\r\n", f"If-None-Match: \"x\", {tag[2:]},\"y\"\r\n", "If-None-Match: *\r\n":
        assert status(server.raw(get(KEYS + "/33", fields + CLOSE))) == 304, fields
    assert status(server.raw(get(KEYS + "/33", f"If-Match: \"x\"\r\nIf-Match: {tag}\r\n" + CLOSE))) == 200
    assert status(server.raw(get(KEYS + "/33", "If-Match: \"x\", \"y\"\r\n" + CLOSE))) == 412


def test_conditions_of_an_action(server):
    for path in FAV, "/v1/tallies/tweets/actions/fav?key=33":
        for key in path, path.replace("33", "77"):  # one counted, one never counted: both have counters
            assert server.post(key, headers={"If-None-Match": "*"}).status_code == 412
            assert server.post(key, headers={"If-Match": '"x"'}).status_code == 412
    assert favs(server) == 1 and favs(server, 77) == 0
    assert server.post(FAV, headers={"If-Match": "*"}).status_code == 201


# Hosts and targets.

def test_a_host_that_is_none(server):
    for host in "", "a b", "u@h", "a,b", "x:abc", "x:1:2", "[::1", "a/b", "localhost:99999999":
        for version, admin in ("1.0", False), ("1.1", False), ("1.1", True):
            answer = server.raw(get(host=host, fields=CLOSE, version=version), admin=admin)
            assert status(answer) == 400 and '"code":"bad_request"' in answer, host
        if " " not in host and "/" not in host:
            assert status(server.raw(get(f"http://{host}/livez", CLOSE))) == 400, host


def test_absolute_targets(server):
    page = server.get("/").text
    assert server.raw(get("http://localhost?u=/livez", CLOSE)).endswith(page)
    for target in "http://localhost/livez", "HTTP://localhost/livez", "HtTpS://localhost:8080/livez?x":
        assert server.raw(get(target, CLOSE)).endswith('{"alive":true}')
    for target in "http://localhost/v1/ws", "HTTP://localhost/v1/ws?x=1", "/v1/ws?x=1", "/v1/ws":
        assert status(head_of(server, upgrade(target))) == 101, target
    assert status(server.raw(get("ftp://localhost/livez", CLOSE))) == 400
    assert status(server.raw("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n" + CLOSE + "\r\n")) == 204


# Where a request begins and ends.

def test_empty_lines_before_a_request(server):
    assert status(server.raw("\r\n" + get(fields=CLOSE))) == 200
    assert statuses(server.raw(post("Content-Length: 2\r\n", "{}\r\n") + get(fields=CLOSE))) == [201, 200]
    assert status(server.raw("\r\n" * 9 + get())) == 400


def test_pipelined_requests_are_answered_in_order(server):
    answers = server.raw(get(KEYS + "/33") + post("Content-Length: 2\r\n", "{}") + get(KEYS + "/33")
                         + post("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n") + "HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
                         + get(KEYS + "/33", CLOSE))
    assert statuses(answers) == [200, 201, 200, 201, 200, 200]
    assert re.findall(r'"favs":(\d+)', answers) == ["1", "2", "2", "3", "3"]


def test_http_1_0(server):
    assert statuses(server.raw(get(version="1.0") + get(version="1.0"))) == [200]
    kept = server.raw(get(version="1.0", fields="Connection: keep-alive\r\n") + get(version="1.0"))
    assert statuses(kept) == [200, 200]
    assert [each.lower() for each in re.findall(r"(?m)^Connection: (\S+)\r$", kept)] == ["keep-alive", "close"]
    # A client of HTTP/1.0 does not know 100.
    assert statuses(server.raw(post("Expect: 100-continue\r\nContent-Length: 2\r\n", "{}", version="1.0"))) == [201]
    assert statuses(server.raw(post("Expect: 100-continue\r\nContent-Length: 2\r\n" + CLOSE, "{}"))) == [100, 201]
    assert statuses(server.raw(post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n", version="1.0"))) == [400]


DOUBTFUL = [
    post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"),
    post("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"), post("Content-Length: 2, 2\r\n", "{}"), post("Content-Length: +2\r\n", "{}"),
    post("Content-Length: \r\n"), post("Content-Length: 0x2\r\n", "{}"),
    post("Transfer-Encoding: gzip\r\n", "{}"), post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
    post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
    get(fields="A: b\r\n c\r\n"), "GET /livez HTTP/1.1\r\n Host: localhost\r\n\r\n", get(fields="A : b\r\n"), get(fields=" A: b\r\n"), get(fields="A\r\n"),
    "GET /livez HTTP/1.1\nHost: localhost\n\n", get(fields="A: b\nC: d\r\n"), get(fields="A: b\rC: d\r\n"), get(fields="A: b\0c\r\n"),
    "GET /livez HTTP/1.1\r\nHost: localhost\r\n\n", "GET  /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /livez HTTP/1.1 \r\nHost: localhost\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01", "GET /livez\r\n\r\n"]


def test_what_leaves_a_doubt_where_it_ends_is_refused(server):
    """And what follows is not taken for a request."""
    for text in DOUBTFUL:
        answer = server.raw(text + get())
        assert statuses(answer) == [400] and "Connection: close\r\n" in answer, text
    assert favs(server) == 1


def test_chunked_requests(server):
    for body in "2\r\n{}\r\n0\r\n\r\n", "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "02;a=b;c=\"d\"\r\n{}\r\n000\r\n\r\n", "0\r\n\r\n", "0\r\nA: b\r\nIf-None-Match: *\r\n\r\n":
        assert status(server.raw(chunked(body))) == 201, body
    assert favs(server) == 6
    listed = server.raw(chunked('f\r\n{"keys":["33"]}\r\n0\r\n\r\n', KEYS))
    assert status(listed) == 200 and '"33":{' in listed
    # In the pieces that a network makes of it.
    with connected(server) as one:
        for piece in post("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n" + CLOSE), "", "2", "\r", "\n{", "}\r", "\n0\r\n", "X: y\r\n", "\r", "\n":
            one.sendall(piece.encode())
            time.sleep(0.01)
        got = b""
        while part := one.recv(65536):
            got += part
    assert statuses(got.decode()) == [100, 201]


def test_a_trailer_is_not_a_field(server):
    """A trailer comes after the header was judged: it may not make a connection last, name a host, or say what is wanted."""
    for trailer in "Host: evil.example", "Origin: http://evil.example", "If-Match: \"x\"", "Connection: keep-alive":
        assert status(server.raw(chunked(f"2\r\n{{}}\r\n0\r\n{trailer}\r\n\r\n"))) == 201, trailer
    for trailer in "Content-Length: 2", "Transfer-Encoding: chunked":
        assert status(server.raw(chunked(f"2\r\n{{}}\r\n0\r\n{trailer}\r\n\r\n"))) == 400, trailer


BAD_CHUNKS = ["x\r\n", "2\r\n{}x\r\n0\r\n\r\n", "2\n{}\n0\n\n", "2 \r\n{}\r\n0\r\n\r\n", "-2\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n",
              "2;\n\r\n{}\r\n0\r\n\r\n", "ffffffffffffffffff\r\n", "\r\n2\r\n{}\r\n0\r\n\r\n"]


def test_chunks_that_are_none(server):
    for body in BAD_CHUNKS:
        assert statuses(server.raw(chunked(body) + get())) == [400], body
    assert favs(server) == 1


def test_chunks_are_limited(server):
    largest = 65536
    def size(bytes_of_it):
        return f'{bytes_of_it:x}\r\n"' + "x" * (bytes_of_it - 2) + '"\r\n0\r\n\r\n'
    assert status(server.raw(chunked(size(largest)))) == 201
    assert status(server.raw(chunked(size(largest + 1)))) == 413
    assert status(server.raw(chunked("ffffffffffffffff\r\n"))) == 413
    assert status(server.raw(chunked("1\r\n \r\n" * 50000 + "2\r\n{}\r\n0\r\n\r\n"))) == 201
    many = ("1;" + "a" * 9990 + "\r\n \r\n") * 60
    assert status(server.raw(chunked(many + "0\r\n\r\n"))) == 400
    assert status(server.raw(chunked("1;" + "a" * 200000))) == 400
    assert status(server.raw(chunked("0\r\n" + "A: b\r\n" * 40000 + "\r\n"))) == 400


# WebSockets.

def test_a_websocket_needs_a_key_of_16_bytes(server):
    for key in "abc", "", KEY[:-1], KEY + "=", "!" + KEY[1:]:
        answer = server.raw(upgrade(key=key))
        assert status(answer) == 400 and '"code":"bad_request"' in answer, key
    assert status(server.raw(upgrade(more=f"Sec-WebSocket-Key: {KEY}\r\n"))) == 400


def test_a_websocket_of_another_version(server):
    answer = server.raw(upgrade(version="8"))
    assert status(answer) == 426 and "Sec-WebSocket-Version: 13\r\n" in answer


# Every answer.

def test_every_answer_has_a_date(server):
    """answers.py asks each answer of all tests for one. These are written in other places."""
    for text in get(fields=CLOSE), "nonsense\r\n\r\n", upgrade(), get(KEYS[:-5] + "/events?key=33"), get("/pgtally.js", CLOSE):
        assert "\r\nDate: " in head_of(server, text), text


def test_preflight(serve, tweets):
    server = serve(tweets.dsn, "--allow-origin", "http://page.example", "--allow-header", "traceparent", "--allow-header", "Authorization")
    answer = server.raw("OPTIONS /v1/tallies HTTP/1.1\r\nHost: localhost\r\nOrigin: http://page.example\r\nAccess-Control-Request-Method: GET\r\n"
                        "Access-Control-Request-Headers: authorization,traceparent\r\n" + CLOSE + "\r\n")
    [names] = re.findall(r"(?m)^Access-Control-Allow-Headers: (.*)\r$", answer)
    assert {"authorization", "traceparent"} <= set(names.lower().split(", "))
