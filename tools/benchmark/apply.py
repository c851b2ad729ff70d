#!/usr/bin/env python3
"""Part of tools/bench: events per second of the server's CPU time, beside a loop that counts the same payloads.

    apply.py --folder DIR --programs DIR --seconds N --rounds N [--keys N,N] [--json]

PostgreSQL sends floods of events, 100,000 for each second asked for, or a tenth as many of 100 keys each: in transactions of
10 of those. Both receive the same floods at the same time, and only their CPU time counts.
"""

from crowd import Player
from database import TALLY, fill, prepare
from report import row, show
from stage import cpu_seconds, hush, numbers, options, run, say

KEYS = [1_000, 1_000_000]
SENDS = {"notify": "pg_notify('tally', {})", "wal": "pg_logical_emit_message(true, 'tally', {})"}
EVENTS = {1: 100_000, 100: 10_000}  # for each second, by the keys of an event
EVENT = """format('{{"t":"%s","x":"%s","n":%s,"at":1,"d":[%s]}}', '{table}', pg_current_xact_id(), i,
  (select string_agg(format('["%s",1]', (i * {width} + j) * 7919 % {keys}), ',') from generate_series(1, {width}::bigint) j))"""


def flood(stage, transport, table, keys, width, events):
    """Transactions of a tenth of EVENTS each, the last of what is left."""
    statement = f"select count({SENDS[transport].format(EVENT.format(table=table, width=width, keys=keys))}) from generate_series"
    step = EVENTS[width] // 10
    stage.sql("\n".join(f"{statement}({first}, {min(first + step - 1, events)}::bigint) i;" for first in range(1, events + 1, step)))


def measure_case(stage, transport, keys, width, chosen):
    case = f"{transport}, {width} key{'s' if width > 1 else ''} an event, {keys:,} keys"
    table = f"likes_{transport}"
    events = max(1, round(EVENTS[width] * chosen.seconds))
    found = {"pgtally": [], "libpq, counts payloads": []}
    fill(stage, table, keys, keys)
    with stage.service(table) as service:
        # On the core of the server: alone on one it would be woken for each event that the other one takes by the dozen.
        counter = Player([*stage.pinned(), stage.programs / "pgtally-bench-counter", transport, stage.dsn])
        try:
            counter.answer()
            total = keys
            for number in range(0, chosen.rounds + 1):
                say(f"apply, {case}, round {number} of {chosen.rounds}")
                counter.tell(events)
                before = cpu_seconds(service.process.pid)
                flood(stage, transport, table, keys, width, events)
                bare = counter.answer()
                total += events * width
                service.until_it_counts(total)
                used = cpu_seconds(service.process.pid) - before
                if number == 0:  # memory is taken, and the caches are filled
                    continue
                found["pgtally"].append(events / used)
                found["libpq, counts payloads"].append(events / bare["cpu"])
        finally:
            counter.end()
    (ours, theirs) = found.values()
    return [row(case, "pgtally", ours, "events/CPU s", theirs), row(case, "libpq, counts payloads", theirs, "events/CPU s")]


def main():
    parser = options()
    parser.add_argument("--keys", type=numbers, default=KEYS)
    chosen = parser.parse_args()
    stage, found = prepare(chosen, pinned=True)
    rows = []
    for transport in SENDS:
        stage.sql(TALLY.format(f"likes_{transport}", transport))
        for keys in chosen.keys:
            for width in EVENTS:
                rows += measure_case(stage, transport, keys, width, chosen)
    hush()
    show("apply", found, rows, chosen.json)


if __name__ == "__main__":
    run(main)
