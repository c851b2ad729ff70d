"""TLS on public addresses: --tls-cert and --tls-key."""

import json
import shutil
import signal
import socket
import ssl
import threading
import time

import pytest
import requests

from certificates import Authority
from program import LONG, eventually, run
from test_frames import TEXT, Frames


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def pair(authority):
    """The files of --tls-cert and --tls-key: one, which has both."""
    return [authority.issue("localhost", "127.0.0.1")] * 2


def options(pair):
    return ["--tls-cert", pair[0], "--tls-key", pair[1]]


@pytest.fixture
def secure(serve, tweets, pair, authority, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.file)
    return serve(tweets.dsn, "--writable", "--heartbeat", "200ms", *options(pair)).wait_live()


def context(authority, **versions):
    made = ssl.create_default_context(cafile=authority.file)
    for name, version in versions.items():
        setattr(made, name, version)
    return made


def connected(server, how):
    host, port = server.host.split(":")
    return how.wrap_socket(socket.create_connection((host, int(port)), timeout=LONG), server_hostname="localhost")


def test_rest_events_and_websockets_by_tls(secure, authority):
    assert secure.url.startswith("https://")
    assert secure.get("/v1/tallies/tweets/keys/33").json()["counters"] == {"rts": 2, "favs": 1}
    client = secure.connect(ssl=context(authority))
    assert client.ask(type="subscribe", id=1, tally="tweets", keys=["33"])["keys"] == {"33": {"rts": 2, "favs": 1}}
    with secure.get("/v1/tallies/tweets/events?key=33", stream=True) as events:
        lines = events.iter_lines()
        assert any(b'"favs":1' in line for line in lines)
        assert secure.post("/v1/tallies/tweets/keys/33/fav").status_code == 201
        assert any(b'"favs":2' in line for line in lines)
    assert client.receive()["keys"] == {"33": {"rts": 2, "favs": 2}}
    client.close()
    assert requests.get(secure.admin + "/livez", timeout=LONG).ok  # the admin address does not encrypt


def test_large_messages_go_both_ways(secure, tweets, authority):
    tweets.sql.execute("insert into tweet.activity (messageid, action) select n, 'fav' from generate_series(1000, 7000) n")
    keys = [str(n) for n in range(1000, 7001)]
    eventually(lambda: secure.get("/v1/tallies/tweets/keys/7000").json()["counters"]["favs"] == 1)
    client = secure.connect(ssl=context(authority))
    answer = client.ask(type="subscribe", id=1, tally="tweets", keys=keys)
    assert len(answer["keys"]) == 6001 and all(value["favs"] == 1 for value in answer["keys"].values())
    answered = secure.post("/v1/tallies/tweets/keys", json={"keys": keys})
    assert len(answered.json()["keys"]) == 6001
    client.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_and_protocols(secure, authority, version):
    how = context(authority, minimum_version=version, maximum_version=version)
    how.set_alpn_protocols(["h2", "http/1.1"])
    with connected(secure, how) as one:
        assert one.selected_alpn_protocol() == "http/1.1"
        assert one.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def test_what_is_refused(secure, authority):
    old = context(authority)
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    other = context(authority)
    other.set_alpn_protocols(["h2"])
    for how in old, other:
        with pytest.raises(ssl.SSLError):
            connected(secure, how)
    plain = secure.raw(f"GET /v1/tallies HTTP/1.1\r\nHost: {secure.host}\r\n\r\n")
    assert plain.startswith("HTTP/1.1 400 ") and "https://" in plain
    host, port = secure.host.split(":")
    for nonsense in b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 1000, b"":
        with socket.create_connection((host, int(port)), timeout=LONG) as one:
            try:
                one.sendall(nonsense)
                one.shutdown(socket.SHUT_WR)
                while one.recv(4096):
                    pass
            except OSError:
                pass  # the server closes it with unread bytes
    assert secure.get("/livez").ok
    assert secure.metrics()["pgtally_tls_handshakes_failed_total"] >= 5


