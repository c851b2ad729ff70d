#!/usr/bin/env python3
"""Part of tools/bench: POSTs of an action per second by 64 connections (wrk), beside pgbench with the same statement.

    act.py --folder DIR --programs DIR --seconds N --rounds N [--json]

Each POST inserts a row, of one of 1,000 keys, and is answered once the server's counters contain it. pgbench inserts by 8
connections, into the same table while the server counts, and into one without a tally. Afterwards the counters must be the
truth.
"""

import re
import shutil
import subprocess

from database import prepare
from report import machine, row, show
from stage import die, environment, hush, options, run, say

CONNECTIONS, CLIENTS, KEYS = 64, 8, 1_000
TABLE = "create table {0} (id bigserial primary key, post bigint not null);"
TALLY = TABLE + """
select tally.create_tally('{0}', 'public.{0}', 'post', transport => '{1}',
  actions => '{{"like": "insert into public.{0} (post) values ($1::bigint)"}}');"""
WRK = """
local tally = "{tally}"
request = function()
  return wrk.format("POST", "/v1/tallies/" .. tally .. "/keys/" .. math.random(1, {keys}) .. "/like")
end
"""


def post(stage, wrk, service, seconds):
    """Answered POSTs per second."""
    path = stage.folder.parent / "post.lua"
    path.write_text(WRK.format(tally=service.tally, keys=KEYS))
    done = subprocess.run([wrk, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", path, service.url], text=True,
                          capture_output=True, env=environment())
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", done.stdout, re.MULTILINE)
    if not rate or float(rate[1]) == 0 or "Non-2xx" in done.stdout:
        die(f"wrk did not work: {done.stdout}{done.stderr}")
    return float(rate[1])


def insert(stage, table, seconds):
    script = f"\\set post random(1, {KEYS})\ninsert into {table} (post) values (:post);\n"
    return stage.pgbench(script, CLIENTS, "-T", max(1, round(seconds)))


def measure(stage, wrk, seconds, rounds):
    lines = []
    found = {(table, who): [] for table in ("likes_notify", "likes_wal") for who in ("pgtally", "pgbench")} | {("plain", "pgbench"): []}
    for number in range(1, rounds + 1):
        say(f"act, round {number} of {rounds}: pgbench, no tally")
        found["plain", "pgbench"].append(insert(stage, "plain", seconds))
        for table in ("likes_notify", "likes_wal"):
            stage.sql(f"truncate {table}")
            with stage.service(table, "--writable") as service:
                say(f"act, round {number} of {rounds}: {table}")
                found[table, "pgtally"].append(post(stage, wrk, service, seconds))
                found[table, "pgbench"].append(insert(stage, table, seconds))
                service.until_it_counts(int(stage.sql(f"select count(*) from {table}")))
                service.compare_with_truth()
    for (table, who), rates in found.items():
        case = {"likes_notify": "counted by notify", "likes_wal": "counted by wal", "plain": "not counted"}[table]
        ours = who == "pgtally"
        contestant = f"pgtally, {CONNECTIONS} connections that POST" if ours else f"pgbench, {CLIENTS} connections"
        lines.append(row(f"inserts of one row, {case}", contestant, rates, "inserts/s", found[table, "pgbench"] if ours else None))
    return lines


def main():
    chosen = options().parse_args()
    wrk = shutil.which("wrk")
    if not wrk:
        die("there is no wrk: run tools/setup --tests")
    stage, found = prepare(chosen)
    found["versions"] += machine(wrk, stage.bindir / "pgbench")["versions"]
    stage.sql(TABLE.format("plain") + "".join(TALLY.format(f"likes_{transport}", transport) for transport in ("notify", "wal")))
    lines = measure(stage, wrk, chosen.seconds, chosen.rounds)
    hush()
    show("act", found, lines, chosen.json)


if __name__ == "__main__":
    run(main)
