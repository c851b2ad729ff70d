"""The command line: usage, environment, install, uninstall, check."""

import json
import subprocess

import psycopg
import pytest

from postgres import SCHEMA_VERSION
from program import PROGRAM, environment, run


@pytest.mark.parametrize("arguments", [[], ["serve"], ["install"], ["uninstall"], ["check"], ["audit"]])
def test_help_and_version(arguments):
    asked = run(*arguments, "--help")
    assert asked.returncode == 0 and asked.stdout.startswith("usage: pgtally") and not asked.stderr
    asked = run(*arguments, "--version")
    assert asked.returncode == 0 and asked.stdout.startswith("pgtally ") and not asked.stderr
    assert asked.stdout.splitlines()[1] == f"installs schema tally version {SCHEMA_VERSION}"


@pytest.mark.parametrize("arguments, says", [
    ([], "usage"), (["nope"], "nope"), (["serve", "--nope"], "--nope"), (["serve", "stray"], "stray"), (["serve", "--heartbeat", "5"], "--heartbeat"),
    (["serve", "--heartbeat"], "heartbeat"), (["serve", "--listen", "8080"], "--listen"), (["serve", "--listen", "127.0.0.1:70000"], "--listen"),
    (["serve", "--max-clients", "0"], "--max-clients"), (["serve", "--allow-origin", "example.org"], "--allow-origin"),
    (["serve", "--log-level", "loud"], "--log-level"), (["serve", "--log-format", "xml"], "--log-format"), (["serve", "--drain-delay", "1d"], "--drain-delay"),
    (["serve", "--audit-every", "500ms"], "--audit-every"), (["serve", "--write"], "--write"), (["check", "--print"], "--print")])
def test_wrong_usage(arguments, says):
    asked = run(*arguments)
    assert asked.returncode == 2 and says in asked.stderr and not asked.stdout


def test_wrong_environment():
    asked = run("serve", env={"PGTALLY_HEARTBEAT": "soon"})
    assert asked.returncode == 2 and "PGTALLY_HEARTBEAT" in asked.stderr and "5s" in asked.stderr
    asked = run("serve", env={"PGTALLY_WRITABLE": "perhaps"})
    assert asked.returncode == 2 and "PGTALLY_WRITABLE" in asked.stderr


def test_environment(serve, tweets):
    tweets.sql.execute("select tally.create_tally('rows', 'tweet.activity', 'messageid')")
    tweets.sql.execute("select tally.create_tally('more', 'tweet.activity', 'messageid')")
    server = serve(tweets.dsn, env={"PGTALLY_TALLY": "tweets, more", "PGTALLY_WRITABLE": "true", "PGTALLY_LOG_FORMAT": "json"})
    # In JSON each log line is an object; it contains the address too.
    assert all(json.loads(line)["level"] for line in server.lines)
    server.wait_live()
    assert [tally["name"] for tally in server.get("/v1/tallies").json()["tallies"]] == ["more", "tweets"]
    assert server.post("/v1/tallies/tweets/keys/1/fav").status_code == 201
    server = serve(tweets.dsn, "--tally", "rows", env={"PGTALLY_TALLY": "tweets"}).wait_live()
    assert [tally["name"] for tally in server.get("/v1/tallies").json()["tallies"]] == ["rows"]


def test_where_the_database_comes_from(database, empty_database):
    keywords = psycopg.conninfo.conninfo_to_dict(database.dsn)
    uri = f"postgresql://{keywords['user']}@{keywords['host']}:{keywords['port']}/{keywords['dbname']}"
    nowhere = "host=127.0.0.1 port=1"
    good = [(["--dsn", uri], {"PGTALLY_DSN": nowhere}), ([], {"PGTALLY_DSN": database.dsn, "DATABASE_URL": nowhere}),
            ([], {"DATABASE_URL": uri}), ([], {"PGHOST": keywords["host"], "PGPORT": keywords["port"], "PGUSER": keywords["user"],
                                                "PGDATABASE": keywords["dbname"]})]
    for arguments, env in good:
        asked = run("check", *arguments, env=env)
        assert asked.returncode == 0, (asked.stdout, arguments, env)
    assert run("check", env={"PGTALLY_DSN": nowhere, "DATABASE_URL": uri}).returncode == 1


