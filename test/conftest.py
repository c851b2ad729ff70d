"""A private PostgreSQL for the tests: one cluster per session, a new database per test.

cluster    the server: dsn(), connect(), create_database(), start(), stop(), crash()
template   the name of a database with schema tally, to copy
database   a fresh database with schema tally: dsn, connect(), and a superuser's autocommit connection as `sql`
"""

import pytest

from postgres import Cluster, install


@pytest.fixture(scope="session")
def cluster():
    cluster = Cluster("fsync=off", "full_page_writes=off", "max_prepared_transactions=10", "wal_level=logical")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.drop()


@pytest.fixture
def empty_database(cluster):
    """A new database without the schema."""
    database = cluster.create_database()
    yield database
    database.drop()


@pytest.fixture(scope="session")
def template(cluster):
    """A database with the schema, to copy from: copying is faster than installing."""
    template = cluster.create_database()
    install(template.sql)
    template.close()
    return template.name


@pytest.fixture
def database(cluster, template):
    """A new database with the schema installed."""
    database = cluster.create_database(f"template {template}")
    yield database
    database.drop()
