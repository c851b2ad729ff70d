"""WebSocket, in the order of its chapter."""

import json
import socket

import pytest
import websockets

from program import Client, eventually

TWEETS = {"33": {"rts": 2, "favs": 1}, "34": {"rts": 0, "favs": 1}, "-7": {"rts": 1, "favs": 0}}


def subscribe(client, id=1, **more):
    return client.ask(type="subscribe", id=id, tally="tweets", **more)


def insert(database, *keys, action="fav"):
    database.sql.execute("insert into tweet.activity (messageid, action) select unnest(%s::bigint[]), %s", [list(keys), action])


def error(message, code, id=None):
    assert message["type"] == "error" and message["code"] == code and message["message"], message
    assert message.get("id") == id
    return message


# Subscriptions ---------------------------------------------------------------------------------------------------------


def test_subprotocol(server):
    offered = server.connect(subprotocols=["other", "pgtally.v1"])
    assert offered.socket.subprotocol == "pgtally.v1"
    offered.close()
    without = server.connect(subprotocols=None)
    assert without.socket.subprotocol is None and subscribe(without)["type"] == "snapshot"
    without.close()


def test_named_keys(client, server, tweets):
    got = subscribe(client, keys=["33", 99, "33", 33])
    tally = server.get("/v1/tallies/tweets").json()
    assert got == {"type": "snapshot", "id": 1, "epoch": tally["epoch"], "revision": tally["revision"], "state": "live",
                   "keys": {"33": {"rts": 2, "favs": 1}, "99": {"rts": 0, "favs": 0}}}
    insert(tweets, 34)
    insert(tweets, 99)
    assert client.receive() == {"type": "change", "id": 1, "revision": tally["revision"] + 2, "keys": {"99": {"rts": 0, "favs": 1}}}
    client.nothing_waits()


def test_all_keys(client, tweets):
    got = subscribe(client)
    assert got["keys"] == TWEETS and "partial" not in got and "more" not in got
    insert(tweets, 33, 50)
    assert client.receive()["keys"] == {"33": {"rts": 2, "favs": 2}, "50": {"rts": 0, "favs": 1}}


def test_a_key_that_falls_to_zero_is_sent_once(client, tweets):
    subscribe(client)
    tweets.sql.execute("delete from tweet.activity where messageid = 33")
    assert client.receive()["keys"] == {"33": {"rts": 0, "favs": 0}}
    client.nothing_waits()
    assert "33" not in subscribe(client, 2)["keys"]


def test_no_keys_then_track_and_untrack(client, tweets):
    assert subscribe(client, keys=[])["keys"] == {}
    got = client.ask(type="track", id=1, keys=["34", 40])
    assert got["type"] == "snapshot" and got["id"] == 1 and got["keys"] == {"34": {"rts": 0, "favs": 1}, "40": {"rts": 0, "favs": 0}}
    insert(tweets, 34, 40, 41)
    assert client.receive()["keys"] == {"34": {"rts": 0, "favs": 2}, "40": {"rts": 0, "favs": 1}}
    client.send(type="untrack", id=1, keys=["34", "1000"])
    client.nothing_waits()
    insert(tweets, 34, 40)
    assert client.receive()["keys"] == {"40": {"rts": 0, "favs": 2}}


def test_track_of_nothing_is_answered(client, tweets):
    first = subscribe(client, keys=["33"])
    assert client.ask(type="track", id=1, keys=[]) == {**first, "keys": {}}
    insert(tweets, 33)
    change = client.receive()
    assert change["type"] == "change"
    assert client.ask(type="track", id=1, keys=[]) == {**first, "revision": change["revision"], "keys": {}}
    client.nothing_waits()


def test_untrack_of_what_is_no_key(client, tweets):
    subscribe(client, keys=["33"])
    error(client.ask(type="untrack", id=1, keys=["33", "abc"]), "bad_key", 1)
    insert(tweets, 33)
    assert client.receive()["keys"] == {"33": {"rts": 2, "favs": 2}}


def test_ids_are_the_clients_own(client, tweets):
    for id in 1, "1", -9223372036854775808, 9223372036854775807, "ä\"\\", "":
        assert subscribe(client, id, keys=["33"])["id"] == id
    insert(tweets, 33)
    assert sorted(map(repr, (client.receive()["id"] for _ in range(6)))) == sorted(
        map(repr, (1, "1", -9223372036854775808, 9223372036854775807, "ä\"\\", "")))


