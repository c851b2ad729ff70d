"""What the server's role, the database and the connection may have set: cured by the server's own settings, or else the
reason of a state, in every place that shows one."""

import contextlib
import os
import pathlib
import re
import signal
import threading

import pytest
import requests

from away import LIKES, Writer, exact, reason, tally_of
from program import LONG, Client, eventually, run

QUICK = ("--heartbeat", "200ms")
HOSTILE = {
    "statement_timeout": "20ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "20ms",
    "idle_session_timeout": "50ms",
    "transaction_timeout": "20ms",  # since PostgreSQL 17
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "row_security": "off",
    "search_path": "nowhere",
    "standard_conforming_strings": "off",
    "client_encoding": "latin1",
    "datestyle": "German",
    "intervalstyle": "iso_8601",
    "timezone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "extra_float_digits": "-5",
    "synchronous_commit": "off",
    "session_replication_role": "replica",
    "tcp_user_timeout": "1",
}


@pytest.fixture
def likes(database):
    database.sql.execute(LIKES)
    return database


@pytest.fixture
def role(likes):
    """Makes a server's role with settings; returns its DSN."""
    name = "clerk_" + likes.name

    def make(settings, options=""):
        likes.sql.execute(f"create role {name} login {options}; select tally.grant_server('{name}')")
        known = {row[0] for row in likes.sql.execute("select name from pg_settings")}
        for setting, value in settings.items():
            if setting.lower() in {each.lower() for each in known}:
                likes.sql.execute(f"alter role {name} set {setting} = '{value}'")
        return likes.cluster.dsn(likes.name, name)

    yield make
    likes.sql.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{name}'")
    likes.sql.execute(f"drop owned by {name}; drop role {name}")


def wait_reason(server, pattern):
    return eventually(lambda: (found := reason(server)) and re.search(pattern, found) and found,
                      lambda: f"no state like {pattern}: {reason(server)}\n{server.last_lines()}")


def test_a_role_with_hostile_settings_serves(serve, likes, role):
    """Of all these settings only that it is read only keeps libpq from connecting, unless target_session_attrs says otherwise."""
    likes.sql.execute("select tally.alter_tally('likes', materialize => 'public.kept')")
    dsn = role(HOSTILE) + " target_session_attrs=any"
    likes.sql.execute(f"grant select, insert, update on kept to clerk_{likes.name}")
    server = serve(dsn, *QUICK, "--allow-bypass", "--materialize-every", "100ms").wait_live()
    writer = Writer(likes.dsn)
    writer.start()
    writer.go_on(50)
    heartbeats = server.metrics()["pgtally_heartbeat_roundtrip_seconds_count"]
    eventually(lambda: server.metrics()["pgtally_heartbeat_roundtrip_seconds_count"] >= heartbeats + 5)
    writer.stop()
    exact(server, likes.sql)
    # Without a statement between two heartbeats each session is idle for longer than the role allows.
    assert server.metrics()["pgtally_reconnects_total"] == 0
    eventually(lambda: likes.sql.execute(
        "select not exists (select key, counters from tally.truth('likes') except "
        "select key::text, array[count, weight] from kept)").fetchone()[0], server.last_lines)
    [(key, wanted)] = likes.sql.execute("select key, counters[1] from tally.truth('likes') order by key limit 1").fetchall()
    found = server.get(f"/v1/tallies/likes/keys/{key}?source=database").json()
    assert found["counters"]["count"] == wanted
    audited = run("audit", "--for", "500ms", "--dsn", dsn)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert " W " not in server.log() and " E " not in server.log(), server.log()


def listed(server):
    """The list of tallies, or why there is none, as operators see it."""
    return requests.get(server.admin + "/v1/tallies", timeout=LONG).json()


def test_a_role_that_is_read_only_says_how_to_cure_it(serve, likes, role):
    server = serve(role({"default_transaction_read_only": "on"}), *QUICK)
    eventually(lambda: "reset its default_transaction_read_only" in listed(server).get("detail", ""), server.last_lines)


