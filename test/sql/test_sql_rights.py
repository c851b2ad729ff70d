"""Which role may do what, and with whose rights it runs."""

import pytest
from postgres import SCHEMA_VERSION, install, install_sql
from replica import Replica, truth
from roles import make_roles, refused

CREATE = "select tally.create_tally('likes', 'app.likes', 'post_id')"


@pytest.fixture
def app(database):
    """alice owns app.likes; bob has a schema of his own."""
    make_roles(database)
    database.sql.execute("""
        create schema app authorization alice;
        create schema bobs authorization bob;
        set role alice;
        create table app.likes (id int generated always as identity, post_id int, stars int);
        grant usage on schema app to writer;
        grant select, insert, update, delete, truncate on app.likes to writer;
        reset role""")
    return database


def grant_by_hand(database, role):
    database.sql.execute(f"grant usage on schema tally to {role}; grant execute on all functions in schema tally to {role}")


def public_rights(connection):
    return connection.execute("""
        select oid::regprocedure::text from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
         where pronamespace = 'tally'::regnamespace and grantee = 0
        union all
        select oid::regclass::text from pg_class, aclexplode(relacl) where relnamespace = 'tally'::regnamespace and grantee = 0
        union all
        select nspname from pg_namespace, aclexplode(nspacl) where nspname = 'tally' and grantee = 0""").fetchall()


def test_public_has_no_rights(app):
    app.sql.execute(CREATE)
    assert public_rights(app.sql) == []
    install(app.sql)
    assert public_rights(app.sql) == []
    writer = app.connect("writer")
    for statement in ("select tally.version()", "select * from tally.tallies", "select * from tally.truth('likes')",
                      "select tally.reload('likes')", "select nextval('tally.event_number')"):
        assert refused(writer, statement).sqlstate == "42501"


@pytest.mark.parametrize("grant", [grant_by_hand, lambda d, role: d.sql.execute("select tally.grant_create(%s)", [role])])
def test_an_ordinary_owner_creates(app, grant):
    grant(app, "alice")
    alice = app.connect("alice")
    alice.execute(CREATE)
    replica = Replica(app, "likes")
    alice.execute("insert into app.likes (post_id) values (1), (1)")
    assert replica.check() == {"1": [2]}
    alice.execute("""select tally.alter_tally('likes', counters => '{"n": "1", "stars": "stars"}')""")
    alice.execute("select tally.reload('likes')")
    owners = app.sql.execute("select distinct proowner::regrole::text, prosecdef from pg_proc where proname ~ '^tally_[0-9]+_[a-z]{4,5}' "
                             "and proname !~ 'filter'")
    assert owners.fetchall() == [("alice", True)]
    assert not app.sql.execute("select has_schema_privilege('alice', 'tally', 'create')").fetchone()[0]
    alice.execute("select tally.drop_tally('likes')")
    assert not app.sql.execute("select has_sequence_privilege('alice', 'tally.event_number', 'usage')").fetchone()[0]


def test_nobody_counts_another_owners_table(app):
    for role in ("alice", "bob"):
        grant_by_hand(app, role)
    app.sql.execute("grant usage on schema app to bob; grant all on app.likes to bob")
    bob, alice = app.connect("bob"), app.connect("alice")
    error = refused(bob, CREATE)
    assert error.sqlstate == "42501" and error.diag.message_primary.startswith("source: role ") and "does not own app.likes" in str(error) and "ask alice" in error.diag.message_hint
    alice.execute(CREATE)
    for statement in ("select tally.drop_tally('likes')", "select tally.reload('likes')", CREATE,
                      "select tally.alter_tally('likes', key => 'stars')"):
        assert refused(bob, statement).sqlstate == "42501"
    bob.execute("create table bobs.t (post_id int)")
    assert refused(bob, "select tally.alter_tally('likes', source => 'bobs.t')").sqlstate == "42501"
    assert app.sql.execute("select source, key, problems from tally.tallies").fetchall() == [("app.likes", "post_id", [])]


def test_a_superuser_and_a_member_create_for_the_owner(app):
    app.sql.execute(CREATE)
    owner = "select distinct proowner::regrole::text from pg_proc where proname ~ '^tally_[0-9]'"
    assert app.sql.execute(owner).fetchall() == [("alice",)]
    assert app.sql.execute("select current_user, current_setting('role')").fetchone() == ("postgres", "none")
    app.sql.execute("select tally.drop_tally('likes'); grant alice to bob")
    try:
        grant_by_hand(app, "bob")
        bob = app.connect("bob")
        bob.execute(CREATE)
        assert app.sql.execute(owner).fetchall() == [("alice",)]
        assert bob.execute("select current_user::text").fetchone() == ("bob",)
        writer = app.connect("writer")
        replica = Replica(app, "likes")
        writer.execute("insert into app.likes (post_id) values (3)")
        assert replica.check() == {"3": [1]}
        bob.execute("select tally.drop_tally('likes')")
    finally:
        app.sql.execute("revoke alice from bob")


