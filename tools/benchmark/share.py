#!/usr/bin/env python3
"""Part of tools/bench: what a second server at the same address brings (--reuse-port), beside one alone.

    share.py --folder DIR --programs DIR --seconds N --rounds N [--clients N,N] [--json]

GETs per second by wrk. No program has a core for itself: the servers and wrk share all of them. The kernel spreads the
connections over the servers.
"""

from crowd import options, port_of, prepare
from read import KEYS, TARGETS, find_programs, run_wrk
from report import machine, row, show
from stage import hush, run, say

CLIENTS = [64]
ALONE, BOTH = "one server", "pgtally, two servers"


def measure_case(wrk, services, title, connections, chosen):
    """`services` are those at each address, by contestant."""
    case = f"GET of {title}, {connections} connections"
    found = {name: [] for name in services}
    for number in range(1, chosen.rounds + 1):
        for name, service in services.items():
            say(f"share, {case}, round {number} of {chosen.rounds}")
            target = f"{service.url}/v1/tallies/likes_notify{TARGETS[title]}"
            rate, _ = run_wrk(wrk, target, service.process.pid, connections, chosen.seconds)
            found[name].append(rate)
    return [row(case, name, found[name], "answers/s", found[ALONE] if name == BOTH else None) for name in services]


def main():
    chosen = options(CLIENTS).parse_args()
    wrk, _ = find_programs()
    stage, found = prepare(chosen, "notify", pinned=False)
    found["versions"] += machine(wrk)["versions"]
    stage.sql(f"insert into likes_notify (post) select i from generate_series(1, {KEYS}) i")
    with stage.service("likes_notify") as alone, stage.service("likes_notify", "--reuse-port", beside=True) as first:
        address = f"127.0.0.1:{port_of(first)}"
        with stage.service("likes_notify", "--reuse-port", listen=address, beside=True):
            services = {ALONE: alone, BOTH: first}
            rows = [line for connections in chosen.clients for title in TARGETS
                    for line in measure_case(wrk, services, title, connections, chosen)]
    hush()
    show("share", found, rows, chosen.json)


if __name__ == "__main__":
    run(main)
