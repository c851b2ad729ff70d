"""By which names a server may be called: a foreign name that points to 127.0.0.1 reads and does nothing."""

import re
import socket
import threading

import pytest
import requests

from program import run

ATTACKED = (("GET", "/metrics"), ("GET", "/v1/tallies"), ("GET", "/v1/tallies/tweets/keys/33"), ("HEAD", "/v1/tallies"), ("OPTIONS", "/v1/tallies"),
            ("POST", "/v1/tallies/tweets/reset"), ("POST", "/v1/tallies/tweets/audit"), ("POST", "/v1/tallies/tweets/keys/33/fav"),
            ("GET", "/readyz"), ("GET", "/"), ("GET", "/pgtally.js"), ("GET", "/nope"), ("DELETE", "/v1/tallies"))


def port_of(address):
    return address.rsplit(":", 1)[1]


def ask(address, method, path, host, **headers):
    return requests.request(method, address + path, headers={"Host": host, **headers}, timeout=30)


def upgrade(server, address, host):
    """Asks for a WebSocket; returns the status."""
    lines = ("GET /v1/ws HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "")
    with socket.create_connection(("127.0.0.1", int(port_of(address))), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return int(connection.recv(65536).split(b" ", 2)[1])


@pytest.mark.parametrize("admin", [False, True])
def test_page_whose_name_was_made_to_point_here(server, admin):
    address = server.admin if admin else server.url
    evil = "evil.example:" + port_of(address)
    for method, path in ATTACKED:
        for headers in {}, {"Origin": "http://" + evil}:
            answer = ask(address, method, path, evil, **headers)
            assert answer.status_code == 421, (method, path, headers)
            assert "Access-Control-Allow-Origin" not in answer.headers
            if method != "HEAD":
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.json()["code"] == "bad_host" and "--allow-host" in answer.json()["detail"]
    assert upgrade(server, address, evil) == 421
    # Nothing was done.
    assert server.get("/v1/tallies/tweets/keys/33").json()["counters"] == {"rts": 2, "favs": 1}
    assert not any("requested" in line for line in server.lines)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "localhost", "LocalHost:80", "localhost.", "[::1]", "[::1]:9", "192.0.2.7:8080", "[2001:db8::1]"])
def test_addresses_and_localhost(server, host):
    for address in server.url, server.admin:
        assert ask(address, "GET", "/v1/tallies", host).status_code == 200
    assert upgrade(server, server.admin, host) == 101


def test_absolute_target_names_the_host(server):
    def get(target, host):
        return server.raw(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", admin=True)
    assert get("http://evil.example/metrics", "localhost").startswith("HTTP/1.1 421 Misdirected Request\r\n")
    assert get("http://evil.example?/metrics", "localhost").startswith("HTTP/1.1 4")
    assert get("http://localhost:99/metrics", "evil.example").startswith("HTTP/1.1 200 ")


def test_without_a_host(server):
    assert server.raw("GET /metrics HTTP/1.0\r\n\r\n", admin=True).startswith("HTTP/1.0 200 ")
    assert server.raw("GET /metrics HTTP/1.1\r\n\r\n", admin=True).startswith("HTTP/1.1 400 ")


def test_allowed_names(serve, tweets):
    server = serve(tweets.dsn, "--allow-host", "counters.example", env={"PGTALLY_ALLOW_ORIGIN": "*"}).wait_live()
    for host in "counters.example", "Counters.Example.:8443":
        for address in server.url, server.admin:
            assert ask(address, "GET", "/v1/tallies", host).status_code == 200
    for host in "evil.example", "a.counters.example", "counters.example.evil.example":
        assert ask(server.url, "GET", "/v1/tallies", host, Origin="http://" + host).status_code == 421


def test_allowed_names_by_environment(serve, tweets):
    server = serve(tweets.dsn, env={"PGTALLY_ALLOW_HOST": "one.example,two.example"}).wait_live()
    assert [ask(server.url, "GET", "/livez", f"{name}.example").status_code for name in ("one", "two", "three")] == [200, 200, 421]


def test_another_address_takes_every_name_unless_some_are_listed(serve, tweets):
    open_to_all = serve(tweets.dsn, "--listen", "0.0.0.0:0").wait_live()
    [public] = {int(port_of(line.split("http://")[1].rstrip("/"))) for line in open_to_all.lines if "listening at http://0.0.0.0" in line}
    assert ask(f"http://127.0.0.1:{public}", "GET", "/v1/tallies", "any.example").status_code == 200
    assert ask(open_to_all.admin, "GET", "/v1/tallies", "any.example").status_code == 421
    listed = serve(tweets.dsn, "--listen", "0.0.0.0:0", "--allow-host", "one.example").wait_live()
    [public] = {int(port_of(line.split("http://")[1].rstrip("/"))) for line in listed.lines if "listening at http://0.0.0.0" in line}
    statuses = [ask(f"http://127.0.0.1:{public}", "GET", "/v1/tallies", host).status_code for host in ("one.example", "any.example", "192.0.2.1")]
    assert statuses == [200, 421, 200]


def test_audit_of_a_server_that_refuses_the_name_says_what_to_do(server):
    """A proxy that passes the name on: here it writes a foreign one."""
    def foreign(data):
        return re.sub(rb"Host: [^\r]*", b"Host: evil.example", data)
    port = relay(int(port_of(server.admin)), foreign)
    refused = run("audit", "--url", f"http://127.0.0.1:{port}")
    assert refused.returncode == 3 and "421" in refused.stderr and "--allow-host" in refused.stderr
    assert run("audit", "--url", f"http://localhost:{port_of(server.admin)}").returncode == 0


def relay(port, change):
    """Passes one connection on to a port of this machine, with its first bytes changed. Returns where it listens."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve_one():
        with listening, listening.accept()[0] as client, socket.create_connection(("127.0.0.1", port), timeout=30) as server:
            server.sendall(change(client.recv(65536)))
            while data := server.recv(65536):
                client.sendall(data)

    threading.Thread(target=serve_one, daemon=True).start()
    return listening.getsockname()[1]
