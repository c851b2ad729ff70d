"""Viewers by plain HTTP: clients of Server-Sent Events and of long polls, which survive all faults as `Watcher` does."""

import asyncio
import json
import re
import urllib.parse

from watchers import Watcher


class Streamed(Watcher):
    """What both have in common: requests by a connection of their own."""

    async def _session(self, raw):
        host, port = self.url.split("/")[2].split(":")
        self.reader, self.socket = await asyncio.wait_for(asyncio.open_connection(host, int(port), limit=1 << 24), 10)
        try:
            await self.follow()
        finally:
            self.socket.close()

    async def request(self, path, query, **fields):
        """Sends a request, and returns the status and the header of its answer."""
        query = [("key", key) for key in self.keys or []] + query
        lines = [f"GET /v1/tallies/{self.tally}/{path}?{urllib.parse.urlencode(query)} HTTP/1.1", "Host: localhost",
                 *[f"{name}: {value}" for name, value in fields.items()], "", ""]
        self.socket.write("\r\n".join(lines).encode())
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 90)).decode()
        status = int(head.split(" ", 2)[1])
        if status == 404:
            self.values, self.point = {}, None
        if status not in (200, 204):
            assert status in (404, 503), f"{self.name} of {self.tally}: {head}"
            raise EOFError
        return status, head

    def position(self):
        return f"{self.point['epoch']}-{self.point['revision']}"


class Streaming(Streamed):
    """One tally by Server-Sent Events; resumes by Last-Event-ID."""

    async def follow(self):
        self.parts = None
        fields = {"Last-Event-ID": self.position()} if self.point and self.resume else {}
        await self.request("events", [], **fields)
        text = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            text += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
            *events, text = text.split(b"\n\n")
            for event in events:
                self.take_event(dict(line.split(": ", 1) for line in event.decode().split("\n") if not line.startswith(":")))
        raise EOFError

    def take_event(self, fields):
        if "event" not in fields:
            return
        message = {"type": fields["event"], **json.loads(fields["data"])}
        if message["type"] == "unsubscribed" or message.get("code") == "unknown_tally":
            self.values, self.point, self.state = {}, None, None
            return
        self.take(message)
        assert ("id" in fields) == ("keys" in message and not message.get("more")), fields
        assert "id" not in fields or fields["id"] == self.position(), (fields["id"], self.point)
        self.messages += 1
        self.arrived.set()


class Polling(Streamed):
    """Named keys of one tally by long poll. Each answer has all of them."""

    async def follow(self):
        while True:
            query = [("since", self.position()), ("wait", "5")] if self.point else []
            status, head = await self.request("keys", query)
            if status == 204:
                assert f'ETag: W/"{self.position()}"' in head, (head, self.point)
                self.state = "live"  # only a live tally says that nothing changed
                continue
            body = await self.reader.readexactly(int(re.search(r"Content-Length: (\d+)", head)[1]))
            self.take({"type": "snapshot", **json.loads(body)})
            self.messages += 1
            self.arrived.set()
