"""The roles of the tests. Roles belong to the cluster, so they are created once and exist in every database."""

import psycopg

ORDINARY = "alice", "bob", "writer", "server"


def make_roles(database, *names):
    for name in names or ORDINARY:
        if not database.sql.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone():
            database.sql.execute(f"create role {name} login")


def refused(connection, statement, parameters=None):
    """Returns the error of a statement that must fail."""
    try:
        connection.execute(statement, parameters)
    except psycopg.Error as error:
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            connection.rollback()
        return error
    raise AssertionError(f"not refused: {statement}")
