"""The promise: once the writers pause, every replica equals the truth, key by key, whatever happened in between.

Eight writers run random transactions of every kind, and two others run small ones as fast as possible. Meanwhile the
service's connections to PostgreSQL are cut repeatedly, and its clients come and go. A round ends with a cut and a load
during writes; then the writers pause, and everything is compared. PGTALLY_SEED repeats the transactions of a run.
PGTALLY_ROUNDS and PGTALLY_TRANSACTIONS (per writer and round) set its length. PGTALLY_TRANSPORT=notify or wal selects one transport.
"""

import asyncio
import contextlib
import os
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from clients import Client  # noqa: E402
from service import Service, eventually  # noqa: E402
from writers import SCHEMA, Hammer, Rewriter, Writer  # noqa: E402

SEED = int(os.environ.get("PGTALLY_SEED", "20180601"))
ROUNDS = int(os.environ.get("PGTALLY_ROUNDS", "2"))
TRANSACTIONS = int(os.environ.get("PGTALLY_TRANSACTIONS", "30"))
WRITERS = 8
TALLIES = {"posts": ["count"], "weights": ["likes", "weight"], "ballots": ["votes", "points"], "bookings": ["stays", "guests"]}

# PGTALLY_BREAK=lock omits the lock that a load takes before its snapshot: the referee must then find differences.
BREAKS = {"lock": "create or replace function tally.lock_source(name text) returns void language sql as ''", "": "select"}
BREAK = os.environ.get("PGTALLY_BREAK", "")


def truth(database):
    return {tally: {key: dict(zip(names, counters, strict=True))
                    for key, counters in database.sql.execute("select key, counters from tally.truth(%s)", [tally])}
            for tally, names in TALLIES.items()}


def cut_listener(database):
    """Cuts the connections by which events come."""
    found = database.sql.execute("""select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
                                    and (query ~* '^listen' or backend_type = 'walsender')""").fetchall()
    return len(found)


async def trouble(database, clients, writers, chance):
    """Cuts the listener repeatedly, and other connections of the service and clients' sockets at times."""
    cuts = 0
    while any(writer.is_alive() for writer in writers):
        if chance.random() < 0.8:
            cuts += cut_listener(database)
        else:
            found = database.sql.execute("""select pid from pg_stat_activity where datname = current_database()
                                            and application_name = 'pgtally'""").fetchall()
            for (pid,) in chance.sample(found, min(1, len(found))):
                database.sql.execute("select pg_terminate_backend(%s)", [pid])
                cuts += 1
        if chance.random() < 0.3:
            chance.choice(clients).cut()
        await asyncio.sleep(chance.uniform(0.01, 0.4))
    return cuts


async def load_under_fire(database, service, clients, chance):
    """Cuts the listener and waits until every tally has been loaded again, while the hammers continue."""
    cuts = 0
    for _ in range(3):
        before = service.reconnects()
        await eventually(lambda: cut_listener(database))
        cuts += 1
        await eventually(lambda: service.reconnects() > before and service.live())
    for client in clients:
        await client.until(lambda c=client: c.state == "live")
    return cuts


def marker(tally, number):
    return f"end {number}" if tally == "ballots" else str(1000 + number)  # of bookings: a room


def mark(database, number):
    """Writes keys that nothing else writes: a client that has seen them has seen everything before."""
    database.sql.execute("insert into post values (%s)", [1000 + number])
    database.sql.execute("insert into reaction (post_id, kind, weight) values (%s, 'like', 1)", [1000 + number])
    database.sql.execute("insert into vote values (%s, %s, 1)", [f"end {number}", 900000 + number])
    database.sql.execute("insert into booking values (int4range(%s, %s), '[2026-01-01,2026-01-02)', 1)",
                         [1000 + number, 1001 + number])
    return truth(database)


def differences(seen, expected):
    keys = sorted(set(seen) | set(expected))
    return {key: (seen.get(key), expected.get(key)) for key in keys if seen.get(key) != expected.get(key)}


async def compare(database, service, groups, number):
    """The differences from the truth at a new client (the replica as it is) and at the clients of the whole run."""
    expected = mark(database, number)
    clients = [client for group in groups.values() for client in group]
    # A client that never sees the end is compared too: its values are not the truth.
    with contextlib.suppress(TimeoutError):
        await eventually(lambda: all(c.state == "live" and any(c.values.get(marker(c.tally, number), {}).values()) for c in clients))
    fresh = [Client(service.url(), tally) for tally in TALLIES]
    tasks = [asyncio.create_task(client.run()) for client in fresh]
    for client in fresh:
        await client.until(lambda c=client: c.snapshots == 1)
    for task in tasks:
        task.cancel()
    wrong = {}
    for role, group in ({"replica": fresh} | groups).items():
        for client in group:
            wanted = expected[client.tally]
            if client.keys is not None:
                wanted = {key: counters for key, counters in wanted.items() if key in client.keys}
            if found := differences(client.nonzero(), wanted):
                wrong[f"{role} of {client.tally}, round {number}"] = found
    return wrong


