"""The administrator: does what a failed tally's remedy says, and waits until tallies are live and equal the truth."""

import re
import time

import psycopg
import requests

from shape import definition, things
from stage import LONG, Wrong, eventually

PATIENCE = 3  # seconds that a tally is failed before the administrator acts: the service repairs what it can itself


class Dba:
    """`differs(tally)`: how what is served differs from the truth; "" if it does not."""

    def __init__(self, stage, differs):
        self.stage, self.differs = stage, differs
        self.failed_since = {}
        self.repairs = 0

    def settle(self, tallies):
        """Returns once the tallies are live and right. Without writers, and bounded: the service notices what nobody told it."""
        wrong = {}

        def settled():
            states = self.stage.program.states()
            for tally in tallies:
                wrong[tally] = self.look(tally, states.get(tally))
            return not any(wrong.values())

        eventually(settled, lambda: "; ".join(f"{tally}: {what}" for tally, what in wrong.items() if what), LONG)

    def look(self, tally, state):
        if state != "failed":
            self.failed_since.pop(tally, None)
        if state == "live":
            try:
                found = self.differs(tally)
            except requests.RequestException as error:
                return f"is not answered: {error}"
            return found and f"live and wrong: {found}"
        if state == "failed" and time.monotonic() > self.failed_since.setdefault(tally, time.monotonic()) + PATIENCE:
            self.repair(tally)
            self.failed_since.pop(tally, None)
        return f"{state}: {self.reasons(tally)}"

    def reasons(self, tally):
        """What the service and the database say is wrong, with remedies."""
        program = self.stage.program
        said = []
        for url in (program.admin, program.url):
            answer = requests.get(f"{url}/v1/tallies/{tally}", timeout=30)
            if answer.status_code == 200:
                said.append(answer.json().get("reason", ""))
                break
        for problems, in self.stage.sql("select problems from tally.tallies where name = %s", [tally]):
            said += problems
        return " | ".join(said)

    def repair(self, tally):
        """Tries the remedies in the order in which they are named."""
        reasons = self.reasons(tally)
        remedies = list(dict.fromkeys(re.findall(r"tally\.(reload|alter_tally)", reasons)))
        if not remedies and "create publication" in reasons:
            if self.stage.sql("select from pg_publication where pubname = 'tally'"):
                return  # it is there again, and the service tries again after a pause
            remedies = ["reload"]
        if not remedies and self.stage.program.states().get(tally) != "failed":
            return  # it was mended meanwhile
        if not remedies:
            raise Wrong(f"{tally} is failed, and nothing says what to do: {reasons}")
        tried = []
        for remedy in remedies:
            try:
                self.follow(remedy, tally)
                self.repairs += 1
                self.stage.note("repair", f"{tally} by {remedy}: {reasons}")
                return
            except psycopg.Error as error:
                tried.append(f"{remedy}: {error}")
        raise Wrong(f"{tally} is failed, and its remedy fails: {reasons}: {tried}")

    def follow(self, remedy, tally):
        if remedy == "reload":
            self.stage.sql("select tally.reload(%s)", [tally])
        else:
            key, counters = definition(tally, things(self.stage.sql("select thing, name from thing")))
            self.stage.sql("select tally.alter_tally(%s, key => %s, counters => %s)", [tally, key, counters])
