"""Viewers of the top, the sum and a rank of a tally, by each protocol; and the same answers in plain SQL."""

import asyncio
import json
import re

from http_watchers import Streamed, Streaming
from watchers import Watcher

LIMIT, AROUND = 20, 2
NUMBERED = {"posts": "count", "weights": "likes"}  # tallies with integer keys -> the counter by which they are ranked
NAMED = {"story": "weight", "said": "count", "ballots": "points"}  # by the bytes of their keys
RANKED = {**NUMBERED, **NAMED}
KEY = {"posts": "33", "weights": "33", "story": "k3", "said": "", "ballots": "red"}  # of which the rank is asked


def ranked(tally, expected):
    """The rows of the truth, as a top has them."""
    by = RANKED[tally]
    def order(row):
        return -row[1][by], int(row[0]) if tally in NUMBERED else row[0].encode()
    return [{"key": key, "counters": counters} for key, counters in sorted(expected.items(), key=order)]


def answers(tally, expected):
    """What the asker of a tally must have: by the name of the question."""
    rows = ranked(tally, expected)
    place = next((n for n, row in enumerate(rows, 1) if row["key"] == KEY[tally]), None)
    around = [{"place": n, **row} for n, row in enumerate(rows, 1) if place and abs(n - place) <= AROUND]
    names = {name for row in rows for name in row["counters"]}
    return {"top": rows[:LIMIT], "sum": ({name: sum(row["counters"][name] for row in rows) for name in names}, len(rows)),
            "rank": ({"key": KEY[tally], "place": place, "of": len(rows)}, around)}


def answer_of(message):
    """The answer in a message or in an answer of REST: its name, and what it is."""
    if "top" in message:
        return "top", message["top"]
    if "sum" in message:
        return "sum", (message["sum"], message["size"])
    return "rank", (message["rank"], message["around"])


class Asking:
    """What the viewers have in common: the answers, each with the position at which it was sent."""

    def begin(self):
        self.answers, self.points = {}, {}

    def keep(self, message, epoch=None):
        what, answer = answer_of(message)
        before = self.points.get(what)
        point = message.get("epoch") or epoch or before[0], message["revision"]
        if before and before[0] == point[0]:
            assert point[1] >= before[1], f"{self.name} of {self.tally}: the revision went back, from {before} to {point}"
        self.answers[what], self.points[what] = answer, point


class SocketAsker(Asking, Watcher):
    """All three by one WebSocket."""

    async def subscribe(self):
        self.begin()
        by, tally = RANKED[self.tally], self.tally
        for what in {"top": {"by": by, "limit": LIMIT}}, {"sum": True}, {"rank": {"by": by, "key": KEY[tally], "around": AROUND}}:
            await self.socket.send(json.dumps({"type": "subscribe", "id": next(iter(what)), "tally": tally, **what}))

    def take(self, message):
        if message["type"] == "unsubscribed" or (message["type"] == "error" and message["code"] == "unknown_tally"):
            raise EOFError  # begins again by another connection
        if message["type"] in ("snapshot", "change"):
            assert answer_of(message)[0] == message["id"], message
            self.keep(message)


class StreamAsker(Asking, Streaming):
    """The top by Server-Sent Events."""

    async def request(self, path, query, **fields):
        self.begin()
        return await super().request(path, [*query, ("top", LIMIT), ("by", RANKED[self.tally])], **fields)

    def take_event(self, fields):
        if "event" not in fields:
            return
        if fields["event"] in ("snapshot", "change"):
            message = json.loads(fields["data"])
            self.keep(message)
            assert fields["id"] == "-".join(map(str, self.points["top"])), (fields["id"], self.points)


class PollAsker(Asking, Streamed):
    """The top by long poll."""

    async def follow(self):
        self.begin()
        question = [("by", RANKED[self.tally]), ("limit", LIMIT)]
        while True:
            since = [("since", "-".join(map(str, self.points["top"]))), ("wait", "5")] if self.points else []
            status, head = await self.request("top", question + since)
            if status == 200:
                self.keep(json.loads(await self.reader.readexactly(int(re.search(r"Content-Length: (\d+)", head)[1]))))
            await asyncio.sleep(0)


def askers(program):
    url = program.ws_url
    return [*(SocketAsker("a client that asks", url, tally) for tally in RANKED), SocketAsker("a slow client that asks", url, "posts", slow=0.4),
            *(StreamAsker("a client of a top's events", url, tally) for tally in ("posts", "story")),
            *(PollAsker("a client that polls a top", url, tally) for tally in ("posts", "story"))]