def test_address_in_use(serve, tweets):
    server = serve(tweets.dsn)
    asked = run("serve", "--dsn", tweets.dsn, "--listen", server.host, "--admin-listen", "none")
    assert asked.returncode == 1 and f"cannot listen at {server.host}" in asked.stderr and "in use" in asked.stderr


def test_web_must_be_a_folder(tweets):
    asked = run("serve", "--dsn", tweets.dsn, "--listen", "127.0.0.1:0", "--admin-listen", "none", "--web", "/nope")
    assert asked.returncode == 1 and "/nope" in asked.stderr


def test_several_addresses(serve, tweets):
    server = serve(tweets.dsn, "--listen", "[::1]:0")
    addresses = [line.split("listening at ")[1] for line in server.lines if "listening at" in line]
    assert len(addresses) == 2 and addresses[1].startswith("http://[::1]:")


def test_password_is_nowhere(serve, tweets):
    server = serve(tweets.dsn + " password=geheim", "--log-level", "debug").wait_live()
    server.stop()
    assert "geheim" not in server.log()
    for arguments in (["check"], ["install"]):
        asked = run(*arguments, "--dsn", "postgresql://me:geheim@127.0.0.1:1/x")
        assert asked.returncode == 1 and "geheim" not in asked.stdout + asked.stderr


# install, uninstall ----------------------------------------------------------------------------------------------------


def test_install_twice_and_uninstall(empty_database):
    for _ in range(2):
        asked = run("install", "--dsn", empty_database.dsn)
        assert asked.returncode == 0, asked.stderr
    assert empty_database.sql.execute("select tally.version()").fetchone() == (SCHEMA_VERSION,)
    asked = run("uninstall", "--dsn", empty_database.dsn)
    assert asked.returncode == 0, asked.stderr
    assert empty_database.sql.execute("select to_regnamespace('tally')").fetchone() == (None,)
    assert run("uninstall", "--dsn", empty_database.dsn).returncode == 0


def test_print_is_what_install_does(empty_database):
    printed = run("install", "--print", env={"PGTALLY_DSN": "host=127.0.0.1 port=1"})
    assert printed.returncode == 0 and printed.stdout.startswith("begin isolation level read committed read write;\n") and printed.stdout.endswith("commit;\n")
    environment_of = environment()
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", empty_database.dsn], input=printed.stdout, text=True, check=True,
                   env=environment_of, stdout=subprocess.DEVNULL)
    assert empty_database.sql.execute("select tally.version()").fetchone() == (SCHEMA_VERSION,)


def test_grants(empty_database, serve):
    role = 'we"ird\'\\role'
    empty_database.sql.execute(psycopg.sql.SQL("create role {} login").format(psycopg.sql.Identifier(role)))
    try:
        asked = run("install", "--dsn", empty_database.dsn, "--grant", role)
        assert asked.returncode == 0, asked.stderr
        dsn = psycopg.conninfo.make_conninfo(empty_database.dsn, user=role)
        assert run("check", "--dsn", dsn).returncode == 0
        serve(dsn).wait_live()
        assert run("uninstall", "--dsn", dsn).returncode == 1
    finally:
        empty_database.sql.execute(psycopg.sql.SQL("drop owned by {0}; drop role {0}").format(psycopg.sql.Identifier(role)))


def test_install_says_what_is_wrong(empty_database):
    asked = run("install", "--dsn", empty_database.dsn, "--grant", "nobody_of_this_name")
    assert asked.returncode == 1
    for word in "nobody_of_this_name", "42704", "what to do":
        assert word in asked.stderr
    assert empty_database.sql.execute("select to_regnamespace('tally')").fetchone() == (None,)


