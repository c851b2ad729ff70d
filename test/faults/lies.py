"""Junk and forged events, which any role may send by either transport: a part of `Faults`."""

import json
import uuid

import transports
from stage import eventually

# Tallies of the reactions, whose events may be forged. Those of the story may not, because its history cannot contain forged values.
FORGED = {"posts": 1, "weights": 2}
JUNK = ["", "{", "[]", "null", "\x01", "x" * 7999, '{"t":"posts"}', '{"t":"posts","x":"-1","n":1,"at":1,"d":[]}', '{"barrier":1}',
        '{"t":"story","x":"9","n":1,"at":1,"d":[["k1",1]]}', '{"t":"posts","x":"99999999999999999999","n":1,"at":1,"truncate":true}',
        '{"t":"posts","x":"5","n":1,"at":1,"d":[["no number",1]]}', "[" * 3000, '{"t":"nobody","x":"5","n":1,"at":1,"d":[["1",1]]}']
# An event of the story that would be seen at once. A message that is not transactional, or has another prefix, is no event.
NO_EVENT = '{"t":"story","x":"4611686018427387904","n":1,"at":1,"d":[["k1",7777777,1]]}'
MESSAGES = [  # the arguments of pg_logical_emit_message
    "true, 'tally', '\\x00ff7b00'::bytea", "true, 'tally', ''", "true, 'tally', repeat('{\"t\":', 1000000)", "true, 'tally', repeat('x', 5000000)",
    f"false, 'tally', '{NO_EVENT}'", f"true, '', '{NO_EVENT}'", f"true, 'tally2', '{NO_EVENT}'", f"true, 'Tally', '{NO_EVENT}'",
    f"true, repeat('tally', 1000), '{NO_EVENT}'", "false, '', ''", "false, 'tally', repeat('x', 5000000)"]


class Lies:
    """Needs `stage`, `program`, `random`; sets `forged` if an audit is due."""

    def send(self, transport, payload):
        statement = {"notify": "select pg_notify('tally', %s)", "wal": "select pg_logical_emit_message(true, 'tally', %s)"}[transport]
        self.stage.sql(statement, [payload if isinstance(payload, str) else json.dumps(payload)])

    def some_transport(self):
        """Any, also one that the tally does not have."""
        return self.random.choice(list(transports.LINKS))

    def transport_of(self, tally):
        return transports.of(self.stage.sql)[tally]

    def forged_head(self, tally):
        (now,), = self.stage.sql("select pg_current_xact_id()::text::bigint")
        x = self.random.choice([3, now - 1, now, now + 1, now + 50, 2**62])
        return {"t": tally, "x": str(x), "n": self.random.randint(0, 2**40), "at": 1790000000000000}

    def junk(self):
        for _ in range(self.random.randint(1, 5)):
            self.send(self.some_transport(), self.random.choice(JUNK))
        message = self.random.choice(MESSAGES)
        self.stage.sql(f"select pg_logical_emit_message({message})")
        return message[:60]

    def forgery(self):
        """A well-formed, forged event: counters are wrong until the audit."""
        tally, transport = self.random.choice(list(FORGED)), self.some_transport()
        event = self.forged_head(tally)
        if self.random.random() < 0.2:
            event["truncate"] = True
        else:
            event["d"] = [[str(self.random.randint(1, 400)), *(self.random.randint(-9, 9) for _ in range(FORGED[tally]))] for _ in range(5)]
        self.forged = True
        self.send(transport, event)
        return f"by {transport}: {json.dumps(event)}"

    def lie(self):
        """Without writers: forges an event of posts and waits until it is shown. Returns the key, and the loads of posts before."""
        loads = self.stage.program.loads("posts")
        key = str(self.random.randint(1, 400))
        shown = self.shown(key)
        self.forged = True
        self.send(self.transport_of("posts"), {"t": "posts", "x": str(2**62), "n": 1, "at": 1790000000000000, "d": [[key, 1000]]})
        self.stage.note("lie", f"of {key}, shown as {shown}")
        eventually(lambda: self.shown(key) != shown, f"a forged event of {key} is not shown: {shown}")
        return key, loads

    def shown(self, key):
        return self.stage.program.get(f"/v1/tallies/posts/keys/{key}")["counters"]

    def forged_nuisance(self):
        """A well-formed and harmless event, which only causes work; also for the story."""
        tally, transport = self.random.choice([*FORGED, "story", "ballots", "said"]), self.some_transport()
        event = self.random.choice([self.forged_head(tally) | {"reload": True}, {"t": tally, "x": "9", "n": 1, "definition": True},
                                    self.forged_head(tally) | {"v": 2**40, "reload": True}, {"t": tally, "v": 2**40, "x": "9", "n": 1, "definition": True},
                                    {"barrier": str(uuid.UUID(int=self.random.getrandbits(128)))}])
        self.send(transport, event)
        return f"by {transport}: {json.dumps(event)}"
