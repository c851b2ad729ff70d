"""How `get`, `top`, `watch`, `audit` and `check` reach a server: tokens, TLS and Unix sockets."""

import contextlib
import json
import os
import socket
import ssl
import threading

import pytest

import fronts
import tokens
from certificates import Authority
from program import eventually, run
from test_ask import Watch, favs
from tokens import token

TABLE = "key  rts  favs\n33     2     1\n"


# Tokens ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def keyed(serve, tweets, tmp_path):
    """A server that requires tokens, and a file for one."""
    (tmp_path / "key").write_text(tokens.SECRET)
    server = serve(tweets.dsn, "--auth-key", str(tmp_path / "key"), "--heartbeat", "200ms")
    eventually(lambda: server.get("/readyz?live").ok, server.log)
    server.token_file = tmp_path / "token"
    return server


def test_a_token_from_a_file_or_the_environment(keyed):
    keyed.token_file.write_text(f" {token('tweets')}\n")
    asked = run("get", "tweets", "33", "--url", keyed.url, "--token-file", str(keyed.token_file))
    assert (asked.stdout, asked.stderr, asked.returncode) == (TABLE, "", 0)
    assert run("top", "tweets", "--by", "rts", "--url", keyed.url, env={"PGTALLY_TOKEN": token("tweets")}).returncode == 0
    # The file comes before the variable.
    asked = run("get", "tweets", "33", "--url", keyed.url, env={"PGTALLY_TOKEN_FILE": str(keyed.token_file), "PGTALLY_TOKEN": "wrong"})
    assert asked.stdout == TABLE


@pytest.mark.parametrize("command", [["get", "tweets", "33"], ["top", "tweets", "--by", "rts"], ["watch", "tweets", "33"]])
def test_what_to_do_without_a_right_token(keyed, command):
    command = [*command, "--url", keyed.url]
    asked = run(*command)
    assert asked.returncode == 1 and "401" in asked.stderr and "--token-file FILE" in asked.stderr and "PGTALLY_TOKEN" in asked.stderr
    keyed.token_file.write_text(token("tweets", ends=-60))
    asked = run(*command, "--token-file", str(keyed.token_file))
    assert asked.returncode == 1 and "the token has expired" in asked.stderr and f"into {keyed.token_file}" in asked.stderr
    asked = run(*command, env={"PGTALLY_TOKEN": token("tweets", secret="another secret of at least 32 bytes")})
    assert asked.returncode == 1 and "the token's signature is wrong" in asked.stderr and "set PGTALLY_TOKEN" in asked.stderr
    asked = run(*command, env={"PGTALLY_TOKEN": token({"tally": "tweets", "keys": ["34"]})})
    assert asked.returncode == 1 and "403" in asked.stderr and "claim pgtally" in asked.stderr
    asked = run(*command, env={"PGTALLY_TOKEN": token("other")})
    assert asked.returncode == 1 and "404" in asked.stderr and "the token does not name" in asked.stderr


@pytest.mark.parametrize("content, says", [
    (None, "cannot be read: No such file"), ("", "is empty"), (" \n", "is empty"), ("a b", "holds something else than one token"),
    ("a\r\nX-Evil: 1", "holds something else than one token"), ("x" * 9000, "is longer than 8192 bytes")])
def test_files_that_hold_no_token(content, says, tmp_path):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content.encode())
    asked = run("get", "tweets", "33", "--url", "http://127.0.0.1:1", "--token-file", str(file))
    assert asked.returncode == 1 and f"the token file {file} {says}" in asked.stderr and not asked.stdout
    if content and content.strip():
        asked = run("get", "tweets", "33", "--url", "http://127.0.0.1:1", env={"PGTALLY_TOKEN": content})
        assert asked.returncode == 1 and f"PGTALLY_TOKEN {says.replace('cannot be read: ', '')}" in asked.stderr and content not in asked.stderr


def test_a_token_is_never_an_argument():
    secret = token("tweets")
    for arguments in (["--token", secret], [f"--token={secret}"]):
        asked = run("get", "tweets", "33", *arguments)
        assert asked.returncode == 2 and "'--token'" in asked.stderr and secret not in asked.stderr


def test_watch_goes_on_with_a_newer_token(keyed, tweets):
    """The first token ends while the stream runs. A wrong one is waited out, too."""
    keyed.token_file.write_text(token("tweets", ends=-28))  # it is taken for 30 s after its end
    watched = Watch("tweets", "33", "--url", keyed.url, "--token-file", str(keyed.token_file))
    try:
        watched.until("33 rts=2 favs=1")
        eventually(lambda: any("disconnected" in line and "expired" in line and str(keyed.token_file) in line for line in watched.complaints),
                   lambda: watched.complaints)
        keyed.token_file.write_text("")
        eventually(lambda: any("is empty" in line for line in watched.complaints), lambda: watched.complaints)
        favs(tweets, 33)
        keyed.token_file.write_text(token("tweets"))
        watched.until("33 rts=2 favs=2")
        assert watched.end() == 0
    finally:
        watched.process.kill()


