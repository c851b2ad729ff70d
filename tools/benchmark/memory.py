#!/usr/bin/env python3
"""Part of tools/bench: memory of the service (RSS) for an idle client with one subscription, and for a key.

    memory.py --folder DIR --programs DIR --seconds N --rounds N [--clients N,N] [--keys N] [--json]

Each figure is the growth of one process from before to after, divided by how many came: clients after the first hundred;
the keys of a tally of two counters; and a top that a client follows, which ranks all of them. The kernel's
buffers of sockets are not in it. `--seconds` means nothing here.
"""

import contextlib
import pathlib
import socket
import ssl
import subprocess

from crowd import clients_of, options, port_of, prepare
from report import row, show
from stage import die, hush, run, say

CLIENTS = [2_000]
FIRST = 100  # clients, after which what all share exists
KINDS = {"WebSocket": (False, False), "SSE": (True, False), "WebSocket by TLS": (False, True), "SSE by TLS": (True, True)}
UPGRADE = ("GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
SUBSCRIBE = '{"type":"subscribe","id":1,"tally":"likes_notify","keys":["1"]}'
EVENTS = "GET /v1/tallies/{}/events?{} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
POINTS = """
drop table if exists points;
create table points (key bigint not null, a int not null, b int not null);
insert into points select i, 1, i % 1000 + 1 from generate_series(1, {}) i;
select tally.create_tally('points', 'public.points', 'key', '{{"a": "a", "b": "b"}}');"""


def rss(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    die(f"process {pid} has no VmRSS")


def read_until(connection, words):
    received = b""
    while words not in received:
        more = connection.recv(65536)
        if not more:
            die(f"a client was refused: {received[:200]}")
        received += more


def connect(port, sse, context):
    """A client that has its snapshot."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    if context:
        connection = context.wrap_socket(connection)
    if sse:
        connection.sendall(EVENTS.format("likes_notify", "key=1").encode())
    else:
        connection.sendall(UPGRADE.encode())
        read_until(connection, b"\r\n\r\n")
        # A frame of text whose mask is zeros.
        connection.sendall(bytes([0x81, 0x80 | len(SUBSCRIBE), 0, 0, 0, 0]) + SUBSCRIBE.encode())
    read_until(connection, b'"keys":{"1"')
    return connection


def certificate(folder):
    """Makes one; returns the options of the service, and what clients need."""
    names = [str(folder / name) for name in ("cert.pem", "key.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-out", names[0], "-keyout", names[1]], check=True, capture_output=True)
    context = ssl.create_default_context(cafile=names[0])
    context.check_hostname = False
    return ["--tls-cert", names[0], "--tls-key", names[1]], context


def bytes_per_client(stage, clients, kind, tls):
    sse, secure = KINDS[kind]
    more, context = tls if secure else ([], None)
    with stage.service("likes_notify", "--max-clients", str(clients + FIRST + 10), *more) as service, \
         contextlib.ExitStack() as connections:
        for number in range(FIRST + clients):
            if number == FIRST:
                before = rss(service.process.pid)
            connections.enter_context(connect(port_of(service), sse, context))
        return (rss(service.process.pid) - before) / clients


def bytes_per_key(stage, keys, empty):
    """Of the counters, and of a top."""
    with stage.service("points") as service, socket.create_connection(("127.0.0.1", port_of(service)), timeout=60) as top:
        loaded = rss(service.process.pid)
        top.sendall(EVENTS.format("points", "top=10&by=b").encode())
        read_until(top, b'"top":[{')
        return (loaded - empty) / keys, (rss(service.process.pid) - loaded) / keys


def measure(stage, chosen):
    tls = certificate(stage.folder.parent)
    found = {}
    for number in range(1, chosen.rounds + 1):
        for clients in chosen.clients:
            for kind in KINDS:
                say(f"memory, round {number} of {chosen.rounds}: {clients_of(clients)}, {kind}")
                found.setdefault((f"{clients_of(clients)}, idle", kind), []).append(bytes_per_client(stage, clients, kind, tls))
        say(f"memory, round {number} of {chosen.rounds}: {chosen.keys:,} keys")
        with stage.service("likes_notify") as service:
            empty = rss(service.process.pid)
        for kind, size in zip(("two counters", "a top"), bytes_per_key(stage, chosen.keys, empty)):
            found.setdefault((f"{chosen.keys:,} keys", kind), []).append(size)
    return [row(case, kind, values, "bytes each") for (case, kind), values in found.items()]


def main():
    parser = options(CLIENTS)
    parser.add_argument("--keys", type=int, default=1_000_000)
    chosen = parser.parse_args()
    stage, found = prepare(chosen, "notify")
    say("making keys")
    stage.sql(POINTS.format(chosen.keys))
    rows = measure(stage, chosen)
    hush()
    show("memory", found, rows, chosen.json)


if __name__ == "__main__":
    run(main)
