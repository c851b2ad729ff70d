#!/usr/bin/env python3
"""Part of tools/bench: the time from before a statement until its change is at a client, beside the least there can be.

    latency.py --folder DIR --programs DIR --seconds N --rounds N [--clients N,N] [--json]

A writer inserts single rows, 100 and 1,000 a second, and all clients watch the key by WebSocket, or by Server-Sent Events
(SSE). The writer and the clients are one program, so there is one clock. Beside: a bare program that listens to the same
notifications and sends prepared bytes. Where a server cannot follow, the newest value tells a client of several changes,
and each of them counts. What a message costs the server in CPU time does not depend on other work on the machine as much.
"""

from crowd import clients_of, crowd, options, port_of, prepare, sender
from report import row, show
from stage import hush, run, say

CLIENTS = [1, 100, 1_000]
RATES = (100, 1_000)
BARE = "bare listener and sender"
FIGURES = (("p50", "ms", lambda found: found["p50"] * 1e3), ("p99", "ms", lambda found: found["p99"] * 1e3),
           ("p99.9", "ms", lambda found: found["p999"] * 1e3),
           ("CPU", "µs a message", lambda found: found["cpu"] / max(found["messages"], 1) * 1e6))


def slices(stage, port, pid, table, chosen, *options):
    """What the clients saw, by number of clients and rate."""
    found = {}
    for clients in chosen.clients:
        with crowd(stage, port, clients, "--pid", pid, "--tally", table, "--dsn", stage.dsn,
                   "--statement", f"insert into {table} (post) values (1)", *options) as player:
            player.ask("0.1 100")
            for rate in RATES:
                found[clients, rate] = player.ask(f"{chosen.seconds} {rate}")
    return found


def run_round(stage, chosen):
    """By contestant, clients and rate."""
    found = {}
    for transport in ("notify", "wal"):
        table = f"likes_{transport}"
        with stage.service(table, "--max-clients", str(max(chosen.clients) + 10)) as service:
            found[f"pgtally, {transport}"] = slices(stage, port_of(service), service.process.pid, table, chosen)
            if transport == "notify":
                found["pgtally, notify, SSE"] = slices(stage, port_of(service), service.process.pid, table, chosen, "--sse")
    with sender(stage, "relay", stage.dsn) as (bare, port):
        found[BARE] = slices(stage, port, bare.pid, "likes_notify", chosen)
    return found


def rows_of(rounds):
    rows = []
    for clients, rate in rounds[0][BARE]:
        for title, unit, figure in FIGURES:
            case = f"{clients_of(clients)}, {rate:,} changes/s, {title}"
            values = {name: [figure(found[name][clients, rate]) for found in rounds] for name in rounds[0]}
            rows += [row(case, name, values[name], unit, values[BARE] if name != BARE else None) for name in values]
    return rows


def main():
    chosen = options(CLIENTS).parse_args()
    stage, found = prepare(chosen, "notify", "wal")
    rounds = []
    for number in range(1, chosen.rounds + 1):
        say(f"latency, round {number} of {chosen.rounds}")
        rounds.append(run_round(stage, chosen))
    hush()
    show("latency", found, rows_of(rounds), chosen.json)


if __name__ == "__main__":
    run(main)
