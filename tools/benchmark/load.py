#!/usr/bin/env python3
"""Part of tools/bench: the first load of many rows, beside psql's \\copy of the same query to a file.

    load.py --folder DIR --programs DIR --seconds N --rounds N [--rows N] [--keys N] [--large] [--json]

--seconds is not used: a load takes what it takes. Of the CPU seconds PostgreSQL's are most: they are those of all its
processes, for which the rounds must not overlap with other work of that PostgreSQL. The query is that of the load,
tally.truth(); of the table itself it is a little faster.
"""

import os
import pathlib
import subprocess
import time

from database import TALLY, fill, first_load, prepare
from report import row, show
from stage import die, environment, hush, options, run, say

ROWS, LARGE, KEYS = 10_000_000, 100_000_000, 1_000_000
QUERIES = {"psql \\copy of the truth": "select key, counters from tally.truth('likes')",
           "psql \\copy of the sums": "select post::text, array[count(*)] from likes group by post"}


def cpu_of_children(pid):
    """CPU seconds of the processes that this one started and that have ended: of PostgreSQL, its sessions."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def copy(stage, query):
    """The seconds."""
    began = time.monotonic()
    subprocess.run([stage.bindir / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", stage.dsn, "-c",
                    f"\\copy ({query}) to '{stage.folder.parent / 'copied'}'"], check=True, env=environment())
    return time.monotonic() - began


def measure(stage, rows, keys, rounds):
    case = f"{rows:,} rows into {keys:,} keys"
    postmaster = int((stage.folder / "data" / "postmaster.pid").read_text().split()[0])
    seconds, used = {"pgtally": [], **{name: [] for name in QUERIES}}, {"pgtally": [], "PostgreSQL": []}
    for number in range(1, rounds + 1):
        say(f"load, {case}, round {number} of {rounds}")
        for name, query in QUERIES.items():
            seconds[name].append(copy(stage, query))
        before = cpu_of_children(postmaster)
        took, ours = first_load(stage, "likes")
        seconds["pgtally"].append(took)
        used["pgtally"].append(ours)
        until = time.monotonic() + 10
        while stage.serving_pids() and time.monotonic() < until:
            time.sleep(0.01)
        used["PostgreSQL"].append(cpu_of_children(postmaster) - before)
    beside = seconds["psql \\copy of the truth"]
    return [*(row(case, name, found, "s", beside if name == "pgtally" else None) for name, found in seconds.items()),
            *(row(f"{case}, CPU time of the load", name, found, "CPU s") for name, found in used.items())]


def main():
    parser = options()
    parser.add_argument("--rows", type=int)
    parser.add_argument("--keys", type=int, default=KEYS)
    parser.add_argument("--large", action="store_true")
    chosen = parser.parse_args()
    rows = chosen.rows or (LARGE if chosen.large else ROWS)
    if rows < chosen.keys:
        die(f"{rows} rows cannot have {chosen.keys} keys")
    stage, found = prepare(chosen)
    stage.sql(TALLY.format("likes", "notify"))
    say(f"making {rows:,} rows")
    fill(stage, "likes", rows, chosen.keys)
    lines = measure(stage, rows, chosen.keys, chosen.rounds)
    hush()
    show("load", found, lines, chosen.json)


if __name__ == "__main__":
    run(main)
