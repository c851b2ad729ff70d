"""The database goes away and comes back in every way while writers continue: the service stays up, says so, and becomes
exact again without help."""

import contextlib
import random
import re
import time

import psycopg
import pytest
import requests

from away import LIKES, Witness, Writer, exact, port_of, reason, served, tally_of, truth
from postgres import Cluster, Database, install
from program import eventually, run
from wire import Proxy

QUICK = ("--heartbeat", "200ms")


@pytest.fixture(scope="module")
def own_cluster():
    """A cluster for destructive tests."""
    cluster = Cluster("fsync=off", "full_page_writes=off", "max_connections=40", "superuser_reserved_connections=3")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.drop()


@pytest.fixture
def likes(own_cluster):
    own_cluster.start()
    database = own_cluster.create_database()
    install(database.sql)
    database.sql.execute(LIKES)
    yield database
    own_cluster.start()
    database.drop()


@pytest.fixture
def life(serve, likes):
    """A server, a witness and a writer; the writer's rights are those of a superuser."""
    started = []

    def start(dsn=likes.dsn, writer=likes.dsn):
        server = serve(dsn, *QUICK).wait_live()
        started.extend([Witness(server), Writer(writer)])
        started[-1].start()
        started[-1].go_on()
        return server, started[-2], started[-1]

    yield start
    for each in reversed(started):
        (each.stop if isinstance(each, Writer) else each.close)()


def cut(database, where="application_name = 'pgtally'"):
    """Ends the service's connections."""
    with database.cluster.connect() as other:
        other.execute(f"""select pg_terminate_backend(pid) from pg_stat_activity
                          where datname = %s and pid <> pg_backend_pid() and {where}""", [database.name])


def wait_reason(server, pattern):
    return eventually(lambda: (found := reason(server)) and re.search(pattern, found) and found,
                      lambda: f"no state like {pattern}: {reason(server)}\n{server.last_lines()}")


def test_not_there_at_start(serve, likes, own_cluster):
    own_cluster.stop()
    server = serve(likes.dsn, *QUICK)
    assert server.get("/livez").ok
    eventually(lambda: "cannot be reached" in server.get("/v1/tallies").text)
    answer = server.get("/v1/tallies")
    assert answer.status_code == 503 and answer.json()["code"] == "loading" and answer.headers["Retry-After"]
    assert server.get("/readyz").status_code == 503
    own_cluster.start()
    with likes.cluster.connect(likes.name) as sql:
        exact(server, sql)
    assert server.get("/readyz").ok


def test_named_tallies_without_a_database(serve, likes, own_cluster):
    """Tallies named on the command line are listed before anything is known about them."""
    server = serve(likes.dsn.replace(f"dbname={likes.name}", "dbname=nowhere"), "--tally", "likes", "--tally", "other", *QUICK)
    wait_reason(server, "^failed: .*3D000")
    assert [one["name"] for one in server.get("/v1/tallies").json()["tallies"]] == ["likes", "other"]
    answer = server.get("/v1/tallies/likes/keys/1")
    assert answer.status_code == 503 and answer.json()["code"] == "failed"
    own_cluster.stop()
    server = serve(likes.dsn, "--tally", "likes", *QUICK)
    wait_reason(server, "^loading: .*refused")
    own_cluster.start()
    with likes.cluster.connect(likes.name) as sql:
        exact(server, sql)


@pytest.mark.parametrize("how", ["stop", "crash"])
def test_restarted(life, likes, own_cluster, how):
    server, witness, writer = life()
    getattr(own_cluster, how)()
    found = wait_reason(server, "^stale: .")
    assert likes.name in found or "refused" in found, found
    assert server.get("/v1/tallies/likes/keys/1").json()["state"] == "stale"
    assert server.get("/readyz").ok and server.get("/readyz?live").status_code == 503
    own_cluster.start()
    writer.go_on()
    writer.stop()
    with likes.cluster.connect(likes.name) as sql:
        exact(server, sql, witness)
    assert "stale" in [state for state, _ in witness.states]
    assert server.metrics()["pgtally_reconnects_total"] >= 1


