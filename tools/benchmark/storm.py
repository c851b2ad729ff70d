#!/usr/bin/env python3
"""Part of tools/bench: many clients connect and subscribe at once, beside a bare program that accepts them.

    storm.py --folder DIR --programs DIR --seconds N --rounds N [--clients N] [--json]

Ten clients are connected before, and see ten changes a second: the longest that one of them waited, from before the
statement, is the second figure. A client of the storm that is cut before the snapshot connects again; how many did is the
third. The storm and those ten share a core with PostgreSQL if there are two cores.
"""

from crowd import clients_of, crowd, options, port_of, prepare, sender
from report import row, show
from stage import hush, run, say

CLIENTS = [10_000]
WITNESSES = 10
RATE = 10
BARE = "bare listener and sender"


def strike(stage, port, clients, seconds):
    """Seconds until all clients of the storm have their snapshot; the longest wait of a witness; who was cut meanwhile."""
    with crowd(stage, port, WITNESSES, "--tally", "likes_notify", "--dsn", stage.dsn,
               "--statement", "insert into likes_notify (post) values (1)") as witnesses:
        witnesses.ask(f"0.2 {RATE}")
        witnesses.tell(f"600 {RATE}")
        with crowd(stage, port, clients, "--tally", "likes_notify", ready=False) as storm:
            began = storm.answer()
            storm.ask(seconds)  # the changes go on, and all see them
            witnesses.tell("0")
            return began["ready"], witnesses.answer()["max"], began["again"]


def measure_case(stage, clients, chosen):
    found = {"pgtally": [], BARE: []}
    for number in range(1, chosen.rounds + 1):
        say(f"storm of {clients:,}, round {number} of {chosen.rounds}")
        with stage.service("likes_notify", "--max-clients", str(clients + WITNESSES + 10)) as service:
            found["pgtally"].append(strike(stage, port_of(service), clients, chosen.seconds))
        with sender(stage, "relay", stage.dsn) as (_, port):
            found[BARE].append(strike(stage, port, clients, chosen.seconds))
    return rows_of(clients, found)


def rows_of(clients, found):
    rows = []
    for title, column, unit, factor in (("all have their snapshot", 0, "s", 1), ("longest wait of others", 1, "ms", 1e3),
                                        ("cut before the snapshot", 2, "clients", 1)):
        times = {name: [figures[column] * factor for figures in rounds] for name, rounds in found.items()}
        case = f"{clients_of(clients)}: {title}"
        rows += [row(case, "pgtally", times["pgtally"], unit, times[BARE]), row(case, BARE, times[BARE], unit)]
    return rows


def main():
    chosen = options(CLIENTS).parse_args()
    stage, found = prepare(chosen, "notify")
    rows = [line for clients in chosen.clients for line in measure_case(stage, clients, chosen)]
    hush()
    show("storm", found, rows, chosen.json)


if __name__ == "__main__":
    run(main)
