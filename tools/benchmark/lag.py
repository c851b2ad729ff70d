#!/usr/bin/env python3
"""Part of tools/bench: from commit to applied by each transport, and what the slot of `wal` costs a busy cluster.

    lag.py --folder DIR --programs DIR --seconds N --rounds N [--json]

A writer and a replica that it watches are one process (lags.cpp), so there is one clock. "commit" is the time from
sending an INSERT to its answer, "lag" from the answer to the callback that contains the row. Busy means that pgbench
inserts other keys into the same table, 5,000 a second if the disk allows; so it is measured without flushes, too.
"""

import json
import subprocess

from stage import KEYS, Stage, cpu_seconds, die, environment, eventually, hush, median, options, rate_of, run, say

BUSY_RATE = 5_000
BUSY_CLIENTS = 16
TRANSACTIONS = 10_000
TABLES = """
create table likes_{0} (id bigserial primary key, post bigint not null, at timestamptz not null default now());
select tally.create_tally('likes_{0}', 'public.likes_{0}', 'post', transport => '{0}');"""
UNRELATED = """
create table other (id bigserial primary key, post bigint not null, at timestamptz not null default now());"""
# What runs in the cluster and is not counted: the title and the script of a transaction.
STRANGERS = {
    "insert of 1 row": "insert into other (post) values (1);\n",
    "insert of 10 rows": "insert into other (post) select i from generate_series(1, 10) i;\n",
    "4 statements": "begin;\n" + "insert into other (post) values (1);\n" * 4 + "commit;\n",
}


def measure_lag(stage, transport, busy, seconds):
    table = f"likes_{transport}"
    stage.sql(f"truncate {table}")
    load = None
    if busy:
        path = stage.folder.parent / "busy.sql"
        path.write_text(f"\\set post random(1, {KEYS})\ninsert into {table} (post) values (:post);\n")
        # It runs longer than what is measured, which first connects and loads.
        load = stage.begin_pgbench(path, BUSY_CLIENTS, "-T", seconds + 4, "-R", BUSY_RATE)
        eventually(lambda: int(stage.sql(f"select count(*) from {table}")) > 0, "pgbench did not begin")
    done = subprocess.run([stage.programs / "pgtally-bench", "lag", stage.dsn, table, table, str(seconds)], text=True,
                          capture_output=True, env=environment())
    rate = 0
    if load:
        ended_before = load.poll() is not None
        rate = rate_of(*load.communicate())
        if ended_before:
            die("pgbench ended before the lag was measured")
    if done.returncode:
        die(done.stderr.strip())
    *times, _ = map(float, done.stdout.split())
    return [*times, rate]


def lags(stage, fsync, seconds, rounds):
    rows = []
    for busy in (False, True):
        found = {"notify": [], "wal": []}
        for number in range(1, rounds + 1):
            for transport in found:
                say(f"lag, fsync = {fsync}, {'busy' if busy else 'idle'}, round {number} of {rounds}: {transport}")
                found[transport].append(measure_lag(stage, transport, busy, seconds))
        for transport, runs in found.items():
            names = ("commit_p50_ms", "commit_p99_ms", "lag_p50_ms", "lag_p99_ms", "other_per_second")
            rows.append({"transport": transport, "fsync": fsync, "busy": busy,
                         **{name: round(median(column), 2) for name, column in zip(names, zip(*runs))}})
    return rows


def cost_of_slot(stage, script):
    """CPU milliseconds of the WAL sender for 10,000 transactions, and MB of WAL that it decoded."""
    sender = int(stage.sql("select pid from pg_stat_replication"))
    sent = "select sent_lsn >= '{}' from pg_stat_replication"
    start = stage.sql("select pg_current_wal_insert_lsn()")
    before = cpu_seconds(sender)
    stage.pgbench(script, 4, "-t", TRANSACTIONS // 4)
    # A sender that has nothing to send says how far it is in a keepalive, which a commit makes it send.
    end = stage.sql("select pg_current_wal_flush_lsn()")
    eventually(lambda: stage.sql(sent.format(end)) == "t", "the WAL sender did not follow")
    used = cpu_seconds(sender) - before
    return used * 1e3, int(stage.sql(f"select '{end}'::pg_lsn - '{start}'::pg_lsn")) / 1e6


def slots(stage, rounds):
    found = {title: [] for title in STRANGERS}
    with stage.service("likes_wal"):
        for number in range(1, rounds + 1):
            for title, script in STRANGERS.items():
                say(f"a slot and other transactions, round {number} of {rounds}: {title}")
                found[title].append(cost_of_slot(stage, script))
    return [{"transaction": title, "sender_ms": round(median(cpu for cpu, _ in runs), 1),
             "wal_mb": round(median(size for _, size in runs), 2)} for title, runs in found.items()]


def print_tables(lag_rows, slot_rows):
    print("from commit to applied, in ms: a writer of one row at a time, and a replica in its program")
    print(f"{'':8}{'fsync':6}{'':24}{'commit p50':>12}{'p99':>8}{'lag p50':>10}{'p99':>8}")
    for row in lag_rows:
        others = f"{row['other_per_second']:,.0f} other inserts/s" if row["busy"] else "idle"
        print(f"{row['transport']:8}{row['fsync']:6}{others:24}{row['commit_p50_ms']:>12.2f}{row['commit_p99_ms']:>8.2f}"
              f"{row['lag_p50_ms']:>10.2f}{row['lag_p99_ms']:>8.2f}")
    print(f"\nCPU time of the WAL sender for {TRANSACTIONS:,} transactions that are not counted")
    print(f"{'':24}{'ms':>8}{'MB of WAL':>12}")
    for row in slot_rows:
        print(f"{row['transaction']:24}{row['sender_ms']:>8.1f}{row['wal_mb']:>12.2f}")


def main():
    chosen = options(int).parse_args()
    stage = Stage(chosen.folder, chosen.programs)
    say("starting PostgreSQL")
    stage.start()
    stage.install()
    stage.sql(TABLES.format("notify") + TABLES.format("wal") + UNRELATED)
    lag_rows = lags(stage, "on", chosen.seconds, chosen.rounds)
    say("starting PostgreSQL")
    stage.start("fsync=off")
    lag_rows += lags(stage, "off", chosen.seconds, chosen.rounds)
    slot_rows = slots(stage, chosen.rounds)
    hush()
    if chosen.json:
        print(json.dumps({"seconds": chosen.seconds, "rounds": chosen.rounds, "lag": lag_rows, "slot": slot_rows}))
    else:
        print_tables(lag_rows, slot_rows)


if __name__ == "__main__":
    run(main)