def test_install_waits_for_locks_again_and_again(tweets):
    lock = tweets.connect()
    lock.autocommit = False
    lock.execute("lock table tweet.activity in access exclusive mode")
    asking = subprocess.Popen([PROGRAM, "uninstall", "--dsn", tweets.dsn], env=environment(), stderr=subprocess.PIPE, text=True)
    assert "waited for a lock" in asking.stderr.readline()
    lock.rollback()
    assert asking.wait(timeout=60) == 0, asking.stderr.read()
    assert tweets.sql.execute("select to_regnamespace('tally')").fetchone() == (None,)


# check -----------------------------------------------------------------------------------------------------------------


def findings(dsn):
    asked = run("check", "--json", "--dsn", dsn)
    found = json.loads(asked.stdout)
    assert all(one["message"] and one["remedy"] and one["severity"] in ("error", "warning", "note") for one in found["findings"])
    bad = [one for one in found["findings"] if one["severity"] != "note"]
    assert found["ok"] == (not bad) and asked.returncode == (1 if bad else 0)
    return [(one["check"], one.get("tally")) for one in bad]


def test_check_good(tweets):
    assert findings(tweets.dsn) == []


def test_check_nothing_there(empty_database):
    assert findings("host=127.0.0.1 port=1") == [("connection", None)]
    assert findings(empty_database.dsn) == [("schema", None)]


def test_check_rights(database):
    database.sql.execute("create role small login")
    try:
        small = psycopg.conninfo.make_conninfo(database.dsn, user="small")
        assert findings(small) == [("rights", None)]
        database.sql.execute("grant usage on schema tally to small")
        assert findings(small) == [("rights", None)]
        database.sql.execute("grant execute on function tally.server_findings(text) to small")
        assert len(findings(small)) > 10 and set(findings(small)) == {("rights", None)}
    finally:
        database.sql.execute("drop owned by small; drop role small")


def test_check_says_who_could_forge(tweets):
    """A note: most databases are like that, so it is not a failure."""
    def senders():
        found = json.loads(run("check", "--json", "--dsn", tweets.dsn).stdout)["findings"]
        return [one for one in found if one["check"] == "senders" and "writer_of_junk" in one["message"]]

    assert senders() == []
    tweets.sql.execute("create role writer_of_junk login")
    try:
        [note] = senders()
        assert note["severity"] == "note" and "forged" in note["message"] and f"revoke connect on database {tweets.name}" in note["remedy"]
        asked = run("check", "--dsn", tweets.dsn)
        assert asked.returncode == 0 and "nothing found" in asked.stdout and "note: senders: " in asked.stdout
        tweets.sql.execute(f"revoke connect on database {tweets.name} from public")
        assert senders() == []
        tweets.sql.execute("alter role writer_of_junk superuser")
        assert senders() == []
    finally:
        tweets.sql.execute("drop role writer_of_junk")


def test_check_tables_that_counters_are_kept_in(tweets):
    tweets.sql.execute("""create schema kept; select tally.alter_tally('tweets', materialize => 'kept.tweets');
                          drop role if exists small; create role small login""")
    try:
        small = psycopg.conninfo.make_conninfo(tweets.dsn, user="small")
        tweets.sql.execute("select tally.grant_server('small')")
        assert findings(tweets.dsn) == findings(small) == []
        tweets.sql.execute("revoke usage on schema kept from small; revoke update, insert on kept.tweets from small")
        asked = json.loads(run("check", "--json", "--dsn", small).stdout)["findings"]
        assert [(one["check"], one["tally"]) for one in asked] == [("rights", "tweets")]
        assert asked[0]["remedy"] == "grant usage on schema kept to small; grant insert, update on kept.tweets to small"
        tweets.sql.execute(asked[0]["remedy"])
        assert findings(small) == []
    finally:
        tweets.sql.execute("drop owned by small; drop role small")


def test_check_triggers(tweets):
    tweets.sql.execute("alter table tweet.activity disable trigger all")
    found = findings(tweets.dsn)
    assert found and set(found) == {("tally", "tweets")}


def test_check_read_only(tweets):
    tweets.sql.execute(f"alter database {tweets.name} set default_transaction_read_only = on")
    assert ("standby", None) in findings(tweets.dsn)
