"""Compares everything that is shown and stored with plain SQL, while the writers pause."""

import json
import time
import urllib.parse

import requests

import shape
from askers import AROUND, KEY, LIMIT, RANKED, SocketAsker, answer_of, answers
from faults import COME_AND_GO
from lies import FORGED
from shape import CHANGING, things
from stage import LONG, Wrong, eventually
from story import KEYS

COUNTERS = {"posts": ["count"], "weights": ["likes", "weight"], "ballots": ["votes", "points"], "bookings": ["stays", "guests"],
            "story": ["weight", "rows"], "said": ["count"], **CHANGING}

# The counters in plain SQL, without pgtally.
PLAIN = {
    "posts": "select post_id::text, count(*) from reaction where post_id is not null group by 1",
    "weights": """select post_id::text, coalesce(sum(case kind when 'like' then 1 when 'unlike' then -1 end), 0), coalesce(sum(weight), 0)
                  from reaction where post_id is not null and kind <> 'draft' group by 1""",
    "ballots": "select ballot, count(*), sum(points) from vote group by 1",
    "bookings": "select lower(room)::text, count(*), sum(guests) from booking group by 1",
    "story": "select key, sum(weight), count(*) from story group by 1",
    "said": "select key, count(*) from said group by 1",
    "kinds": "select post_id::text, count(*), coalesce(sum(case kind when 'like' then 1 end), 0) from reaction where post_id is not null group by 1",
    "weight of drafts": "select post_id::text, coalesce(sum(weight), 0) from reaction where post_id is not null group by 1",
}
FIRST_MARKER, MARKERS = 1000, 900  # keys of posts, one for each comparison
ALL_ASKED = ["top", "sum", "rank"]
KEPT_WITHIN = 45  # seconds, on a busy machine
KEPT = {"posts": ("posts_kept", "key::text"), "story": ("story_kept", "key")}


def differences(seen, expected):
    keys = [key for key in sorted(set(seen) | set(expected)) if seen.get(key) != expected.get(key)]
    shown = {key: (seen.get(key), expected.get(key)) for key in keys[:5]}
    return f"{len(keys)} keys differ, as (seen, true) {shown}" if keys else ""


def nonzero(rows, names):
    return {key: dict(zip(names, map(int, values), strict=True)) for key, *values in rows if any(values)}