def test_a_writer_without_rights_on_tally(app):
    app.sql.execute(CREATE)
    replica = Replica(app, "likes")
    writer = app.connect("writer")
    writer.execute("insert into app.likes (post_id) values (1), (2)")
    writer.execute("update app.likes set post_id = 3 where post_id = 2")
    writer.execute("delete from app.likes where post_id = 1")
    with writer.cursor().copy("copy app.likes (post_id) from stdin") as copy:
        copy.write_row((4,))
    assert replica.check() == {"3": [1], "4": [1]}
    writer.execute("truncate app.likes")
    assert replica.check() == {}


def test_what_a_server_gets_is_enough_and_survives(app):
    app.sql.execute("select tally.grant_server('server')")
    app.sql.execute("""select tally.create_tally('likes', 'app.likes', 'post_id', actions =>
                       '{"like": "insert into app.likes (post_id) values ($1::int)"}')""")
    replica = Replica(app, "likes", user="server")  # loads as the server's role
    server = replica.connection
    server.execute("select tally.act('likes', 'like', '7', null, 'b-1')")
    assert replica.check() == {"7": [1]}
    assert "b-1" in replica.barriers
    assert server.execute("select name, problems from tally.tallies").fetchall() == [("likes", [])]
    assert server.execute("select tally.version()").fetchone() == (SCHEMA_VERSION,)
    for statement in ("select * from app.likes", "select tally.drop_tally('likes')", "select * from tally.definition",
                      "select * from tally.tally_1_truth()", "select tally.grant_server('bob')"):
        assert refused(server, statement).sqlstate == "42501"
    install(app.sql)
    assert truth(server, "likes") == {"7": [1]}


def test_grants_name_a_role(database):
    for function in ("grant_server", "grant_create"):
        assert refused(database.sql, f"select tally.{function}('nobody')").sqlstate == "42704"
        assert refused(database.sql, f"select tally.{function}('public')").sqlstate == "42704"


def test_a_database_owner_installs(cluster, empty_database):
    make_roles(empty_database)
    empty_database.sql.execute(f"alter database {empty_database.name} owner to alice")
    alice = empty_database.connect("alice")
    install(alice)
    alice.execute("create schema s; create table s.t (k int); select tally.create_tally('t', 's.t', 'k')")
    replica = Replica(empty_database, "t")
    alice.execute("insert into s.t values (1)")
    assert replica.check() == {"1": [1]}
    install(alice)
    install(empty_database.sql)  # a superuser, later: everything stays alice's
    owners = empty_database.sql.execute("select distinct proowner::regrole::text from pg_proc where pronamespace = 'tally'::regnamespace")
    assert owners.fetchall() == [("alice",)]
    # bob's table is counted with bob's rights, in alice's schema
    alice.execute("select tally.grant_create('bob')")
    empty_database.sql.execute("create schema bobs authorization bob")
    bob = empty_database.connect("bob")
    bob.execute("create table bobs.t (k int); select tally.create_tally('bt', 'bobs.t', 'k'); insert into bobs.t values (5)")
    assert truth(alice, "bt") == {"5": [1]}
    assert refused(alice, "select * from bobs.t").sqlstate == "42501"
    error = refused(bob, install_sql())
    assert error.sqlstate == "42501" and "belongs to alice" in str(error)


def test_a_source_that_changes_hands(app):
    app.sql.execute(CREATE + "; alter table app.likes owner to bob; grant usage on schema app to bob")
    assert "belongs to bob now" in str(app.sql.execute("select problems from tally.tallies").fetchone())
    app.sql.execute("select tally.reload('likes')")
    assert app.sql.execute("select problems from tally.tallies").fetchone() == ([],)
    replica = Replica(app, "likes")
    app.sql.execute("insert into app.likes (post_id) values (1)")
    assert replica.check() == {"1": [1]}


def test_row_level_security_is_an_error_not_an_empty_truth(app):
    app.sql.execute(CREATE + "; insert into app.likes (post_id) values (1)")
    app.sql.execute("alter table app.likes enable row level security")
    assert truth(app.sql, "likes") == {"1": [1]}  # the owner sees all
    app.sql.execute("alter table app.likes force row level security")
    assert refused(app.sql, "select * from tally.truth('likes')").sqlstate == "42501"
    assert "no force row level security" in str(app.sql.execute("select problems from tally.tallies").fetchone())


def test_creating_needs_temporary_objects(app):
    name = app.name
    app.sql.execute(f"revoke temporary on database {name} from public; select tally.grant_create('alice')")
    alice = app.connect("alice")
    error = refused(alice, CREATE)
    assert error.sqlstate == "42501" and error.diag.message_hint == f"grant temporary on database {name} to alice"
    app.sql.execute(error.diag.message_hint)
    alice.execute(CREATE)


def test_dropping_another_owners_tally_names_the_argument(app):
    app.sql.execute("select tally.grant_create('bob'); create schema if not exists carols; create table carols.t (k int); "
                    "select tally.create_tally('carols', 'carols.t', 'k')")
    error = refused(app.connect("bob"), "select tally.drop_tally('carols')")
    assert error.sqlstate == "42501" and error.diag.message_hint
    assert error.diag.message_primary == 'name: role bob does not own carols.t, the source of tally "carols"'
