"""The referee: lets writers, faults and viewers go on for a while, and compares everything with the truth in between."""

import collections
import json
import subprocess
import time
import urllib.parse

import requests

import crowd
import story
from crowd import Anybody, Poster, Rewrites, Teller
from faults import COME_AND_GO, FORGED, Faults
from stage import LONG, Wrong, eventually
from story import KEYS, History, Viewer
from watchers import Reader, Watcher, Watchers
from writers import SCHEMA

from service import PROGRAM

COUNTERS = {"posts": ["count"], "weights": ["likes", "weight"], "ballots": ["votes", "points"], "story": ["weight", "rows"], "said": ["count"]}

# The same in plain SQL, and nothing of pgtally's.
PLAIN = {
    "posts": "select post_id::text, count(*) from reaction where post_id is not null group by 1",
    "weights": """select post_id::text, coalesce(sum(case kind when 'like' then 1 when 'unlike' then -1 end), 0), coalesce(sum(weight), 0)
                  from reaction where post_id is not null and kind <> 'draft' group by 1""",
    "ballots": "select ballot, count(*), sum(points) from vote group by 1",
    "story": "select key, sum(weight), count(*) from story group by 1",
    "said": "select key, count(*) from said group by 1",
    "kinds": "select post_id::text, count(*), coalesce(sum(case kind when 'like' then 1 end), 0) from reaction where post_id is not null group by 1",
    "weight of drafts": "select post_id::text, coalesce(sum(weight), 0) from reaction where post_id is not null group by 1",
}
FIRST_MARKER, MARKERS = 1000, 900  # keys of posts, one for each comparison
WRITERS, TELLERS, POSTERS = 8, 3, 3
QUIET_EVERY = (9, 16)  # seconds
KEPT_WITHIN = 45  # seconds, on a machine that does other things too
KEPT = {"posts": ("posts_kept", "key::text"), "story": ("story_kept", "key")}


def prepare(database):
    database.sql.execute(SCHEMA)
    database.sql.execute("select tally.alter_tally('posts', materialize => 'public.posts_kept')")
    database.sql.execute("select tally.create_tally('drafts', 'public.reaction', 'post_id', %s)", [COME_AND_GO["kinds"]])
    database.sql.execute(crowd.SCHEMA)
    story.prepare(database.sql)


def differences(seen, expected):
    keys = [key for key in sorted(set(seen) | set(expected)) if seen.get(key) != expected.get(key)]
    shown = {key: (seen.get(key), expected.get(key)) for key in keys[:5]}
    return f"{len(keys)} keys differ, as (seen, true) {shown}" if keys else ""


def nonzero(rows, names):
    return {key: dict(zip(names, map(int, values), strict=True)) for key, *values in rows if any(values)}