def everywhere(server, dsn, state, why):
    """The reason stands in every place that shows a state, in public a short one, and once in the log."""
    assert why in tally_of(server)["reason"]
    for address, words in (server.url, "a load failed"), (server.admin, why):
        answer = requests.get(address + "/v1/tallies/likes/keys/1", timeout=LONG)
        assert answer.status_code == 503 and answer.json()["code"] == state and words in answer.json()["detail"], answer.text
        answer = requests.get(address + "/readyz?live", timeout=LONG)
        assert answer.status_code == 503 and words in answer.json()["detail"], answer.text
        client = Client(address.replace("http://", "ws://") + "/v1/ws")
        with contextlib.closing(client):
            told = client.ask(type="subscribe", id=1, tally="likes")
            while words not in told.get("reason", ""):
                told = client.receive()
        assert told["state"] == state
    assert sum(why in line for line in server.lines) == 1, server.log()
    audited = run("audit", "--for", "100ms", "--dsn", dsn)
    assert audited.returncode == 3 and why in audited.stderr, audited.stdout + audited.stderr


def failures(server, state):
    return server.metrics().get(f'pgtally_load_failures_total{{tally="likes",sqlstate="{state}"}}', 0)


def test_a_limit_that_only_a_superuser_sets_is_the_reason(serve, likes, role):
    likes.sql.execute("insert into likes (post_id) select g % 9000 from generate_series(1, 50000) g")
    dsn = role({"work_mem": "64kB", "temp_file_limit": "64kB"})
    server = serve(dsn, *QUICK)
    assert "alter role" in wait_reason(server, "^failed: .*53400")
    eventually(lambda: failures(server, "53400") >= 3, server.last_lines)
    everywhere(server, dsn, "failed", "53400")
    assert server.get("/readyz").ok  # other tallies may be fine
    likes.sql.execute(f"alter role clerk_{likes.name} reset temp_file_limit")
    exact(server, likes.sql)


def test_a_load_that_fails_and_may_succeed_later_is_the_reason_of_loading(serve, likes):
    """As on a full disk, whose SQLSTATE the expression raises."""
    full = """create or replace function weigh(weight int) returns int language plpgsql immutable as $$
              begin if pg_has_role('postgres', 'usage') and {} then raise 'the disk is full' using errcode = '53100'; end if; return weight; end $$"""
    likes.sql.execute(full.format("false"))
    likes.sql.execute("""select tally.drop_tally('likes'); select tally.create_tally('likes', 'public.likes', 'post_id', '{"w": "weigh(weight)"}')""")
    likes.sql.execute(full.format("true"))
    server = serve(likes.dsn, *QUICK)
    wait_reason(server, "^loading: .*53100")
    eventually(lambda: failures(server, "53100") >= 3, server.last_lines)
    everywhere(server, likes.dsn, "loading", "53100")
    answer = requests.get(server.admin + "/readyz", timeout=LONG)
    assert answer.status_code == 503 and "53100" in answer.json()["detail"]
    likes.sql.execute(full.format("false"))
    exact(server, likes.sql)
    # Cured and back again, it is logged again, or counted if that is within seconds. A look sees another function, so nobody has to ask for the load.
    likes.sql.execute(full.format("true"))
    wait_reason(server, "^stale: .*53100")
    likes.sql.execute(full.format("false"))
    exact(server, likes.sql)
    eventually(lambda: sum("53100" in line for line in server.lines) == 2, server.log)


def test_a_connection_that_waiting_does_not_cure(serve, likes):
    server = serve(likes.dsn + " sslmode=require", *QUICK)
    eventually(lambda: listed(server).get("code") == "failed", server.last_lines)
    assert "ssl = on" in listed(server)["detail"]
    checked = run("check", "--dsn", likes.dsn + " sslmode=require")
    assert checked.returncode == 1 and "ssl = on" in checked.stdout


