"""Faults of the connections of a server, of the writers and of the clients: a part of `Faults`."""

import time

import transports
from stage import Wrong, eventually

SERVICE = "application_name like 'pgtally%%' and datname = current_database()"
BACKENDS = {
    "listener": "query ~* '^listen'",
    "stream": "backend_type = 'walsender'",
    "control": "query ~ 'queue_usage|tally.tallies'",
    "load": "query ~ 'tally.lock_source|load|pg_notify' and query !~ 'queue_usage'",
    "actions": "application_name = 'pgtally actions'",
    "materializer": "application_name ~ 'materializ'",
    "any": "true",
}


class Connections:
    """Needs `stage`, `program`, `proxy`, `random`, `watchers`, and `ears`: the kinds of links by which events arrive."""

    def terminate(self):
        kind = self.random.choice(list(BACKENDS))
        met = self.stage.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where {SERVICE} and {BACKENDS[kind]}", [])
        return f"{kind}: {len(met)}"

    def terminate_writer(self):
        met = self.stage.sql("""select pg_terminate_backend(pid) from pg_stat_activity
            where application_name = 'writer' and datname = current_database() order by random() limit 2""")
        return f"{len(met)}"

    def kind(self):
        return self.random.choice([*self.ears, "control", "load", "actions", "materializer", None])

    def cut(self):
        kind = self.kind()
        return f"{kind or 'all'}: {self.proxy.cut(kind)}"

    def half_close(self):
        kind, toward = self.kind(), self.random.choice(["to database", "to service"])
        return f"{kind or 'all'} {toward}: {self.proxy.half_close(kind, toward)}"

    def stall(self):
        kind, seconds = self.kind(), self.random.uniform(0.1, 4)
        return f"{kind or 'all'} for {seconds:.2f} s: {self.proxy.stall(kind, seconds)}"

    def some_ears(self):
        return self.random.sample(self.ears, self.random.randint(1, len(self.ears)))

    def silence(self):
        """Links by which events arrive silently stop forwarding."""
        ears = self.some_ears()
        return f"{', '.join(ears)}: {sum(self.proxy.stall(ear) for ear in ears)}"

    def deafness(self):
        """Connections answer queries and keepalives, but deliver no events."""
        ears = self.some_ears()
        return f"{', '.join(ears)}: {self.proxy.deafen(ears)}"

    def proof(self):
        """Checks that nothing is live without proof: with deaf links, no tally of their transports becomes live."""
        ears = self.some_ears()
        tallies = [tally for tally, transport in transports.of(self.stage.sql).items() if transports.LINKS[transport] in ears]
        if not tallies:
            return f"{ears}: no tally has it"
        self.proxy.deafen(ears, also_new=True)
        for ear in ears:
            self.proxy.cut(ear)

        def states():
            found = self.program.states()
            return {tally: found[tally] for tally in tallies if tally in found}

        eventually(lambda: self.program.process.poll() is None and (found := states()) and "live" not in found.values(),
                   lambda: f"live, though {ears} were cut and hear nothing: what is not heard must not be called live: {states()}", seconds=30)
        until = time.monotonic() + self.random.uniform(0.5, 4)
        while time.monotonic() < until:
            if "live" in (found := states()).values():
                raise Wrong(f"called live, though no event came since {ears} were cut: {found}")
            time.sleep(0.02)
        self.proxy.hear()
        return ", ".join(ears)

    def slowness(self):
        delay, seconds = self.random.uniform(0.005, 0.15), self.random.uniform(0.5, 3)
        return f"up to {delay * 1000:.0f} ms for {seconds:.2f} s: {self.proxy.slow(delay, seconds)}"

    def refusal(self):
        seconds = self.random.uniform(0.1, 2)
        self.proxy.refuse(seconds)
        return f"for {seconds:.2f} s, {self.proxy.cut(self.kind())} cut"

    def cut_client(self):
        some = self.random.sample(self.watchers.watchers, 4)
        for watcher in some:
            self.watchers.do(watcher.cut)
        return ", ".join(f"{watcher.name} of {watcher.tally}" for watcher in some)
