"""Junk and forged events, which any role may send on the channel: a part of `Faults`."""

import json
import uuid

from stage import eventually

# Tallies of the reactions, whose events may be forged. Those of the story may not, because its history cannot contain forged values.
FORGED = {"posts": 1, "weights": 2}
JUNK = ["", "{", "[]", "null", "\x01", "x" * 7999, '{"t":"posts"}', '{"t":"posts","x":"-1","n":1,"at":1,"d":[]}', '{"barrier":1}',
        '{"t":"story","x":"9","n":1,"at":1,"d":[["k1",1]]}', '{"t":"posts","x":"99999999999999999999","n":1,"at":1,"truncate":true}',
        '{"t":"posts","x":"5","n":1,"at":1,"d":[["no number",1]]}', "[" * 3000, '{"t":"nobody","x":"5","n":1,"at":1,"d":[["1",1]]}']


class Lies:
    """Needs `stage`, `program`, `random`; sets `forged` if an audit is due."""

    def notify(self, payload):
        self.stage.sql("select pg_notify('tally', %s)", [payload if isinstance(payload, str) else json.dumps(payload)])

    def forged_head(self, tally):
        (now,), = self.stage.sql("select pg_current_xact_id()::text::bigint")
        x = self.random.choice([3, now - 1, now, now + 1, now + 50, 2**62])
        return {"t": tally, "x": str(x), "n": self.random.randint(0, 2**40), "at": 1790000000000000}

    def junk(self):
        for _ in range(self.random.randint(1, 5)):
            self.notify(self.random.choice(JUNK))

    def forgery(self):
        """A well-formed, forged event: counters are wrong until the audit."""
        tally = self.random.choice(list(FORGED))
        event = self.forged_head(tally)
        if self.random.random() < 0.2:
            event["truncate"] = True
        else:
            event["d"] = [[str(self.random.randint(1, 400)), *(self.random.randint(-9, 9) for _ in range(FORGED[tally]))] for _ in range(5)]
        self.forged = True
        self.notify(event)
        return json.dumps(event)

    def lie(self):
        """Without writers: forges an event of posts and waits until it is shown. Returns the key, and the loads of posts before."""
        loads = self.program.loads("posts")
        key = str(self.random.randint(1, 400))
        shown = self.program.get(f"/v1/tallies/posts/keys/{key}")["counters"]
        self.forged = True
        self.notify({"t": "posts", "x": str(2**62), "n": 1, "at": 1790000000000000, "d": [[key, 1000]]})
        self.stage.note("lie", f"of {key}, shown as {shown}")
        eventually(lambda: self.program.get(f"/v1/tallies/posts/keys/{key}")["counters"] != shown, f"a forged event of {key} is not shown: {shown}")
        return key, loads

    def forged_nuisance(self):
        """A well-formed and harmless event, which only causes work; also for the story."""
        tally = self.random.choice([*FORGED, "story", "ballots", "said"])
        event = self.random.choice([self.forged_head(tally) | {"reload": True}, {"t": tally, "x": "9", "n": 1, "definition": True},
                                    {"barrier": str(uuid.UUID(int=self.random.getrandbits(128)))}])
        self.notify(event)
        return json.dumps(event)
