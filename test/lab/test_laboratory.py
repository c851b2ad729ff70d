"""The lab's schema: created, dropped in every case, and refused if it is not the lab's."""

import json
import os
import pty
import re
import signal

import pytest
from labs import LONG, eventually
from postgres import install

def schemas(database):
    return {name for name, in database.sql.execute("select nspname from pg_namespace where nspname !~ '^(pg_|information)'")}


@pytest.fixture
def there(empty_database):
    """Returns whether the lab has retweeted."""
    def look():
        sql = empty_database.sql
        if sql.execute("select to_regclass('pgtally_lab.activity') is null").fetchone()[0]:
            return False
        return sql.execute("select count(*) > 0 from pgtally_lab.activity").fetchone()[0]

    return look


@pytest.fixture
def at_work(begin, there):
    """A lab in the middle of an experiment."""
    process = begin("concurrency", "--workers", 3, "--retweets", 1000000, "--strategy", "insert")
    eventually(there, "the lab did not begin")
    return process


@pytest.mark.parametrize("sent, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_leaves_nothing(at_work, empty_database, sent, status):
    at_work.send_signal(sent)
    out, err = at_work.communicate(timeout=LONG)
    assert (at_work.returncode, out, err) == (status, "", "pgtally-lab: ending; schema pgtally_lab is being dropped\n")
    assert schemas(empty_database) == {"public"}


def test_interrupted_while_workers_wait_leaves_nothing(begin, empty_database, on_table, cluster):
    # Updates of the message wait for this test.
    with empty_database.connect() as other:
        other.execute("select pg_advisory_lock(4712)")
        empty_database.sql.execute("create function wait() returns trigger language plpgsql as "
                                   "'begin perform pg_advisory_xact_lock_shared(4712); return new; end'")
        on_table("message", "create trigger wait before update on pgtally_lab.message for each row execute function public.wait()")
        process = begin("concurrency", "--workers", 3, "--retweets", 1, "--strategy", "update")
        waiting = "select count(*) from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())"
        eventually(lambda: empty_database.sql.execute(waiting).fetchone()[0] >= 2, "nobody waits")
        process.send_signal(signal.SIGINT)
        assert "being dropped" in process.stderr.readline()
        other.execute("select pg_advisory_unlock(4712)")
        process.communicate(timeout=LONG)
    assert process.returncode == 130
    assert schemas(empty_database) == {"public"}


def test_tally_of_an_interrupted_lab_is_dropped(begin, there, database_with_tally):
    process = begin("concurrency", "--workers", 2, "--retweets", 1000000, "--strategy", "pgtally")
    eventually(there, "the lab did not begin")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=LONG) == 130
    assert schemas(database_with_tally) == {"public", "tally"}
    assert database_with_tally.sql.execute("select count(*) from tally.tallies").fetchone()[0] == 0


def test_worker_that_is_lost_ends_it_and_leaves_nothing(at_work, empty_database):
    empty_database.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                               " where application_name = 'pgtally-lab' and query ~ '^insert into activity' limit 1")
    out, err = at_work.communicate(timeout=LONG)
    assert at_work.returncode == 1 and out == ""
    assert "57P01" in err or "closed the connection" in err
    assert schemas(empty_database) == {"public"}


def test_all_connections_lost_leaves_nothing(at_work, empty_database):
    empty_database.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgtally-lab'")
    _, err = at_work.communicate(timeout=LONG)
    assert at_work.returncode == 1
    assert "left behind" not in err
    assert schemas(empty_database) == {"public"}


def test_killed_lab_is_taken_over(at_work, lab, empty_database):
    at_work.kill()
    at_work.wait(timeout=LONG)
    locks = "select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
    eventually(lambda: empty_database.sql.execute(locks).fetchone()[0] == 0, "its lock stays")
    assert "pgtally_lab" in schemas(empty_database)
    status, _, err = lab("concurrency", "--workers", 1, "--retweets", 1, "--strategy", "update")
    assert status == 0, err
    assert schemas(empty_database) == {"public"}


def test_second_lab_is_refused(at_work, lab):
    status, out, err = lab("isolation", "--walk")
    assert (status, out) == (1, "")
    assert err == "pgtally-lab: another pgtally-lab is running in this database: wait until it has ended\n"
    assert at_work.poll() is None


def test_schema_of_somebody_else_is_refused_and_left_alone(lab, empty_database):
    empty_database.sql.execute("create schema pgtally_lab; create table pgtally_lab.message (mine int)")
    status, out, err = lab("isolation", "--walk")
    assert (status, out) == (1, "")
    assert "that pgtally-lab did not create" in err
    assert empty_database.sql.execute("select count(*) from pgtally_lab.message").fetchone()[0] == 0


def test_too_many_workers_are_refused_before_anything_is_made(lab, empty_database):
    status, out, err = lab("concurrency", "--workers", 500)
    assert (status, out) == (1, "")
    assert "500 workers need 504 connections more, and the server's max_connections is 100" in err
    assert schemas(empty_database) == {"public"}


def test_default_number_of_workers_fits_the_server_and_is_said(lab):
    # The cluster has PostgreSQL's default of 100 connections, fewer than 100 workers need.
    status, out, err = lab("concurrency", "--retweets", 1, "--strategy", "insert", "--json")
    assert status == 0, err
    said = re.fullmatch(r"pgtally-lab: (\d+) workers instead of 100: the server's max_connections is 100, \d+ of them reserved"
                        r" and \d+ in use\n", err)
    assert said and 1 <= int(said[1]) < 100, err
    found = json.loads(out)
    assert found["settings"]["workers"] == int(said[1])
    row = found["tables"][0]["rows"][0]
    assert row["acknowledged"] == int(said[1]) and row["exact"] is True


