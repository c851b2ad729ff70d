"""The story: a tally whose every value is known in advance.

A writer locks the chapters of the keys that it will touch, in order, until the end of its transaction. So the
transactions of a key commit one after another, and each statement can record, in the same transaction, the key's
counters after it. The committed records are the key's history. A value shown for the key must be in the history, and
not before the last value shown to the same viewer. The weights are large and random, so that a value that was never
true is not in the history by accident.

By `notify` each statement sends its own event, so there is a line for each statement. By `wal` a transaction is applied
whole, so there is one line for each transaction.
"""

import collections

import psycopg

KEYS = [f"k{n}" for n in range(12)]
COUNTERS = ["weight", "rows"]
SCHEMA = """
create table story (id bigserial primary key, key text not null, weight bigint not null);
create index on story (key);
create table chapter (key text primary key);
create table history (key text, serial bigint, weight bigint, rows bigint, primary key (key, serial));
select tally.create_tally('story', 'public.story', 'key', '{"weight": "weight", "rows": "1"}', materialize => 'public.story_kept');
"""
SUMS = "select key, sum(weight)::bigint, count(*) from story where key = any(%s) group by key"
BY = "select transport from tally.tallies where name = 'story'"
# A writing commit flushes all before it: no crash takes back the lines that were read.
FLUSH = "select pg_logical_emit_message(true, 'flush', '')"
LAST = """select h.key, h.serial, h.weight, h.rows from unnest(%s::text[]) as wanted (key),
          lateral (select * from history where history.key = wanted.key order by serial desc limit 1) as h"""


class Storyteller:
    """The statements of the story's transactions. `random` belongs to the writer."""

    def __init__(self, random):
        self.random = random

    def transaction(self, connection):
        """Runs everything except the commit."""
        everything = self.random.random() < 0.12
        self.off = self.random.random() < 0.3
        keys = sorted(KEYS if everything else self.random.sample(KEYS, self.random.randint(1, 4)))
        connection.execute("select from chapter where key = any(%s) order by key for update", [keys])
        last = {key: (serial, weight, rows) for key, serial, weight, rows in connection.execute(LAST, [keys])}
        self.written = set()  # the keys that have a line of this transaction
        steps = [self.truncate, self.refill, self.rewrite] if everything else [
            self.insert, self.insert, self.insert, self.copy, self.update, self.move, self.delete, self.merge, self.undone]
        for _ in range(1 if everything else self.random.randint(1, 4)):
            self.random.choice(steps)(connection, keys, last)
        self.linger(connection)

    def write_down(self, connection, keys, last):
        """Records what is true after a statement; nothing if it changed nothing."""
        now = {key: (weight, rows) for key, weight, rows in connection.execute(SUMS, [keys])}
        (transport,), = connection.execute(BY)  # the statement's lock keeps it until the commit
        for key in keys:
            serial, *before = last.get(key, (0, 0, 0))
            after = now.get(key, (0, 0))
            if tuple(before) == after:
                continue
            if transport == "wal" and key in self.written:
                connection.execute("update history set weight = %s, rows = %s where key = %s and serial = %s", [*after, key, serial])
                last[key] = (serial, *after)
                continue
            connection.execute("insert into history values (%s, %s, %s, %s)", [key, serial + 1, *after])
            last[key] = (serial + 1, *after)
            self.written.add(key)
        # With `wal`, what is shown was flushed before. Elsewhere a crash may undo what an event has told.
        connection.execute("select set_config('synchronous_commit', %s, true)", ["off" if transport == "wal" and self.off else "on"])

    def linger(self, connection):
        """The fences of loads that begin meanwhile list this transaction as in progress."""
        if self.random.random() < 0.3:
            connection.execute("select pg_sleep(%s)", [self.random.uniform(0, 0.3)])

    def weight(self):
        return self.random.randint(-1_000_000, 1_000_000)

    def some(self, keys):
        return [self.random.choice(keys) for _ in range(self.random.randint(1, 3))]

    # Statements

    def insert(self, connection, keys, last):
        chosen = self.some(keys)
        connection.execute("insert into story (key, weight) select * from unnest(%s::text[], %s::bigint[])",
                           [chosen, [self.weight() for _ in chosen]])
        self.write_down(connection, keys, last)

    def copy(self, connection, keys, last):
        with connection.cursor().copy("copy story (key, weight) from stdin") as copy:
            for key in self.some(keys):
                copy.write_row((key, self.weight()))
        self.write_down(connection, keys, last)

    def update(self, connection, keys, last):
        connection.execute("update story set weight = weight + %s where key = %s", [self.weight(), self.random.choice(keys)])
        self.write_down(connection, keys, last)

    def move(self, connection, keys, last):
        connection.execute("update story set key = %s where key = %s and id %% 2 = 0", [self.random.choice(keys), self.random.choice(keys)])
        self.write_down(connection, keys, last)

    def delete(self, connection, keys, last):
        connection.execute("delete from story where key = %s and id %% 3 < %s", [self.random.choice(keys), self.random.randint(1, 3)])
        self.write_down(connection, keys, last)

    def merge(self, connection, keys, last):
        """Its actions are of one kind, because each kind is a separate event."""
        if connection.info.server_version < 150000:
            return self.update(connection, keys, last)
        kinds = "when matched then delete" if self.random.random() < 0.3 else """
          when matched then update set weight = s.weight + %(more)s when not matched then insert (key, weight) values (w.key, %(more)s)"""
        connection.execute("merge into story s using (select %(key)s::text as key) w on s.key = w.key and s.id %% 5 = 0 " + kinds,
                           {"key": self.random.choice(keys), "more": self.weight()})
        self.write_down(connection, keys, last)

    def undone(self, connection, keys, last):
        """Rolls back a savepoint: none of it may ever be shown."""
        written = set(self.written)
        connection.execute("savepoint undone")
        self.insert(connection, keys, dict(last))
        connection.execute("rollback to undone")
        self.written = written

    # With every chapter locked: operations on the whole table.

    def truncate(self, connection, keys, last):
        connection.execute("truncate story")
        self.write_down(connection, keys, last)
        self.insert(connection, keys, last)

    def refill(self, connection, keys, last):
        """Frozen rows are visible to older snapshots."""
        connection.execute("truncate story")
        self.write_down(connection, keys, last)
        with connection.cursor().copy("copy story (key, weight) from stdin with (freeze)") as copy:
            for key in keys:
                copy.write_row((key, self.weight()))
        self.write_down(connection, keys, last)

    def rewrite(self, connection, keys, last):
        """Rewrites the table: an older snapshot sees nothing in the new files."""
        connection.execute("alter table story alter column weight type integer")
        connection.execute("alter table story alter column weight type bigint")


