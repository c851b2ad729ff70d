"""stage   a fresh database with the application and its tallies: dsn, connect(), and a superuser's connection as `sql`"""

import pytest

from program import set_up


@pytest.fixture
def stage(database):
    set_up(database.sql)
    return database


@pytest.fixture
def messages(stage):
    """The posted messages: (name, text), in order."""
    return lambda: stage.sql.execute(
        "select uname, message from tweet.message join tweet.users using (userid) order by messageid").fetchall()
