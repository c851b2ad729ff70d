#!/usr/bin/env python3
"""Part of tools/bench: values delivered per second to WebSockets, beside a bare program that sends the same bytes.

    fanout.py --folder DIR --programs DIR --seconds N --rounds N [--clients N,N] [--json]

A writer runs one statement after another, as fast as PostgreSQL can. All clients watch one key; each its own, of which a
statement changes all; or all 100 keys, of which a statement changes all. The bare listener has the same writer and
notifications, and sends a message of the same text to as many clients. The flood waits for nobody and sends this message
to all, over and over: the most that a sender reaches.
"""

import contextlib
import json
import urllib.request

from crowd import clients_of, crowd, options, port_of, prepare, sender
from report import row, show
from stage import die, hush, run, say

CLIENTS = [100, 1_000, 10_000]
EVERY = 100  # keys that a client watches who watches every key
BARE, FLOOD = "bare listener and sender", "bare flood"
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


def slice_of(player, seconds, flood=None):
    """Values per second, and per CPU second of the server."""
    if flood:
        flood.tell(seconds + 0.3)
    found = player.ask(seconds)
    if flood:
        flood.answer()
    if not found["values"]:
        die("the clients received nothing")
    return found["values"] / found["seconds"], found["values"] / max(found["cpu"], 1e-9)


def measure_case(stage, service, clients, watches, chosen):
    case = f"{clients_of(clients)}, {WATCHES[watches]}"
    statement = INSERT.format(keys_of(watches, clients))
    elsewhere = stage.dsn.replace("dbname=postgres", "dbname=bare")
    watching = ["--tally", "likes_notify", "--keys", watches]
    found = {"pgtally": [], BARE: [], FLOOD: []}
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(crowd(stage, port_of(service), clients, *watching, "--dsn", stage.dsn, "--statement", statement,
                                         "--pid", service.process.pid))
        slice_of(ours, 0.1)  # the keys come to be
        text = message_of(service, watches)
        bare, port = stack.enter_context(sender(stage, "relay", elsewhere, "own" if watches == "own" else "all", text))
        theirs = stack.enter_context(crowd(stage, port, clients, *watching, "--dsn", elsewhere, "--statement", statement, "--pid", bare.pid))
        flood, port = stack.enter_context(sender(stage, "flood", text))
        most = stack.enter_context(crowd(stage, port, clients, *watching, "--pid", flood.pid))
        for number in range(1, chosen.rounds + 1):
            say(f"fanout, {case}, round {number} of {chosen.rounds}")
            found["pgtally"].append(slice_of(ours, chosen.seconds))
            found[BARE].append(slice_of(theirs, chosen.seconds))
        found[FLOOD].append(slice_of(most, chosen.seconds, flood))  # once: nothing is compared with it
    return rows_of(case, found)


def rows_of(case, found):
    rows = []
    for column, unit in enumerate(("values/s", "values/CPU s")):
        values = {name: [figures[column] for figures in rounds] for name, rounds in found.items()}
        rows += [row(case, name, values[name], unit, values[BARE] if name == "pgtally" else None) for name in found]
    return rows


def main():
    chosen = options(CLIENTS).parse_args()
    stage, found = prepare(chosen, "notify")
    stage.sql("create database bare template postgres")  # whose notifications the service does not get
    rows = []
    for watches in WATCHES:
        for clients in chosen.clients:
            stage.sql("truncate likes_notify")
            with stage.service("likes_notify", "--max-clients", str(clients + 10)) as service:
                rows += measure_case(stage, service, clients, watches, chosen)
    hush()
    show("fanout", found, rows, chosen.json)


if __name__ == "__main__":
    run(main)
