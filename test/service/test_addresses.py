"""Who a client is, behind proxies and without: --trusted-proxy, --max-clients-per-address, PROXY headers; where a server listens."""

import contextlib
import re
import socket
import struct

import pytest
import requests

from program import LONG, eventually, run

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def connected(server, first=b""):
    host, port = server.host.split(":")
    one = socket.create_connection((host, int(port)), timeout=LONG)
    if first:
        one.sendall(first)
    return one


def request(fields="", path="/livez"):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode()


def answer(one):
    """The status and the body of the next answer."""
    file = one.makefile("rb")
    line = file.readline()
    assert line.startswith(b"HTTP/1.1 "), line
    size = 0
    while (field := file.readline()) != b"\r\n":
        if field.lower().startswith(b"content-length:"):
            size = int(field.split(b":")[1])
    return int(line.split(b" ")[1]), file.read(size).decode()


def asked(one, fields="", path="/livez"):
    one.sendall(request(fields, path))
    return answer(one)[0]


def v2(address, command=0x21):
    family, size = (0x21, 36) if ":" in address else (0x11, 12)
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    return SIGNATURE + struct.pack("!BBH", command, family, size) + packed + packed + struct.pack("!HH", 50123, 80)


def clients(server, path="/livez"):
    """The addresses in the access log, which is stderr here."""
    found = lambda: re.findall(rf'(\S+) - - \[.+?\] "GET {path} HTTP/1.1" \d+ ', server.log())
    eventually(found)
    return found()


@pytest.fixture
def seen(serve, tweets):
    """The client's address in the log, of a request that begins with these bytes and has these fields."""
    def see(first=b"", fields="", *options):
        server = serve(tweets.dsn, "--access-log", "/dev/stderr", *options)
        with connected(server, first) as one:
            assert asked(one, fields) == 200
        return clients(server)[-1]
    return see


def test_a_client_is_who_connects_unless_a_trusted_proxy_says_more(seen):
    trusted = "--trusted-proxy", "127.0.0.0/8", "--trusted-proxy", "fd00::/8"
    listed = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.7, 127.0.0.9\r\nForwarded: for=2.2.2.2\r\n"
    assert seen(b"", listed) == "127.0.0.1"
    assert seen(b"", listed, "--trusted-proxy", "10.0.0.0/8") == "127.0.0.1"
    assert seen(b"", listed, *trusted) == "192.0.2.7"
    assert seen(b"", "Forwarded: for=\"[2001:db8::7]:50123\", for=127.0.0.9\r\n", *trusted) == "2001:db8::7"
    assert seen(b"", "X-Forwarded-For: unknown\r\n", *trusted) == "127.0.0.1"
    for first in v2("192.0.2.8"), b"PROXY TCP4 192.0.2.8 127.0.0.1 50123 80\r\n":
        # Whom the proxy names is no proxy: what it says about others counts for nothing.
        assert seen(first, listed, *trusted) == "192.0.2.8"
    assert seen(v2("127.0.0.9"), listed, *trusted) == "192.0.2.7"
    assert seen(v2("192.0.2.8", command=0x20), "", *trusted) == "127.0.0.1"
    assert seen(v2("2001:db8::8"), "", *trusted) == "2001:db8::8"


def test_a_proxy_header_of_anybody_else_is_no_http(server):
    for first in v2("192.0.2.8"), b"PROXY TCP4 192.0.2.8 127.0.0.1 50123 80\r\n":
        with connected(server, first + request()) as one:
            assert one.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_proxy_header_comes_in_pieces_or_is_closed(serve, tweets):
    server = serve(tweets.dsn, "--trusted-proxy", "127.0.0.1")
    with connected(server) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in v2("192.0.2.8"):
            one.sendall(bytes([byte]))
        assert asked(one) == 200
    for first in b"PROXY nonsense\r\n", SIGNATURE + b"\x11\x11\0\0", SIGNATURE + b"\x21\x11\xff\xff":
        with connected(server, first) as one:
            assert one.recv(100) == b""
    eventually(lambda: server.log().count("the proxy 127.0.0.1 sent a PROXY header that is not valid: closed") == 3)


def test_connections_of_an_address(serve, tweets):
    server = serve(tweets.dsn, "--max-clients-per-address", "2", env={"PGTALLY_MAX_CLIENTS": "5"})
    eventually(lambda: server.metrics()['pgtally_clients{protocol="http"}'] == 1)
    with connected(server) as first, connected(server) as second:
        assert asked(first) == asked(second) == 200
        with connected(server, request()) as third:
            status, body = answer(third)
            assert status == 503 and '"code":"too_many_clients"' in body and "your address" in body
        assert requests.get(server.admin + "/livez", timeout=LONG).status_code == 200
    eventually(lambda: server.get("/livez").status_code == 200)