def test_pauses_between_attempts_grow_and_are_jittered(serve, likes):
    """A proxy that refuses all connections counts the attempts."""
    times = []

    def refuse(number):
        times.append(time.monotonic())
        return 1  # no program listens there

    proxy = Proxy(refuse)
    try:
        serve(proxy.dsn(likes.dsn), *QUICK)
        eventually(lambda: len(times) >= 16)
        pauses = [later - earlier for earlier, later in zip(times[::2], times[2::2], strict=False)]
        assert sum(pauses[-3:]) > sum(pauses[:3]), pauses
    finally:
        proxy.close()


def test_failover_to_another_host(serve):
    first, second = (Cluster("fsync=off", "full_page_writes=off") for _ in range(2))
    opened = []
    try:
        first.start()
        there = named_database(first, "likes")
        second.follow(first)
        second.start()
        ports = [port_of(each.dsn()) for each in (first, second)]
        hosts = [f"host=127.0.0.1,127.0.0.1 port={a},{b} user=postgres dbname=likes" for a, b in (ports, ports[::-1])]
        # While both run, it is the primary, whichever is named first.
        server, turned = (serve(dsn, *QUICK).wait_live() for dsn in hosts)
        opened.extend([Witness(server), Writer(hosts[0] + " target_session_attrs=read-write")])
        witness, writer = opened
        writer.start()
        writer.go_on()
        first.crash()
        wait_reason(server, "^stale: ")
        second.promote()
        writer.go_on()
        writer.stop()
        # What the dead primary had not sent is lost: the numbers are those of the new primary.
        promoted = Database(second, "likes")
        exact(server, promoted.sql, witness)
        exact(turned, promoted.sql)
        # The first host comes back, as a standby of the second.
        first.follow(second)
        first.start()
        cut(promoted)
        promoted.sql.execute("insert into likes (post_id) values (4711)")
        exact(server, promoted.sql, witness)
        exact(turned, promoted.sql)
        there.close()
        promoted.close()
    finally:
        for each in reversed(opened):
            (each.stop if isinstance(each, Writer) else each.close)()
        first.drop()
        second.drop()


def named_database(cluster, name):
    with cluster.connect() as sql:
        sql.execute(f"create database {name}")
    database = Database(cluster, name)
    install(database.sql)
    database.sql.execute(LIKES)
    return database


def test_two_servers_behind_one_name(serve, own_cluster, cluster):
    """Each connection reaches a random one of the two. What is live is one of the two, never a mixture."""
    own_cluster.start()
    twins = [named_database(each, "twins") for each in (own_cluster, cluster)]
    behind = [port_of(twin.dsn) for twin in twins]
    chance, only = random.Random(7), []
    proxy = Proxy(lambda number: only[0] if only else chance.choice(behind))
    try:
        twins[1].sql.execute("insert into likes (post_id, weight) select g % 70, 3 from generate_series(1, 1000) g")
        truths = [truth(twin.sql) for twin in twins]
        server = serve(proxy.dsn(twins[0].dsn), *QUICK)
        seen = set()
        # Until it was seen not live after connections to both, and a while longer.
        until = time.monotonic() + 6
        while time.monotonic() < until:
            if tally_of(server).get("state"):
                state, values = served(server)
                values.pop("1000", None)
                seen.add(state)
                assert state != "live" or values in truths, values
            for twin in twins:
                twin.sql.execute("insert into likes (post_id) values (1000); delete from likes where post_id = 1000")
        only.append(behind[1])
        proxy.cut()
        exact(server, twins[1].sql)
        only[0] = behind[0]
        proxy.cut()
        exact(server, twins[0].sql)
    finally:
        proxy.close()
        for twin in twins:
            twin.drop()


def kept(database):
    return {key: {"count": count, "weight": weight} for key, count, weight in database.sql.execute("select key::text, count, weight from kept where count <> 0 or weight <> 0")}


