"""`pgtally check`: what keeps counters from being exact or live is found, with a remedy that cures it."""

import json
import os
import shutil
import subprocess

import psycopg
import pytest

from postgres import SCHEMA_VERSION, Cluster, client_program, install_version
from program import eventually, run

SOURCE = "create table s (k int, k2 int, m int); select tally.create_tally('t', 's', 'k', '{\"n\": \"m\"}')"


def check(dsn):
    """Returns the findings that are no notes."""
    asked = run("check", "--json", "--dsn", dsn)
    answer = json.loads(asked.stdout)
    for one in answer["findings"]:
        assert one["message"] and one["remedy"] and one["kind"] and one["severity"] in ("error", "warning", "note")
        assert set(one) - {"tally"} == {"check", "kind", "severity", "subject", "message", "remedy"}
    found = [one for one in answer["findings"] if one["severity"] != "note"]
    assert asked.returncode == (1 if found else 0) and answer["ok"] == (not found)
    return found


def kinds(dsn):
    return [(one["kind"], one["severity"]) for one in check(dsn)]


def follow(database, remedy):
    database.sql.execute(remedy)


@pytest.fixture
def role(database):
    """Makes roles that are dropped at the end: role(name, options) -> DSN."""
    made = []

    def make(name, options=""):
        database.sql.execute(f"create role {name} login {options}")
        made.append(name)
        return psycopg.conninfo.make_conninfo(database.dsn, user=name)

    yield make
    for name in made:
        database.sql.execute(f"drop owned by {name} cascade; drop role {name}")


# Tallies ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before, harm, found", [
    ("", "alter table s disable trigger tally_1_insert", [("disabled_trigger", "error")]),
    ("", "drop trigger tally_1_update on s", [("missing_trigger", "error")]),
    ("", "drop table s; create table s (k int, k2 int, m int)", [("source_lost", "error")]),
    ("", "drop table s", [("source_lost", "error")]),
    ("", "alter table s alter k type bigint", [("column_changed", "error")]),
    ("", "alter table s alter k type bigint using k + 10", [("column_changed", "error")]),
    ("", "alter table s rename k to o; alter table s rename k2 to k", [("column_renamed", "warning")]),
    ("", "alter function tally.tally_1_truth() security invoker", [("altered", "error")]),
    ("create role heir", "alter table s owner to heir", [("owner_changed", "warning")]),
    ("create table p (k int, m int) partition by list (m); select tally.drop_tally('t'); select tally.create_tally('t', 'p', 'k'); create table big (k int, m int)",
     "alter table p attach partition big for values in (1)", [("missing_trigger", "error")] * 4),
    ("create table p (k int, m int) partition by list (m); create table big partition of p for values in (1); select tally.drop_tally('t'); "
     "select tally.create_tally('t', 'p', 'k')", "alter table p detach partition big", [("left_behind", "error")])])
def test_what_a_statement_cures(database, before, harm, found):
    """The remedy is a statement, and nothing is found after it."""
    try:
        database.sql.execute(SOURCE)
        database.sql.execute(before or "select")
        database.sql.execute(harm)
        all_found = check(database.dsn)
        assert [(one["kind"], one["severity"]) for one in all_found] == found
        assert {(one["check"], one["tally"]) for one in all_found} == {("tally", "t")}
        for remedy in {one["remedy"] for one in all_found}:
            follow(database, remedy)
        assert check(database.dsn) == []
    finally:
        if "heir" in before:
            database.sql.execute("drop owned by heir cascade; drop role heir")


@pytest.mark.parametrize("before, harm, found, cure", [
    ("", "alter table s drop m", "column_dropped", "select tally.alter_tally('t', counters => '{\"n\": \"k2\"}')"),
    ("", "create table c () inherits (s)", "source_changed", "alter table c no inherit s"),
    ("create table p (k int, m int) partition by list (m); select tally.drop_tally('t'); select tally.create_tally('t', 'p', 'k'); "
     "create extension postgres_fdw; create server away foreign data wrapper postgres_fdw",
     "create foreign table far partition of p for values in (3) server away", "source_changed", "alter table public.p detach partition public.far")])
def test_what_a_decision_cures(database, before, harm, found, cure):
    """The remedy says what to do, and holds the statement as far as it can be known."""
    database.sql.execute(SOURCE)
    database.sql.execute(before or "select")
    database.sql.execute(harm)
    [one] = [one for one in check(database.dsn) if one["kind"] == found]
    assert one["severity"] == "error"
    known = cure.split(" => ")[0].replace("table c no inherit s", "table public.s no inherit public.c") if "inherit" not in cure else "no inherit"
    assert known in one["remedy"]
    follow(database, cure)
    if "detach" in cure:
        follow(database, "drop foreign table far")
    assert check(database.dsn) == []


