"""Addresses that are no host and port of this server alone: Unix sockets, sockets handed over, ports that are shared."""

import http.client
import json
import os
import signal
import socket
import stat
import subprocess

import pytest

from program import LONG, PROGRAM, Server, environment, eventually, run
from test_frames import CLOSE, PING, TEXT, Frames


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=LONG)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LONG)
        self.sock.connect(self.path)


def get(path, target, **fields):
    one = UnixConnection(path)
    one.request("GET", target, headers=fields)
    answer = one.getresponse()
    body = answer.read()
    one.close()
    return answer.status, body


class UnixFrames(Frames):
    """A WebSocket over a Unix socket."""

    def __init__(self, path):
        class of:
            host = "127.0.0.1:1"

        self.path = path
        saved = socket.create_connection
        try:
            socket.create_connection = lambda *_, **__: self._connected()
            super().__init__(of)
        finally:
            socket.create_connection = saved

    def _connected(self):
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(LONG)
        one.connect(self.path)
        return one


@pytest.fixture
def at(tmp_path):
    return str(tmp_path / "public.sock")


def test_rest_events_and_websockets_by_a_unix_socket(serve, tweets, at):
    server = serve(tweets.dsn, "--listen", f"unix:{at}", "--ping-every", "1s").wait_live()
    assert f"listening at unix:{at}" in server.log()
    status, body = get(at, "/v1/tallies/tweets/keys/33")
    assert status == 200 and json.loads(body)["counters"] == {"rts": 2, "favs": 1}
    # A proxy sends the name that its client wrote: any is taken, as at addresses that are not loopback.
    assert get(at, "/livez", Host="counters.example.org")[0] == 200
    one = UnixFrames(at)
    one.send(TEXT, b'{"type":"subscribe","id":1,"tally":"tweets","keys":["33"]}')
    assert json.loads(one.receive()[1])["keys"] == {"33": {"rts": 2, "favs": 1}}
    # A client that is silent is pinged, as by TCP.
    assert one.receive() == (PING, b"")
    one.send(10)
    assert one.receive() == (PING, b"")
    one.socket.close()
    one.file.close()
    eventually(lambda: server.metrics()['pgtally_clients{protocol="ws"}'] == 0, server.log)
    assert server.stop() == 0
    assert not os.path.exists(at)


def test_a_silent_client_of_a_unix_socket_is_cut(serve, tweets, at):
    server = serve(tweets.dsn, "--listen", f"unix:{at}", "--ping-every", "1s").wait_live()
    one = UnixFrames(at)
    assert one.receive() == (PING, b"")
    assert one.receive() == (None, b"")
    eventually(lambda: "client unix did not answer a ping: cut" in server.log(), server.log)
    one.socket.close()


def test_the_admin_socket_is_for_its_owner_and_group(serve, tweets, at, tmp_path):
    admin = str(tmp_path / "admin.sock")
    started = subprocess.Popen([PROGRAM, "serve", "--listen", f"unix:{at}", "--admin-listen", f"unix:{admin}"],
                               env=environment(PGTALLY_DSN=tweets.dsn), stderr=subprocess.PIPE, text=True)
    try:
        eventually(lambda: os.path.exists(admin) and os.path.exists(at))
        eventually(lambda: get(admin, "/readyz?live")[0] == 200)
        assert b"pgtally_state" in get(admin, "/metrics")[1]
        assert get(at, "/metrics")[0] == 404
        assert stat.S_IMODE(os.stat(admin).st_mode) == 0o660
        assert stat.S_IMODE(os.stat(at).st_mode) == 0o666
    finally:
        started.send_signal(signal.SIGTERM)
        log = started.communicate(timeout=LONG)[1]
    assert started.returncode == 0, log
    # Its file rights are its protection: nothing is said about tokens.
    assert "may read every tally" not in log


def test_what_a_killed_server_left_is_replaced_and_nothing_else(serve, tweets, at, tmp_path):
    first = serve(tweets.dsn, "--listen", f"unix:{at}")
    eventually(lambda: os.path.exists(at))
    second = run("serve", "--listen", f"unix:{at}", "--admin-listen", "none", env={"PGTALLY_DSN": tweets.dsn})
    assert second.returncode == 1 and f"cannot listen at unix:{at}: Address already in use" in second.stderr
    first.process.kill()
    first.process.wait()
    assert os.path.exists(at)
    third = serve(tweets.dsn, "--listen", f"unix:{at}").wait_live()
    assert get(at, "/livez")[0] == 200
    assert third.stop() == 0
    file = tmp_path / "file"
    file.write_text("precious")
    refused = run("serve", "--listen", f"unix:{file}", "--admin-listen", "none", env={"PGTALLY_DSN": tweets.dsn})
    assert refused.returncode == 1 and "Address already in use" in refused.stderr and file.read_text() == "precious"


