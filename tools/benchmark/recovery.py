#!/usr/bin/env python3
"""Part of tools/bench: from a fault to live and exact again, beside the first load alone.

    recovery.py --folder DIR --programs DIR --seconds N --rounds N [--keys N] [--json]

Three faults: all sessions of the server are ended, as a cut network ends them; PostgreSQL crashes and is started again; it
is stopped and started, as in a planned failover. Once PostgreSQL answers, a row is inserted: the server has recovered when it
is live and counts that row. The time begins when PostgreSQL answers again; how long it was away is another figure, which the
server has no part in. After a stop PostgreSQL's caches are empty, so the load alone is measured after the same fault, too.
--seconds is not used.
"""

import time

from database import TALLY, fill, first_load, prepare
from report import row, show
from stage import eventually, hush, options, run, say

KEYS = 1_000_000
FAULTS = {"sessions cut": None, "PostgreSQL crashed": "immediate", "PostgreSQL stopped and started": "fast"}


def inflict(stage, how):
    if how is None:
        stage.sql("select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name ^@ 'pgtally'")
        return
    stage.restart(how)


def recover(stage, service, table, how, rows):
    """Seconds from PostgreSQL's answer to live and exact, and from the fault to PostgreSQL's answer."""
    began = time.monotonic()
    inflict(stage, how)
    stage.sql(f"insert into {table} (post) values (1)")
    answered = time.monotonic()
    eventually(lambda: service.count() == rows + 1, "the server did not recover", pause=0.02)
    return time.monotonic() - answered, answered - began


def measure(stage, transport, keys, rounds):
    table = f"likes_{transport}"
    fill(stage, table, keys, keys)
    alone, found, away = ({fault: [] for fault in FAULTS} for _ in range(3))
    rows = keys
    for number in range(1, rounds + 1):
        for fault, how in FAULTS.items():
            say(f"recovery, {transport}, round {number} of {rounds}: the load alone, {fault}")
            inflict(stage, how)
            alone[fault].append(first_load(stage, table)[0])
        with stage.service(table) as service:
            for fault, how in FAULTS.items():
                say(f"recovery, {transport}, round {number} of {rounds}: {fault}")
                took, gone = recover(stage, service, table, how, rows)
                rows += 1
                found[fault].append(took)
                away[fault].append(gone)
            service.compare_with_truth()
    lines = []
    for fault in FAULTS:
        lines.append(row(f"{transport}, {keys:,} keys, {fault}", "first load alone", alone[fault], "s"))
        lines.append(row(f"{transport}, {keys:,} keys, {fault}", "from PostgreSQL's answer to exact", found[fault], "s", alone[fault]))
        lines.append(row(f"{transport}, {keys:,} keys, {fault}", "until PostgreSQL answered", away[fault], "s"))
    return lines


def main():
    parser = options()
    parser.add_argument("--keys", type=int, default=KEYS)
    chosen = parser.parse_args()
    stage, found = prepare(chosen)
    lines = []
    for transport in ("notify", "wal"):
        stage.sql(TALLY.format(f"likes_{transport}", transport))
        lines += measure(stage, transport, chosen.keys, chosen.rounds)
    hush()
    show("recovery", found, lines, chosen.json)


if __name__ == "__main__":
    run(main)