@pytest.mark.parametrize("before, change", [
    ("create type a as enum ('rt', 'fav'); alter table s add a a; select tally.alter_tally('t', counters => '{\"n\": \"case a when ''rt'' then 1 end\"}')",
     "alter type a rename value 'rt' to 'x'"),
    ("create function w(int) returns int language sql immutable as 'select $1'; select tally.alter_tally('t', counters => '{\"n\": \"w(m)\"}')",
     "alter function w(int) rename to w2"),
    ("create domain d as int; select tally.alter_tally('t', counters => '{\"n\": \"(m::d)::int\"}')", "alter domain d rename to d2"),
    ("", "alter table s rename to s2"), ("", "alter table s drop k2; alter table s add k2 int")])
def test_what_is_followed_is_no_finding(database, before, change):
    database.sql.execute(SOURCE)
    database.sql.execute(before or "select")
    database.sql.execute(change)
    assert check(database.dsn) == []
    database.connect().execute(f"insert into {'s2' if 's2' in change else 's'} (k, m) values (1, 5)")


@pytest.mark.parametrize("options, owner", [([], "postgres"), (["-x"], "postgres"), (["-O", "-x"], "moves")])
def test_a_database_that_was_moved(cluster, database, empty_database, role, options, owner):
    """By a dump without owners and privileges too: it counts there, and nothing is found."""
    dump_with = client_program("pg_dump", cluster)
    role("moves")
    empty_database.sql.execute(f"grant create on database {empty_database.name} to moves; grant create, usage on schema public to moves")
    try:
        database.sql.execute(SOURCE + "; insert into s values (1, 1, 5)")
        dump = subprocess.run([dump_with, *options, database.dsn], check=True, capture_output=True).stdout
        there = psycopg.conninfo.make_conninfo(empty_database.dsn, user=owner)
        # Not its superuser: comments and settings of the database are refused.
        subprocess.run([client_program("psql", cluster), "-X", "-q", there], input=dump, check=True, capture_output=True)
        assert check(there) == check(empty_database.dsn) == []
        assert empty_database.sql.execute("select * from tally.truth('t')").fetchall() == [("1", [5])]
    finally:
        empty_database.sql.execute("drop owned by moves cascade")


def test_triggers_of_a_tally_that_does_not_exist(database):
    """As after a restore without data."""
    database.sql.execute(SOURCE + "; insert into s values (1); delete from tally.definition")
    found = check(database.dsn)
    assert [(one["check"], one["kind"], one["severity"]) for one in found] == [("schema", "orphan", "warning")] * 4
    assert all("tally" not in one for one in found)
    for one in found:
        follow(database, one["remedy"])
    assert check(database.dsn) == []


def test_actions_and_the_truth_are_tried(database, role):
    owner = role("owns")
    database.sql.execute("create table s (k int); create table l (k int); alter table s owner to owns; alter table l owner to owns; "
                         """select tally.create_tally('t', 's', 'k', actions => '{"like": "insert into l (k) values ($1::int)"}')""")
    assert check(database.dsn) == []
    database.sql.execute("alter table l rename k to key")
    [one] = check(database.dsn)
    assert (one["tally"], one["kind"], one["subject"], one["severity"]) == ("t", "action_fails", "like", "warning") and "42703" in one["message"]
    database.sql.execute("""select tally.alter_tally('t', actions => '{"like": "insert into l (key) values ($1::int)"}')""")
    assert check(database.dsn) == []
    database.sql.execute("revoke select on s from owns")
    [one] = check(database.dsn)
    assert (one["tally"], one["kind"], one["severity"]) == ("t", "truth_fails", "error") and "role owns" in one["remedy"]
    assert ("rights", "error") in kinds(owner)  # who may not ask is told so
    database.sql.execute("grant select on s to owns")
    assert check(database.dsn) == []


