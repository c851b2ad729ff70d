"""Shared by the tests of a database that goes away: writers that never give up, and clients that survive."""

import contextlib
import random
import threading

import psycopg
import requests

from program import LONG, eventually

LIKES = """
create table likes (id bigint generated always as identity primary key, post_id bigint, weight int not null default 1);
create index on likes (post_id);
insert into likes (post_id, weight) select g % 50, g % 7 from generate_series(1, 500) g;
select tally.create_tally('likes', 'public.likes', 'post_id', '{"count": "1", "weight": "weight"}');
"""


class Writer(threading.Thread):
    """Commits small transactions while a database accepts them, and waits while none does."""

    def __init__(self, dsn, seed=1):
        super().__init__(daemon=True)
        self.dsn, self.random = dsn, random.Random(seed)
        self.stopping = threading.Event()
        self.committed = 0

    def run(self):
        while not self.stopping.is_set():
            with contextlib.suppress(psycopg.Error):
                with psycopg.connect(self.dsn, autocommit=True, connect_timeout=5) as connection:
                    while not self.stopping.is_set():
                        connection.execute("begin")
                        self.step(connection)
                        connection.execute("commit")
                        self.committed += 1
                        self.stopping.wait(0.002)
            self.stopping.wait(0.05)

    def step(self, connection):
        roll, post = self.random.random(), self.random.randint(0, 79)
        if roll < 0.6:
            connection.execute("insert into likes (post_id, weight) values (%s, %s)", [post, self.random.randint(-2, 5)])
        elif roll < 0.8:
            connection.execute("update likes set weight = weight + 1 where post_id = %s", [post])
        else:
            connection.execute("delete from likes where id = (select min(id) from likes where post_id = %s)", [post])

    def go_on(self, transactions=20):
        """Waits until it has committed more."""
        until = self.committed + transactions
        eventually(lambda: self.committed >= until, "the writer commits nothing")

    def stop(self):
        self.stopping.set()
        self.join(30)
        assert not self.is_alive()


class Witness:
    """A client of the whole test: it records its messages and the states of the tally."""

    def __init__(self, server, tally="likes"):
        self.client = server.connect()
        self.values, self.states = {}, []
        self.client.send(type="subscribe", id=1, tally=tally)

    def take(self):
        message = self.client.receive()
        assert message["type"] in ("snapshot", "change", "state"), message
        if "state" in message:
            self.states.append((message["state"], message.get("reason")))
        if message["type"] == "snapshot" and not message.get("partial"):
            self.values = {}
        self.values.update(message.get("keys", {}))

    def nonzero(self):
        return {key: counters for key, counters in self.values.items() if any(counters.values())}

    def until(self, wanted):
        """Reads messages until one is `wanted`; each receive has a deadline."""
        while self.nonzero() != wanted or self.states[-1][0] != "live":
            self.take()

    def close(self):
        self.client.close()


def truth(sql, tally="likes"):
    names = list(sql.execute("select counters from tally.tallies where name = %s", [tally]).fetchone()[0])
    return {key: dict(zip(names, counters, strict=True))
            for key, counters in sql.execute("select key, counters from tally.truth(%s)", [tally])}


def served(server, tally="likes"):
    """The state and all values, as a new client gets them."""
    client = server.connect()
    try:
        message = client.ask(type="subscribe", id=1, tally=tally)
        return message.get("state"), message.get("keys", {})
    finally:
        client.close()


def tally_of(server, name="likes"):
    """The tally's entry in the operators' list; {} if there is none, or no list."""
    answer = requests.get(server.admin + "/v1/tallies", timeout=LONG)
    return next((one for one in answer.json().get("tallies", []) if one["name"] == name), {})


def reason(server, name="likes"):
    """Why the tally is not live, as "state: reason"."""
    one = tally_of(server, name)
    return f"{one.get('state')}: {one.get('reason', '')}"


def exact(server, sql, witness=None, tally="likes"):
    """Checks that all clients reach the truth once nothing is written."""
    wanted = truth(sql, tally)
    assert wanted
    eventually(lambda: served(server, tally) == ("live", wanted), lambda: f"not exact: {reason(server, tally)}\n{server.last_lines()}")
    if witness is not None:
        witness.until(wanted)
    assert server.process.poll() is None


def port_of(dsn):
    return int(psycopg.conninfo.conninfo_to_dict(dsn)["port"])
