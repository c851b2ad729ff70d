"""The transports by which the tallies' events travel."""

import psycopg

# What PGTALLY_TRANSPORT names: the transports of a run. In a mixed run each tally has one, and changes it at times.
MODES = {"notify": ["notify"], "wal": ["wal"], "mixed": ["notify", "wal"]}
LINKS = {"notify": "listener", "wal": "stream"}  # the proxy's names of the connections by which events arrive
SETTINGS = {"wal_sender_timeout": "5s"}  # more than a stall or a halt lasts; a fault exceeds it

# PostgreSQL has no free slot or WAL sender: it refuses a new tally with wal.
NO_SLOT = (psycopg.errors.ConfigurationLimitExceeded, psycopg.errors.TooManyConnections)


def prepare(database, mode, random):
    for name, value in SETTINGS.items():
        database.sql.execute(f"alter system set {name} = '{value}'")
    database.sql.execute("select pg_reload_conf()")
    for name, in database.sql.execute("select name from tally.tallies order by name").fetchall():
        database.sql.execute("select tally.alter_tally(%s, transport => %s)", [name, random.choice(MODES[mode])])


def of(sql):
    """Tally -> its transport."""
    return dict(sql("select name, transport from tally.tallies"))


def other(transport):
    return {"notify": "wal", "wal": "notify"}[transport]
