#!/usr/bin/env python3
"""Part of tools/bench: values delivered per second to WebSockets, beside a bare program that sends the same bytes.

    fanout.py --folder DIR --programs DIR --seconds N --rounds N [--clients N,N] [--json]

A writer runs one statement after another, as fast as PostgreSQL can, so that the service is always late and sends the
newest values. All clients watch one key; each its own, of which a statement changes all; or all 100 keys, of which a
statement changes all. The bare program sends a message of the same text to all clients, over and over.
"""

import json
import urllib.request

from crowd import clients_of, crowd, options, port_of, prepare, sender
from report import row, show
from stage import die, hush, say

CLIENTS = [100, 1_000, 10_000]
EVERY = 100  # keys that a client watches who watches every key
WATCHES = {"one": "one key", "own": "each its own", "every": f"all {EVERY} keys"}
INSERT = "insert into likes_notify (post) select i from generate_series(1, {}) i"


def keys_of(watches, clients):
    """How many keys a statement changes."""
    return {"one": 1, "own": clients, "every": EVERY}[watches]


def message_of(service, watches):
    """A change as the service sends it, with values as they are now."""
    keys = range(1, (EVERY if watches == "every" else 1) + 1)
    target = f"{service.url}/v1/tallies/likes_notify/keys?" + "&".join(f"key={key}" for key in keys)
    with urllib.request.urlopen(target, timeout=10) as answer:
        found = json.load(answer)
    return json.dumps({"type": "change", "id": 1, "revision": found["revision"], "keys": found["keys"]}, separators=(",", ":"))


def slice_of(player, seconds, bare=None):
    """Values per second, and per CPU second of the server."""
    if bare:
        bare.tell(seconds + 0.3)
    found = player.ask(seconds)
    if bare:
        bare.answer()
    if not found["values"]:
        die("the clients received nothing")
    return found["values"] / found["seconds"], found["values"] / max(found["cpu"], 1e-9)


def measure_case(stage, service, clients, watches, chosen):
    case = f"{clients_of(clients)}, {WATCHES[watches]}"
    statement = INSERT.format(keys_of(watches, clients))
    found = {"pgtally": [], "bare sender": []}
    with crowd(stage, port_of(service), clients, "--tally", "likes_notify", "--keys", watches, "--dsn", stage.dsn,
               "--statement", statement, "--pid", service.process.pid) as ours:
        slice_of(ours, 0.1)  # the keys come to be
        with sender(stage, "flood", message_of(service, watches)) as (bare, port), \
             crowd(stage, port, clients, "--keys", watches, "--pid", bare.pid) as theirs:
            for number in range(1, chosen.rounds + 1):
                say(f"fanout, {case}, round {number} of {chosen.rounds}")
                found["pgtally"].append(slice_of(ours, chosen.seconds))
                found["bare sender"].append(slice_of(theirs, chosen.seconds, bare))
    return rows_of(case, found)


def rows_of(case, found):
    rows = []
    for column, unit in enumerate(("values/s", "values/CPU s")):
        ours, theirs = ([figures[column] for figures in found[name]] for name in ("pgtally", "bare sender"))
        rows += [row(case, "pgtally", ours, unit, theirs), row(case, "bare sender", theirs, unit)]
    return rows


def main():
    chosen = options(CLIENTS).parse_args()
    stage, found = prepare(chosen, "notify")
    rows = []
    for watches in WATCHES:
        for clients in chosen.clients:
            stage.sql("truncate likes_notify")
            with stage.service("likes_notify", "--max-clients", str(clients + 10)) as service:
                rows += measure_case(stage, service, clients, watches, chosen)
    hush()
    show("fanout", found, rows, chosen.json)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        die("interrupted")