def test_unsubscribe(client, tweets):
    subscribe(client)
    subscribe(client, 2, keys=["50"])
    assert client.ask(type="unsubscribe", id=1) == {"type": "unsubscribed", "id": 1}
    insert(tweets, 50)
    assert client.receive()["id"] == 2
    client.nothing_waits()
    error(client.ask(type="unsubscribe", id=1), "unknown_id", 1)
    assert subscribe(client)["type"] == "snapshot"


def test_dropped(client, tweets):
    subscribe(client)
    tweets.sql.execute("select tally.drop_tally('tweets')")
    seen = client.until(lambda m: m["type"] == "unsubscribed")
    assert seen[-1] == {"type": "unsubscribed", "id": 1, "reason": "dropped"}
    assert {m["type"] for m in seen[:-1]} <= {"state"}
    error(subscribe(client), "unknown_tally", 1)


def test_counters_beyond_2_to_the_53(client, server, tweets):
    tweets.sql.execute("create table big (k text, n bigint)")
    tweets.sql.execute("""select tally.create_tally('big', 'big', 'k', '{"n": "n"}')""")
    tweets.sql.execute("insert into big values ('a', 9223372036854775807)")
    eventually(lambda: server.get("/v1/tallies/big/keys/a").json().get("counters") == {"n": 9223372036854775807})
    got = client.ask(type="subscribe", id=9, tally="big", keys=["a"])
    assert got["keys"] == {"a": {"n": 9223372036854775807}}


def allow(cluster, database, yes):
    with cluster.connect() as other:
        other.execute(f"alter database {database.name} allow_connections {yes}")


def test_a_subscribe_waits_for_the_definitions(serve, tweets, cluster):
    allow(cluster, tweets, False)
    server = serve(tweets.dsn, "--heartbeat", "200ms")
    client, many = server.connect(), server.connect()
    try:
        def begin(id, **more):
            got = client.ask(**{"type": "subscribe", "id": id, "tally": "tweets", **more})
            assert got["type"] == "state" and got["id"] == id and got["state"] in ("loading", "failed"), got

        begin("all", interval_ms=100)
        begin("named", keys=["33", 34], since={"epoch": "x", "revision": 1})
        begin("none", keys=[])
        begin("gone")
        begin("nope", tally="nope")
        begin("bad", keys=["abc"])
        begin("tracked", keys=["33"])
        error(subscribe(client, "all"), "duplicate_id", "all")
        error(subscribe(client, "nul", keys=["a\0"]), "bad_key", "nul")
        error(client.ask(type="track", id="all", keys=["1"]), "bad_message", "all")
        error(client.ask(type="untrack", id="all", keys=["1"]), "bad_message", "all")
        error(client.ask(type="track", id="none", keys=list(range(10001))), "too_many_keys", "none")
        client.send(type="track", id="none", keys=["34", "99"])
        client.send(type="untrack", id="none", keys=["99"])
        client.send(type="track", id="tracked", keys=["-7", "33"])
        client.send(type="track", id="tracked", keys=["x", "34"])
        assert client.ask(type="unsubscribe", id="gone") == {"type": "unsubscribed", "id": "gone"}
        error(client.ask(type="unsubscribe", id="gone"), "unknown_id", "gone")
        client.nothing_waits()
        for id in range(100):
            many.ask(type="subscribe", id=id, tally="tweets", keys=[])
        error(subscribe(many, 100), "too_many_subscriptions", 100)
    finally:
        allow(cluster, tweets, True)
    found, errors = {}, {}
    while len(found) < 4 or len(errors) < 3:
        message = client.receive()
        if message["type"] == "snapshot":
            assert message["id"] not in found and "partial" not in message
            found[message["id"]] = message["keys"]
        elif message["type"] == "error":
            errors[message["id"]] = message["code"]
        else:
            assert message["type"] == "state"
    assert found == {"all": TWEETS, "named": {k: TWEETS[k] for k in ("33", "34")}, "none": {"34": TWEETS["34"]},
                     "tracked": {k: TWEETS[k] for k in ("33", "-7")}}
    assert errors == {"nope": "unknown_tally", "bad": "bad_key", "tracked": "bad_key"}
    insert(tweets, 34)
    assert {client.receive()["id"] for _ in range(3)} == {"all", "named", "none"}
    assert len([m for m in many.until(lambda m: m["type"] == "snapshot" and m["id"] == 99) if m["type"] == "snapshot"]) == 100
    client.close()
    many.close()


