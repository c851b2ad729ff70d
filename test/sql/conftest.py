"""What the tests of the schema share."""

import pytest


def prefer(database, transport):
    """Makes it the transport of all tallies of a database whose creator names none."""
    create = database.sql.execute("select pg_get_functiondef('tally.create_tally'::regproc)").fetchone()[0]
    assert create.count("transport text DEFAULT 'notify'::text") == 1
    database.sql.execute(create.replace("transport text DEFAULT 'notify'::text", f"transport text DEFAULT '{transport}'::text"))


@pytest.fixture(params=["notify", "wal"])
def either(request, database):
    """`database`, once with each transport for the tallies that name none. Files whose tests run by either have a fixture
    `database` that returns it."""
    prefer(database, request.param)
    database.transport = request.param
    return database