class History:
    """The committed values that each key ever had."""

    def __init__(self):
        self.lines = {key: [(0, 0)] for key in KEYS}
        self.found_at = {key: collections.defaultdict(list, {(0, 0): [0]}) for key in KEYS}
        self.lost = dict.fromkeys(KEYS, 0)  # how many lines the database has fewer, since it was restored

    def read(self, sql):
        """Reads newer lines with `sql(statement, arguments)` -> rows. The lines of a key commit in order, so the last known one determines what is new."""
        known = [(key, len(lines) - 1 - self.lost[key]) for key, lines in self.lines.items()]
        rows = sql("""select h.key, h.serial, h.weight, h.rows
            from unnest(%s::text[], %s::bigint[]) as known (key, serial), history as h
            where h.key = known.key and h.serial > known.serial order by h.key, h.serial""",
                   [[key for key, _ in known], [serial for _, serial in known]])
        sql(FLUSH, [])
        for key, serial, weight, count in rows:
            assert serial + self.lost[key] == len(self.lines[key]), f"the history of {key} has a hole before {serial}: the test is wrong"
            self.add(key, (weight, count))

    def add(self, key, line):
        self.found_at[key][line].append(len(self.lines[key]))
        self.lines[key].append(line)

    def restored(self, sql):
        """The database was restored: what was shown until then is still explained, and what is restored comes after it."""
        serials = {key: serial for key, serial, *_ in sql(LAST, [KEYS])}
        # From the story itself: a dump sees a table that was truncated after its snapshot empty, and the history as it was.
        now = {key: (weight, count) for key, weight, count in sql(SUMS, [KEYS])}
        for key, lines in self.lines.items():
            self.lost[key] = len(lines) - serials.get(key, 0)
            self.add(key, now.get(key, (0, 0)))


def prepare(connection):
    connection.execute(SCHEMA)
    connection.cursor().executemany("insert into chapter values (%s)", [[key] for key in KEYS])


def is_lost(error):
    """True if the connection or PostgreSQL is gone, which is not an error of the statement."""
    return isinstance(error, psycopg.OperationalError) and not isinstance(
        error, (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled))