class Comparison:
    """`check` is called during waits: it raises if a condition that must always hold is violated."""

    def __init__(self, stage, faults, watchers, askers, posters, check):
        self.stage, self.faults, self.watchers, self.posters, self.check = stage, faults, watchers, posters, check
        self.askers = askers
        self.program = stage.program
        self.markers = self.drift = 0

    def audit(self, tally, program):
        """The drift that an audit found, once an audit was possible."""
        def once():
            self.check()
            try:
                answer = program.post(f"/v1/tallies/{tally}/audit")
            except requests.RequestException as error:
                raise Wrong(f"an audit of {tally} is not answered: {error}") from None
            if answer.status_code == 200:
                return answer
            assert answer.status_code in (409, 503), f"audit answered {answer.status_code}: {answer.text}"
            return None
        return json.loads(eventually(once, f"no audit of {tally} can be made, though nothing is wrong").text)["drift"]

    def audits(self, tally):
        """The drift that the audits of all servers found."""
        return sum((self.audit(tally, server.program) for server in self.stage.servers), [])

    def mend(self, lie):
        """Checks that forged values are found and repaired."""
        for tally in (*COUNTERS, "drafts"):
            drift = self.audits(tally)
            self.drift += len(drift)
            if drift and tally not in FORGED:
                raise Wrong(f"the audit of {tally}, of which nothing was forged, found {drift[:5]}")
            # A postponed load may have run meanwhile and repaired it too.
            if tally == "posts" and lie and self.program.loads("posts") == lie[1] and lie[0] not in [each["key"] for each in drift]:
                raise Wrong(f"the audit of posts did not find the lie about {lie[0]}, but {drift[:5]}")
        self.faults.forged = False

    def mark(self):
        """Writes keys that nothing else writes: a viewer that was shown them was shown everything before."""
        number = FIRST_MARKER + self.markers % MARKERS
        end = f"end {self.markers % MARKERS}"
        self.markers += 1
        self.stage.sql("insert into post values (%s) on conflict do nothing", [number])
        self.stage.sql("insert into reaction (post_id, kind, weight) values (%s, 'like', 1)", [number])
        self.stage.sql("insert into vote values (%s, %s, 1)", [end, 700_000 + self.markers])
        self.stage.sql("insert into booking values (int4range(%s, %s), '[2026-01-01,2026-01-02)', 1) on conflict do nothing", [number, number + 1])
        self.stage.sql("insert into story (key, weight) values (%s, 1)", [end])
        self.stage.sql("insert into said values (%s, 'end')", [end])
        return {"posts": str(number), "weights": str(number), "drafts": str(number), "bookings": str(number), "ballots": end, "story": end, "said": end,
                **shape.mark(self.stage.sql, number)}

    def counters(self, tally):
        return list(json.loads(COME_AND_GO[self.faults.definition])) if tally == "drafts" else COUNTERS[tally]

    def plain(self, tally):
        """The truth in plain SQL."""
        if tally in CHANGING:
            query = shape.plain(tally, things(self.stage.sql("select thing, name from thing")))
        elif tally == "drafts":
            query = PLAIN["kinds" if self.faults.definition == "kinds" else "weight of drafts"]
        else:
            query = PLAIN[tally]
        return nonzero(self.stage.sql(query), self.counters(tally))

    def truths(self):
        found = {}
        for tally in (*COUNTERS, "drafts"):
            found[tally] = self.plain(tally)
            rows = self.stage.sql("select key, counters from tally.truth(%s)", [tally])
            told = nonzero([(key, *values) for key, values in rows], self.counters(tally))
            if wrong := differences(told, found[tally]):
                raise Wrong(f"tally.truth('{tally}') is not what plain SQL says: {wrong}")
        return found

    def differs(self, tally):
        """How REST differs from plain SQL now."""
        return self.rest_differs(tally, self.plain(tally), self.program)

    def compare(self):
        markers = self.mark()
        truths = self.truths()
        wrong = self.who_waits(markers) + self.who_is_behind(markers)
        for watcher, _, values in self.watchers.look():
            expected = truths[watcher.tally]
            if watcher.keys is not None:
                expected = {key: counters for key, counters in expected.items() if key in set(watcher.keys)}
            if found := differences(values, expected):
                wrong.append(f"{watcher.name} of {watcher.tally}: {found}")
        for tally, expected in truths.items():
            for number, server in enumerate(self.stage.servers):
                if found := self.rest_differs(tally, expected, server.program):
                    wrong.append(f"REST of server {number}, {tally}: {found}")
            if tally in KEPT and (found := self.kept_differs(tally, expected)):
                wrong.append(f"the table that keeps {tally}: {found}")
            if found := self.audits(tally):
                wrong.append(f"an audit of {tally} when nothing was forged: {found[:5]}")
        wrong += self.who_has_other_answers(truths)
        for poster in self.posters:
            wrong += [f"action {key}: {what}" for key, what in poster.wrong(self.stage.sql).items()]
        if wrong:
            raise Wrong("; ".join(wrong))

    def who_waits(self, markers):
        """The viewers that were not shown their marker in time. Their values are compared too."""
        def missing():
            return [f"{watcher.name} of {watcher.tally} was not shown the end: it is {state or 'not connected'}"
                    for watcher, state, values in self.watchers.look() if state != "live" or markers[watcher.tally] not in values]

        until = time.monotonic() + LONG
        while (found := missing()) and time.monotonic() < until:
            self.check()
            time.sleep(0.05)
        return found

    def who_is_behind(self, markers):
        """The servers that do not serve the markers in time: clients do not vouch for all of them."""
        def missing():
            return [f"server {number} does not serve the end of {tally}" for number, server in enumerate(self.stage.servers)
                    for tally, key in markers.items() if not served(server.program, tally, key)]

        def served(program, tally, key):
            return any(program.get(f"/v1/tallies/{tally}/keys/{urllib.parse.quote(key)}")["counters"].values())

        until = time.monotonic() + LONG
        while (found := missing()) and time.monotonic() < until:
            self.check()
        return found

    def who_has_other_answers(self, truths):
        """The askers, and the servers by REST, whose top, sum or rank is not that of the truth in time."""
        expected = {tally: answers(tally, truths[tally]) for tally in RANKED}
        def wrong():
            found = []
            for asker, has in self.askers.do(lambda: [(each, dict(each.answers)) for each in self.askers.watchers]):
                true = {what: expected[asker.tally][what] for what in (ALL_ASKED if isinstance(asker, SocketAsker) else ["top"])}
                found += [f"{asker.name} of {asker.tally} has {has.get(what)} as {what}, true is {it}" for what, it in true.items() if has.get(what) != it]
            for number, server in enumerate(self.stage.servers):
                for tally, by in RANKED.items():
                    for path in f"top?by={by}&limit={LIMIT}", f"rank?by={by}&key={KEY[tally]}&around={AROUND}":
                        what, it = answer_of(server.program.get(f"/v1/tallies/{tally}/{path}"))
                        if it != expected[tally][what]:
                            found.append(f"REST of server {number} says {what} of {tally} is {it}, true is {expected[tally][what]}")
            return found

        until = time.monotonic() + LONG
        while (found := wrong()) and time.monotonic() < until:
            self.check()
            time.sleep(0.05)
        return found

    def rest_differs(self, tally, expected, program):
        absent = {"story": KEYS, "ballots": ["red", ""], "said": [""]}.get(tally, map(str, range(1, 301)))
        keys = sorted({*expected, *absent})
        served = {}
        for at in range(0, len(keys), 200):
            asked = urllib.parse.urlencode([("key", key) for key in keys[at:at + 200]])
            served |= program.get(f"/v1/tallies/{tally}/keys?{asked}")["keys"]
        found = differences({key: counters for key, counters in served.items() if any(counters.values())}, expected)
        whole = program.get(f"/v1/tallies/{tally}")
        sums = {name: sum(counters[name] for counters in expected.values()) for name in whole["sum"]}
        if not found and (whole["size"], whole["sum"]) != (len(expected), sums):
            found = f"size and sum are {whole['size']}, {whole['sum']}, and should be {len(expected)}, {sums}"
        return found

    def kept_now_differs(self, tally, expected):
        table, key = KEPT[tally]
        rows = self.stage.sql(f"select {key}, {', '.join(COUNTERS[tally])} from {table}")
        return differences(nonzero(rows, COUNTERS[tally]), expected)

    def kept_differs(self, tally, expected):
        """The differences that remain after the time in which the table should have been written."""
        until = time.monotonic() + KEPT_WITHIN
        while (wrong := self.kept_now_differs(tally, expected)) and time.monotonic() < until:
            self.check()
            time.sleep(0.05)
        return wrong