@pytest.mark.parametrize("path", ["relative.sock", "", "/" + "x" * 107])
def test_paths_that_cannot_be(path):
    done = run("serve", "--listen", f"unix:{path}")
    assert done.returncode == 2 and "--listen" in done.stderr and "an absolute path of at most 107 bytes" in done.stderr


def test_a_proxy_at_a_unix_socket_is_trusted_by_its_name(serve, tweets, at):
    server = serve(tweets.dsn, "--listen", f"unix:{at}", "--trusted-proxy", "unix", "--access-log", "/dev/stderr").wait_live()
    get(at, "/v1/tallies/tweets/keys/33", **{"X-Forwarded-For": "203.0.113.9"})
    eventually(lambda: '203.0.113.9 - - [' in server.log(), server.log)
    other = serve(tweets.dsn, "--listen", f"unix:{at}2", "--access-log", "/dev/stderr").wait_live()
    get(at + "2", "/v1/tallies/tweets/keys/33", **{"X-Forwarded-For": "203.0.113.9"})
    eventually(lambda: 'unix - - [' in other.log(), other.log)
    assert "203.0.113.9" not in other.log()


def handed_over(dsn, sockets, names, *options):
    """The program, started as systemd starts it: with sockets as descriptors from 3 on."""
    script = f"import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv({PROGRAM!r}, [{PROGRAM!r}, 'serve', *sys.argv[1:]])"

    def in_place():
        for at, each in enumerate(sockets):
            os.dup2(each.fileno(), 100 + at)
        for at in range(len(sockets)):
            os.dup2(100 + at, 3 + at)

    return subprocess.Popen(["/usr/bin/python3", "-c", script, *options], preexec_fn=in_place, close_fds=False,
                            env=environment(PGTALLY_DSN=dsn, LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join(names)),
                            stderr=subprocess.PIPE, text=True)


def test_sockets_handed_over_by_systemd(tweets, at, tmp_path):
    admin = socket.socket(socket.AF_UNIX)
    admin.bind(at)
    admin.listen()
    public = socket.create_server(("127.0.0.1", 0))
    port = public.getsockname()[1]
    # A client that connects before the server runs is served by it.
    early = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG)
    early.request("GET", "/livez")
    one = handed_over(tweets.dsn, [public, admin], ["pgtally.socket", "admin"])
    try:
        assert early.getresponse().status == 200
        eventually(lambda: get(at, "/readyz?live")[0] == 200)
        assert get(at, "/metrics")[0] == 200
    finally:
        one.send_signal(signal.SIGTERM)
        log = one.communicate(timeout=LONG)[1]
    assert one.returncode == 0, log
    assert f"listening at http://127.0.0.1:{port}/" in log and f"admin at unix:{at}" in log
    # The sockets are systemd's: the file stays, and no default address was opened beside them.
    assert os.path.exists(at) and ":8080" not in log and ":8081" not in log
    public.close()
    admin.close()


def test_what_is_handed_over_must_listen(tweets):
    plain = socket.socket()
    one = handed_over(tweets.dsn, [plain], ["x"])
    log = one.communicate(timeout=LONG)[1]
    assert one.returncode == 1 and "the socket handed over as descriptor 3 is none that listens" in log
    plain.close()


def test_two_servers_share_a_port(serve, tweets):
    first = serve(tweets.dsn, "--reuse-port").wait_live()
    second = serve(tweets.dsn, "--reuse-port", "--listen", first.host).wait_live()
    total = 'pgtally_requests_total{route="/livez",status="200"}'
    before = [each.metrics().get(total, 0) for each in (first, second)]
    for _ in range(200):
        one = http.client.HTTPConnection(first.host, timeout=LONG)
        one.request("GET", "/livez")
        assert one.getresponse().status == 200
        one.close()
    after = [each.metrics().get(total, 0) for each in (first, second)]
    gained = [b - a for a, b in zip(before, after)]
    assert sum(gained) == 200 and min(gained) > 0, gained
    refused = run("serve", "--listen", first.host, "--admin-listen", "none", env={"PGTALLY_DSN": tweets.dsn})
    assert refused.returncode == 1 and "Address already in use" in refused.stderr