def test_loading_and_stale_are_told(serve, tweets, cluster):
    lock = tweets.connect()
    lock.autocommit = False
    lock.execute("lock table tweet.activity in access exclusive mode")
    server = serve(tweets.dsn, "--heartbeat", "200ms")
    eventually(lambda: server.get("/v1/tallies").ok)
    client = server.connect()
    assert subscribe(client) == {"type": "state", "id": 1, "state": "loading"}
    lock.rollback()
    assert client.until(lambda m: m["type"] == "snapshot")[-1]["keys"] == TWEETS
    with cluster.connect() as other:
        other.execute(f"alter database {tweets.name} allow_connections false")
    tweets.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
    state = client.until(lambda m: m["type"] == "state" and m["state"] == "stale")[-1]
    assert state["id"] == 1 and state["reason"]
    client.send(type="subscribe", id=2, tally="tweets")
    late = client.until(lambda m: m["type"] == "snapshot")[-1]
    assert late["state"] == "stale" and late["keys"] == TWEETS
    with cluster.connect() as other:
        other.execute(f"alter database {tweets.name} allow_connections true")
    seen = client.until(lambda m: m["type"] == "state" and m["state"] == "live")
    assert all(m["type"] == "state" for m in seen)
    client.close()


# Since -----------------------------------------------------------------------------------------------------------------


def test_since(client, tweets):
    first = subscribe(client)
    insert(tweets, 50)
    revision = client.receive()["revision"]
    tweets.sql.execute("delete from tweet.activity where messageid = 33")
    client.receive()
    for keys, wanted in (({}, {"33": {"rts": 0, "favs": 0}}), ({"keys": ["34"]}, {}), ({"keys": ["33", "34"]}, {"33": {"rts": 0, "favs": 0}})):
        got = subscribe(client, repr(keys), since={"epoch": first["epoch"], "revision": revision}, **keys)
        assert got["partial"] is True and got["keys"] == wanted and got["revision"] > revision


@pytest.mark.parametrize("epoch, revision", [("x", 1), (None, 10**6), (None, 2**63), (None, 2**64 - 1)])
def test_since_of_nothing_known_is_a_full_snapshot(client, epoch, revision):
    first = subscribe(client)
    got = subscribe(client, 2, since={"epoch": epoch or first["epoch"], "revision": revision})
    assert "partial" not in got and got["keys"] == TWEETS


# Many keys, slow clients -----------------------------------------------------------------------------------------------


def test_a_large_snapshot_comes_in_parts(client, server, tweets):
    tweets.sql.execute("insert into tweet.activity (messageid, action) select i, 'fav' from generate_series(1000, 25999) i")
    eventually(lambda: server.get("/v1/tallies/tweets").json()["size"] == 25003)
    client.send(type="subscribe", id=1, tally="tweets")
    parts = client.until(lambda m: not m.get("more"))
    assert [len(part["keys"]) for part in parts] == [10000, 10000, 5003]
    assert [part.get("more") for part in parts] == [True, True, None]
    assert len({part["revision"] for part in parts}) == 1
    assert len({key for part in parts for key in part["keys"]}) == 25003


def test_a_large_change_comes_as_a_snapshot(client, tweets):
    subscribe(client, interval_ms=300)
    tweets.sql.execute("insert into tweet.activity (messageid, action) select i, 'fav' from generate_series(1000, 25999) i")
    state = {}
    while len(state) < 25003:
        message = client.receive()
        if message["type"] == "snapshot":
            state.update(message["keys"])
            assert len(message["keys"]) <= 10000
        else:
            assert message["type"] == "change" and len(message["keys"]) <= 10000
            state.update(message["keys"])
    assert sum(counters["favs"] for counters in state.values()) == 25002


def test_interval_holds_changes_back_and_sends_the_newest(client, server, tweets):
    subscribe(client, keys=["33"], interval_ms=60000)
    insert(tweets, 33)
    assert client.receive()["keys"] == {"33": {"rts": 2, "favs": 2}}
    insert(tweets, 33)
    eventually(lambda: server.get("/v1/tallies/tweets/keys/33").json()["counters"]["favs"] == 3)
    client.nothing_waits()
    subscribe(client, 2, keys=["33"], interval_ms=200)
    for favs in range(4, 20):
        insert(tweets, 33)
    assert client.until(lambda m: m["type"] == "change" and m["keys"]["33"]["favs"] == 19)[-1]["id"] == 2