def open_sessions(likes):
    """The server's sessions by their application_name."""
    rows = likes.sql.execute("select application_name, count(*) from pg_stat_activity "
                             "where datname = %s and application_name like 'pgtally%%' group by 1", [likes.name])
    return dict(rows.fetchall())


def documented_sessions():
    """The README's table: its first column is an application_name, its second a number."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "server" / "README.md").read_text()
    return {name: int(count) for name, count in re.findall(r"^\| `(pgtally[a-z ]*)` \| (\d+)", text, re.MULTILINE)}


def test_the_readme_says_how_many_connections_a_server_needs(serve, likes):
    """At the peak: both loaders work, all actions and reads of the database run, and one tally is materialized."""
    likes.sql.execute("create function slow(k bigint) returns bigint language plpgsql immutable as $$ "
                      "begin perform pg_sleep(0.5); return k; end $$")
    likes.sql.execute("""
        create table few (k bigint); insert into few values (1);
        select tally.create_tally('slow_1', 'public.few', 'slow(k)', materialize => 'public.kept',
                                  actions => '{"wait": "with s as (select pg_sleep(1)) insert into few select $1::bigint from s"}');
        select tally.create_tally('slow_2', 'public.few', 'slow(k)');
        select tally.create_tally('slow_3', 'public.few', 'slow(k)')""")
    server = serve(likes.dsn, *QUICK, "--writable", "--allow-bypass", "--materialize-every", "100ms").wait_live()
    most = {}

    def look():
        for name, count in open_sessions(likes).items():
            most[name] = max(count, most.get(name, 0))
        return most == documented_sessions()

    ending = threading.Event()

    def ask(method, path):
        while not ending.is_set():
            with contextlib.suppress(requests.RequestException):
                requests.request(method, path, timeout=LONG)

    paths = [("POST", server.url + "/v1/tallies/slow_1/keys/1/wait")] * 6
    paths += [("GET", server.url + "/v1/tallies/slow_1/keys/1?source=database")] * 4
    paths += [("POST", f"{server.admin}/v1/tallies/slow_{number}/reset") for number in (1, 2, 3)]
    threads = [threading.Thread(target=ask, args=each, daemon=True) for each in paths]
    for each in threads:
        each.start()
    try:
        eventually(look, lambda: f"at most {most}, documented {documented_sessions()}")
    finally:
        ending.set()
        for each in threads:
            each.join()


def test_too_few_connections(serve, likes, role):
    server = serve(role({}, "connection limit 2"), *QUICK)
    found = wait_reason(server, "^loading: .*53300")
    assert "connection limit" in found
    likes.sql.execute(f"alter role clerk_{likes.name} connection limit 3")
    exact(server, likes.sql)


def test_a_stopped_server_holds_back_no_vacuum(serve, likes):
    """PostgreSQL ends the session of a process that takes nothing, and with it the snapshot of its backend."""
    server = serve(likes.dsn, *QUICK).wait_live()
    blocked = ("select count(*) from pg_stat_activity where application_name = 'pgtally' and datname = %s and "
               "wait_event = 'ClientWrite'")
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        def fill():
            # Not events: the server drops them.
            likes.sql.execute("select pg_notify('tally', repeat('x', 7000) || g) from generate_series(1, 1000) g")
            likes.sql.execute("insert into likes (post_id) values (1)")
            return likes.sql.execute(blocked, [likes.name]).fetchone()[0] > 0

        eventually(fill, "the listener's backend does not wait for the client")
        eventually(lambda: likes.sql.execute(blocked, [likes.name]).fetchone()[0] == 0, "the session is still there")
        # What it held back is gone with it.
        [[held]] = likes.sql.execute("select count(*) from pg_stat_activity where application_name = 'pgtally' and "
                                     "datname = %s and backend_xmin is not null", [likes.name])
        assert held == 0
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    exact(server, likes.sql)