def test_connections_that_a_proxy_passes_on(serve, tweets):
    server = serve(tweets.dsn, "--max-clients-per-address", "1", "--trusted-proxy", "127.0.0.1")
    with connected(server, v2("192.0.2.8")) as first:
        assert asked(first) == 200
        with connected(server, v2("192.0.2.8")) as second, connected(server, v2("192.0.2.9")) as other:
            assert asked(second) == 503 and asked(other) == 200
        assert asked(first) == 200
    again = lambda: asked(connected(server, v2("192.0.2.8")))
    eventually(lambda: again() == 200)


def test_clients_that_share_the_connections_of_a_proxy(serve, tweets):
    """What lasts counts: streams, WebSockets, requests that wait. The proxy's own connections are never refused."""
    server = serve(tweets.dsn, "--max-clients-per-address", "2", "--trusted-proxy", "127.0.0.1").wait_live()
    of = lambda address: f"X-Forwarded-For: 9.9.9.9, {address}\r\n"
    with contextlib.ExitStack() as held:
        new = lambda: held.enter_context(connected(server))
        stream = new()
        stream.sendall(request(of("192.0.2.8"), "/v1/tallies/tweets/events?key=33"))
        assert stream.recv(100).startswith(b"HTTP/1.1 200 ")
        upgraded = new()
        upgraded.sendall(request(of("192.0.2.8") + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "/v1/ws"))
        assert upgraded.recv(100).startswith(b"HTTP/1.1 101 ")
        shared = new()
        # The same connection serves others, and the client again when it has left something.
        assert [asked(shared, of(address)) for address in ("192.0.2.8", "192.0.2.9", "192.0.2.8", "192.0.2.9")] == [503, 200, 503, 200]
        assert [asked(new(), of("192.0.2.9")) for _ in range(5)] == [200] * 5
        stream.close()
        eventually(lambda: asked(shared, of("192.0.2.8")) == 200)
        assert [asked(shared, of("192.0.2.8")) for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("options", [("--trusted-proxy", "10.1.2.3/8"), ("--trusted-proxy", "proxy.example"), ("--trusted-proxy", ""),
                                     ("--max-clients-per-address", "-1"), ("--keep-alive", "0s"), ("--keep-alive", "61m"), ("--ping-every", "999ms"),
                                     ("--ping-every", "off")])
def test_wrong_values(options):
    refused = run("serve", *options)
    assert refused.returncode == 2 and options[0] in refused.stderr and "allowed is" in refused.stderr


def test_networks_by_environment(serve, tweets):
    server = serve(tweets.dsn, "--access-log", "/dev/stderr", env={"PGTALLY_TRUSTED_PROXY": "10.0.0.0/8, 127.0.0.1"})
    with connected(server) as one:
        assert asked(one, "X-Forwarded-For: 192.0.2.7\r\n") == 200
    assert clients(server) == ["192.0.2.7"]


def test_a_server_listens_at_many_addresses(serve, tweets):
    server = serve(tweets.dsn, "--listen", "[::1]:0", "--listen", "127.0.0.2:0")
    found = lambda: [each for line in server.lines for each in re.findall(r"listening at (http://\S+)/", line)]
    eventually(lambda: len(found()) == 3)
    assert [requests.get(url + "/livez", timeout=LONG).status_code for url in found()] == [200] * 3
    assert any(url.startswith("http://[::1]:") for url in found())
    taken = run("serve", "--dsn", tweets.dsn, "--listen", found()[1].removeprefix("http://"), "--admin-listen", "none")
    assert taken.returncode == 1 and "cannot listen at [::1]:" in taken.stderr


def test_idle_connections_last_as_long_as_keep_alive_says(serve, tweets):
    server = serve(tweets.dsn, "--keep-alive", "1s", env={"PGTALLY_PING_EVERY": "1s"})
    with connected(server) as idle:
        assert asked(idle) == 200
        assert idle.recv(1) == b""  # waits up to LONG
    with connected(server) as one:
        one.sendall(request("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                            "/v1/ws"))
        got = b""
        while not got.endswith(b"\x89\0"):  # a ping
            part = one.recv(1000)
            assert part, got
            got += part