def test_a_slow_client_gets_the_newest_values(server, tweets):
    host, port = server.host.split(":")
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect((host, int(port)))
    client = server.connect(sock=slow, max_queue=1, read_limit=1024)
    tweets.sql.execute("insert into tweet.activity (messageid, action) select i, 'fav' from generate_series(1000, 5999) i")
    subscribe(client, keys=[])
    client.send(type="track", id=1, keys=list(range(1000, 6000)))
    for n in range(60):
        tweets.sql.execute("insert into tweet.activity (messageid, action) select i, 'fav' from generate_series(1000, 5999) i")
    eventually(lambda: server.get("/v1/tallies/tweets/keys/5999").json()["counters"]["favs"] == 61)
    state, messages = {}, 0
    while not state or any(counters["favs"] != 61 for counters in state.values()):
        message = client.receive()
        messages += 1
        for key, counters in message["keys"].items():
            assert key not in state or counters["favs"] >= state[key]["favs"]
        state.update(message["keys"])
    found = server.metrics()
    assert len(state) == 5000 and messages < found['pgtally_events_total{tally="tweets"}']
    assert found["pgtally_changes_conflated_total"] > 0
    client.close()


def test_shared_changes_are_the_same_for_all(server, tweets):
    clients = [server.connect() for _ in range(5)]
    for n, one in enumerate(clients):
        subscribe(one, n)
    insert(tweets, 33, 60)
    wanted = {"33": {"rts": 2, "favs": 2}, "60": {"rts": 0, "favs": 1}}
    assert [one.receive()["keys"] for one in clients] == [wanted] * 5
    for one in clients:
        one.close()


# What is not valid -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message, code, id", [
    ("", "bad_message", None), ("x", "bad_message", None), ("[]", "bad_message", None), ("1", "bad_message", None), ("null", "bad_message", None),
    ("{}", "bad_message", None), ('{"type":1,"id":1}', "bad_message", 1), ('{"id":"a"}', "bad_message", "a"),
    ('{"type":"nope","id":1}', "unknown_type", 1), ('{"type":"nope"}', "unknown_type", None),
    ('{"type":"subscribe","tally":"tweets"}', "bad_message", None), ('{"type":"subscribe","id":1.5,"tally":"tweets"}', "bad_message", None),
    ('{"type":"subscribe","id":9223372036854775808,"tally":"tweets"}', "bad_message", None),
    ('{"type":"subscribe","id":null,"tally":"tweets"}', "bad_message", None), ('{"type":"subscribe","id":[1],"tally":"tweets"}', "bad_message", None),
    ('{"type":"subscribe","id":"' + "x" * 257 + '","tally":"tweets"}', "bad_message", None),
    ('{"type":"subscribe","id":1}', "bad_message", 1), ('{"type":"subscribe","id":1,"tally":7}', "bad_message", 1),
    ('{"type":"subscribe","id":1,"tally":"nope"}', "unknown_tally", 1),
    ('{"type":"subscribe","id":1,"tally":"tweets","keys":"33"}', "bad_message", 1), ('{"type":"subscribe","id":1,"tally":"tweets","keys":{}}', "bad_message", 1),
    ('{"type":"subscribe","id":1,"tally":"tweets","keys":null}', "bad_message", 1), ('{"type":"subscribe","id":1,"tally":"tweets","keys":[null]}', "bad_message", 1),
    ('{"type":"subscribe","id":1,"tally":"tweets","keys":["33",true]}', "bad_message", 1), ('{"type":"subscribe","id":1,"tally":"tweets","keys":["abc"]}', "bad_key", 1),
    ('{"type":"subscribe","id":1,"tally":"tweets","keys":[33.0]}', "bad_key", 1), ('{"type":"subscribe","id":1,"tally":"tweets","keys":[18446744073709551615]}', "bad_key", 1),
    ('{"type":"subscribe","id":1,"tally":"tweets","keys":["007"]}', "bad_key", 1), ('{"type":"subscribe","id":1,"tally":"tweets","keys":["a\\u0000"]}', "bad_key", 1),
    ('{"type":"subscribe","id":1,"tally":"tweets","interval_ms":-1}', "bad_message", 1), ('{"type":"subscribe","id":1,"tally":"tweets","interval_ms":60001}', "bad_message", 1),
    ('{"type":"subscribe","id":1,"tally":"tweets","interval_ms":"1"}', "bad_message", 1), ('{"type":"subscribe","id":1,"tally":"tweets","since":1}', "bad_message", 1),
    ('{"type":"subscribe","id":1,"tally":"tweets","since":{"epoch":"x"}}', "bad_message", 1), ('{"type":"subscribe","id":1,"tally":"tweets","since":{"epoch":1,"revision":1}}', "bad_message", 1),
    ('{"type":"subscribe","id":1,"tally":"tweets","since":{"epoch":"x","revision":-1}}', "bad_message", 1),
    ('{"type":"track","id":1,"keys":["1"]}', "unknown_id", 1), ('{"type":"track","id":1}', "bad_message", 1), ('{"type":"track","keys":["1"]}', "bad_message", None),
    ('{"type":"untrack","id":"x","keys":["1"]}', "unknown_id", "x"), ('{"type":"unsubscribe","id":1}', "unknown_id", 1),
    ('{"type":"unsubscribe","id":1}' + " " * 100 + "x", "bad_message", None), ("[" * 100 + "]" * 100, "bad_message", None),
    ('{"type":"ping","a":' + "[" * 100 + "]" * 100 + "}", "bad_message", None)])
