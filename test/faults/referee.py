"""The referee: runs writers, faults and viewers, and compares everything with the truth at intervals."""

import collections
import contextlib
import pathlib
import subprocess
import time

import requests

import askers
import audience
import crowd
import restore
import shape
import story
import transports
from comparison import COUNTERS, KEPT, Comparison
from crowd import Anybody, Poster, Rewrites, Shapes, Teller
from dba import Dba
from faults import COME_AND_GO, Faults
from hopper import Roamer
from judge import Viewer
from shape import CHANGING
from stage import LONG, Wrong, eventually
from story import KEYS, History
from watchers import Reader, Watchers
from writers import SCHEMA

from service import PROGRAM

WRITERS, TELLERS, SHAPERS, POSTERS = 8, 3, 3, 3
QUIET_EVERY = (9, 16)  # seconds
VISIBLE_WITHIN = 5  # seconds
LONG_RUN = 100  # seconds: then there are bulk statements, and faults that take long


def prepare(database, mode, random):
    database.sql.execute(SCHEMA)
    database.sql.execute("select tally.alter_tally('posts', materialize => 'public.posts_kept')")
    database.sql.execute("select tally.create_tally('drafts', 'public.reaction', 'post_id', %s)", [COME_AND_GO["kinds"]])
    database.sql.execute(crowd.SCHEMA)
    story.prepare(database.sql)
    shape.prepare(database)
    transports.prepare(database, mode, random)


