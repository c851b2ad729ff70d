#!/usr/bin/env python3
"""Part of tools/bench: what inserts reach that are counted in different ways, and what one costs the server.

    writers.py --folder DIR --programs DIR --seconds N --rounds N --clients N,N --flush MS [--json]

Each cell is a run of pgbench: single-row inserts by so many clients. The ways take turns in each round, and a ratio is
the median of those of the rounds, so that other work on the machine disturbs all ways alike. The service runs while its
way is measured, and only then; after each run its counters are compared with the truth.
"""

import json
import os
import pathlib
import time

import tax
from stage import KEYS, Stage, hush, median, numbers, options, run, say

LIKES = """
create table {0} (id bigserial primary key, post bigint not null, at timestamptz not null default now());"""
TALLY = LIKES + """
select tally.create_tally('{0}', 'public.{0}', 'post', transport => '{1}');"""
SUMMARY = LIKES.format("likes_summary") + """
create table summary (post bigint primary key, n bigint not null);
create function add_to_summary() returns trigger language plpgsql as $$
begin
  insert into summary as s values (new.post, 1) on conflict (post) do update set n = s.n + 1;
  return null;
end
$$;
create trigger add_to_summary after insert on likes_summary for each row execute function add_to_summary();"""
COUNTER = "create table counter (post bigint primary key, n bigint not null);"

# Each way: its title, its tables, how each run begins, its statement, its tally.
WAYS = {
    "none": ("no trigger", LIKES.format("likes"), "truncate likes", "insert into likes (post) values (:post)", None),
    "notify": ("notify", TALLY.format("likes_notify", "notify"), "truncate likes_notify",
               "insert into likes_notify (post) values (:post)", "likes_notify"),
    "wal": ("wal", TALLY.format("likes_wal", "wal"), "truncate likes_wal",
            "insert into likes_wal (post) values (:post)", "likes_wal"),
    "update": ("update in place", COUNTER,
               f"truncate counter; insert into counter select i, 0 from generate_series(1, {KEYS}) i",
               "update counter set n = n + 1 where post = :post", None),
    "summary": ("summary table", SUMMARY, "truncate likes_summary, summary",
                "insert into likes_summary (post) values (:post)", None),
}
LOADS = {"hot": ("one key", 1), "spread": (f"{KEYS:,} keys", KEYS)}
# The least that a way shall reach of inserts without a trigger: (disk, load, clients, way).
AIMS = {("slow", "hot", 32, "wal"): 0.6, ("slow", "spread", 32, "wal"): 0.6}


def run_cell(stage, way, keys, clients, seconds):
    """Returns inserts per second, and how long the service took to have them all afterwards."""
    _, _, begin, statement, tally = WAYS[way]
    stage.sql(begin)
    script = f"\\set post random(1, {keys})\n{statement};\n"
    if tally is None:
        return stage.pgbench(script, clients, "-T", seconds), None
    with stage.service(tally) as service:
        rate = stage.pgbench(script, clients, "-T", seconds)
        behind = service.until_it_counts(int(stage.sql(f"select count(*) from {tally}")))
        service.compare_with_truth()
    return rate, behind


def measure(stage, chosen):
    rows = []
    for disk, flush_ms in (("this", 0), ("slow", chosen.flush)):
        say("starting PostgreSQL")
        stage.start(flush_ms=flush_ms)
        for load, (title, keys) in LOADS.items():
            for clients in chosen.clients:
                found = {way: [] for way in WAYS}
                for number in range(1, chosen.rounds + 1):
                    for way in WAYS:
                        say(f"{disk} disk, {title}, {clients} clients, round {number} of {chosen.rounds}: {WAYS[way][0]}")
                        found[way].append(run_cell(stage, way, keys, clients, chosen.seconds))
                rows += [row_of(found, disk, load, clients, way) for way in WAYS]
    return rows


def row_of(found, disk, load, clients, way):
    ratios = [ours[0] / none[0] for ours, none in zip(found[way], found["none"])]
    behinds = [behind for _, behind in found[way] if behind is not None]
    return {"disk": disk, "load": load, "clients": clients, "way": way, "per_second": round(median(rate for rate, _ in found[way])),
            "ratio": round(median(ratios), 3), "behind_seconds": round(max(behinds), 3) if behinds else None,
            "aim": AIMS.get((disk, load, clients, way))}


def flush_time(folder):
    """Milliseconds: the median time to write 8 KiB to a file of the cluster's disk and flush it."""
    times = []
    path = pathlib.Path(folder) / "flush"
    with open(path, "wb", buffering=0) as file:
        for _ in range(200):
            began = time.perf_counter()
            os.pwrite(file.fileno(), bytes(8192), 0)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return median(times) * 1e3


def print_rates(rows, flush_ms, more_ms):
    titles = {"this": f"this disk, which flushes in {flush_ms:.2f} ms", "slow": f"the same, and {more_ms:g} ms more for each flush of WAL"}
    for disk, title in titles.items():
        print(f"{title}: single-row statements per second, and of those without a trigger")
        print(f"{'':12}{'clients':>8}" + "".join(f"{WAYS[way][0]:>22}" for way in WAYS))
        cells = {(row["load"], row["clients"], row["way"]): row for row in rows if row["disk"] == disk}
        for load, clients in dict.fromkeys((load, clients) for load, clients, _ in cells):
            line = f"{LOADS[load][0]:12}{clients:>8}"
            for way in WAYS:
                row = cells[load, clients, way]
                line += f"{row['per_second']:>15,}{row['ratio']:>7.2f}"
            print(line)
        print()
    for row in rows:
        if row["aim"] is not None:
            print(f"aim: {WAYS[row['way']][0]}, {LOADS[row['load']][0]}, {row['clients']} clients, slow flush: "
                  f"{row['ratio']:.2f} of no trigger, at least {row['aim']}")
    behind = max((row["behind_seconds"], row["way"]) for row in rows if row["behind_seconds"] is not None)
    print(f"the service had all of it {behind[0]:.2f} s after the writers stopped, at most ({behind[1]}); each time its "
          "counters were the truth\n")


def main():
    parser = options(int)
    parser.add_argument("--clients", type=numbers, required=True)
    parser.add_argument("--flush", type=float, required=True)
    chosen = parser.parse_args()
    stage = Stage(chosen.folder, chosen.programs)
    flush_ms = flush_time(chosen.folder)
    say("starting PostgreSQL")
    stage.start("fsync=off")
    stage.install()
    for _, tables, *_ in WAYS.values():
        stage.sql(tables)
    taxes = tax.measure(stage, WAYS, chosen.rounds)
    rows = measure(stage, chosen)
    hush()
    if chosen.json:
        print(json.dumps({"seconds": chosen.seconds, "rounds": chosen.rounds, "flush_ms": round(flush_ms, 3),
                          "slow_flush_ms": chosen.flush, "rows": rows, "tax": taxes}))
    else:
        print_rates(rows, flush_ms, chosen.flush)
        tax.print_table(taxes, WAYS)


if __name__ == "__main__":
    run(main)