def test_the_schema_one_version_back(empty_database):
    install_version(empty_database.sql, SCHEMA_VERSION - 1)
    empty_database.sql.execute("create table s (k int); select tally.create_tally('t', 's', 'k')")
    [one] = check(empty_database.dsn)
    assert (one["check"], one["severity"]) == ("schema", "warning") and "run pgtally install" in one["remedy"]
    empty_database.sql.execute("alter table s disable trigger tally_1_insert")
    [_, two] = check(empty_database.dsn)
    assert (two["tally"], two["kind"], two["remedy"]) == ("t", "disabled_trigger", "select tally.reload('t')")
    follow(empty_database, two["remedy"])
    assert run("install", "--dsn", empty_database.dsn).returncode == 0
    assert check(empty_database.dsn) == []


def test_the_schema_one_version_back_of_another_role(empty_database, role):
    role("serves")
    role("keeps")
    empty_database.sql.execute(f"grant create on database {empty_database.name} to keeps")
    try:
        install_version(empty_database.connect("keeps"), SCHEMA_VERSION - 1)
        empty_database.sql.execute("select tally.grant_server('serves')")
        assert kinds(psycopg.conninfo.make_conninfo(empty_database.dsn, user="serves")) == [("schema", "warning")]
        assert kinds(empty_database.dsn) == [("schema", "warning")]
    finally:
        empty_database.sql.execute("drop owned by keeps, serves cascade")


# Rights and limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["findings()", "tried()", "server_findings(text)", "look(text)", "can_reload(text)", "act(text, text, text, json, text)",
                                      "lacks_on_table(text, text)"])
def test_rights_on_functions(database, role, function):
    server = role("serves")
    database.sql.execute("select tally.grant_server('serves')")
    assert check(server) == []
    database.sql.execute(f"revoke execute on function tally.{function} from serves")
    [one] = check(server)
    assert (one["check"], one["kind"], one["severity"]) == ("rights", "rights", "error") and one["subject"] == "tally." + function
    assert run("install", "--dsn", database.dsn, "--grant", "serves").returncode == 0
    assert check(server) == []


def test_limits_of_connections(database, role):
    server = role("few", "connection limit 2")
    database.sql.execute("select tally.grant_server('few')")
    [one] = check(server)
    assert (one["check"], one["kind"], one["subject"], one["severity"]) == ("limits", "connection_limit", "role few", "error")
    follow(database, one["remedy"])
    assert check(server) == []
    database.sql.execute("alter role few connection limit 5")
    assert kinds(server) == [("connection_limit", "warning")]
    database.sql.execute("alter role few connection limit 1")
    found = check(server)
    assert [one["kind"] for one in found] == ["connection_limit", "connection"]
    assert "53300" in found[1]["message"] and "raise the connection limit" in found[1]["remedy"]
    database.sql.execute("alter role few connection limit 0")
    [one] = check(server)
    assert one["kind"] == "connection" and "53300" in one["message"] and "raise the connection limit" in one["remedy"]
    database.sql.execute(f"alter role few connection limit -1; alter database {database.name} connection limit 4")
    [one] = check(server)
    assert (one["kind"], one["subject"]) == ("connection_limit", f"database {database.name}")
    follow(database, one["remedy"])
    assert check(server) == []
    assert kinds(database.dsn) == []  # a superuser has no limit


def test_connections_that_are_left(database, role):
    server = role("late")
    database.sql.execute("select tally.grant_server('late')")
    [[most]] = database.sql.execute("select current_setting('max_connections')::int").fetchall()
    [[used]] = database.sql.execute("select count(*) from pg_stat_activity where backend_type = 'client backend'").fetchall()
    crowd = [database.connect() for _ in range(most - used - 8)]
    assert kinds(server) == [("max_connections", "warning")]
    for one in crowd:
        one.close()
    assert check(server) == []


@pytest.mark.parametrize("place", ["role hungry", "database {0}", "role hungry in database {0}", "role all"])
def test_a_limit_of_temporary_files(database, role, place):
    server = role("hungry")
    place = place.format(database.name)
    database.sql.execute("select tally.grant_server('hungry')")
    database.sql.execute(f"alter {place} set temp_file_limit = '1MB'")
    try:
        [one] = check(server)
        assert (one["kind"], one["severity"]) == ("temp_file_limit", "warning") and one["remedy"] == f"alter {place} reset temp_file_limit"
        follow(database, one["remedy"])
        assert check(server) == []
    finally:
        database.sql.execute(f"alter {place} reset temp_file_limit")


def test_a_password_that_expires(database, role):
    server = role("soon", "valid until 'now'")
    database.sql.execute("select tally.grant_server('soon')")
    [one] = check(server)
    assert (one["kind"], one["subject"], one["severity"]) == ("password_expires", "role soon", "warning")
    follow(database, one["remedy"])
    assert check(server) == []