def test_watch_ends_with_a_token_that_cannot_be_replaced(keyed):
    watched = Watch("tweets", "33", "--url", keyed.url, env={"PGTALLY_TOKEN": token("tweets", ends=-28)})
    try:
        watched.until("33 rts=2 favs=1")
        assert watched.process.wait(timeout=60) == 1
        eventually(lambda: "--token-file FILE" in watched.complaints[-1])
    finally:
        watched.process.kill()


# TLS ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def front():
    """Makes fronts that are closed at the end."""
    made = []

    def keep(one):
        made.append(one)
        return one

    yield keep
    for each in made:
        each.close()


def url_of(one, host="localhost"):
    return f"https://{host}:{one.listener.getsockname()[1]}"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def test_every_command_by_tls(server, tweets, front, authority):
    public = front(fronts.tls(server.url, authority.issue("localhost", "127.0.0.1")))
    admin = front(fronts.tls(server.admin, authority.issue("localhost")))
    trust = ["--ca-file", authority.file]
    asked = run("get", "tweets", "33", "--url", url_of(public), *trust)
    assert (asked.stdout, asked.stderr, asked.returncode) == (TABLE, "", 0)
    assert public.names[0] == "localhost" and public.versions == ["TLSv1.3"]
    # An address has no name to ask for.
    assert run("get", "tweets", "33", "--url", url_of(public, "127.0.0.1"), *trust).stdout == TABLE and public.names[-1] is None
    keys = [str(key) for key in range(30, 1030)]
    assert len(run("get", "tweets", *keys, "--url", url_of(public), *trust).stdout.splitlines()) == 1001
    assert run("top", "tweets", "--by", "rts", "--url", url_of(public), *trust).returncode == 0
    assert json.loads(run("audit", "--url", url_of(admin), *trust, "--json").stdout)["ok"]
    watched = Watch("tweets", "33", "--url", url_of(public), *trust)
    try:
        watched.until("33 rts=2 favs=1")
        favs(tweets, 33)
        watched.until("33 rts=2 favs=2")
        assert watched.end() == 0
    finally:
        watched.process.kill()


def test_authorities_of_the_system(server, front, authority):
    """OpenSSL's own places and variables hold, as for every program."""
    one = front(fronts.tls(server.url, authority.issue("localhost")))
    assert run("get", "tweets", "33", "--url", url_of(one), env={"SSL_CERT_FILE": authority.file}).stdout == TABLE


def test_tls_1_2(server, front, authority):
    one = front(fronts.tls(server.url, authority.issue("localhost"), ssl.TLSVersion.TLSv1_2))
    assert run("get", "tweets", "33", "--url", url_of(one), "--ca-file", authority.file).stdout == TABLE
    assert one.versions == ["TLSv1.2"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_tls_that_is_too_old(server, front, authority):
    one = front(fronts.tls(server.url, authority.issue("localhost"), ssl.TLSVersion.TLSv1_1))
    asked = run("get", "tweets", "33", "--url", url_of(one), "--ca-file", authority.file)
    assert asked.returncode == 1 and "no TLS of version 1.2 or newer" in asked.stderr


@pytest.mark.parametrize("names, begins, ends, trusted, says", [
    (["localhost"], -9, -2, True, ["the server's certificate expired on ", "renew it at the server"]),
    (["localhost"], 2, 9, True, ["is valid from ", "this machine's clock"]),
    (["elsewhere.example", "10.0.0.1"], -1, 5, True, ["is not for localhost but for elsewhere.example, 10.0.0.1", "in --url"]),
    (["*.localhost"], -1, 5, True, ["is not for localhost but for *.localhost"]),
    (["localhost"], -1, 5, False, ["is not trusted", "--ca-file FILE"])])
@pytest.mark.parametrize("command", [["get", "tweets", "33"], ["watch", "tweets"]])
def test_certificates_that_are_not_accepted(server, front, authority, tmp_path, command, names, begins, ends, trusted, says):
    one = front(fronts.tls(server.url, authority.issue(*names, begins=begins, ends=ends)))
    other = Authority(tmp_path, "other")
    asked = run(*command, "--url", url_of(one), "--ca-file", authority.file if trusted else other.file)
    assert asked.returncode == 1 and not asked.stdout
    assert f"connecting to {url_of(one)}/ failed: " in asked.stderr and all(each in asked.stderr for each in says), asked.stderr
    assert one.versions == [] and "Traceback" not in asked.stderr


def test_a_token_is_not_sent_to_a_server_that_is_not_trusted(front, authority, tmp_path):
    """Nothing is, not even the name of the tally."""
    heard = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("elsewhere.example"))
    listener = socket.create_server(("127.0.0.1", 0))

    def listen():
        connection, _ = listener.accept()
        try:
            heard.append(context.wrap_socket(connection, server_side=True).recv(1000))
        except OSError:
            heard.append(b"")

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    asked = run("get", "tweets", "33", "--url", f"https://localhost:{listener.getsockname()[1]}", "--ca-file", authority.file,
                env={"PGTALLY_TOKEN": token("tweets")})
    thread.join()
    listener.close()
    assert asked.returncode == 1 and heard == [b""]


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_ca_files_that_cannot_be_used(server, front, authority, tmp_path, content):
    one = front(fronts.tls(server.url, authority.issue("localhost")))
    file = tmp_path / "ca"
    if content is not None:
        file.write_text(content)
    asked = run("get", "tweets", "33", "--url", url_of(one), "--ca-file", str(file))
    assert asked.returncode == 1 and f"--ca-file: {file} cannot be read, or holds no certificate" in asked.stderr


