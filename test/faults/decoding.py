"""Faults of transport `wal`, and of what it shares with the rest of the cluster: a part of `Faults`."""

import contextlib
import threading
import time

import psycopg

import transports
from stage import eventually

FLOOD = 2_000_000  # rows of one statement
GLUT = [5_000_000] * 14  # bytes of messages of one transaction: more than the service keeps of one
TAKE_SLOTS = """do $$ begin
  loop
    perform pg_create_physical_replication_slot('other_' || floor(random() * 1e9)::integer, false, true);
  end loop;
exception
  when configuration_limit_exceeded then null;  -- an error of the statement itself would drop the session's temporary slots
end $$"""


class Decoding:
    """Needs `stage`, `program`, `proxy`, `random`, `mode`, `patiently`, `timers`, `holders`."""

    WAL_SHARES = {"change_transport": 3, "drop_publication": 1, "take_slots": 1, "similar_slots": 1, "invalidate_slot": 1, "old_writer": 2,
                  "invisible_commits": 2}
    LONG_SHARES = {"sender_timeout": 1, "glut": 1, "flood": 1}  # each takes seconds: not in a short run

    def change_transport(self):
        """Alters a tally's transport; back at once if the run has only one."""
        tally = self.random.choice(["posts", "weights", "ballots", "bookings", "story", "said", "shapes", "parts"])
        transport = transports.of(self.stage.sql)[tally]
        steps = [transports.other(transport)]
        if len(transports.MODES[self.mode]) == 1:
            steps.append(transport)
        for step in steps:
            self.alter_transport(tally, step)
            time.sleep(self.random.uniform(0, 0.5))
        return f"{tally}: {' and '.join(steps)}"

    def alter_transport(self, tally, transport):
        with contextlib.suppress(*transports.NO_SLOT):
            self.patiently("select tally.alter_tally(%s, transport => %s)", [tally, transport])

    def drop_publication(self):
        """No writer fails. The stream ends, from PostgreSQL 18 on with the next one; `heal` follows the remedy."""
        tallies = [tally for tally, transport in transports.of(self.stage.sql).items() if transport == "wal"]
        self.stage.sql("drop publication if exists tally")
        if not tallies or self.stage.server_version() >= 180000:
            return None
        eventually(lambda: {self.program.states().get(tally) for tally in tallies} == {"failed"},
                   lambda: f"not failed without a publication: {self.program.states()}")
        eventually(lambda: "select tally.reload(" in self.program.reason(tallies[0]),
                   lambda: f"{tallies[0]} names no remedy for a missing publication: {self.program.reason(tallies[0])}")
        return None

    def have_publication(self):
        """The administrator's part."""
        missing = not self.stage.sql("select from pg_publication where pubname = 'tally'")
        if tallies := missing and [tally for tally, transport in transports.of(self.stage.sql).items() if transport == "wal"]:
            self.patiently("select tally.reload(%s)", [tallies[0]])

    # Slots

    def own_connection(self):
        return psycopg.connect(self.stage.database.dsn, autocommit=True, connect_timeout=20, application_name="other")

    def take_slots(self):
        """Takes all slots and cuts the streams, so that they find none; then gives the slots back."""
        with self.own_connection() as other:
            self.proxy.cut("stream")
            until = time.monotonic() + self.random.uniform(0.5, 2)
            while time.monotonic() < until:
                other.execute(TAKE_SLOTS)
                time.sleep(0.02)
            (taken,), = other.execute("select count(*) from pg_replication_slots where starts_with(slot_name, 'other_')")
        return f"{taken}"

    def similar_slots(self):
        """Another session makes temporary slots under names like the service's, and ends with them."""
        with self.own_connection() as other:
            pid = self.program.process.pid
            names = ["pgtally", f"pgtally_{pid}", f"pgtally_{pid}_00000000", *(name + "_" for name, in other.execute(
                "select slot_name from pg_replication_slots where starts_with(slot_name, 'pgtally_') and active limit 1"))]
            for name in names:
                other.execute("select pg_create_physical_replication_slot(%s, false, true)", [name])
            time.sleep(self.random.uniform(0, 0.5))
        return ", ".join(names)

    def slots(self):
        """Those from which the server streams. PostgreSQL lets one that only was made wait for its client for ever."""
        return {name for name, in self.stage.sql("""select slot_name from pg_replication_slots join pg_stat_replication on pid = active_pid
            where starts_with(slot_name, %s) and pg_stat_replication.state in ('catchup', 'streaming')""", [f"pgtally_{self.program.process.pid}_"])}

    def invalidate_slot(self):
        """The slot's client stalls while more WAL is written than may be kept for a slot."""
        before = self.slots()
        with self.setting("max_slot_wal_keep_size", "1MB"):
            self.proxy.stall("stream")
            eventually(lambda: self.fill_wal() or not before & self.slots(), "a stalled slot keeps more WAL than it may")
            self.proxy.cut("stream")
        return f"{len(before)}"

    @contextlib.contextmanager
    def setting(self, name, value):
        self.stage.sql(f"alter system set {name} = '{value}'")
        self.stage.sql("select pg_reload_conf()")
        try:
            yield
        finally:
            self.stage.sql(f"alter system reset {name}")
            self.stage.sql("select pg_reload_conf()")

    def fill_wal(self):
        self.stage.sql("select count(pg_logical_emit_message(false, 'bulk', repeat('x', 1000000))) from generate_series(1, 20)")
        self.stage.sql("select pg_switch_wal()")
        self.stage.sql("checkpoint")

    def sender_timeout(self):
        """The service is stopped until PostgreSQL ends its stream."""
        before = self.slots()
        try:
            # Stopped again and again, because an earlier halt may end meanwhile.
            eventually(lambda: self.program.halt() or not before & self.slots(), "the WAL sender of a stopped service does not end")
        finally:
            self.program.go_on()
        return f"{len(before)}"

    # Transactions

    def old_writer(self):
        """A transaction that writes in another database: slots, and loads by wal, wait for its end."""
        connection = psycopg.connect(self.stage.cluster.dsn(), autocommit=False, connect_timeout=20, application_name="other")
        connection.execute("select pg_current_xact_id()")
        seconds = self.random.uniform(0.5, 5)
        timer = threading.Timer(seconds, connection.close)
        timer.start()
        self.timers.append(timer)
        self.holders.append(connection)
        self.proxy.cut(self.random.choice(["stream", "listener"]))
        return f"for {seconds:.2f} s"

    def invisible_commits(self):
        """Commits are flushed, and so decoded, but wait for a standby that does not exist: no snapshot sees them. Loads begin meanwhile."""
        loads = self.random.randint(1, 4)
        with self.setting("synchronous_standby_names", "nobody"):
            for _ in range(loads):
                time.sleep(self.random.uniform(0.05, 0.4))
                for tally in ("story", "ballots"):
                    self.ask_reset(tally)
            time.sleep(self.random.uniform(0.1, 0.6))
        return f"{loads} loads of each"

    def flood(self):
        """Two huge transactions: their rows are spilled, and their events are few."""
        self.stage.sql("insert into said select 'flood ' || g %% 1000, 'flood' from generate_series(1, %s) g", [FLOOD])
        self.stage.sql("delete from said where word = 'flood'")

    def glut(self):
        """A transaction with more messages than the service keeps: nobody knows what was in it."""
        connection = self.own_connection()
        with connection, connection.transaction():
            for size in GLUT:
                connection.execute("select pg_logical_emit_message(true, 'tally', repeat('x', %s))", [size])