def test_a_name_that_moves_to_another_server(serve, own_cluster, cluster):
    """The old server stays up, and so do the connections to it, except the listener's."""
    own_cluster.start()
    twins = [named_database(each, "twins") for each in (own_cluster, cluster)]
    now = [port_of(twins[0].dsn)]
    proxy = Proxy(lambda number: now[0])
    try:
        twins[1].sql.execute("insert into likes (post_id, weight) select g % 70, 3 from generate_series(1, 1000) g")
        for twin in twins:
            twin.sql.execute("select tally.alter_tally('likes', materialize => 'public.kept')")
        server = serve(proxy.dsn(twins[0].dsn), *QUICK, "--materialize-every", "2s")
        exact(server, twins[0].sql)
        eventually(lambda: kept(twins[0]) == truth(twins[0].sql), "the first server's table is not kept")
        now[0] = port_of(twins[1].dsn)
        cut(twins[0], "query ~* '^listen'")
        exact(server, twins[1].sql)
        # It stays with that server: no connection to the other one is left.
        before = server.metrics()
        eventually(lambda: server.metrics()["pgtally_heartbeat_roundtrip_seconds_count"] >= 10 + before["pgtally_heartbeat_roundtrip_seconds_count"])
        assert server.metrics()["pgtally_reconnects_total"] == before["pgtally_reconnects_total"]
        twins[1].sql.execute("delete from likes where post_id < 10")
        exact(server, twins[1].sql)
        eventually(lambda: kept(twins[1]) == truth(twins[1].sql), "the new server's table is not kept")
    finally:
        proxy.close()
        for twin in twins:
            twin.drop()


def test_out_of_connections(serve, likes, own_cluster, life):
    """Other programs use every connection; the service's role may not use reserved ones."""
    likes.sql.execute("create role clerk login; select tally.grant_server('clerk')")
    crowd = []
    try:
        server, witness, writer = life(own_cluster.dsn(likes.name, "clerk"))
        likes.sql.execute("create role guest login")

        def crowded():
            cut(likes)
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    crowd.append(own_cluster.connect("postgres", "guest"))
            return "53300" in reason(server)

        eventually(crowded, server.last_lines)
        wait_reason(server, "^stale: .*53300")
        for each in crowd:
            each.close()
        writer.go_on()
        writer.stop()
        exact(server, likes.sql, witness)
    finally:
        for each in crowd:
            each.close()
        likes.sql.execute("drop owned by clerk; drop role clerk; drop role guest")


def test_a_full_disk(likes, life):
    """PostgreSQL's error 53100 for a load, then for each heartbeat. (No disk is filled here.)"""
    server, witness, writer = life()
    likes.sql.execute("""create or replace function tally.lock_source(name text) returns void language plpgsql security definer as $$
                         begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$""")
    cut(likes)
    wait_reason(server, "^stale: .*No space left.*53100")
    install(likes.sql)
    exact_after(writer, server, likes, witness)


def test_heartbeats_that_the_database_refuses(serve, likes):
    """A full disk that affects NOTIFY: no heartbeat comes back."""
    server = serve(likes.dsn, *QUICK).wait_live()
    likes.sql.execute("""alter function pg_catalog.pg_notify(text, text) rename to pg_notify_of_postgresql;
                         create function pg_catalog.pg_notify(text, text) returns void language plpgsql as $$
                         begin raise exception 'could not write to file: No space left on device' using errcode = '53100'; end $$""")
    wait_reason(server, "^stale: .*No space left.*53100")
    likes.sql.execute("""drop function pg_catalog.pg_notify(text, text);
                         alter function pg_catalog.pg_notify_of_postgresql(text, text) rename to pg_notify""")
    exact(server, likes.sql)


def exact_after(writer, server, likes, witness):
    writer.go_on()
    writer.stop()
    with likes.cluster.connect(likes.name) as sql:
        exact(server, sql, witness)


def test_read_only(likes, own_cluster, life):
    server, witness, writer = life()
    # Existing connections: a heartbeat is allowed in a read-only transaction, and nothing is missed.
    with own_cluster.connect() as sql:
        sql.execute("alter system set default_transaction_read_only = on")
        sql.execute("select pg_reload_conf()")
    before = server.metrics()["pgtally_heartbeat_roundtrip_seconds_count"]
    eventually(lambda: server.metrics()["pgtally_heartbeat_roundtrip_seconds_count"] >= before + 10)
    assert tally_of(server)["state"] == "live"
    # New connections do not match target_session_attrs.
    cut(likes)
    assert "read-only" in wait_reason(server, "^stale: .*read-only")
    with own_cluster.connect() as sql:
        sql.execute("set default_transaction_read_only = off")
        sql.execute("alter system reset default_transaction_read_only")
        sql.execute("select pg_reload_conf()")
    exact_after(writer, server, likes, witness)


