"""Part of tools/bench writers: the CPU time that one insert of one client costs the server, without flushing to disk.

"WAL" is in bytes per insert. "writer" is the CPU time of the session that inserts, "senders" that of the sessions of the service, among them the WAL
sender, until the service has counted everything; both by /proc/PID/schedstat, per insert.
"""

import subprocess

from stage import cpu_seconds, environment, median, say

INSERTS = 20_000
AIM_US = 60  # more than without a trigger, for the writer


class Session:
    """psql, which runs one statement a transaction."""

    def __init__(self, stage):
        self.psql = subprocess.Popen([stage.bindir / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", stage.dsn], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
        self.pid = int(self.ask("select pg_backend_pid();"))

    def ask(self, statements):
        self.psql.stdin.write(statements + "\n\\echo done\n")
        self.psql.stdin.flush()
        lines = list(iter(lambda: self.psql.stdout.readline().rstrip("\n"), "done"))
        return lines[-1] if lines else None

    def end(self):
        self.psql.communicate("\\q\n")


def run_inserts(stage, statement):
    """Returns the CPU seconds of the session, and the bytes of WAL."""
    session = Session(stage)
    session.ask(f"prepare one as {statement.replace(':post', '1')};")
    session.ask("execute one;\n" * 1000)  # warms the caches of the session
    position = session.ask("select pg_current_wal_insert_lsn();")
    before = cpu_seconds(session.pid)
    session.ask("execute one;\n" * INSERTS)
    used = cpu_seconds(session.pid) - before
    wal = session.ask(f"select pg_current_wal_insert_lsn() - '{position}';")
    session.end()
    return used, int(wal)


def measure_once(stage, way):
    """Returns microseconds of the writer, bytes of WAL and microseconds of the senders per insert."""
    _, _, begin, statement, tally = way
    stage.sql(begin)
    if tally is None:
        used, wal = run_inserts(stage, statement)
        return used / INSERTS * 1e6, wal / INSERTS, 0
    with stage.service(tally) as service:
        pids = stage.serving_pids()
        before = {pid: cpu_seconds(pid) for pid in pids}
        used, wal = run_inserts(stage, statement)
        service.until_it_counts(int(stage.sql(f"select count(*) from {tally}")))
        # Loads are over: the service keeps its sessions.
        sent = sum(cpu_seconds(pid) - before[pid] for pid in stage.serving_pids() if pid in before)
    return used / INSERTS * 1e6, wal / INSERTS, sent / INSERTS * 1e6


def measure(stage, ways, rounds):
    found = {name: [] for name in ways}
    for number in range(1, rounds + 1):
        for name, way in ways.items():
            say(f"CPU of one insert, round {number} of {rounds}: {way[0]}")
            found[name].append(measure_once(stage, way))
    rows = []
    for name in ways:
        more = [ours[0] - none[0] for ours, none in zip(found[name], found["none"])]
        writer, wal, senders = (median(column) for column in zip(*found[name]))
        rows.append({"way": name, "writer_us": round(writer, 1), "tax_us": round(median(more), 1), "wal_bytes": round(wal),
                     "senders_us": round(senders, 1), "aim": AIM_US if name in ("notify", "wal") else None})
    return rows


def print_table(rows, ways):
    print(f"CPU time of the server for one insert, one client, fsync = off, {INSERTS:,} inserts, in microseconds")
    print(f"{'':18}{'writer':>10}{'more than none':>16}{'senders':>10}{'WAL bytes':>11}{'aim':>16}")
    for row in rows:
        aim = f"at most {row['aim']}" if row["aim"] else ""
        print(f"{ways[row['way']][0]:18}{row['writer_us']:>10.1f}{row['tax_us']:>16.1f}{row['senders_us']:>10.1f}{row['wal_bytes']:>11}{aim:>16}")
