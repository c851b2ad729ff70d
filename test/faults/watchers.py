"""The viewers of counters: WebSocket clients that survive all faults, and a reader of REST.

Each one asserts that no revision decreases within an epoch, and passes what it is shown of the story to its `Viewer`. A
failed assertion is stored as `error`, and the referee reports it.
"""

import asyncio
import http.client
import json
import pathlib
import socket
import sys
import threading
import time

import websockets

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "exact"))

from clients import Client  # noqa: E402
from judge import Viewer  # noqa: E402
from story import KEYS  # noqa: E402

LOST = (websockets.WebSocketException, OSError, TimeoutError, EOFError)


class Watcher(Client):
    """One tally over WebSocket. `resume`: uses `since` after a cut. `slow`: reads a message only at times."""

    def __init__(self, name, url, tally, keys=None, resume=False, slow=0.0):
        super().__init__(url, tally, keys)
        self.name, self.resume, self.slow = name, resume, slow
        self.viewer = Viewer(f"{name} of {tally}") if tally == "story" else None
        self.hurry = False
        self.messages = 0
        self.again = asyncio.Event()

    async def run(self):
        while True:
            try:
                with socket.socket() as raw:
                    await self._session(raw)
            except LOST:
                self.state = None
                await asyncio.sleep(0.1)

    async def _session(self, raw):
        if self.slow:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        host, port = self.url.split("/")[2].split(":")
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(raw, (host, int(port))), 10)
        async with websockets.connect(self.url, sock=raw, subprotocols=["pgtally.v1"], max_size=None, max_queue=1 if self.slow else 32,
                                      open_timeout=20, ping_interval=None, close_timeout=1) as self.socket:
            await self.subscribe()
            while True:
                text = await self.socket.recv()
                self.take(json.loads(text))
                self.messages += 1
                self.arrived.set()
                if self.slow and not self.hurry:
                    await asyncio.sleep(self.slow)

    async def subscribe(self):
        subscribe = {"type": "subscribe", "id": 1, "tally": self.tally}
        if self.keys is not None:
            subscribe["keys"] = self.keys
        if self.point and self.resume:
            subscribe["since"] = self.point
        self.parts = None
        await self.socket.send(json.dumps(subscribe))

    def take(self, message):
        kind = message["type"]
        if kind == "unsubscribed" or (kind == "error" and message["code"] == "unknown_tally"):
            self.values, self.point, self.state = {}, None, None
            asyncio.get_running_loop().create_task(self._subscribe_again())
            return
        if "revision" in message and self.point and message.get("epoch", self.point["epoch"]) == self.point["epoch"]:
            assert message["revision"] >= self.point["revision"], f"{self.name} of {self.tally}: the revision went back, {self.point} to {message}"
        if self.viewer and "keys" in message:
            shown = {name: message.get(name) for name in ("type", "revision", "state", "partial")}
            epoch = message.get("epoch") or self.point["epoch"]
            self.viewer.saw(shown | {"epoch": epoch, "at": time.strftime("%X")}, message["keys"])
        super().take(message)

    async def _subscribe_again(self):
        await asyncio.sleep(0.1)
        try:
            await self.subscribe()
        except LOST:
            pass


class Watchers:
    """All watchers, on an event loop in its own thread."""

    def __init__(self, watchers):
        self.watchers = watchers
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.tasks = [asyncio.run_coroutine_threadsafe(watcher.run(), self.loop) for watcher in watchers]

    def close(self):
        async def end():
            for _ in range(50):
                others = asyncio.all_tasks() - {asyncio.current_task()}
                if not others:
                    return
                for task in others:
                    task.cancel()  # again: a task may lose it where it waits for a connection with a timeout
                await asyncio.wait(others, timeout=0.2)
        asyncio.run_coroutine_threadsafe(end(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def do(self, what, *arguments):
        async def call():
            return what(*arguments)
        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(30)

    def error(self):
        return next((task.exception() for task in self.tasks if task.done() and not task.cancelled()), None)

    def hurry(self, on):
        for watcher in self.watchers:
            self.do(setattr, watcher, "hurry", on)

    def look(self):
        """The current values of each: (watcher, state, values without zeros)."""
        return self.do(lambda: [(watcher, watcher.state, watcher.nonzero()) for watcher in self.watchers])


class Reader(threading.Thread):
    """Reads the story by REST repeatedly, on one connection while it lasts."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.viewer = Viewer("the reader of REST")
        self.stopping = threading.Event()
        self.error = None
        self.answers = 0
        self.path = "/v1/tallies/story/keys?" + "&".join(f"key={key}" for key in KEYS)

    def run(self):
        try:
            while not self.stopping.is_set():
                try:
                    self.read_on_one_connection()
                except (OSError, http.client.HTTPException):
                    self.stopping.wait(0.1)
        except Exception as error:  # noqa: BLE001: the referee reports it
            self.error = error

    def read_on_one_connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        point = None
        try:
            while not self.stopping.is_set():
                connection.request("GET", self.path)
                answer = connection.getresponse()
                body = json.loads(answer.read())
                if answer.status == 200:
                    if point and point["epoch"] == body["epoch"]:
                        assert body["revision"] >= point["revision"], f"REST: the revision went back, from {point} to {body}"
                    point = {name: body[name] for name in ("epoch", "revision", "state")} | {"at": time.strftime("%X")}
                    self.viewer.saw(point, body["keys"])
                    self.answers += 1
                else:
                    assert answer.status in (404, 503), body
                    point = None
                self.stopping.wait(0.05)
        finally:
            connection.close()
