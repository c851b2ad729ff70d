"""Audits: by POST, by `--audit-every`, by `pgtally audit`; and what they find: changes without events, forged events."""

import json
import re
import subprocess
import threading

import psycopg
import pytest
import requests

from program import PROGRAM, environment, eventually, run

TALLY = "/v1/tallies/tweets"
TRIGGERS_ON = """
do $$
declare
  name text;
begin
  for name in select tgname from pg_trigger where tgrelid = 'tweet.activity'::regclass and tgname ~ '^tally_' loop
    execute format('alter table tweet.activity enable always trigger %I', name);
  end loop;
end
$$"""


def audit(server, tally="tweets"):
    return requests.post(f"{server.admin}/v1/tallies/{tally}/audit", timeout=30)


def shown(server, key):
    return server.get(f"{TALLY}/keys/{key}").json()["counters"]


def loads(server, cause):
    return server.metrics().get(f'pgtally_loads_total{{tally="tweets",cause="{cause}"}}', 0)


def unseen(tweets, statement):
    """Runs it while the triggers are disabled."""
    with tweets.sql.transaction():
        tweets.sql.execute("alter table tweet.activity disable trigger user")
        tweets.sql.execute(statement)
        tweets.sql.execute(TRIGGERS_ON)


def forge(tweets, rest, x=None, tally="tweets"):
    """An event in the trigger's format, without a change."""
    x = x or tweets.sql.execute("select pg_current_xact_id()::text").fetchone()[0]
    tweets.sql.execute("select pg_notify('tally', %s)", ['{"t":"%s","x":"%s","n":1,%s}' % (tally, x, rest)])


def truth(tweets, tally="tweets"):
    return {key: counters for key, counters in tweets.sql.execute("select key, counters from tally.truth(%s)", [tally]).fetchall()}


# POST ------------------------------------------------------------------------------------------------------------------


def test_nothing_differs(server):
    before = server.get(TALLY).json()["revision"]
    answer = audit(server)
    assert answer.status_code == 200 and answer.json() == {"keys": 3, "differed": 0, "drift": [], "reasons": []}
    assert server.get(TALLY).json()["revision"] == before
    found = server.metrics()
    assert found['pgtally_loads_total{tally="tweets",cause="audit"}'] == 1 and found['pgtally_audits_total{tally="tweets",result="equal"}'] == 1
    assert found['pgtally_drift_keys_total{tally="tweets"}'] == 0


def test_what_differs_is_told_mended_and_pushed(server, tweets, client):
    client.ask(type="subscribe", id=1, tally="tweets", keys=["33", "50"])
    unseen(tweets, "insert into tweet.activity (messageid, action) values (33, 'rt'), (50, 'fav')")
    answer = audit(server).json()
    assert answer["keys"] == 4 and answer["differed"] == 2
    assert sorted(answer["drift"], key=lambda one: one["key"]) == [
        {"key": "33", "served": {"rts": 2, "favs": 1}, "truth": {"rts": 3, "favs": 1}},
        {"key": "50", "served": {"rts": 0, "favs": 0}, "truth": {"rts": 0, "favs": 1}}]
    [reason] = answer["reasons"]
    assert "triggers were off" in reason
    change = client.receive()
    assert change["type"] == "change" and change["keys"] == {"33": {"rts": 3, "favs": 1}, "50": {"rts": 0, "favs": 1}}
    client.nothing_waits()
    assert shown(server, 33) == {"rts": 3, "favs": 1}
    assert server.metrics()['pgtally_drift_keys_total{tally="tweets"}'] == 2
    eventually(lambda: 'tally tweets: key "33" showed rts=2 favs=1, the truth is rts=3 favs=1; corrected' in server.log(), server.last_lines)
    assert audit(server).json()["differed"] == 0


def test_a_thousand_keys_are_told_and_twenty_logged(server, tweets):
    unseen(tweets, "insert into tweet.activity (messageid, action) select n, 'rt' from generate_series(1000, 2499) n")
    answer = audit(server).json()
    assert answer["differed"] == 1500 and len(answer["drift"]) == 1000
    eventually(lambda: server.log().count("; corrected") == 20 and "1480 more keys" in server.log(), server.last_lines)
    assert server.get(TALLY).json()["sum"]["rts"] == 1503


