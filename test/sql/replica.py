"""A replica in a few lines: a load, plus every event whose transaction is not visible in its fence."""

import json
import uuid

from stream import Stream


class Replica:
    """Follows one tally from now on, by its transport. `counters` has the sums of the events, `events` the received ones."""

    def __init__(self, database, name, user="postgres"):
        self.name = name
        self.events = []
        self.payloads = []
        self.reloads = 0
        self.barriers = set()
        self.counters = {}
        self.fence = None
        self.connection = database.connect(user)
        self.transport = self.connection.execute("select transport from tally.tallies where name = %s", [name]).fetchone()[0]
        if self.transport == "wal":
            self.stream = Stream(database)
        else:
            self.connection.add_notify_handler(lambda notification: self._take(notification.payload))
            self.connection.execute("listen tally")
        self.load()

    def load(self):
        """Each test is one thread, so what is flushed is visible, and nothing has to be waited for between slot and fence."""
        with self.connection.transaction():
            self.connection.execute("set transaction isolation level repeatable read, read only")
            self.connection.execute("select tally.lock_source(%s)", [self.name])
            snapshot = self.connection.execute("select pg_current_snapshot()::text").fetchone()[0]
            self.counters = truth(self.connection, self.name)
        xmin, xmax, running = snapshot.split(":")
        self.fence = int(xmin), int(xmax), {int(x) for x in running.split(",") if x}

    def _visible(self, x):
        xmin, xmax, running = self.fence
        return x < xmin or (x < xmax and x not in running)

    def _take(self, payload):
        event = json.loads(payload)
        if "barrier" in event:
            self.barriers.add(event["barrier"])
            return
        if event["t"] != self.name or (self.fence and self._visible(int(event["x"]))):
            return
        self.payloads.append(payload)
        self.events.append(event)
        if "truncate" in event:
            self.counters.clear()
        if "reload" in event:
            self.reloads += 1
        for key, *deltas in event.get("d", []):
            sums = self.counters.setdefault(key, [0] * len(deltas))
            self.counters[key] = [a + b for a, b in zip(sums, deltas, strict=True)]

    def drain(self):
        """Applies all events of committed transactions."""
        if self.transport == "wal":
            for payload in self.stream.drain():
                self._take(payload)
            return self
        barrier = str(uuid.uuid4())
        while barrier not in self.barriers:
            self.connection.execute("select pg_notify('tally', %s)", [json.dumps({"barrier": barrier})])
        return self

    def nonzero(self):
        return {key: sums for key, sums in self.counters.items() if any(sums)}

    def check(self):
        """Checks that the counters equal the truth, key by key, and returns it."""
        self.drain()
        actual = truth(self.connection, self.name)
        assert self.nonzero() == actual
        return actual


def truth(connection, name):
    return dict(connection.execute("select key, counters from tally.truth(%s)", [name]).fetchall())
