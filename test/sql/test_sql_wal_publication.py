"""The publication of the transport wal: when it is created, whose it is, and what happens without it."""

import pytest
from postgres import install, uninstall
from roles import make_roles, refused

CREATE = "select tally.create_tally('t', 't', 'k', transport => 'wal')"
PUBLICATION = "select pubowner::regrole::text, puballtables, (select count(*) from pg_publication_tables) from pg_publication where pubname = 'tally'"


@pytest.fixture
def db(database):
    database.sql.execute("create table t (k int)")
    return database


def findings(connection, name="t"):
    return connection.execute("select kind, subject, severity, remedy from tally.findings(%s)", [name]).fetchall()


def severity_of_missing(connection):
    """From PostgreSQL 18 on a stream goes on without its publication."""
    return "failed" if connection.info.server_version < 180000 else "warning"


def fingerprint(connection):
    return connection.execute("select fingerprint from tally.look('t')").fetchone()[0]


def test_the_publication_is_made_with_the_first_tally_that_needs_it(db):
    db.sql.execute("select tally.create_tally('n', 't', 'k')")
    assert db.sql.execute(PUBLICATION).fetchall() == []
    db.sql.execute("select tally.alter_tally('n', transport => 'wal')")
    assert db.sql.execute(PUBLICATION).fetchall() == [("postgres", False, 0)]
    db.sql.execute(CREATE + "; select tally.drop_tally('n'); select tally.drop_tally('t')")
    assert db.sql.execute(PUBLICATION).fetchall() == [("postgres", False, 0)]  # a stream that is open needs it
    uninstall(db.sql)
    assert db.sql.execute("select from pg_publication").fetchall() == []


def test_it_belongs_to_the_schemas_owner_who_needs_create(empty_database):
    make_roles(empty_database)
    make_roles(empty_database, "installer")
    sql, name = empty_database.sql, empty_database.name
    sql.execute(f"grant create on database {name} to installer; create table t (k int); alter table t owner to alice")
    installer, alice = empty_database.connect("installer"), empty_database.connect("alice")
    install(installer)
    installer.execute("select tally.grant_create('alice')")
    sql.execute(f"revoke create on database {name} from installer")
    error = refused(alice, CREATE)
    assert error.sqlstate == "42501" and error.diag.message_primary.startswith('transport: publication "tally"')
    assert alice.execute("select count(*) from tally.tallies").fetchone() == (0,)
    sql.execute(error.diag.message_hint)
    alice.execute(CREATE)
    assert sql.execute(PUBLICATION).fetchall() == [("installer", False, 0)] and findings(sql) == []
    # Later the right is missing: nothing is refused, and the finding says what to do first.
    sql.execute(f"drop publication tally; revoke create on database {name} from installer")
    alice.execute("select tally.reload('t')")
    alice.execute("select tally.alter_tally('t', filter => 'k > 0')")
    [(kind, _, severity, remedy)] = findings(sql)
    assert (kind, severity) == ("publication_missing", severity_of_missing(sql))
    assert remedy == f"grant create on database {name} to installer, then select tally.reload('t')"
    sql.execute(remedy.split(", then ")[0])
    alice.execute(remedy.split(", then ")[1])
    assert findings(sql) == []
    uninstall(installer)
    assert sql.execute(PUBLICATION).fetchall() == []


def test_a_missing_publication_is_seen_and_made_again(db):
    db.sql.execute(CREATE)
    for cure in ("reload", "install", "refresh"):
        before = fingerprint(db.sql)
        db.sql.execute("drop publication tally")
        assert findings(db.sql) == [("publication_missing", "tally", severity_of_missing(db.sql), "select tally.reload('t')")] and fingerprint(db.sql) != before
        if cure == "install":
            install(db.sql)
        else:
            db.sql.execute("select tally.reload('t')" if cure == "reload" else "refresh materialized view tally.restored")
        assert db.sql.execute(PUBLICATION).fetchall() == [("postgres", False, 0)]
        assert findings(db.sql) == [] and (fingerprint(db.sql) == before) == (cure != "reload")  # that generates the functions again


def test_no_server_makes_a_missing_publication(db):
    """`pg_restore --clean` drops it first and creates it late: it fails if a server's repair was faster."""
    can = lambda: db.sql.execute("select tally.can_reload('t')").fetchone()[0]
    db.sql.execute(CREATE)
    assert can()
    db.sql.execute("drop publication tally")
    assert not can()
    db.sql.execute("select tally.alter_tally('t', transport => 'notify')")
    assert can()
    db.sql.execute("select tally.alter_tally('t', transport => 'wal')")
    assert can()


@pytest.mark.parametrize("publishes", ["for table o", "for all tables", "for tables in schema s"])
@pytest.mark.parametrize("owner", ["postgres", "bob"])
def test_a_publication_of_somebody_else_is_not_touched(db, publishes, owner):
    if "in schema" in publishes and db.sql.info.server_version < 150000:
        pytest.skip("PostgreSQL 14 publishes no schema")
    make_roles(db)
    db.sql.execute(f"create table o (k int); create schema s; create publication tally {publishes}")
    if owner == "bob":
        db.sql.execute("alter role bob superuser; alter publication tally owner to bob; alter role bob nosuperuser")
    before = db.sql.execute("select *, xmin::text from pg_publication").fetchall()
    error = refused(db.sql, CREATE)
    assert error.sqlstate == "42710" and error.diag.message_primary.startswith("transport: ") and "rename" in error.diag.message_hint
    assert db.sql.execute("select count(*) from tally.tallies").fetchone() == (0,)
    db.sql.execute("alter publication tally rename to other")
    db.sql.execute(CREATE + "; drop publication tally; alter publication other rename to tally; select tally.reload('t')")
    assert [(kind, severity) for kind, _, severity, _ in findings(db.sql)] == [("publication_has_tables", "warning")]
    before = db.sql.execute("select *, xmin::text from pg_publication").fetchall()
    uninstall(db.sql)
    assert db.sql.execute("select *, xmin::text from pg_publication").fetchall() == before


def test_an_empty_publication_of_somebody_else_is_used(db):
    make_roles(db)
    db.sql.execute(f"grant create on database {db.name} to bob")
    db.connect("bob").execute("create publication tally")
    db.sql.execute(CREATE)
    assert findings(db.sql) == []
    uninstall(db.sql)
    assert db.sql.execute("select pubowner::regrole::text from pg_publication").fetchall() == [("bob",)]