def test_the_other_scheme(server, front, authority):
    one = front(fronts.tls(server.url, authority.issue("localhost")))
    asked = run("get", "tweets", "33", "--url", url_of(one).replace("https", "http"))
    assert asked.returncode == 1 and "https://" in asked.stderr.partition("failed")[2], asked.stderr
    asked = run("get", "tweets", "33", "--url", server.url.replace("http", "https"))
    assert asked.returncode == 1 and "no TLS is spoken there: use http://" in asked.stderr, asked.stderr


def test_an_answer_that_is_cut_is_no_answer(authority):
    """An end of TCP that is no end of TLS may be anybody's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("localhost"))
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        client, _ = listener.accept()
        secured = context.wrap_socket(client, server_side=True)
        secured.recv(65536)
        secured.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"keys":{},"state":"live"}')
        os.close(secured.detach())

    threading.Thread(target=answer, daemon=True).start()
    asked = run("get", "tweets", "33", "--url", f"https://localhost:{listener.getsockname()[1]}", "--ca-file", authority.file)
    listener.close()
    assert asked.returncode == 1 and "the connection was cut" in asked.stderr and not asked.stdout


class Endless:
    """Answers one request by `head`, and then by `more`, again and again."""

    def __init__(self, head, more):
        self.head, self.more = head, more
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._answer, daemon=True)
        self.thread.start()

    def _answer(self):
        client, _ = self.listener.accept()
        with client, contextlib.suppress(OSError):  # it has had enough
            client.recv(65536)
            client.sendall(self.head)
            while self.more:
                client.sendall(self.more)

    def end(self):
        self.thread.join()
        self.listener.close()


# Limits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head, more, says", [
    (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, "the answer is larger than 16 MiB"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n", "the answer is larger than 16 MiB"),
    (b"HTTP/1.1 200 OK\r\n", b"X: " + b"x" * 1000 + b"\r\n", "the answer is not HTTP: header limit exceeded"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123", b"", "the connection was cut"),
    (b"220 mail.example ESMTP\r\n", b"", "the answer is not HTTP"), (b"", b"", "without an answer; if it speaks TLS there, use https://")])
def test_answers_that_are_no_answers(head, more, says):
    answered = Endless(head, more)
    asked = run("get", "tweets", "33", "--url", answered.url)
    answered.end()
    assert asked.returncode == 1 and says in asked.stderr and not asked.stdout


@pytest.mark.parametrize("head, more, says", [
    (b"HTTP/1.1 200 OK\r\n\r\nevent: change\ndata: ", b"x" * 65536, "an event is too large"),
    (b"HTTP/1.1 418 Teapot\r\nContent-Length: 20000000\r\n\r\n", b"x" * 65536, "the server answered 418: is this the address")])
def test_streams_without_an_end(head, more, says):
    answered = Endless(head, more)
    asked = run("watch", "tweets", "33", "--url", answered.url)
    answered.end()
    assert asked.returncode == 1 and says in asked.stderr and not asked.stdout


# Unix sockets ---------------------------------------------------------------------------------------------------------


def test_every_command_by_a_unix_socket(server, tweets, front, tmp_path):
    front(fronts.unix(server.url, tmp_path / "public"))
    front(fronts.unix(server.admin, tmp_path / "admin"))
    assert run("get", "tweets", "33", "--url", f"unix:{tmp_path}/public").stdout == TABLE
    assert run("audit", "--url", f"unix:{tmp_path}/admin").returncode == 0
    watched = Watch("tweets", "33", "--url", f"unix:{tmp_path}/public")
    try:
        watched.until("33 rts=2 favs=1")
        assert watched.end() == 0
    finally:
        watched.process.kill()
    asked = run("get", "tweets", "33", "--url", f"unix:{tmp_path}/none")
    assert asked.returncode == 1 and f"connecting to unix:{tmp_path}/none failed: No such file" in asked.stderr
