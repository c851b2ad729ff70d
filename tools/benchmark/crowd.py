"""Crowds of clients, and the bare server beside pgtally: what the benches of what clients see share."""

import contextlib
import json
import os
import resource
import select
import signal
import subprocess

import database
from stage import PATIENCE, die, environment, numbers
from stage import options as stage_options

TABLES = """
create table likes_{0} (id bigserial primary key, post bigint not null);
select tally.create_tally('likes_{0}', 'public.likes_{0}', 'post', transport => '{0}');"""


def options(clients):
    """The parser of what each of these benches takes. `clients` are the default."""
    parser = stage_options()
    parser.add_argument("--clients", type=numbers, default=clients)
    return parser


def prepare(chosen, *transports, pinned=True):
    """A stage where PostgreSQL runs without flushes, with a tally likes_notify or likes_wal; and the machine.

    The server has the first core for itself, everything else the others, if there are two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if max(chosen.clients) + 200 > most:
        die(f"{max(chosen.clients)} clients need {max(chosen.clients) + 200} file descriptors, and {most} are allowed: "
            "raise `ulimit -n`")
    stage, found = database.prepare(chosen, pinned=pinned)
    for transport in transports:
        stage.sql(TABLES.format(transport))
    return stage, found


class Player:
    """A program that says with a line of JSON that it is ready, and answers lines with lines."""

    def __init__(self, command):
        self.name = os.path.basename(command[0])
        self.process = subprocess.Popen([str(word) for word in command], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=environment())
        self.pid = self.process.pid

    def tell(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def answer(self, patience=PATIENCE * 2):
        if not select.select([self.process.stdout], [], [], patience)[0]:
            die(f"{self.name} did not answer")
        line = self.process.stdout.readline()
        if not line:
            die(f"{self.name} ended")
        return json.loads(line)

    def ask(self, line):
        self.tell(line)
        return self.answer()

    def end(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


@contextlib.contextmanager
def crowd(stage, port, clients, *options, ready=True):
    """A Player with so many clients, which have their snapshots unless `ready` is False."""
    player = Player([stage.programs / "pgtally-bench-crowd", "--port", port, "--clients", clients, *options])
    try:
        if ready:
            player.answer()
        yield player
    finally:
        player.end()


@contextlib.contextmanager
def sender(stage, *arguments):
    """The bare server, as a Player; and its port."""
    player = Player([*stage.pinned(), stage.programs / "pgtally-bench-sender", *arguments])
    try:
        yield player, player.answer()["port"]
    finally:
        player.end()


def clients_of(count):
    return "1 client" if count == 1 else f"{count:,} clients"


def port_of(service):
    return int(service.url.rsplit(":", 1)[1])