class Referee:
    def __init__(self, stage, random, only=None, bulks=False):
        self.stage, self.random, self.program = stage, random, stage.program
        writer = f"{stage.database.dsn} application_name=writer"
        seed = random.random
        self.posters = [Poster(self.program.url, seed()) for _ in range(POSTERS)]
        self.members = [*(Anybody(writer, seed(), bulks) for _ in range(WRITERS)), Rewrites(writer, seed()),
                        *(Teller(writer, seed()) for _ in range(TELLERS)), *self.posters]
        self.reader = Reader(self.program.port)
        self.watchers = Watchers(self.choose_watchers())
        self.kept_viewer = Viewer("the table that the service keeps the story in")
        self.history = History()
        self.faults = Faults(stage, self.watchers, random, only)
        self.markers = self.drift = 0
        self.looks = self.looks_live = 0
        self.next_check = time.monotonic()

    def choose_watchers(self):
        def watcher(*arguments, **more):
            return Watcher(arguments[0], self.program.ws_url, *arguments[1:], **more)
        named = [str(key) for key in [*range(1, 301), *range(FIRST_MARKER, FIRST_MARKER + MARKERS)]]
        ends = [f"end {n}" for n in range(MARKERS)]
        everything = [watcher("a client of all keys", tally) for tally in (*COUNTERS, "drafts")]
        slow = [watcher("a slow client", tally, slow=0.4) for tally in ("posts", "story", "ballots")]
        resuming = [watcher("a client that resumes", tally, resume=True) for tally in ("weights", "story")]
        return [*everything, *slow, *resuming, watcher("a client of named keys", "posts", named, resume=True),
                watcher("a client of named keys", "story", [*KEYS[:5], *ends], resume=True)]

    # The run

    def run(self, seconds):
        try:
            eventually(lambda: self.all_live(), lambda: f"not live at the start: {self.program.states()}")
            for each in [*self.members, self.reader]:
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
        for each in [*self.members, self.reader]:
            each.stopping.set()
        for each in [*self.members, self.reader]:
            if each.is_alive():
                each.join(60)
        for timer in self.faults.timers:
            timer.cancel()
        self.watchers.close()

    def trouble(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.faults.one()
            pause = time.monotonic() + self.random.uniform(0.05, 1.2)
            while time.monotonic() < min(pause, until):
                self.check()
                time.sleep(0.05)

    # What must be so at every moment

    def check(self):
        self.looks += 1
        if self.program.process.poll() is not None:
            raise Wrong(f"the service ended by itself, with status {self.program.process.returncode}")
        for each in [*self.members, self.reader]:
            if each.error:
                raise Wrong(f"{type(each).__name__}: {type(each.error).__name__}: {each.error}") from each.error
        if error := self.watchers.error():
            raise Wrong(f"a client: {type(error).__name__}: {error}") from error
        if time.monotonic() > self.next_check:
            self.next_check = time.monotonic() + 0.7
            self.judge()

    def judge(self):
        """Everything that was shown of the story so far."""
        rows = self.stage.sql("select key, weight, rows from story_kept where key = any(%s)", [KEYS])
        self.kept_viewer.saw({"at": time.strftime("%X")}, {key: {"weight": weight, "rows": count} for key, weight, count in rows})
        watching = [watcher.viewer for watcher in self.watchers.watchers if watcher.viewer]
        taken = self.watchers.do(lambda: [(viewer, viewer.take()) for viewer in watching])
        taken += [(self.reader.viewer, self.reader.viewer.take()), (self.kept_viewer, self.kept_viewer.take())]
        self.history.read(self.stage.sql)
        for viewer, seen in taken:
            if why := viewer.judge(seen, self.history):
                raise Wrong(why)

    # What must be so when the writers pause

    def quiet(self):
        self.faults.heal()
        eventually(self.all_live, lambda: f"not live, though nothing is wrong any more: {self.program.states()}")
        self.stage.note("burst", self.faults.burst())
        deaf = self.faults.last_words()
        before = self.committed()
        eventually(lambda: self.check() or self.committed() >= before + 20, "the writers do not get on")
        for member in self.members:
            member.paused.set()
        self.watchers.hurry(True)
        for member in self.members:
            if not member.turn.acquire(timeout=LONG):
                raise Wrong(f"{type(member).__name__} hangs: its statement does not end")
            member.turn.release()
        eventually(self.nobody_writes, "transactions of the writers or of actions do not end")
        self.faults.there()
        lie = None if deaf else self.faults.lie()
        if self.faults.forged:
            self.mend(lie)
        self.compare()
        self.tell()
        self.watchers.hurry(False)
        for member in self.members:
            member.paused.clear()

    def committed(self):
        return sum(member.committed for member in self.members)

    def nobody_writes(self):
        self.check()
        return not self.stage.sql("""select from pg_stat_activity where datname = current_database() and state <> 'idle'
                                     and application_name in ('writer', 'pgtally actions')""")

    def all_live(self):
        states = self.program.states()
        return set(states) == {*COUNTERS, "drafts"} and set(states.values()) == {"live"}

    def audit(self, tally):
        """The drift that an audit found, once there could be one."""
        def once():
            self.check()
            try:
                answer = self.program.post(f"/v1/tallies/{tally}/audit")
            except requests.RequestException as error:
                raise Wrong(f"an audit of {tally} is not answered: {error}") from None
            if answer.status_code == 200:
                return answer
            assert answer.status_code in (409, 503), f"audit answered {answer.status_code}: {answer.text}"
            return None
        return json.loads(eventually(once, f"no audit of {tally} can be made, though nothing is wrong").text)["drift"]

    def mend(self, lie):
        """What was forged is found and put right."""
        for tally in (*COUNTERS, "drafts"):
            drift = self.audit(tally)
            self.drift += len(drift)
            if drift and tally not in FORGED:
                raise Wrong(f"the audit of {tally}, of which nothing was forged, found {drift[:5]}")
            if tally == "posts" and lie and lie not in [each["key"] for each in drift]:
                raise Wrong(f"the audit of posts did not find the lie about {lie}, but {drift[:5]}")
        self.faults.forged = False

    def mark(self):
        """Keys that are written now and never else: who was shown them was shown all that came before."""
        number = FIRST_MARKER + self.markers % MARKERS
        end = f"end {self.markers % MARKERS}"
        self.markers += 1
        self.stage.sql("insert into post values (%s) on conflict do nothing", [number])
        self.stage.sql("insert into reaction (post_id, kind, weight) values (%s, 'like', 1)", [number])
        self.stage.sql("insert into vote values (%s, %s, 1)", [end, 700_000 + self.markers])
        self.stage.sql("insert into story (key, weight) values (%s, 1)", [end])
        self.stage.sql("insert into said values (%s, 'end')", [end])
        return {"posts": str(number), "weights": str(number), "drafts": str(number), "ballots": end, "story": end, "said": end}

    def truths(self):
        found = {}
        names = COUNTERS | {"drafts": list(json.loads(COME_AND_GO[self.faults.definition]))}
        plain = PLAIN | {"drafts": PLAIN["kinds" if self.faults.definition == "kinds" else "weight of drafts"]}
        for tally, counters in names.items():
            found[tally] = nonzero(self.stage.sql(plain[tally]), counters)
            told = nonzero([(key, *values) for key, values in self.stage.sql("select key, counters from tally.truth(%s)", [tally])], counters)
            if wrong := differences(told, found[tally]):
                raise Wrong(f"tally.truth('{tally}') is not what plain SQL says: {wrong}")
        return found

    def compare(self):
        markers = self.mark()
        truths = self.truths()

        def shown():
            self.check()
            return all(state == "live" and markers[watcher.tally] in values for watcher, state, values in self.watchers.look())

        # Who never sees the end is compared all the same: what it has is not the truth.
        wrong = []
        try:
            eventually(shown, "")
        except Wrong as error:
            if str(error):
                raise
            wrong += [f"{watcher.name} of {watcher.tally} was not shown the end: it is {state or 'not connected'}"
                      for watcher, state, values in self.watchers.look() if state != "live" or markers[watcher.tally] not in values]
        for watcher, _, values in self.watchers.look():
            expected = truths[watcher.tally]
            if watcher.keys is not None:
                expected = {key: counters for key, counters in expected.items() if key in set(watcher.keys)}
            if found := differences(values, expected):
                wrong.append(f"{watcher.name} of {watcher.tally}: {found}")
        for tally, expected in truths.items():
            if found := self.rest_differs(tally, expected):
                wrong.append(f"REST, {tally}: {found}")
            if tally in KEPT and (found := self.kept_differs(tally, expected)):
                wrong.append(f"the table that keeps {tally}: {found}")
            if found := self.audit(tally):
                wrong.append(f"an audit of {tally} when nothing was forged: {found[:5]}")
        for poster in self.posters:
            wrong += [f"action {key}: {what}" for key, what in poster.wrong(self.stage.sql).items()]
        if wrong:
            raise Wrong("; ".join(wrong))
        self.judge()

    def rest_differs(self, tally, expected):
        keys = sorted({*expected, *map(str, range(1, 301))} if tally in ("posts", "weights", "drafts") else {*expected, *KEYS, "red", ""})
        served = {}
        for at in range(0, len(keys), 200):
            asked = urllib.parse.urlencode([("key", key) for key in keys[at:at + 200]])
            served |= self.program.get(f"/v1/tallies/{tally}/keys?{asked}")["keys"]
        found = differences({key: counters for key, counters in served.items() if any(counters.values())}, expected)
        whole = self.program.get(f"/v1/tallies/{tally}")
        sums = {name: sum(counters[name] for counters in expected.values()) for name in whole["sum"]}
        if not found and (whole["size"], whole["sum"]) != (len(expected), sums):
            found = f"size and sum are {whole['size']}, {whole['sum']}, and should be {len(expected)}, {sums}"
        return found

    def kept_now_differs(self, tally, expected):
        table, key = KEPT[tally]
        rows = self.stage.sql(f"select {key}, {', '.join(COUNTERS[tally])} from {table}")
        return differences(nonzero(rows, COUNTERS[tally]), expected)

    def kept_differs(self, tally, expected):
        """What still differs after a time in which it should have been written."""
        until = time.monotonic() + KEPT_WITHIN
        while (wrong := self.kept_now_differs(tally, expected)) and time.monotonic() < until:
            self.check()
            time.sleep(0.05)
        return wrong

    # The end

    def finish(self):
        """A last word of each kind: the program's own audit, and what is kept once the service has gone."""
        for member in self.members:
            member.paused.set()
        for member in self.members:
            with member.turn:
                pass
        done = subprocess.run([PROGRAM, "audit", "--dsn", self.stage.database.dsn, "--for", "300ms"], text=True, capture_output=True, timeout=120)
        if done.returncode != 0:
            raise Wrong(f"pgtally audit ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
        self.judge()
        status = self.program.end()
        if status != 0:
            raise Wrong(f"the service ended with status {status} at SIGTERM")
        print(", ".join(f"{name} {number}" for name, number in sorted(self.stage.number_of_faults.items())), flush=True)
        truths = self.truths()
        for tally in KEPT:
            if found := self.kept_now_differs(tally, truths[tally]):
                raise Wrong(f"the table that keeps {tally}, after the service ended: {found}")

    def tell(self):
        judged = sum(watcher.viewer.judged for watcher in self.watchers.watchers if watcher.viewer) + self.reader.viewer.judged
        judged += self.kept_viewer.judged
        lost = sum(member.lost for member in self.members)
        answers = dict(sum((collections.Counter(poster.answers) for poster in self.posters), collections.Counter()))
        print(f"{self.stage.seconds():6.1f} s: {self.markers} comparisons, {sum(self.stage.number_of_faults.values())} faults, "
              f"{self.committed()} transactions committed, {lost} connections of writers lost, {judged} values of the story explained, "
              f"actions {answers}, {sum(w.partials for w in self.watchers.watchers)} clients resumed, "
              f"{self.drift} forged keys found", flush=True)
