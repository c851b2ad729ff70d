"""The writers: eight for every kind of DML, storytellers, posters of actions. They survive the loss of connections."""

import json
import pathlib
import random
import re
import sys
import threading
import uuid

import psycopg
import requests

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "exact"))

from shape import Shaper  # noqa: E402
from story import Storyteller, is_lost  # noqa: E402
from writers import EVERY, Rewriter, Writer  # noqa: E402

RETRIED = (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable, psycopg.errors.UniqueViolation,
           psycopg.errors.ForeignKeyViolation, psycopg.errors.ExclusionViolation, psycopg.errors.QueryCanceled, psycopg.errors.SerializationFailure)
CHANCE_OF_TWO_PHASES = 0.05


class Member(threading.Thread):
    """Repeats `step` until stopped; can be paused between two steps."""

    retried = RETRIED  # errors of its statements that it expects
    hasty = False  # whether a crash may take back what it committed

    def __init__(self, dsn, seed, rest=0.02):
        super().__init__(daemon=True)
        self.dsn, self.random, self.rest = dsn, random.Random(seed), rest
        self.stopping, self.paused = threading.Event(), threading.Event()
        self.turn = threading.Lock()
        self.committed = self.failed = self.lost = self.two_phase = 0
        self.connection = None
        self.prepared = None  # a prepared transaction that is to be ended, and how
        self.error = None

    def run(self):
        try:
            while not self.stopping.is_set():
                with self.turn:
                    if not self.paused.is_set() or self.prepared:
                        self.one()
                self.stopping.wait(self.random.uniform(0, self.rest) if not self.paused.is_set() else 0.02)
        except Exception as error:  # noqa: BLE001: the referee reports it
            self.error = error
        finally:
            if self.connection:
                self.connection.close()

    def one(self):
        try:
            if not self.connection or self.connection.closed:
                self.connection = psycopg.connect(self.dsn, autocommit=False, connect_timeout=20)
                self.connection.execute("set lock_timeout = '20s'; set timezone = 'America/Los_Angeles'; set datestyle = 'German'")
                if self.hasty:
                    self.connection.execute("set synchronous_commit = off")
                self.connection.commit()
            if self.prepared:
                self.end_prepared(self.connection)
            else:
                self.step(self.connection)
        except self.retried:
            self.connection.rollback()
            self.failed += 1
        except psycopg.Error as error:
            if not is_lost(error) and not (self.connection and self.connection.closed):
                raise
            # Only the database knows whether the last commit succeeded, so the truth is read from it.
            self.lost += 1
            if self.connection:
                self.connection.close()
            self.stopping.wait(0.1)

    def finish(self, connection, chance_of_rollback):
        if self.random.random() < CHANCE_OF_TWO_PHASES:
            self.prepare(connection, chance_of_rollback)
        elif self.random.random() < chance_of_rollback:
            connection.rollback()
        else:
            connection.commit()
            self.committed += 1

    def prepare(self, connection, chance_of_rollback):
        """Two-phase commit. PostgreSQL refuses it, and rolls back, if the transaction sent an event by NOTIFY."""
        name = f"member {self.random.getrandbits(64)}"
        how = "rollback" if self.random.random() < chance_of_rollback else "commit"
        self.prepared = name, how
        try:
            connection.execute(f"prepare transaction '{name}'")
        except psycopg.errors.FeatureNotSupported:
            self.prepared = None
            connection.rollback()
            return
        self.two_phase += 1
        self.stopping.wait(self.random.choice([0, self.random.uniform(0, 0.5)]))
        self.end_prepared(connection)

    def end_prepared(self, connection):
        name, how = self.prepared
        connection.rollback()
        connection.autocommit = True
        try:
            connection.execute(f"{how} prepared '{name}'")
            self.committed += how == "commit"
        except psycopg.errors.UndefinedObject:
            pass  # the connection was lost while it was prepared, or while it was ended
        finally:
            if not connection.closed:
                connection.autocommit = False
        self.prepared = None


class Anybody(Member):
    """Random transactions of every kind; with `bulks`, an occasional statement of 100,000 rows."""

    def __init__(self, dsn, seed, bulks=False):
        super().__init__(dsn, seed, rest=0.05)
        self.bulks = bulks
        self.hasty = self.random.random() < 0.5
        self.all = Writer(dsn, 0, 1, 0)  # for its statements
        self.all.random = self.random

    def step(self, connection):
        if self.bulks and self.random.random() < 0.01:
            self.all.bulk(connection)
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