async def one_round(database, service, clients, chance, number):
    hammers = [Hammer(database.dsn, chance.random()), Hammer(database.dsn, chance.random()), Rewriter(database.dsn, chance.random())]
    writers = [Writer(database.dsn, chance.random(), TRANSACTIONS, bulks=1 if i == number % WRITERS else 0) for i in range(WRITERS)]
    for thread in writers + hammers:
        thread.start()
    cuts = await trouble(database, clients, writers, chance)
    cuts += await load_under_fire(database, service, clients, chance)
    for hammer in hammers:
        hammer.stopping.set()
    for thread in writers + hammers:
        thread.join()
        if thread.error:
            raise thread.error
    return cuts, sum(thread.committed for thread in writers + hammers)


async def referee(database, service, seed, rounds):
    chance = random.Random(seed)
    await service.ready()
    groups = {
        "client": [Client(service.url(), tally) for tally in TALLIES],
        "slow client": [Client(service.url(), tally, interval_ms=700) for tally in TALLIES],
        "client of named keys": [Client(service.url(), "posts", [str(k) for k in [*range(1, 301), *range(1000, 1000 + rounds)]]),
                                 Client(service.url(), "ballots", ["red", "emoji 😀", *(marker("ballots", i) for i in range(rounds))])],
    }
    clients = [client for group in groups.values() for client in group]
    tasks = [asyncio.create_task(client.run()) for client in clients]
    for client in clients:
        await client.until(lambda c=client: c.state == "live")
    wrong = {}
    for number in range(rounds):
        cuts, committed = await one_round(database, service, clients, chance, number)
        wrong |= await compare(database, service, groups, number)
        resumed = sum(client.partials for client in clients)
        print(f"seed {seed}, round {number}: {committed} transactions committed, {cuts} connections cut, {resumed} clients resumed so far")
        assert cuts > 3 and committed > WRITERS
    for task in tasks:
        task.cancel()
    return wrong


TRANSPORTS = {"notify": ["notify"], "wal": ["wal"]}.get(os.environ.get("PGTALLY_TRANSPORT", ""), ["notify", "wal"])


@pytest.fixture(params=TRANSPORTS)
def counted(request, database):
    database.sql.execute(SCHEMA)
    for tally in TALLIES:
        database.sql.execute("select tally.alter_tally(%s, transport => %s)", [tally, request.param])
    database.sql.execute(BREAKS[BREAK])
    return database


@pytest.fixture
def service(counted, tmp_path):
    service = Service(counted.dsn, tmp_path / "serve.log")
    yield service
    service.stop()


def test_replica_and_clients_equal_the_truth_whatever_happened(counted, service):
    wrong = asyncio.run(referee(counted, service, SEED, ROUNDS))
    assert not wrong, f"seed {SEED}: " + "; ".join(
        f"{who}: {len(found)} keys differ, as {dict(list(found.items())[:3])} (seen, true)" for who, found in wrong.items())


def test_the_referee_notices_events_that_postgresql_folds(counted, service):
    """Without numbers, PostgreSQL folds equal notifications into one, and the referee must find the difference. It folds no messages."""
    functions = counted.sql.execute("""select pg_get_functiondef(oid) from pg_proc
        where pronamespace = 'tally'::regnamespace and prosrc like '%event_number%' and proname ~ '^tally_[0-9]+_'""").fetchall()
    assert functions
    for (definition,) in functions:
        counted.sql.execute(definition.replace("nextval(''tally.event_number'')", "1").replace("nextval('tally.event_number')", "1")
                            .replace("clock_timestamp()", "transaction_timestamp()"))

    async def look():
        await service.ready()
        client = Client(service.url(), "posts")
        task = asyncio.create_task(client.run())
        await client.until(lambda: client.state == "live")
        with counted.connect() as connection, connection.transaction():
            for _ in range(3):
                connection.execute("insert into reaction (post_id, kind, weight) values (9, 'like', 1)")
        expected = mark(counted, 0)
        await client.until(lambda: marker("posts", 0) in client.values)
        task.cancel()
        return differences(client.nonzero(), expected["posts"])

    folded = counted.sql.execute("select from tally.tallies where name = 'posts' and transport = 'notify'").fetchall()
    assert asyncio.run(look()) == ({"9": ({"count": 1}, {"count": 3})} if folded else {})
