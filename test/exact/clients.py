"""Clients written from the documentation alone: they replace values on a snapshot and set them on a change."""

import asyncio
import json

import websockets


class Client:
    """Keeps the last value per key of one tally. `keys`: None for all of them. It may reconnect and resume."""

    def __init__(self, url, tally, keys=None, interval_ms=0):
        self.url, self.tally, self.keys, self.interval_ms = url, tally, keys, interval_ms
        self.values, self.state, self.point = {}, None, None
        self.snapshots = self.partials = self.changes = 0
        self.parts = None
        self.arrived = asyncio.Event()
        self.socket = None

    async def run(self):
        """Runs until cancelled; reconnects after each loss."""
        while True:
            try:
                async with websockets.connect(self.url, subprotocols=["pgtally.v1"], max_size=None) as self.socket:
                    subscribe = {"type": "subscribe", "id": 1, "tally": self.tally, "interval_ms": self.interval_ms}
                    if self.keys is not None:
                        subscribe["keys"] = self.keys
                    if self.point:
                        subscribe["since"] = self.point
                    self.parts = None
                    await self.socket.send(json.dumps(subscribe))
                    async for text in self.socket:
                        self.take(json.loads(text))
                        self.arrived.set()
            except (websockets.ConnectionClosed, OSError):
                await asyncio.sleep(0.05)

    def cut(self):
        if self.socket and self.socket.transport:
            self.socket.transport.abort()

    def take(self, message):
        kind = message["type"]
        assert kind in ("snapshot", "change", "state"), message
        self.state = message.get("state", self.state)
        if kind == "snapshot":
            self.take_snapshot(message)
        elif kind == "change":
            assert message["revision"] > self.point["revision"], (message, self.point)
            self.point = {**self.point, "revision": message["revision"]}
            self.values.update(message["keys"])
            self.changes += 1

    def take_snapshot(self, message):
        if self.point and self.point["epoch"] == message["epoch"]:
            assert message["revision"] >= self.point["revision"], (message, self.point)
        whole = self.parts if self.parts is not None else {}
        whole.update(message["keys"])
        if message.get("more"):
            self.parts = whole
            return
        self.parts = None
        if message.get("partial"):
            self.partials += 1
            self.values.update(whole)
        else:
            self.snapshots += 1
            self.values = whole
        self.point = {"epoch": message["epoch"], "revision": message["revision"]}

    def nonzero(self):
        return {key: counters for key, counters in self.values.items() if any(counters.values())}

    async def until(self, condition, seconds=60):
        """Reads messages until `condition()` is true. A deadline turns a hang into a failure."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.arrived.clear()
                await self.arrived.wait()

