"""The program from outside: run to its end, run as a server, and a WebSocket client."""

import asyncio
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

import requests
import websockets

import answers
import messages

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("PGTALLY_PROGRAM", str(ROOT / "build" / "release" / "pgtally"))
LONG = 30  # seconds after which an expected event counts as missing

TWEETS = """
create schema tweet;
create table tweet.activity (id bigint generated always as identity primary key, messageid bigint, action text,
                             check (action <> 'never'));
select tally.create_tally(
  name => 'tweets', source => 'tweet.activity', key => 'messageid',
  counters => $${"rts":  "case action when 'rt'  then 1 when 'de-rt'  then -1 end",
                 "favs": "case action when 'fav' then 1 when 'de-fav' then -1 end"}$$,
  actions => $${"fav":   "insert into tweet.activity (messageid, action) values ($1::bigint, 'fav')",
                "many":  "insert into tweet.activity (messageid, action) select $1::bigint, 'fav' from generate_series(1, ($2->>'n')::int)",
                "never": "insert into tweet.activity (messageid, action) values ($1::bigint, 'never')",
                "slow":  "with s as (select pg_sleep(($2->>'s')::float)) insert into tweet.activity (messageid, action) select $1::bigint, 'fav' from s",
                "lost":  "with s as (select pg_terminate_backend(pg_backend_pid())) insert into tweet.activity (messageid, action) select $1::bigint, 'fav' from s"}$$);
insert into tweet.activity (messageid, action) values (33, 'rt'), (33, 'rt'), (33, 'fav'), (34, 'fav'), (-7, 'rt');
"""


def environment(**more):
    """The environment without variables that affect the program."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DATABASE_URL"))}
    return {**kept, **more}


def run(*arguments, env=None, **more):
    """Runs the program to its end."""
    return subprocess.run([PROGRAM, *arguments], env=environment(**(env or {})), text=True, capture_output=True, timeout=60, **more)


def eventually(what, why="it did not happen", longest=LONG):
    """Polls what() and returns its first true value. `why`, a text or a function, is the failure's message."""
    until = time.monotonic() + longest
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < until, why() if callable(why) else why
        time.sleep(0.01)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


class Server:
    def __init__(self, dsn, *options, env=None):
        self.lines = []
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", *options],
            env=environment(PGTALLY_DSN=dsn, **(env or {})), stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.url = self._address("listening at")
        self.admin = self._address("admin at")
        answers.admin_hosts.add(self.admin.removeprefix("http://"))
        self.host = self.url.partition("://")[2]
        self.ws_url = self.url.replace("http", "ws", 1) + "/v1/ws"

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def _address(self, words):
        def find():
            for line in self.lines:
                if found := re.search(words + r" (https?://\S+?)/", line):
                    return found[1]
            assert self.process.poll() is None, self.log()
            return None
        return eventually(find, "the server did not say its address")

    def log(self):
        return "\n".join(self.lines)

    def last_lines(self):
        return "\n".join(self.lines[-20:])

    def get(self, path, **more):
        return requests.get(self.url + path, timeout=LONG, **more)

    def post(self, path, **more):
        return requests.post(self.url + path, timeout=LONG, **more)

    def wait_live(self):
        eventually(lambda: self.get("/readyz?live").ok, "not live: " + self.log())
        return self

    def raw(self, text, admin=False):
        """Sends bytes and returns everything until the server closes."""
        host, port = (self.admin if admin else self.url).partition("://")[2].split(":")
        with socket.create_connection((host, int(port)), timeout=LONG) as connection:
            connection.sendall(text.encode("latin-1"))
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
        answer = b"".join(parts).decode("latin-1")
        answers.check_raw(text, answer, admin)
        return answer

    def connect(self, **more):
        return Client(self.ws_url, **more)

    def metrics(self):
        found = {}
        for line in requests.get(self.admin + "/metrics", timeout=LONG).text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def stop(self, sent=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sent)
        status = self.process.wait(timeout=LONG)
        self.reader.join(LONG)
        return status


class Client:
    """A synchronous WebSocket client."""

    def __init__(self, url, subprotocols=("pgtally.v1",), **more):
        self.loop = asyncio.new_event_loop()

        async def connect():
            return await websockets.connect(url, subprotocols=subprotocols, max_size=None, ping_interval=None, **more)

        self.socket = self._do(connect())
        if answers.is_ours(self.socket.response_headers.raw_items()):
            answers.check("GET", urllib.parse.urlsplit(url).path, 101, dict(self.socket.response_headers.raw_items()), b"")

    def _do(self, what):
        return self.loop.run_until_complete(asyncio.wait_for(what, LONG))

    def send(self, message=None, **members):
        if message is None:
            message = json.dumps(members)
        self._do(self.socket.send(message))

    def receive_text(self):
        text = self._do(self.socket.recv())
        messages.check_received(text)
        return text

    def receive(self):
        return json.loads(self.receive_text())

    def ask(self, message=None, **members):
        """Sends it, and returns the next message. What the server takes must be described, too."""
        self.send(message, **members)
        answer = self.receive()
        if answer["type"] != "error":
            messages.check_sent(message or json.dumps(members))
        return answer

    def until(self, wanted):
        """Returns the first message for which wanted(message) is true, and those before it."""
        seen = []
        while True:
            seen.append(self.receive())
            if wanted(seen[-1]):
                return seen

    def nothing_waits(self):
        """Messages arrive in order, so pending ones arrive before the answer to a ping."""
        answer = self.ask(type="ping")
        assert answer == {"type": "pong"}

    def closed_with(self):
        try:
            while True:
                self.receive_text()
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None, closed.rcvd.reason if closed.rcvd else None

    def close(self):
        if not self.loop.is_closed():
            self._do(self.socket.close())
            self.loop.close()