@pytest.mark.parametrize("damage, words", [
    ("alter table tweet.activity disable trigger user", "disabled"),
    ("drop trigger tally_1_insert on tweet.activity", "has no insert trigger"),
    ("alter table tweet.activity enable trigger tally_1_insert; set session_replication_role = replica", "session_replication_role")])
def test_reasons_are_named(serve, tweets, damage, words):
    """The audit comes before the look that would repair it."""
    server = serve(tweets.dsn, "--heartbeat", "1h").wait_live()
    tweets.sql.execute(damage)
    tweets.sql.execute("insert into tweet.activity (messageid, action) values (1, 'rt')")
    answer = audit(server).json()
    assert answer["differed"] == 1 and any(words in reason for reason in answer["reasons"]), answer
    eventually(lambda: words in server.log(), server.last_lines)


def test_logical_replication_is_named(server, tweets):
    tweets.sql.execute("create subscription s connection 'host=127.0.0.1 port=1' publication p with (connect = false)")
    try:
        tweets.sql.execute("insert into pg_subscription_rel (srsubid, srrelid, srsubstate) "
                           "select oid, 'tweet.activity'::regclass, 'r' from pg_subscription where subname = 's'")
        unseen(tweets, "insert into tweet.activity (messageid, action) values (1, 'rt')")
        answer = audit(server).json()
        assert any("logical replication" in reason and "tally.reload" in reason for reason in answer["reasons"])
    finally:
        tweets.sql.execute("alter subscription s disable")
        tweets.sql.execute("alter subscription s set (slot_name = none)")
        tweets.sql.execute("drop subscription s")


def test_refusals(server):
    answer = requests.get(f"{server.admin}{TALLY}/audit", timeout=10)
    assert answer.status_code == 405 and answer.headers["Allow"] == "POST, OPTIONS"
    assert requests.options(f"{server.admin}{TALLY}/audit", timeout=10).headers["Allow"] == "POST, OPTIONS"
    answer = requests.post(f"{server.admin}{TALLY}/audit", headers={"Origin": server.admin}, timeout=10)
    assert answer.status_code == 403 and answer.json()["code"] == "bad_origin"
    assert server.post(TALLY + "/audit").status_code == 404
    answer = audit(server, "nope")
    assert answer.status_code == 404 and answer.json()["code"] == "unknown_tally"
    assert loads(server, "audit") == 0


def test_one_at_a_time_and_it_goes_on_without_its_client(server, tweets):
    lock = tweets.connect()
    lock.autocommit = False
    lock.execute("lock table tweet.activity in access exclusive mode")
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(f"{server.admin}{TALLY}/audit", timeout=0.5)
    answer = audit(server)
    assert answer.status_code == 409 and answer.json()["code"] == "audit_running"
    lock.execute("alter table tweet.activity disable trigger user")
    lock.execute("insert into tweet.activity (messageid, action) values (33, 'rt')")
    lock.execute(TRIGGERS_ON)
    lock.commit()
    eventually(lambda: shown(server, 33) == {"rts": 3, "favs": 1})
    eventually(lambda: "an audit compared 3 keys, 1 of them differed" in server.log())
    assert audit(server).json()["differed"] == 0


def test_it_cannot_compare_what_is_not_live(server, tweets):
    with tweets.cluster.connect() as outside:
        outside.execute(f"alter database {tweets.name} with allow_connections false")
    tweets.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                       "and application_name like 'pgtally%'")
    eventually(lambda: server.get(TALLY).json()["state"] != "live")
    answer = audit(server)
    assert answer.status_code == 503 and answer.json()["code"] == "not_live" and int(answer.headers["Retry-After"]) > 0
    with tweets.cluster.connect() as outside:
        outside.execute(f"alter database {tweets.name} with allow_connections true")
    server.wait_live()
    assert audit(server).status_code == 200


def test_drain_ends_it(serve, tweets):
    server = serve(tweets.dsn).wait_live()
    lock = tweets.connect()
    lock.autocommit = False
    lock.execute("lock table tweet.activity in access exclusive mode")
    answers = []
    asking = threading.Thread(target=lambda: answers.append(audit(server)), daemon=True)
    asking.start()
    eventually(lambda: loads(server, "audit") == 1)
    assert server.stop() == 0
    asking.join(30)
    lock.rollback()
    [answer] = answers
    assert answer.status_code == 503 and answer.json()["code"] == "draining"