class Referee:
    def __init__(self, stage, random, mode, only=None, long=False):
        self.stage, self.random, self.program = stage, random, stage.program
        writer = f"{stage.database.dsn} application_name=writer"
        seed = random.random
        self.posters = [Poster(self.program.url, seed()) for _ in range(POSTERS)]
        self.members = [*(Anybody(writer, seed(), bulks=long) for _ in range(WRITERS)), Rewrites(writer, seed()),
                        *(Teller(writer, seed()) for _ in range(TELLERS)), *(Shapes(writer, seed()) for _ in range(SHAPERS)), *self.posters]
        self.reader = Reader(self.program.port)
        self.roamers = [Roamer([server.program.url for server in stage.servers], seed())] if len(stage.servers) > 1 else []
        self.hoppers = audience.hoppers(stage.servers)
        self.watchers = Watchers([*audience.watchers(self.program), *self.hoppers])
        self.askers = Watchers(askers.askers(self.program))
        self.kept_viewer = Viewer("the table that the service keeps the story in")
        self.history = History()
        self.faults = Faults(stage, self.watchers, random, self.restore, mode, only, long)
        self.comparison = Comparison(stage, self.faults, self.watchers, self.askers, self.posters, self.check)
        self.dba = Dba(stage, self.comparison.differs)
        self.looks = self.looks_live = 0
        self.next_check = time.monotonic()

    # The run

    def run(self, seconds):
        try:
            self.all_become_live(CHANGING)
            for each in [*self.members, self.reader, *self.roamers]:
                each.start()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                self.trouble(min(self.random.uniform(*QUIET_EVERY), until - time.monotonic()))
                self.quiet()
            self.finish()
        except Wrong:
            raise
        except (AssertionError, requests.RequestException) as error:
            raise Wrong(f"{type(error).__name__}: {error}") from error

    def close(self):
        for each in [*self.members, self.reader, *self.roamers]:
            each.stopping.set()
        for each in [*self.members, self.reader, *self.roamers]:
            if each.is_alive():
                each.join(60)
        for timer in self.faults.timers:
            timer.cancel()
        self.watchers.close()
        self.askers.close()

    def trouble(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.faults.one()
            pause = time.monotonic() + self.random.uniform(0.05, 1.2)
            while time.monotonic() < min(pause, until):
                self.check()
                time.sleep(0.05)

    def hop(self):
        for hopper in self.hoppers:
            if self.random.random() < 0.5:
                self.watchers.do(hopper.hop)

    # Conditions at every moment

    def check(self):
        self.looks += 1
        for server in self.stage.servers:
            if server.program.process.poll() is not None:
                raise Wrong(f"the service ended by itself, with status {server.program.process.returncode}")
        for each in [*self.members, self.reader, *self.roamers]:
            if each.error:
                raise Wrong(f"{type(each).__name__}: {type(each.error).__name__}: {each.error}") from each.error
        if error := self.watchers.error() or self.askers.error():
            raise Wrong(f"a client: {type(error).__name__}: {error}") from error
        if time.monotonic() > self.next_check:
            self.next_check = time.monotonic() + 0.7
            self.judge()
            self.hop()

    def judge(self):
        """Judges every value of the story that was shown since the last call."""
        rows = self.stage.sql("select key, weight, rows from story_kept where key = any(%s)", [KEYS])
        if len(self.stage.servers) > 1:
            self.kept_viewer.forget()  # another server may take over, which is a little behind
        self.kept_viewer.saw({"at": time.strftime("%X")}, {key: {"weight": weight, "rows": count} for key, weight, count in rows})
        watching = [watcher.viewer for watcher in self.watchers.watchers if watcher.viewer]
        taken = self.watchers.do(lambda: [(viewer, viewer.take()) for viewer in watching])
        taken += [(roamer.viewer, roamer.viewer.take()) for roamer in self.roamers]
        taken += [(self.reader.viewer, self.reader.viewer.take()), (self.kept_viewer, self.kept_viewer.take())]
        self.history.read(self.stage.sql)
        for viewer, seen in taken:
            # By wal an event comes a moment before anybody sees its transaction.
            until = time.monotonic() + VISIBLE_WITHIN
            while (why := viewer.judge(seen, self.history)) and time.monotonic() < until:
                time.sleep(0.05)
                self.history.read(self.stage.sql)
            if why:
                raise Wrong(why)

    # Conditions while the writers pause

    def quiet(self):
        self.faults.heal()
        self.all_become_live()
        self.stage.note("burst", self.faults.burst())
        deaf = self.faults.last_words()
        self.writers_go_on()
        with self.everybody_paused():
            self.faults.there()
            self.dba.settle(CHANGING)
            lie = None if deaf else self.faults.lie()
            if self.faults.forged:
                self.comparison.mend(lie)
            self.comparison.compare()
            self.judge()
            self.tell()

    def writers_go_on(self):
        before = self.committed()
        eventually(lambda: self.check() or self.committed() >= before + 20, "the writers do not get on")

    @contextlib.contextmanager
    def everybody_paused(self):
        for member in self.members:
            member.paused.set()
        self.watchers.hurry(True)
        self.askers.hurry(True)
        for member in self.members:
            if not member.turn.acquire(timeout=LONG):
                raise Wrong(f"{type(member).__name__} hangs: its statement does not end")
            member.turn.release()
        eventually(self.nothing_prepared, "prepared transactions are not ended")
        eventually(self.nobody_writes, "transactions of the writers or of actions do not end")
        yield
        self.watchers.hurry(False)
        self.askers.hurry(False)
        for member in self.members:
            member.paused.clear()

    def restore(self):
        """Restores the whole database as it was some transactions before, while the service runs: a fault."""
        if not restore.can_dump(self.stage.server_version()):
            return "not done: pg_dump is older than the server"
        self.faults.heal()
        file = pathlib.Path(self.program.path).with_name("dump")
        with self.everybody_paused():  # pg_dump and a writer's TRUNCATE of two tables may deadlock
            restore.dump(self.stage.database.dsn, file)
        self.writers_go_on()
        options = self.random.choice([[], ["-1"]])
        with self.everybody_paused():
            self.judge()
            restore.restore(self.stage.database.dsn, file, *options)
            self.history.restored(self.stage.sql)
            self.faults.there()
            self.dba.settle([*COUNTERS, "drafts"])  # events before it is noticed come on top of the old values
            self.kept_viewer.forget()
            for poster in self.posters:
                poster.said.clear()
        return " ".join(options)

    def committed(self):
        return sum(member.committed for member in self.members)

    def nothing_prepared(self):
        self.check()
        return not any(member.prepared for member in self.members)

    def nobody_writes(self):
        self.check()
        return not self.stage.sql("""select from pg_stat_activity where datname = current_database() and state <> 'idle'
                                     and application_name in ('writer', 'pgtally actions')""")

    def all_become_live(self, changing=()):
        """Waits until each tally has been live; of those that DDL changes only the named ones: the administrator cares for them.

        Not at the same moment: writers go on, and some statements of theirs cause loads, each of which waits for old transactions.
        """
        wanted = {*COUNTERS, "drafts"} - {*CHANGING} | {*changing}
        missing = {(number, tally) for number in range(len(self.stage.servers)) for tally in wanted}

        def look():
            for number, server in enumerate(self.stage.servers):
                missing.difference_update((number, tally) for tally, state in server.program.states().items() if state == "live")
            return not missing

        eventually(look, lambda: f"not live, though nothing is wrong any more: (server, tally) {sorted(missing)}")

    # The end

    def finish(self):
        """The final checks: the program's own audit, and the stored table after the end of the service."""
        for member in self.members:
            member.paused.set()
        for member in self.members:
            with member.turn:
                pass
        eventually(self.nothing_prepared, "prepared transactions are not ended")
        done = subprocess.run([PROGRAM, "audit", "--dsn", self.stage.database.dsn, "--for", "300ms"], text=True, capture_output=True, timeout=120)
        if done.returncode != 0:
            raise Wrong(f"pgtally audit ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
        self.judge()
        for server in self.stage.servers:
            if (status := server.program.end()) != 0:
                raise Wrong(f"the service ended with status {status} at SIGTERM")
        print(", ".join(f"{name} {number}" for name, number in sorted(self.stage.number_of_faults.items())), flush=True)
        truths = self.comparison.truths()
        for tally in KEPT:
            if found := self.comparison.kept_now_differs(tally, truths[tally]):
                raise Wrong(f"the table that keeps {tally}, after the service ended: {found}")

    def tell(self):
        judged = sum(watcher.viewer.judged for watcher in self.watchers.watchers if watcher.viewer) + self.reader.viewer.judged
        judged += self.kept_viewer.judged
        lost = sum(member.lost for member in self.members)
        answers = dict(sum((collections.Counter(poster.answers) for poster in self.posters), collections.Counter()))
        print(f"{self.stage.seconds():6.1f} s: {self.comparison.markers} comparisons, {sum(self.stage.number_of_faults.values())} faults, "
              f"{self.committed()} transactions committed, {lost} connections of writers lost, {judged} values of the story explained, "
              f"actions {answers}, {sum(w.partials for w in self.watchers.watchers)} clients resumed, "
              f"{sum(h.hops for h in self.hoppers)} hops ({sum(h.resumed for h in self.hoppers)} resumed, "
              f"{sum(h.waited_in_vain for h in self.hoppers)} back), {sum(r.answers for r in self.roamers)} answers by at_least, "
              f"{sum(member.two_phase for member in self.members)} transactions in two phases, "
              f"{self.comparison.drift} forged keys found, {self.dba.repairs} tallies repaired", flush=True)