def test_read_only_by_default(database):
    database.sql.execute(f"alter database {database.name} set default_transaction_read_only = on")
    [one] = [one for one in check(database.dsn) if one["check"] == "standby"]
    database.sql.execute("set default_transaction_read_only = off")
    follow(database, one["remedy"])
    assert check(database.dsn) == []


def test_settings_that_a_session_sets_itself_are_no_finding(database, role):
    server = role("hasty")
    database.sql.execute("select tally.grant_server('hasty')")
    for setting in ("statement_timeout = '300ms'", "idle_session_timeout = '3s'", "idle_in_transaction_session_timeout = '1s'", "lock_timeout = '1s'",
                    "default_transaction_isolation = 'serializable'", "session_replication_role = replica"):
        database.sql.execute(f"alter role hasty set {setting}")
    assert check(server) == []


# A schema of somebody else -------------------------------------------------------------------------------------------------

GENUINE = f"create function tally.version() returns int language sql as 'select {SCHEMA_VERSION}';"
OLDER = f"create function tally.version() returns int language sql as 'select {SCHEMA_VERSION - 2}';"  # nothing is asked of it
ROW = "table (name text, kind text, subject text, message text, remedy text, severity text)"
REST = "".join(f"create function tally.{f} returns {ROW} language sql security definer as 'select null,null,null,null,null,null where false';"
               for f in ("tried()", "server_findings(text)"))
EVIL = """
    create function public.note() returns text language plpgsql as $$
    begin
      begin
        perform set_config('role', 'postgres', true);
      exception when others then null;
      end;
      raise exception 'it ran as %', current_user;
    end $$;
    create table public.bait (k int);
    create function public.later() returns trigger language plpgsql as 'begin perform public.note(); return null; end';
    create constraint trigger later after insert on public.bait deferrable initially deferred for each row execute function public.later();
"""


@pytest.fixture
def mallory(empty_database):
    empty_database.sql.execute("drop role if exists mallory; drop role if exists clerk; create role mallory login; create role clerk login")
    empty_database.sql.execute(f"grant create on database {empty_database.name} to mallory; grant create on schema public to mallory")
    empty_database.sql.execute("set role mallory; create schema tally; grant usage on schema tally to public")
    empty_database.sql.execute(EVIL)
    empty_database.sql.execute("reset role")
    yield empty_database
    empty_database.sql.execute("reset role; drop owned by mallory, clerk cascade; drop role mallory, clerk")


@pytest.mark.parametrize("trap, refused", [
    ("create function tally.version() returns int language sql as 'select length(public.note())'", True),
    ("create function tally.version() returns int language plpgsql as 'begin return length(public.note()); end'", True),
    (GENUINE, True),
    (GENUINE + REST + f"create function tally.findings() returns {ROW} language sql as 'select public.note(),null,null,null,null,null'", True),
    (GENUINE + REST + f"create function tally.findings(text default public.note()) returns {ROW} language sql security definer as 'select $1,null,null,null,null,null'",
     True),
    (GENUINE + REST + "create domain tally.d as text check (public.note() = ''); create function tally.findings() returns "
     "table (name text, kind text, subject tally.d, message text, remedy text, severity text) language sql security definer as "
     "'select null,null,null,null,null,null where false'", True),
    (GENUINE + REST + f"create function tally.findings() returns {ROW} language sql security definer as 'select public.note(),null,null,null,null,null'", False),
    (GENUINE + REST + f"create function tally.findings() returns {ROW} language sql security definer as "
     "'insert into public.bait values (1); select null::text,'''','''','''','''','''' where false'", False),
    (GENUINE + REST.replace("tried()", "other()") + f"create function tally.findings() returns {ROW} language plpgsql security definer as $$begin "
     "execute 'create or replace function pg_temp.pgtally_check(question text) returns text language sql as ''select public.note()'''; return; "
     "exception when others then return; end$$; "
     f"create function tally.tried() returns {ROW} language sql security definer as 'select null,null,null,null,null,null where false'", False),
    (OLDER + "create view tally.tallies as select public.note() as name, 's'::text as source, null::text as materialize, array['x'] as problems", False)])