def test_it_hinders_no_writer(server, tweets):
    """Several kinds of writers run meanwhile; the audit reports no false difference."""
    over = threading.Event()
    failures = []

    def write(connection):
        try:
            for i in range(10**9):
                if over.is_set():
                    return
                connection.execute("insert into tweet.activity (messageid, action) select %s, 'rt' from generate_series(1, 5)", [i % 50])
                connection.execute("update tweet.activity set messageid = messageid + 1 where messageid = %s", [i % 50])
                if i % 20 == 19:
                    connection.execute("delete from tweet.activity where messageid < 25")
        except psycopg.Error as e:
            failures.append(e)

    writers = [threading.Thread(target=write, args=[tweets.connect()]) for _ in range(2)]
    for each in writers:
        each.start()
    for _ in range(30):
        answer = audit(server)
        assert answer.status_code == 200 and answer.json()["differed"] == 0, answer.text
    over.set()
    for each in writers:
        each.join()
    assert not failures
    assert audit(server).json()["differed"] == 0


def test_the_table_that_keeps_the_counters_is_compared_too(serve, tweets):
    tweets.sql.execute("select tally.alter_tally('tweets', materialize => 'tweet.counters')")
    server = serve(tweets.dsn, "--materialize-every", "100ms").wait_live()
    rows = lambda: {key: (rts, favs) for key, rts, favs in tweets.sql.execute("select * from tweet.counters").fetchall()}  # noqa: E731
    good = {33: (2, 1), 34: (0, 1), -7: (1, 0)}
    eventually(lambda: rows() == good)
    tweets.sql.execute("update tweet.counters set rts = 77 where key = 33; delete from tweet.counters where key = 34")
    assert audit(server).json()["differed"] == 0
    eventually(lambda: rows() == good)


# --audit-every ---------------------------------------------------------------------------------------------------------


def test_audit_every(serve, tweets):
    tweets.sql.execute("select tally.create_tally('rows', 'tweet.activity', 'messageid')")
    server = serve(tweets.dsn, "--audit-every", "1s", "--heartbeat", "200ms").wait_live()
    unseen(tweets, "insert into tweet.activity (messageid, action) values (33, 'rt')")
    eventually(lambda: shown(server, 33) == {"rts": 3, "favs": 1})
    eventually(lambda: all(server.metrics()[f'pgtally_audits_total{{tally="{name}",result="equal"}}'] >= 2 for name in ("tweets", "rows")))
    tweets.sql.execute("alter function tally.lock_source(text) rename to away")
    tweets.sql.execute("select tally.reload('tweets')")
    eventually(lambda: "tally tweets: not audited this time: the tally is" in server.log())
    tweets.sql.execute("alter function tally.away(text) rename to lock_source")
    server.wait_live()


# Forged and broken events ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest, x", [
    ('"d":[["33",100,-3],["99",1,1]]', None), ('"truncate":true', None),
    ('"d":[["33",9223372036854775807,1],["33",9223372036854775807,1],["34",-9223372036854775808,0]]', None),
    ('"d":[["33",1,1]]', "9223372036854775807"), ('"truncate":true,"at":9223372036854775807', "9223372036854775807"),
    ('"d":[%s]' % ",".join(f'["{n}",1,0]' for n in range(500)), None)])
def test_a_well_formed_forgery_is_found_and_mended(server, tweets, rest, x):
    before = shown(server, 33), shown(server, 34)
    forge(tweets, rest, x)
    eventually(lambda: (shown(server, 33), shown(server, 34)) != before)
    answer = audit(server).json()
    assert answer["differed"] > 0 and any("forged" in reason for reason in answer["reasons"])
    assert (shown(server, 33), shown(server, 34)) == before and server.get(TALLY).json()["size"] == 3
    assert server.get(TALLY).json()["sum"] == {"rts": 3, "favs": 2}
    assert audit(server).json()["differed"] == 0


