"""The faults. Each one is a method of `Faults`, drawn from a shuffled deck; it causes its fault and returns.

Lasting faults end by themselves or in `heal`, which the referee calls before it compares. pgtally must be right after all
of them.
"""

import contextlib
import json
import threading
import time

import psycopg

import transports
from connections import Connections
from ddl import Ddl
from decoding import Decoding
from lies import FORGED, Lies

COME_AND_GO = {  # the definitions that "drafts" alternates between
    "kinds": """{"all": "1", "likes": "case kind when 'like' then 1 end"}""",
    "weights": """{"weight": "weight"}""",
}


class Faults(Connections, Lies, Ddl, Decoding):
    # How often each fault is in a deck.
    SHARES = {"terminate": 4, "terminate_writer": 1, "crash": 1, "restart": 1, "kill": 1, "halt": 1, "cut": 3, "half_close": 2, "stall": 2,
              "silence": 1, "deafness": 1, "proof": 1, "slowness": 2, "refusal": 1, "junk": 1, "forgery": 2, "forged_nuisance": 1,
              "come_and_go": 2, "by_hand": 2, "reset": 1, "burst": 3, "reload": 1, "cut_client": 3}

    def __init__(self, stage, watchers, random, restore, mode, only=None, long=False):
        """`restore()` dumps and restores the database. `long`: faults that take seconds, too."""
        self.stage, self.watchers, self.random, self.restore, self.mode = stage, watchers, random, restore, mode
        self.ears = [transports.LINKS[transport] for transport in transports.MODES[mode]]
        self.forged = False
        self.definition = "kinds"
        self.timers, self.holders = [], []
        self.words = []
        self.turn(stage.servers[0])
        wal = self.WAL_SHARES | {name: share for name, share in self.LONG_SHARES.items() if long or (only and name in only)}
        groups = {"faults": self.SHARES | wal, "ddl": self.DDL_SHARES}
        self.names = [name for group, names in groups.items() for name in names if not only or name in only or group in only]
        self.shares = self.SHARES | self.DDL_SHARES | self.WAL_SHARES | self.LONG_SHARES
        self.deck = self.random.sample(self.names, len(self.names))  # the first deck has each fault once

    def turn(self, server):
        """The next faults happen to that server."""
        self.server, self.program, self.proxy = server, server.program, server.proxy

    def one(self):
        self.turn(self.random.choice(self.stage.servers))
        if not self.deck:
            self.deck = [name for name in self.names for _ in range(self.shares[name])]
            self.random.shuffle(self.deck)
        name = self.deck.pop()
        detail = getattr(self, name)()
        at = f"server {self.stage.servers.index(self.server)}: " if len(self.stage.servers) > 1 else ""
        self.stage.note(name, f"{at}{detail or ''}")

    def heal(self):
        """Ends all faults."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        for connection in self.holders:
            connection.close()
        self.holders.clear()
        for server in self.stage.servers:
            server.program.go_on()
            server.proxy.heal()
        self.have_publication()
        self.stage.say("healed")

    def last_words(self):
        """Makes a server deaf in two calls of three. This is not healed; the service must detect it. Returns True if it did."""
        if not self.words:
            self.words = self.random.sample(["deafness", "silence", None], 3)
        name = self.words.pop()
        self.turn(self.random.choice(self.stage.servers))
        if name:
            self.stage.note(name, "for good: " + getattr(self, name)())
        return name is not None

    # Processes

    def crash(self):
        self.stage.cluster.crash()
        self.stage.cluster.start()

    def restart(self):
        self.stage.cluster.stop()
        self.stage.cluster.start()

    def kill(self):
        self.program.kill()
        self.program.start()

    def halt(self):
        seconds = self.random.uniform(0.1, 4)
        self.program.halt()
        timer = threading.Timer(seconds, self.program.go_on)
        timer.start()
        self.timers.append(timer)
        return f"for {seconds:.2f} s"

    # In the database

    def patiently(self, statement, arguments=None):
        """Waits for locks with a timeout, and retries after it."""
        for _ in range(10):
            try:
                return self.stage.sql(statement, arguments)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                continue
            except (psycopg.errors.UndefinedObject, psycopg.errors.DuplicateObject, psycopg.errors.UndefinedFunction):
                return []  # a crash lost the answer of the first attempt
        return None

    def come_and_go(self):
        """Drops and recreates a tally, or alters it, while it has subscribers."""
        self.definition = self.random.choice(list(COME_AND_GO))
        if self.random.random() < 0.5:
            self.patiently("select tally.alter_tally('drafts', counters => %s)", [COME_AND_GO[self.definition]])
            how = "altered to"
        else:
            self.patiently("select tally.drop_tally('drafts')")
            how = "dropped, made as"
        self.there()
        return f"{how} {self.definition}"

    def there(self):
        """Makes sure that the tally exists with its last definition."""
        for _ in range(20):
            found = self.stage.sql("select counters::text from tally.tallies where name = 'drafts'")
            if found and json.loads(found[0][0]) == json.loads(COME_AND_GO[self.definition]):
                return
            if found:
                self.patiently("select tally.drop_tally('drafts')")
            with contextlib.suppress(*transports.NO_SLOT):
                self.patiently("select tally.create_tally('drafts', 'public.reaction', 'post_id', %s, transport => %s)",
                               [COME_AND_GO[self.definition], self.random.choice(transports.MODES[self.mode])])
        raise AssertionError("the tally drafts cannot be made again: its source is locked all the time")

    def reload(self):
        tally = self.random.choice([*FORGED, "story", "ballots", "said"])
        self.patiently("select tally.reload(%s)", [tally])
        return tally

    def by_hand(self):
        """Changes rows that the service keeps in a table."""
        self.forged = True  # only an audit repairs it
        what = self.random.choice(["update posts_kept set count = count + 7 where key % 10 = 3", "delete from posts_kept where key % 10 = 4",
                                   "insert into posts_kept values (9999999, 5) on conflict do nothing", "update posts_kept set count = 0"])
        self.stage.sql(what)
        return what

    def ask_reset(self, tally):
        try:
            answer = self.program.post(f"/v1/tallies/{tally}/reset", seconds=5)
        except OSError as error:
            return type(error).__name__
        assert answer.status_code in (202, 404, 503), f"reset answered {answer.status_code}: {answer.text}"
        return answer.status_code

    def reset(self):
        tally = self.random.choice([*FORGED, "story", "ballots", "drafts", "said"])
        return f"{tally}: {self.ask_reset(tally)}"

    def burst(self):
        """Repeated loads during writes on a slow link, which widens the windows between the steps of a load."""
        delay, number = self.random.choice([0, 0.02, 0.1]), self.random.randint(8, 20)
        if delay:
            self.proxy.slow(delay, 20)
        for _ in range(number):
            for tally in ("story", "ballots"):
                self.ask_reset(tally)
            time.sleep(self.random.uniform(0.02, 0.1 + 3 * delay))
        if delay:
            self.proxy.slow(0, 20)
        return f"{number}, up to {delay * 1000:.0f} ms"