def test_nothing_of_it_runs_with_our_rights(mallory, trap, refused):
    mallory.sql.execute("set role mallory")
    mallory.sql.execute(trap + "; grant execute on all functions in schema tally to public")
    mallory.sql.execute("reset role")
    for user in ("postgres", "clerk"):
        asked = run("check", "--json", "--dsn", psycopg.conninfo.make_conninfo(mallory.dsn, user=user))
        assert f"it ran as {user}" not in asked.stdout + asked.stderr
        found = {one["kind"]: one["message"] for one in json.loads(asked.stdout)["findings"]}
        assert ("foreign_schema" in found) == refused, found
        assert "query" not in found or "it ran as mallory" in found["query"] or "read-only transaction" in found["query"]


def test_an_installation_of_another_role_is_checked(mallory, role):
    mallory.sql.execute("drop schema tally cascade; set role mallory")
    assert run("install", "--dsn", psycopg.conninfo.make_conninfo(mallory.dsn, user="mallory")).returncode == 0
    mallory.sql.execute("create table public.s (k int); select tally.create_tally('t', 'public.s', 'k'); select tally.grant_server('clerk'); "
                        "reset role")
    for user in ("postgres", "mallory", "clerk"):
        assert check(psycopg.conninfo.make_conninfo(mallory.dsn, user=user)) == []
    mallory.sql.execute("alter table public.s disable trigger tally_1_insert")
    for user in ("postgres", "mallory", "clerk"):
        assert kinds(psycopg.conninfo.make_conninfo(mallory.dsn, user=user)) == [("disabled_trigger", "error")]
    mallory.sql.execute(f"revoke temporary on database {mallory.name} from public")
    assert ("disabled_trigger", "error") in kinds(mallory.dsn)


# Connections that cannot be made ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secured():
    """A server with TLS, whose certificate names "elsewhere", and which asks for passwords."""
    cluster = Cluster()
    try:
        cluster.start()
        data = cluster.folder / "data"
        for name in ("server", "other"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=elsewhere", "-addext",
                            "subjectAltName=DNS:elsewhere", "-keyout", data / f"{name}.key", "-out", data / f"{name}.crt"], check=True, capture_output=True)
            if os.getuid() == 0:
                shutil.chown(data / f"{name}.key", data.stat().st_uid, data.stat().st_gid)
            (data / f"{name}.key").chmod(0o600)
        with cluster.connect() as connection:
            connection.execute("alter system set ssl = on")
            connection.execute("create role guarded login password 'right'")
            (data / "pg_hba.conf").write_text("host all guarded all scram-sha-256\nhost all absent all trust\nhost all stranger all reject\n"
                                              "host all all all trust\nlocal all all trust\n")
            connection.execute("select pg_reload_conf()")
        eventually(lambda: tls_is_on(cluster), "TLS is not on")
        cluster.data = data
        yield cluster
    finally:
        cluster.drop()


def tls_is_on(cluster):
    with cluster.connect() as connection:
        return connection.execute("show ssl").fetchone() == ("on",)


@pytest.mark.parametrize("options, words", [
    ("host=localhost sslmode=verify-ca sslrootcert={data}/other.crt", "sslrootcert"),
    ("host=localhost sslmode=verify-full sslrootcert={data}/server.crt", "a host name that the server's certificate names"),
    ("sslmode=verify-ca sslrootcert=/nowhere/root.crt", "sslrootcert"), ("sslmode=require sslcert={data}/server.crt sslkey=/nowhere/key", "sslkey"),
    ("service=nowhere", "service"), ("user=guarded", "PGPASSWORD"), ("user=guarded password=wrong", "correct the password"),
    ("user=absent", "the role's name"), ("user=stranger", "pg_hba.conf"), ("dbname=nowhere", "name an existing database"), ("port=1", "host and port")])
def test_connections(secured, options, words):
    dsn = psycopg.conninfo.make_conninfo(secured.dsn(), passfile="/nowhere/pass")
    parts = dict(part.split("=", 1) for part in options.format(data=secured.data).split())
    one, = check(psycopg.conninfo.make_conninfo(dsn, **parts)) if "service" not in parts else check("service=nowhere")
    assert (one["check"], one["kind"], one["severity"]) == ("connection", "connection", "error")
    assert words in one["remedy"], one
    assert "wrong" not in one["message"] and "wrong" not in one["remedy"]


def test_connections_that_the_remedy_made(secured):
    for options in ({"user": "guarded", "password": "right"}, {"host": "localhost", "sslmode": "verify-ca", "sslrootcert": f"{secured.data}/server.crt"}):
        [one] = check(psycopg.conninfo.make_conninfo(secured.dsn(), **options))
        assert one["kind"] == "schema" and one["remedy"] == "run pgtally install"