JUNK = ["", "geheim", "{", "[]", "null", "{}", '{"t":"tweets"}', '{"t":"tweets","x":"geheim","n":1,"d":[["33",1,1]]}',
        '{"t":"tweets","x":"18446744073709551615","n":1,"d":[["33",1,1]]}', '{"t":"tweets","x":"18446744073709551616","n":1,"truncate":true}',
        '{"t":"tweets","x":"0","n":1,"truncate":true}', '{"t":"tweets","x":"900","n":-1,"truncate":true}',
        '{"t":"tweets","x":"900","n":1,"d":[["33",1e3,1]]}', '{"t":"tweets","x":"900","n":1,"d":[["33",9223372036854775808,1]]}',
        '{"t":"tweets","x":"900","n":1,"d":[]}', '{"t":"tweets","x":"900","n":1,"d":[["33"]]}',
        '{"t":"tweets","x":"900","n":1,"d":' + "[" * 3000 + "]" * 3000 + "}",
        '{"a":' * 1200 + "1" + "}" * 1200, '{"t":"tweets","x":"900","n":1,"d":[["33",1,1]],"truncate":true}',
        '{"barrier":7}', '{"barrier":"' + "x" * 100 + '","n":1}']
MISFITS = {'{"t":"tweets","x":"9000000000","n":1,"d":[["33",1]]}': "wrong_width",
           '{"t":"tweets","x":"9000000000","n":1,"d":[["33",1,1,1]]}': "wrong_width",
           '{"t":"tweets","x":"9000000000","n":1,"d":[["33",' + ",".join(["1"] * 3000) + "]]}": "wrong_width",
           '{"t":"tweets","x":"9000000000","n":1,"d":[["abc",1,1]]}': "wrong_key"}


def dropped(server):
    name = re.compile(r'pgtally_events_dropped_total\{reason="(.*)"\}')
    return {found[1]: value for each, value in server.metrics().items() if (found := name.fullmatch(each))}


def test_junk_is_counted_and_changes_nothing(server, tweets):
    before = server.get(TALLY).json()
    for junk in JUNK:
        tweets.sql.execute("select pg_notify('tally', %s)", [junk])
    eventually(lambda: sum(dropped(server).values()) >= len(JUNK), lambda: dropped(server))
    assert sum(dropped(server).values()) == len(JUNK)
    assert server.get(TALLY).json() == before
    assert server.log().count("payload(s) that are no events") == 1  # one line in ten seconds, however many arrive
    assert "geheim" not in server.log()
    assert {name for name, count in dropped(server).items() if count} == {"not_json", "wrong_shape", "wrong_number"}


def test_an_event_that_does_not_fit_is_one_load(server, tweets, client):
    """The definition that was read may be the one that is wrong, so it is read again."""
    client.ask(type="subscribe", id=1, tally="tweets")
    before = server.get(TALLY).json()
    for number, (misfit, reason) in enumerate(MISFITS.items(), 1):
        count = dropped(server).get(reason, 0)
        tweets.sql.execute("select pg_notify('tally', %s)", [misfit])
        eventually(lambda: loads(server, "definition") == number, server.last_lines)  # noqa: B023
        server.wait_live()
        assert dropped(server)[reason] == count + 1
    assert server.get(TALLY).json() == before
    states = [message for _ in MISFITS for message in client.until(lambda message: message.get("state") == "live")]
    assert {message["type"] for message in states} == {"state"}
    assert loads(server, "definition") == len(MISFITS)


def test_harmless_forgeries(server, tweets):
    """Unknown barriers, unknown tallies, transactions of the past, n = 0."""
    before = server.get(TALLY).json()
    for payload in ('{"barrier":"nobody"}', '{"barrier":"00000000-0000-0000-0000-000000000000"}',
                    '{"t":"nope","x":"9000000000","n":1,"reload":true}', '{"t":"tweets","x":"3","n":0,"truncate":true}',
                    '{"t":"tweets","x":"4","n":0,"reload":true}'):
        tweets.sql.execute("select pg_notify('tally', %s)", [payload])
    tweets.sql.execute("insert into tweet.activity (messageid, action) values (50, 'rt')")
    eventually(lambda: shown(server, 50)["rts"] == 1)
    after = server.get(TALLY).json()
    assert after["revision"] == before["revision"] + 1 and after["state"] == "live"
    assert server.metrics().get('pgtally_loads_total{tally="tweets",cause="reload"}', 0) == 0


# pgtally audit ---------------------------------------------------------------------------------------------------------


