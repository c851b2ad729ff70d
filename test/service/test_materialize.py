"""Tables that tallies are kept in: equal to the truth, key by key, whatever happened to the rows and to the server."""

import pytest

from program import eventually

TABLE = """
create schema s;
create table s.likes (id bigint generated always as identity, post {type}, kind text, n bigint default 1);
select tally.create_tally('likes', 's.likes', 'post', materialize => 's.kept', counters =>
  $${{"all": "1", "n": "case kind when 'like' then n when 'unlike' then -n end"}}$$);
"""
FAST = ("--materialize-every", "20ms", "--heartbeat", "200ms")


def make(database, type="bigint"):
    database.sql.execute(TABLE.format(type=type))
    return database


def truth(database, tally="likes"):
    return dict(database.sql.execute("select key, counters from tally.truth(%s)", [tally]).fetchall())


def kept(database, table="s.kept", key="key", columns='"all", n'):
    """The rows that are not 0, and whether any row has a null."""
    rows = database.sql.execute(f"select {key}::text, array[{columns}]::bigint[] from {table}").fetchall()
    return {k: values for k, values in rows if any(v != 0 for v in values)}


def settled(database, **more):
    eventually(lambda: kept(database, **more) == truth(database), "the table did not become the truth")


@pytest.fixture
def likes(database):
    return make(database)


def test_rows_are_written_and_become_zero(serve, likes):
    likes.sql.execute("insert into s.likes (post, kind) select i, 'like' from generate_series(1, 2500) i")
    server = serve(likes.dsn, *FAST).wait_live()
    settled(likes)
    likes.sql.execute("insert into s.likes (post, kind) values (7, 'unlike'), (8, 'like'), (-9000, 'other')")
    settled(likes)
    likes.sql.execute("delete from s.likes where post < 100")
    settled(likes)
    assert likes.sql.execute('select "all", n from s.kept where key = 7').fetchone() == (0, 0)
    likes.sql.execute("truncate s.likes")
    settled(likes)
    assert server.metrics()["pgtally_materialized_keys_total"] == 2500 + 3 + 100 + 2401
