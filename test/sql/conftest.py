"""What the tests of the schema share."""

import pytest


@pytest.fixture
def database(request, database):
    """With `transports.EITHER`, tallies whose creator names no transport have the one of the parameter."""
    if hasattr(request, "param"):
        create = database.sql.execute("select pg_get_functiondef('tally.create_tally'::regproc)").fetchone()[0]
        default = "transport text DEFAULT '{}'::text".format
        assert create.count(default("notify")) == 1
        database.sql.execute(create.replace(default("notify"), default(request.param)))
    return database