def test_a_name_that_does_not_resolve(serve, likes):
    nowhere = likes.dsn.replace("host=127.0.0.1", "host=nowhere.invalid")
    lost = serve(nowhere, *QUICK)
    eventually(lambda: "cannot resolve" in requests.get(lost.admin + "/v1/tallies", timeout=30).text)
    answer = requests.get(lost.admin + "/v1/tallies", timeout=30)
    assert answer.status_code == 503 and "nowhere.invalid" in answer.json()["detail"]
    public = lost.get("/v1/tallies")
    assert public.status_code == 503 and public.json()["detail"] == "the database cannot be reached"
    port = port_of(likes.dsn)
    server = serve(f"host=nowhere.invalid,127.0.0.1 port={port},{port} user=postgres dbname={likes.name}", *QUICK)
    exact(server, likes.sql)


def test_password_changed(likes, own_cluster, life):
    hba = own_cluster.folder / "data" / "pg_hba.conf"
    likes.sql.execute("create role clerk login password 'first-secret'; select tally.grant_server('clerk')")
    before = hba.read_text()
    hba.write_text("host all clerk 127.0.0.1/32 scram-sha-256\n" + before)
    likes.sql.execute("select pg_reload_conf()")
    try:
        server, witness, writer = life(own_cluster.dsn(likes.name, "clerk") + " password=first-secret")
        likes.sql.execute("alter role clerk password 'second-secret'")
        cut(likes)
        wait_reason(server, "^failed: .*28P01")
        assert server.get("/readyz").ok
        likes.sql.execute("alter role clerk password 'first-secret'")
        exact_after(writer, server, likes, witness)
        assert "secret" not in server.log()
        assert not [why for _, why in witness.states if why and "secret" in why]
    finally:
        hba.write_text(before)
        likes.sql.execute("select pg_reload_conf(); drop owned by clerk; drop role clerk")


def test_database_dropped_and_made_anew(likes, own_cluster, life):
    server, witness, writer = life()
    likes.close()
    with own_cluster.connect() as sql:
        sql.execute(f"drop database {likes.name} with (force)")
    wait_reason(server, "^failed: .*3D000")
    with own_cluster.connect() as sql:
        sql.execute(f"create database {likes.name}")
    wait_reason(server, "^failed: .*not installed")
    likes.sql = likes.connect()
    install(likes.sql)
    # The schema exists, the tally does not: it counts as dropped.
    eventually(lambda: server.get("/v1/tallies").json() == {"tallies": []})
    likes.sql.execute(LIKES + "insert into likes (post_id) values (4711)")
    writer.go_on()
    writer.stop()
    exact(server, likes.sql)
    witness.client.until(lambda message: message["type"] == "unsubscribed" and message["reason"] == "dropped")


@pytest.mark.parametrize("right", ["usage on schema tally", "select on tally.tallies", "execute on function tally.truth(text)",
                                   "execute on function tally.lock_source(text)", "connect on database {}"])
def test_rights_revoked(likes, own_cluster, life, right):
    """Noticed at their next use: by the next connection or load."""
    right = right.format(likes.name)
    likes.sql.execute("create role clerk login; select tally.grant_server('clerk')")
    if "connect" in right:
        likes.sql.execute(f"revoke {right} from public; grant {right} to clerk")
    try:
        server, witness, writer = life(own_cluster.dsn(likes.name, "clerk"))
        likes.sql.execute(f"revoke {right} from clerk")
        cut(likes)
        wait_reason(server, "^failed: .*42501")
        likes.sql.execute(f"grant {right} to clerk")
        exact_after(writer, server, likes, witness)
    finally:
        likes.sql.execute("drop owned by clerk; drop role clerk")


def test_schema_uninstalled_and_installed_again(likes, life):
    server, witness, writer = life()
    assert run("uninstall", "--dsn", likes.dsn).returncode == 0
    wait_reason(server, "^failed: .*not installed.*pgtally install")
    writer.go_on()
    assert run("install", "--dsn", likes.dsn).returncode == 0
    eventually(lambda: server.get("/v1/tallies").json() == {"tallies": []})
    likes.sql.execute("select tally.create_tally('likes', 'public.likes', 'post_id', '{\"count\": \"1\"}')")
    writer.go_on()
    writer.stop()
    exact(server, likes.sql)