def test_one_byte_at_a_time(secure, authority):
    """A handshake and a request that arrive in the smallest pieces."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context(authority).wrap_bio(incoming, outgoing, server_hostname="localhost")
    host, port = secure.host.split(":")
    with socket.create_connection((host, int(port)), timeout=LONG) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def flush():
            for byte in outgoing.read():
                one.sendall(bytes([byte]))

        def until(what):
            while True:
                try:
                    return what()
                except ssl.SSLWantReadError:
                    flush()
                    incoming.write(one.recv(65536))

        until(session.do_handshake)
        session.write(f"GET /v1/tallies/tweets/keys/33 HTTP/1.1\r\nHost: {secure.host}\r\nConnection: close\r\n\r\n".encode())
        flush()
        answer = until(lambda: session.read(65536))
        assert answer.startswith(b"HTTP/1.1 200 OK")


def test_frames_in_one_record_and_over_many(secure, authority):
    how = context(authority)
    frames = Frames(secure, wrap=lambda plain: how.wrap_socket(plain, server_hostname="localhost"))
    frames.send(TEXT, b'{"type":"ping"}', fin=True)
    assert frames.receive() == (TEXT, b'{"type":"pong"}')
    frames.send(TEXT, b" " * 100_000 + b'{"type":"ping"}')
    assert frames.receive() == (TEXT, b'{"type":"pong"}')
    frames.socket.close()


def serial(server, authority):
    with connected(server, context(authority)) as one:
        return one.getpeercert()["serialNumber"]


def test_sighup_reads_the_files_again_and_refuses_a_wrong_pair(serve, tweets, authority, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.file)
    files = [str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")]
    first, second = ([authority.issue("localhost", "127.0.0.1", kind=kind)] * 2 for kind in ("ec", "rsa"))
    for source, target in zip(first, files):
        shutil.copy(source, target)
    server = serve(tweets.dsn, *options(files)).wait_live()
    client = server.connect(ssl=context(authority))
    before = serial(server, authority)

    shutil.copy(second[1], files[1])
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "the certificate stays as it was: --tls-key: the key of" in server.log(), server.log)
    assert serial(server, authority) == before

    shutil.copy(second[0], files[0])
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: serial(server, authority) != before, server.log)
    client.nothing_waits()  # who was connected stays
    client.close()


@pytest.mark.parametrize("what, says", [
    ("no file", "cannot read"), ("no certificate", "no certificate in PEM"), ("no key", "no private key in PEM"),
    ("another key", "is not the one of the certificate"), ("a passphrase", "without a passphrase"), ("one of both", "are needed both")])
def test_files_that_cannot_be_used_are_wrong_usage(authority, pair, tmp_path, what, says):
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    chosen = {"no file": ["/nonexistent.pem", pair[1]], "no certificate": [str(empty), pair[1]], "no key": [pair[0], str(empty)],
              "another key": [pair[0], authority.issue("another")],
              "a passphrase": [pair[0], authority.issue("localhost", passphrase=b"secret")]}.get(what)
    arguments = options(chosen) if chosen else ["--tls-cert", pair[0]]
    done = run("serve", *arguments)
    assert done.returncode == 2 and says in done.stderr, done.stderr


def test_a_certificate_that_has_ended_is_said(serve, tweets, authority):
    server = serve(tweets.dsn, *options([authority.issue("localhost", begins=-5, ends=-1)] * 2))
    assert "the certificate has ended" in server.log()


def test_a_storm_of_handshakes_starves_nobody(secure, authority):
    """While many clients connect at once, one that is connected gets its answers between their handshakes."""
    connected_before = secure.connect(ssl=context(authority))
    how = context(authority)
    ended, failures = threading.Event(), []

    def connect():
        while not ended.is_set():
            try:
                connected(secure, how).close()
            except OSError as failure:
                failures.append(failure)

    storm = [threading.Thread(target=connect) for _ in range(8)]
    for each in storm:
        each.start()
    try:
        for _ in range(50):
            connected_before.nothing_waits()
    finally:
        ended.set()
        for each in storm:
            each.join()
    assert not failures
    connected_before.close()


def test_who_never_finishes_a_handshake_is_cut_at_shutdown(secure):
    host, port = secure.host.split(":")
    with socket.create_connection((host, int(port)), timeout=LONG) as one:
        one.sendall(b"\x16\x03\x01")
        assert secure.stop() == 0
        try:
            assert one.recv(1) == b""
        except ConnectionResetError:
            pass


def test_a_page_of_the_same_origin_may_use_it(secure):
    for origin, status in (f"https://{secure.host}", 200), ("https://example.org", 403):
        assert secure.get("/v1/tallies", headers={"Origin": origin}).status_code == status, origin


def test_the_proxy_header_comes_before_tls(serve, tweets, pair, authority, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.file)
    server = serve(tweets.dsn, "--trusted-proxy", "127.0.0.1", "--access-log", "/dev/stderr", *options(pair)).wait_live()
    host, port = server.host.split(":")
    how = context(authority)
    for ahead in b"PROXY TCP4 203.0.113.9 127.0.0.1 1000 443\r\n", b"":
        plain = socket.create_connection((host, int(port)), timeout=LONG)
        plain.sendall(ahead)
        with how.wrap_socket(plain, server_hostname="localhost") as one:
            one.sendall(f"GET /livez HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\n\r\n".encode())
            assert one.recv(4096).startswith(b"HTTP/1.1 200")
    # The header and the first bytes of the handshake in one piece.
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = how.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    with socket.create_connection((host, int(port)), timeout=LONG) as one:
        one.sendall(b"PROXY TCP4 203.0.113.9 127.0.0.1 1000 443\r\n" + outgoing.read())
        while True:
            incoming.write(one.recv(65536))
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                one.sendall(outgoing.read())
    eventually(lambda: "203.0.113.9" in server.log(), server.log)
