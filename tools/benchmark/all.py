#!/usr/bin/env python3
"""Part of tools/bench: runs every bench, briefly, and writes one page with tables and charts.

    all.py --seconds N --rounds N --report FILE [--only NAME,NAME]

A bench that does not work is named on the page, and the exit status is 1. The others are on it all the same.
"""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys

from page import page, section
from report import machine, rounded
from stage import ROOT, hush, run, say

# By name: the title, what a reader needs to know, more options of a brief run.
BENCHES = {
    "fanout": ("Values delivered to browsers", "One change goes to many WebSockets. Beside: a bare program that sends the same bytes and does nothing else.",
               ["--clients", "100,1000"]),
    "latency": ("From a statement to the change at a client", "The time from before an INSERT until a client has the new value. Beside: the least there can be, a "
                "program that listens to PostgreSQL and sends prepared bytes.", ["--clients", "1,100"]),
    "read": ("Reads by HTTP", "Beside: nginx, which returns as many bytes from its configuration.", []),
    "share": ("Two servers at one address", "GETs per second by --reuse-port, where the servers and their client share the cores.", []),
    "storm": ("A storm of clients", "Thousands of clients connect and subscribe at once, as after a restart.", ["--clients", "2000"]),
    "memory": ("Memory", "What one more client, and one more key, cost the server.", ["--clients", "2000"]),
    "apply": ("Events taken from PostgreSQL", "The server's CPU time for floods of events. Beside: a loop that only counts the payloads.", []),
    "load": ("The first load", "The server counts an existing table when it starts. Beside: psql, which copies the same query to a file.", []),
    "recovery": ("Recovery", "From a fault until the counters are live and exact again. The ratio is to a first load alone.", []),
    "act": ("Writes by HTTP", "Each POST inserts a row and is answered once the counters contain it. Beside: pgbench with the same statement.", []),
    "writers": ("What writers pay", "Inserts per second into a table that is counted in different ways; 'slow' is a disk that takes 3 ms more to flush. "
                "The ratio is to a table without a trigger.", ["--clients", "1,32"]),
    "lag": ("Lag", "From the answer to a commit until a replica in the writer's program contains it.", []),
    "db": ("The client library", "Lookups by primary key and COPY. Beside: pgbench, psql, and loops over bare libpq.", []),
    "feed": ("The core: many clients", "CPU time of the core alone, without a network.", []),
    "rank": ("The core: rankings", "Changes per second of the core's CPU time while keys are ranked.", []),
    "counts": ("Instructions", "Of fixed work, which other work on the machine does not change. The ratio is to the committed file.", []),
}


def line(case, contestant, value, unit, ratio=None):
    return {"case": case, "contestant": contestant, "value": rounded(value), "unit": unit, "ratio": ratio, "spread": None}


def pairs(found):
    """Of db, feed and rank: a row is a pair."""
    return [row for each in found["rows"] for row in (
        line(each["what"], "pgtally", each["pgtally"], "per second", each["ratio"]), line(each["what"], each["beside"], each["other"], "per second"))]


def of_writers(found):
    rows = []
    for each in found["rows"]:
        way = f"pgtally, {each['way']}" if each["way"] in ("notify", "wal") else each["way"]
        rows.append(line(f"{each['disk']} disk, {each['load']}, {each['clients']} clients", way, each["per_second"], "inserts/s", each["ratio"]))
    return rows + [line("CPU time of PostgreSQL for one insert", each["way"], each["writer_us"], "µs") for each in found["tax"]]


def of_lag(found):
    return [line(f"fsync {each['fsync']}, {'busy' if each['busy'] else 'idle'}, {mark}", f"pgtally, {each['transport']}", each[f"lag_{mark}_ms"], "ms")
            for each in found["lag"] for mark in ("p50", "p99")]


READERS = {"db": pairs, "feed": pairs, "rank": pairs, "writers": of_writers, "lag": of_lag}


def figures_of(name, seconds, rounds):
    """Its rows and versions, or why there are none."""
    command = [ROOT / "tools" / "bench", name, "--seconds", str(seconds), "--rounds", str(rounds), "--json", *BENCHES[name][2]]
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode:
        return [], [], done.stderr.strip() or f"exit status {done.returncode}"
    found = json.loads(done.stdout)
    return READERS.get(name, lambda of: of["rows"])(found), found.get("machine", {}).get("versions", []), ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--report", type=pathlib.Path, required=True)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(BENCHES))
    chosen = parser.parse_args()
    found, sections, versions, failed = machine(), [], {}, []
    chosen.report.write_text("")  # a path that cannot be written is noticed before the run
    for name in chosen.only:
        title, says, _ = BENCHES[name]
        say(f"all: {name}")
        rows, more, failure = figures_of(name, chosen.seconds, chosen.rounds)
        versions.update(dict.fromkeys(more))
        sections.append(section(title, f"{says} (tools/bench {name})", rows, failure))
        failed += [name] if failure else []
    hush()
    facts = [f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC; {found['cores']} cores of {found['processor']}, "
             f"{found['memory_gib']} GiB, Linux {found['kernel']}, load {found['load']} at the beginning; PostgreSQL on the same machine",
             "; ".join(versions)]
    chosen.report.write_text(page(facts, sections))
    if failed:
        sys.exit(f"bench: {', '.join(failed)} did not work: see {chosen.report}")


if __name__ == "__main__":
    run(main)
