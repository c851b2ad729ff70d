"""`pgtally get`, `top` and `watch`: asking a server from the terminal."""

import json
import os
import pty
import signal
import subprocess
import threading

import pytest

from program import LONG, PROGRAM, environment, eventually, run


def favs(database, *keys):
    for key in keys:
        database.sql.execute("insert into tweet.activity (messageid, action) values (%s, 'fav')", [key])


class Watch:
    """`pgtally watch`, whose output is read into `lines`, and into `complaints`."""

    def __init__(self, *arguments, env=None):
        self.process = subprocess.Popen([PROGRAM, "watch", *arguments], env=environment(**(env or {})), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.lines, self.complaints = [], []
        for stream, into in ((self.process.stdout, self.lines), (self.process.stderr, self.complaints)):
            threading.Thread(target=lambda s=stream, i=into: [i.append(line.rstrip("\n")) for line in s], daemon=True).start()

    def until(self, line):
        eventually(lambda: line in self.lines, lambda: f"no line {line!r} in {self.lines}, {self.complaints}")

    def end(self, sent=signal.SIGINT):
        self.process.send_signal(sent)
        return self.process.wait(timeout=LONG)


@pytest.fixture
def watch(server):
    started = []

    def start(*arguments, **more):
        started.append(Watch(*arguments, "--url", server.url, **more))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()


def test_get_prints_a_table(server):
    asked = run("get", "tweets", "34", "33", "-7", "99", "--url", server.url)
    assert asked.stdout == "key  rts  favs\n34     0     1\n33     2     1\n-7     1     0\n99     0     0\n"
    assert asked.returncode == 0 and not asked.stderr
    asked = run("get", "tweets", "33", "--json", env={"PGTALLY_URL": server.url})
    assert json.loads(asked.stdout)["keys"] == {"33": {"rts": 2, "favs": 1}}


def test_top_prints_places(server):
    asked = run("top", "tweets", "--by", "favs", "--limit", "2", "--url", server.url)
    assert asked.stdout == "place  key  rts  favs\n    1  33     2     1\n    2  34     0     1\n"
    asked = run("top", "tweets", "--by", "nothing", "--url", server.url)
    assert asked.returncode == 1 and "400" in asked.stderr
    asked = run("top", "tweets", "--by", "rts", "--json", "--url", server.url)
    assert json.loads(asked.stdout)["top"][0] == {"key": "33", "counters": {"rts": 2, "favs": 1}}


def test_get_takes_many_keys(server):
    keys = [str(key) for key in range(30, 1030)]
    lines = run("get", "tweets", *keys, "--url", server.url).stdout.splitlines()
    assert len(lines) == 1001 and lines[4].split() == ["33", "2", "1"]


def test_keys_are_any_text(serve, database):
    keys = ["a/b", "", "?x=1", "%2F", "ä b", "\x1b[2J", '"']
    database.sql.execute("create table words (word text); select tally.create_tally('words', 'public.words', 'word')")
    database.sql.cursor().executemany("insert into words values (%s)", [[key] for key in keys])
    server = serve(database.dsn).wait_live()
    asked = run("get", "words", *keys, "--url", server.url, "--json")
    assert json.loads(asked.stdout)["keys"] == {key: {"count": 1} for key in keys}
    shown = run("get", "words", *keys, "--url", server.url).stdout
    assert "\x1b" not in shown and "\\u001b[2J" in shown and '"ä b"' in shown


@pytest.mark.parametrize("arguments, says", [
    (["get", "nothing", "1"], "404"), (["get", "tweets", "abc"], "400"), (["watch", "nothing"], "404"), (["watch", "tweets", "abc"], "400")])
def test_what_the_server_refuses(server, arguments, says):
    asked = run(*arguments, "--url", server.url)
    assert asked.returncode == 1 and f"the server answered {says}: " in asked.stderr and not asked.stdout


@pytest.mark.parametrize("arguments", [["get", "tweets", "1"], ["top", "tweets", "--by", "favs"], ["watch", "tweets"]])
def test_nobody_answers(arguments):
    asked = run(*arguments, "--url", "http://127.0.0.1:1")
    assert asked.returncode == 1 and "connecting to http://127.0.0.1:1/ failed" in asked.stderr


@pytest.mark.parametrize("arguments, says", [
    (["get"], "name of a tally"), (["get", "tweets"], "a key is needed"), (["get", "Tweets", "1"], "'Tweets'"), (["top", "tweets"], "--by"),
    (["top", "tweets", "33", "--by", "favs"], "no key"), (["top", "tweets", "--by", "favs", "--limit", "0"], "1 to 1000"), (["watch"], "name of a tally"),
    (["watch", "tweets", "--url", "ftp://x"], "--url"), (["get", "tweets", "1", "--nope"], "--nope")])
def test_wrong_usage(arguments, says):
    asked = run(*arguments)
    assert asked.returncode == 2 and says in asked.stderr and not asked.stdout


def test_a_stale_tally_is_named(serve, tweets, cluster):
    server = serve(tweets.dsn, "--heartbeat", "100ms").wait_live()
    tweets.sql.execute("alter table tweet.activity drop column action cascade")
    eventually(lambda: not server.get("/readyz?live").ok)
    asked = run("get", "tweets", "33", "--url", server.url)
    assert "tally is " in asked.stderr and asked.stdout.splitlines()[1].split() == ["33", "2", "1"]


def test_watch_prints_a_line_for_each_change(watch, tweets):
    watched = watch("tweets", "33", "34")
    watched.until("33 rts=2 favs=1")
    watched.until("34 rts=0 favs=1")
    favs(tweets, 33, 99, 34)
    watched.until("33 rts=2 favs=2")
    watched.until("34 rts=0 favs=2")
    assert not any(line.startswith("99") for line in watched.lines) and not watched.complaints
    assert watched.end() == 0


def test_watch_prints_json(watch, tweets):
    watched = watch("tweets", "--json")
    eventually(lambda: len(watched.lines) == 4, lambda: watched.lines)
    favs(tweets, 99)
    watched.until('{"key":"99","counters":{"rts":0,"favs":1}}')
    assert {"state": "live"} in [json.loads(line) for line in watched.lines]
    assert watched.end(signal.SIGTERM) == 0


def test_watch_goes_on_after_the_server_was_away(serve, tweets):
    server = serve(tweets.dsn).wait_live()
    port = server.url.rpartition(":")[2]
    watched = Watch("tweets", "33", "--url", server.url)
    watched.until("33 rts=2 favs=1")
    server.stop(signal.SIGKILL)
    eventually(lambda: any("disconnected" in line for line in watched.complaints), lambda: watched.complaints)
    favs(tweets, 33)
    serve(tweets.dsn, "--listen", f"127.0.0.1:{port}")
    watched.until("33 rts=2 favs=2")
    assert watched.end() == 0


def test_watch_ends_with_the_tally(watch, tweets):
    watched = watch("tweets", "33")
    watched.until("33 rts=2 favs=1")
    tweets.sql.execute("select tally.drop_tally('tweets')")
    assert watched.process.wait(timeout=LONG) == 1
    eventually(lambda: any("dropped" in line for line in watched.complaints))


def test_watch_ends_when_nobody_reads(server, tweets):
    reader, writer = os.pipe()
    process = subprocess.Popen([PROGRAM, "watch", "tweets", "33", "--url", server.url], env=environment(), stdout=writer)
    os.close(writer)
    assert os.read(reader, 100) == b"33 rts=2 favs=1\n"
    os.close(reader)

    def ended():
        favs(tweets, 33)
        return process.poll() is not None

    eventually(ended)
    assert process.returncode == 0


def test_on_a_terminal_a_table_changes_in_place(server, tweets):
    controller, terminal = pty.openpty()
    process = subprocess.Popen([PROGRAM, "watch", "tweets", "33", "34", "--url", server.url], env=environment(), stdin=terminal,
                               stdout=terminal, stderr=terminal)
    os.close(terminal)
    seen = b""

    def read_until(text):
        nonlocal seen
        while text not in seen:
            seen += os.read(controller, 4096)

    read_until(b"tweets: live")
    read_until(b"33     2     1")
    favs(tweets, 33)
    read_until(b"\x1b[4A\r\x1b[J")
    read_until(b"33     2     2")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=LONG) == 0
    os.close(controller)
