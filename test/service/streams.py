"""A client of Server-Sent Events."""

import http.client
import json
import time
import urllib.parse

import answers
import messages
from program import LONG


class Event:
    def __init__(self, name, data, id):
        self.name, self.id = name, id
        self.text = data
        self.data = json.loads(data)

    def __repr__(self):
        return f"{self.name} {self.id} {self.text[:200]}"


class Events:
    """Reads a stream as EventSource does: `position` is the last id, from which it resumes."""

    def __init__(self, server, path, headers=None, timeout=LONG):
        self.connection = http.client.HTTPConnection(server.host, timeout=timeout)
        self.connection.request("GET", path, headers=headers or {})
        self.answer = self.connection.getresponse()
        if answers.is_ours(self.answer.headers.items()):
            answers.check("GET", path, self.answer.status, dict(self.answer.headers), None)
        self.position = (headers or {}).get("Last-Event-ID", "")
        self.retry, self.comments, self.lines = None, 0, []

    def next(self):
        """The next event; None at the end of the stream."""
        name, data, id = "message", [], None
        until = time.monotonic() + 2 * LONG  # comments come also if no event does
        while line := self.answer.readline().decode():
            assert line.endswith("\n"), line
            assert time.monotonic() < until, "no event came"
            self.lines.append(line)
            line = line.rstrip("\n")
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line.startswith(":"):
                self.comments += 1
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                id = self.position = value
            elif field == "retry":
                self.retry = int(value)
            elif not line and data:
                event = Event(name, "\n".join(data), id)
                messages.check_event(event)
                return event
            elif not line:
                name = "message"
        return None

    def until(self, wanted):
        seen = []
        while True:
            event = self.next()
            assert event is not None, ("the stream ended", seen)
            seen.append(event)
            if wanted(event):
                return seen

    def ended(self):
        """Reads to the end, and returns the events before it."""
        seen = []
        while event := self.next():
            seen.append(event)
        return seen

    def close(self):
        self.answer.close()
        self.connection.close()


class Copy:
    """The values of a client that does what the contract says: a snapshot replaces, a change sets."""

    def __init__(self):
        self.values, self.coming = {}, None
        self.state = None

    def take(self, event):
        if "state" in event.data:
            self.state = event.data["state"]
        if event.name == "change":
            self.values.update(event.data["keys"])
        elif event.name == "snapshot" and event.data.get("partial"):
            self.values.update(event.data["keys"])
        elif event.name == "snapshot":
            self.coming = {**(self.coming or {}), **event.data["keys"]}
            if not event.data.get("more"):
                self.values, self.coming = self.coming, None

    def counters(self):
        return {key: tuple(of.values()) for key, of in self.values.items() if any(of.values())}


def path_of(tally="tweets", *keys, **more):
    query = urllib.parse.urlencode([("key", key) for key in keys] + list(more.items()))
    return f"/v1/tallies/{tally}/events" + ("?" + query if query else "")