def test_command_finds_nothing(tweets):
    asked = run("audit", "--dsn", tweets.dsn, "--for", "300ms")
    assert asked.returncode == 0 and asked.stdout == "tally tweets: 3 keys compared, none differs\n" and not asked.stderr


def test_command_finds_what_nobody_told(tweets):
    tweets.sql.execute("select tally.create_tally('rows', 'tweet.activity', 'messageid')")
    asking = subprocess.Popen([PROGRAM, "audit", "--json", "--for", "2s", "--tally", "tweets", "--dsn", tweets.dsn], env=environment(), text=True,
                              stdout=subprocess.PIPE)
    eventually(lambda: tweets.sql.execute("select count(*) from pg_stat_activity where datname = current_database() "
                                          "and query like 'select pg_notify(%' and application_name = 'pgtally'").fetchone()[0] > 0)
    unseen(tweets, "insert into tweet.activity (messageid, action) values (33, 'rt')")
    tweets.sql.execute("insert into tweet.activity (messageid, action) values (33, 'fav')")
    out = json.loads(asking.communicate(timeout=60)[0])
    assert asking.returncode == 1 and out["ok"] is False
    [tally] = out["tallies"]
    assert tally["tally"] == "tweets" and tally["differed"] == 1
    assert tally["drift"] == [{"key": "33", "served": {"rts": 2, "favs": 2}, "truth": {"rts": 3, "favs": 2}}]


def test_command_cannot_compare(tweets, empty_database):
    for arguments, words in [(["--dsn", "host=127.0.0.1 port=1"], "127.0.0.1"), (["--dsn", empty_database.dsn], "not installed"),
                             (["--dsn", tweets.dsn, "--tally", "nope", "--for", "0s"], "no tally of this name"),
                             (["--url", "http://127.0.0.1:1"], "127.0.0.1:1")]:
        asked = run("audit", *arguments)
        assert asked.returncode == 3 and words in asked.stderr, (arguments, asked)
        asked = run("audit", "--json", *arguments)
        out = json.loads(asked.stdout)
        assert asked.returncode == 3 and out["ok"] is False and any(words in one.get("error", "") for one in out["tallies"])


def test_command_lost_meanwhile(tweets):
    asking = subprocess.Popen([PROGRAM, "audit", "--for", "60s", "--dsn", tweets.dsn], env=environment(), text=True, stderr=subprocess.PIPE)
    eventually(lambda: tweets.sql.execute("select count(*) from pg_stat_activity where datname = current_database() "
                                          "and query ilike 'listen%' and application_name = 'pgtally'").fetchone()[0] > 0)
    tweets.sql.execute("select tally.drop_tally('tweets')")
    assert asking.wait(timeout=60) == 3
    assert "tally tweets: could not compare" in asking.stderr.read()


@pytest.mark.parametrize("arguments, says", [
    (["--for", "5"], "--for"), (["--url", "ftp://127.0.0.1:8081"], "--url"), (["--url", "127.0.0.1:8081"], "--url"),
    (["--url", "http://127.0.0.1:8081/x"], "--url"), (["--url", "http://127.0.0.1:8081", "--for", "1s"], "--for"),
    (["--tally", "No"], "--tally"), (["stray"], "stray")])
def test_command_wrong_usage(arguments, says):
    asked = run("audit", *arguments)
    assert asked.returncode == 2 and says in asked.stderr and not asked.stdout


def test_command_by_a_server(server, tweets):
    asked = run("audit", "--url", server.admin)
    assert asked.returncode == 0 and asked.stdout == "tally tweets: 3 keys compared, none differs\n", asked.stderr
    unseen(tweets, "insert into tweet.activity (messageid, action) values (33, 'rt')")
    asked = run("audit", "--url", server.admin + "/", "--tally", "tweets")
    assert asked.returncode == 1
    assert 'key "33" showed rts=2 favs=1, the truth is rts=3 favs=1' in asked.stdout and "reason: " in asked.stdout
    asked = run("audit", "--url", server.admin, "--tally", "nope")
    assert asked.returncode == 3 and "there is no tally of this name" in asked.stderr
    asked = run("audit", "--url", server.url, "--tally", "tweets")  # not the admin address
    assert asked.returncode == 3 and "404" in asked.stderr
