"""The writers: eight for every kind of DML, storytellers, posters of actions. They survive the loss of connections."""

import json
import pathlib
import re
import sys
import uuid

import psycopg
import requests

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "exact"))

from member import Member  # noqa: E402
from shape import Shaper  # noqa: E402
from story import Storyteller  # noqa: E402
from writers import EVERY, Rewriter, Writer  # noqa: E402

BULK = 200_000


class Anybody(Member):
    """Random transactions of every kind; with `bulks`, an occasional statement of 200,000 rows."""

    def __init__(self, dsn, seed, bulks=False):
        super().__init__(dsn, seed, rest=0.05)
        self.bulks = bulks
        self.hasty = self.random.random() < 0.5
        self.all = Writer(dsn, 0, 1, 0)  # for its statements
        self.all.random = self.random

    def step(self, connection):
        if self.bulks and self.random.random() < 0.01:
            self.all.bulk(connection, BULK)
        for _ in range(self.random.randint(1, 6)):
            self.random.choice(EVERY)(self.all, connection)
        self.finish(connection, 0.15)


class Rewrites(Member):
    """Rewrites the reactions' table."""

    def __init__(self, dsn, seed):
        super().__init__(dsn, seed, rest=0.6)
        self.all = Rewriter(dsn, 0)
        self.all.random = self.random

    def step(self, connection):
        self.random.choice([self.all.widen, self.all.refill])(connection)
        self.finish(connection, 0.1)


class Teller(Member):
    def __init__(self, dsn, seed):
        super().__init__(dsn, seed, rest=0.05)
        self.story = Storyteller(self.random)

    def step(self, connection):
        self.story.transaction(connection)
        self.finish(connection, 0.2)


class Shapes(Member):
    """Writes under DDL. None of its statements may fail, in old sessions and in new ones."""

    retried = ()

    def __init__(self, dsn, seed):
        super().__init__(dsn, seed, rest=0.1)
        self.shaper = Shaper(self.random)

    def step(self, connection):
        try:
            self.shaper.transaction(connection)
            self.finish(connection, 0.15)
        except psycopg.errors.DeadlockDetected as error:
            # Of two writers' rows. One that a lock on a table is part of is not the writers' own.
            if re.search("on (relation|object|advisory)", error.diag.message_detail):
                raise
            connection.rollback()
            self.failed += 1
        if self.random.random() < 0.2:
            connection.close()


class Poster(Member):
    """Posts actions, each with its own key, so that the number of rows shows how often it was done."""

    ROWS = {201: (1,), 202: (1,), 422: (0,), 429: (0,), 503: (0,), 504: (0, 1), "lost": (0, 1)}

    def __init__(self, url, seed):
        super().__init__("", seed, rest=0.1)
        self.url = url
        self.said = {}  # key -> how it was answered
        self.answers = {}

    def one(self):
        key = str(uuid.UUID(int=self.random.getrandbits(128)))
        action = self.random.choice(["say", "say", "say", "slowly", "refused"])
        try:
            answer = requests.post(f"{self.url}/v1/tallies/said/keys/{key}/{action}", json={"word": action}, timeout=30)
            status, text = answer.status_code, answer.text
        except requests.RequestException as error:
            status, text = "lost", repr(error)
        assert status in self.ROWS or (status == 404 and "unknown_tally" in text), f"POST {action} answered {status}: {text}"
        if status == 201:
            assert json.loads(text)["counters"] == {"count": 1}, f"POST {key}/{action}: 201, but its own row is not in the answer: {text}"
            assert action != "refused", text
        self.said[key] = (status, text)
        self.answers[status] = self.answers.get(status, 0) + 1

    def wrong(self, sql):
        """Actions that were done more or less often than their answers allow. Includes old ones, which may be done late."""
        said = dict(self.said)
        rows = dict(sql("select key, count(*) from said where key = any(%s) group by key", [list(said)]))
        return {key: f"answered {status} ({text.strip()}), done {rows.get(key, 0)} times" for key, (status, text) in said.items()
                if rows.get(key, 0) not in self.ROWS.get(status, (0,))}


SCHEMA = """
create table said (key text not null, word text check (word <> 'refused'));
select tally.create_tally('said', 'public.said', 'key', actions => $${
  "say":     "insert into said values ($1, $2->>'word')",
  "slowly":  "with s as (select pg_sleep(0.3)) insert into said select $1, $2->>'word' from s",
  "refused": "insert into said values ($1, $2->>'word')"}$$);
"""