def test_default_number_of_workers_is_refused_where_none_fits(lab, empty_database):
    sql = empty_database.sql
    sql.execute(f"create role {empty_database.name}_one login connection limit 3")
    sql.execute(f"grant create on database {empty_database.name} to {empty_database.name}_one")
    status, out, err = lab("isolation", dsn=empty_database.cluster.dsn(empty_database.name, f"{empty_database.name}_one"))
    assert (status, out) == (1, "")
    assert "the role's connection limit is 3, 1 of them in use: raise the limit" in err
    assert schemas(empty_database) == {"public"}


def test_limit_of_the_database_is_known(lab, empty_database):
    sql = empty_database.sql
    sql.execute(f"create role {empty_database.name}_few login connection limit 6")
    sql.execute(f"grant create on database {empty_database.name} to {empty_database.name}_few")
    dsn = empty_database.cluster.dsn(empty_database.name, f"{empty_database.name}_few")
    status, _, err = lab("isolation", "--workers", 2, dsn=dsn)
    assert status == 1 and "the role's connection limit is 6, 1 of them in use: take --workers 1 at most" in err
    status, _, err = lab("isolation", "--workers", 1, "--retweets", 2, dsn=dsn)
    assert status == 0, err


def test_schema_tally_is_installed_where_there_is_none_and_said(lab, empty_database):
    run = ["concurrency", "--workers", 1, "--retweets", 1, "--strategy", "pgtally"]
    status, _, err = lab(*run)
    assert status == 0
    assert err == ('pgtally-lab: schema tally was not in this database and has been installed; it stays, "pgtally uninstall" '
                   "removes it\n")
    assert schemas(empty_database) == {"public", "tally"}
    assert empty_database.sql.execute("select count(*) from tally.tallies").fetchone()[0] == 0
    status, _, err = lab(*run)
    assert (status, err) == (0, "")


@pytest.fixture
def database_with_tally(empty_database):
    install(empty_database.sql)
    return empty_database


def test_tally_of_that_name_of_somebody_else_is_left_alone(lab, database_with_tally):
    database_with_tally.sql.execute("create table mine (id int primary key)")
    database_with_tally.sql.execute("select tally.create_tally(name => 'pgtally_lab', source => 'mine', key => 'id')")
    status, _, err = lab("concurrency", "--workers", 1, "--retweets", 1, "--strategy", "pgtally")
    assert status == 1 and "42710" in err
    assert database_with_tally.sql.execute("select source from tally.tallies").fetchall() == [("public.mine",)]
    assert schemas(database_with_tally) == {"public", "tally"}


def test_schema_tally_that_may_not_be_installed_is_refused(lab, empty_database):
    sql = empty_database.sql
    sql.execute("create schema tally")  # not the program's
    status, _, err = lab("concurrency", "--workers", 1, "--retweets", 1, "--strategy", "pgtally")
    # The installation uses an empty schema of that name, and refuses one that is not empty.
    sql.execute("drop schema tally cascade; create schema tally; create table tally.mine ()")
    status, _, err = lab("concurrency", "--workers", 1, "--retweets", 1, "--strategy", "pgtally")
    assert status == 1
    assert "cannot be installed" in err and "42P06" in err and "leave the strategy pgtally out" in err
    assert schemas(empty_database) == {"public", "tally"}


def test_unreachable_database_is_told_without_the_password(lab):
    status, out, err = lab("isolation", "--walk", dsn="host=127.0.0.1 port=1 user=ann password=secret dbname=x")
    assert (status, out) == (1, "")
    assert "127.0.0.1:1" in err and "secret" not in err


@pytest.mark.parametrize("arguments", [[], ["dance"], ["concurrency", "--workers", "0"], ["concurrency", "--strategy", "x"]])
def test_wrong_usage_is_2(lab, arguments):
    status, out, err = lab(*arguments)
    assert (status, out) == (2, "")
    assert "usage: pgtally-lab" in err


def test_help_is_0(lab):
    status, out, err = lab("--help")
    assert (status, err) == (0, "") and out.startswith("usage: pgtally-lab") and "trigger-conflict-printed" in out


def test_json_names_what_was_asked(lab):
    status, out, err = lab("concurrency", "--workers", 2, "--retweets", 3, "--message", 9, "--spread", 2, "--strategy", "update",
                           "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    settings = dict(found["settings"])
    assert settings.pop("server_version")
    assert settings == {"workers": 2, "retweets": 3, "message": 9, "spread": 2}
    assert found["experiment"] == "concurrency" and len(found["tables"]) == 1


@pytest.mark.parametrize("run, first", [
    (["concurrency", "--workers", 1, "--retweets", 2, "--strategy", "update"], "update: 0 of 2"),
    (["reading", "--way", "view", "--seconds", 1, "--history", 0], "view, seconds: 0 of 1"),
    (["anomalies"], "anomalies: 0 of 3")])
def test_progress_is_shown_on_a_terminal_only(begin, database_with_tally, run, first):
    assert begin(*run).communicate(timeout=LONG)[1] == ""
    ours, its = pty.openpty()
    process = begin(*run, stderr=its)
    os.close(its)
    assert process.wait(timeout=LONG) == 0
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert shown.startswith("\r" + first) and shown.endswith("\r\x1b[K")