def test_not_valid(client, message, code, id):
    error(client.ask(message), code, id)
    client.nothing_waits()
    assert subscribe(client, "after")["keys"] == TWEETS


def test_duplicate_id(client):
    subscribe(client)
    error(subscribe(client), "duplicate_id", 1)
    assert subscribe(client, "1")["type"] == "snapshot"


def test_track_of_every_key(client):
    subscribe(client)
    error(client.ask(type="track", id=1, keys=["1"]), "bad_message", 1)
    error(client.ask(type="untrack", id=1, keys=["1"]), "bad_message", 1)


def test_a_bad_key_among_good_ones_tracks_none(client, tweets):
    subscribe(client, keys=[])
    refused = client.ask(type="track", id=1, keys=["33", "abc"])
    error(refused, "bad_key", 1)
    assert refused["key"] == "abc"
    client.ask(type="track", id=1, keys=["34"])
    insert(tweets, 33, 34)
    assert client.receive()["keys"] == {"34": {"rts": 0, "favs": 2}}
    client.nothing_waits()


def test_too_many_keys(client):
    names = [str(n) for n in range(10000)]
    assert len(subscribe(client, keys=names + names)["keys"]) == 10000
    error(client.ask(type="track", id=1, keys=["10000"]), "too_many_keys", 1)
    assert client.ask(type="track", id=1, keys=["9999"])["keys"].keys() == {"9999"}
    client.send(type="untrack", id=1, keys=["0"])
    assert client.ask(type="track", id=1, keys=["10000"])["keys"].keys() == {"10000"}
    error(subscribe(client, 2, keys=names + ["10000"]), "too_many_keys", 2)


def test_too_many_subscriptions(client):
    for id in range(100):
        assert subscribe(client, id, keys=[])["type"] == "snapshot"
    error(subscribe(client, 100), "too_many_subscriptions", 100)
    client.ask(type="unsubscribe", id=5)
    assert subscribe(client, 100, keys=[])["type"] == "snapshot"


def test_many_answers_are_all_sent(client):
    for _ in range(1000):
        client.send(type="ping")
    assert [client.receive()["type"] for _ in range(1000)] == ["pong"] * 1000


def test_binary_is_closed(client):
    client.send(b"x")
    assert client.closed_with()[0] == 1003


def test_a_message_too_long_is_closed(client):
    assert subscribe(client, keys=["1"] * 100000)["type"] == "snapshot"  # 0.5 MB is not
    client.send("x" * ((1 << 20) + 1))
    assert client.closed_with()[0] == 1009


def test_a_message_that_is_not_utf8_is_closed(client):
    client._do(client.socket.write_frame(True, 1, b"\xff"))
    assert client.closed_with()[0] == 1007


def test_not_an_upgrade(server):
    answer = server.get("/v1/ws")
    assert answer.status_code == 426 and answer.headers["Upgrade"] == "websocket"
    assert json.loads(answer.text)["code"] == "upgrade_required"
    with pytest.raises(websockets.InvalidStatusCode):
        Client(f"ws://{server.host}/v1/tallies")
