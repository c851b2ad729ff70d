"""Top, sum and rank, by REST and by WebSocket."""

import pytest
import requests

from program import eventually
from test_rest import problem

TALLY = "/v1/tallies/tweets"


def insert(database, *keys, action="fav"):
    database.sql.execute("insert into tweet.activity (messageid, action) select unnest(%s::bigint[]), %s", [list(keys), action])


def row(key, rts, favs, **place):
    return {**place, "key": key, "counters": {"rts": rts, "favs": favs}}


def seen(server, wanted, path="/top?by=favs"):
    member = "top" if "/top" in path else "rank"
    eventually(lambda: server.get(TALLY + path).json()[member] == wanted, lambda: server.get(TALLY + path).text)


# REST ------------------------------------------------------------------------------------------------------------------


def test_top(server, tweets):
    tally = server.get(TALLY).json()
    assert server.get(TALLY + "/top?by=favs&limit=2").json() == {
        "top": [row("33", 2, 1), row("34", 0, 1)], "by": "favs",
        "epoch": tally["epoch"], "revision": tally["revision"], "state": "live"}
    # Ties by number, and the default of 10 keys.
    insert(tweets, *range(-20, 0), 100)
    keys = [each["key"] for each in eventually(lambda: server.get(TALLY).json()["size"] == 23 and server.get(TALLY + "/top?by=favs").json()["top"])]
    assert keys == [str(n) for n in range(-20, -10)]
    insert(tweets, 100)
    eventually(lambda: server.get(TALLY + "/top?by=favs&limit=1").json()["top"] == [row("100", 0, 2)])
    assert len(server.get(TALLY + "/top?by=favs&limit=1000").json()["top"]) == 23


def test_rank(server, tweets):
    insert(tweets, 33, 40, 41)
    seen(server, {"key": "33", "place": 1, "of": 5}, "/rank?by=favs&key=33")
    answer = server.get(TALLY + "/rank?by=favs&key=40&around=2").json()
    tally = server.get(TALLY).json()
    assert answer == {
        "rank": {"key": "40", "place": 3, "of": 5},
        "around": [row("33", 2, 2, place=1), row("34", 0, 1, place=2), row("40", 0, 1, place=3), row("41", 0, 1, place=4),
                   row("-7", 1, 0, place=5)],
        "by": "favs", "epoch": tally["epoch"], "revision": tally["revision"], "state": "live"}
    alone = server.get(TALLY + "/rank?by=favs&key=40").json()
    assert alone["around"] == [row("40", 0, 1, place=3)]
    zero = server.get(TALLY + "/rank?by=favs&key=99&around=50").json()
    assert zero["rank"] == {"key": "99", "place": None, "of": 5} and zero["around"] == []


def test_text_keys_stand_by_their_bytes(server, tweets):
    tweets.sql.execute("create table word (w text)")
    tweets.sql.execute("select tally.create_tally('words', 'word', 'w')")
    words = ["z", "Z", "é", "10", "9", ""]
    tweets.sql.execute("insert into word select unnest(%s::text[])", [words])
    eventually(lambda: server.get("/v1/tallies/words").ok and server.get("/v1/tallies/words").json()["size"] == len(words))
    top = server.get("/v1/tallies/words/top?by=count").json()["top"]
    assert [each["key"] for each in top] == sorted(words, key=str.encode)
    assert server.get("/v1/tallies/words/rank?by=count&key=%C3%A9").json()["rank"]["place"] == 6


def test_a_tally_of_zeros_has_an_empty_top(server, tweets):
    tweets.sql.execute("delete from tweet.activity")
    eventually(lambda: server.get(TALLY + "/top?by=favs").json()["top"] == [])
    assert server.get(TALLY + "/rank?by=rts&key=33").json()["rank"] == {"key": "33", "place": None, "of": 0}


@pytest.mark.parametrize("path, code", [
    ("/top", "bad_request"), ("/top?by=nope", "unknown_counter"), ("/top?by=", "unknown_counter"),
    ("/top?by=favs&limit=0", "bad_request"), ("/top?by=favs&limit=1001", "bad_request"), ("/top?by=favs&limit=-1", "bad_request"),
    ("/top?by=favs&limit=1.5", "bad_request"), ("/top?by=favs&limit=", "bad_request"), ("/top?by=favs&source=database", "bad_request"),
    ("/rank?by=favs", "bad_request"), ("/rank?key=33", "bad_request"), ("/rank?by=nope&key=33", "unknown_counter"),
    ("/rank?by=favs&key=abc", "bad_key"), ("/rank?by=favs&key=%ff", "bad_key"), ("/rank?by=favs&key=%zz", "bad_key"),
    ("/rank?by=favs&key=33&around=51", "bad_request"), ("/rank?by=favs&key=33&around=x", "bad_request"),
    ("/top?by=favs&at_least=x", "bad_request")])
def test_refused_questions(serve, tweets, path, code):
    server = serve(tweets.dsn, "--allow-bypass").wait_live()
    problem(server.get(TALLY + path), 400, code)


def test_of_no_tally(server):
    for what in "/top?by=favs", "/rank?by=favs&key=1":
        problem(server.get("/v1/tallies/nope" + what), 404, "unknown_tally")


def test_conditions_and_positions(server, tweets):
    for what in "/top?by=favs", "/rank?by=favs&key=33":
        first = server.get(TALLY + what)
        etag = first.headers["ETag"]
        assert server.get(TALLY + what, headers={"If-None-Match": etag}).status_code == 304
        problem(server.get(TALLY + what, headers={"If-Match": 'W/"x-1"'}), 412, "precondition_failed")
        insert(tweets, 50)
        eventually(lambda: server.get(TALLY + what, headers={"If-None-Match": etag}).status_code == 200)
        position = f"{first.json()['epoch']}-{first.json()['revision']}"
        assert server.get(TALLY + what + "&at_least=" + position).ok
        problem(server.get(TALLY + what + "&at_least=" + position.replace(position[:8], "00000000")), 412, "other_epoch")
    assert server.get(TALLY + "/top?by=favs").headers["Cache-Control"] == "no-cache"


def test_many_keys(server, tweets):
    """More keys than one slice of a ranking: the first question waits for all of them."""
    tweets.sql.execute("insert into tweet.activity (messageid, action) select n, 'fav' from generate_series(1, 20000) n")
    tweets.sql.execute("insert into tweet.activity (messageid, action) select n, 'fav' from generate_series(19000, 20000) n")
    eventually(lambda: server.get(TALLY).json()["sum"]["favs"] == 21003)
    top = server.get(TALLY + "/top?by=favs&limit=1000").json()["top"]
    assert top[0] == row("33", 2, 2) and top[1] == row("34", 0, 2)
    assert [each["key"] for each in top[2:]] == [str(n) for n in range(19000, 19998)]
    assert server.get(TALLY + "/rank?by=favs&key=20000").json()["rank"] == {"key": "20000", "place": 1003, "of": 20001}


# WebSocket -------------------------------------------------------------------------------------------------------------


def ask(client, id=1, **what):
    return client.ask(type="subscribe", id=id, tally="tweets", **what)


def test_subscription_to_a_top(client, server, tweets):
    got = ask(client, "hot", top={"by": "favs", "limit": 2})
    tally = server.get(TALLY).json()
    assert got == {"type": "snapshot", "id": "hot", "epoch": tally["epoch"], "revision": tally["revision"], "state": "live",
                   "top": [row("33", 2, 1), row("34", 0, 1)]}
    insert(tweets, -7, action="rt")  # not in the top
    insert(tweets, 34)
    assert client.receive() == {"type": "change", "id": "hot", "revision": tally["revision"] + 2, "top": [row("34", 0, 2), row("33", 2, 1)]}
    client.nothing_waits()
    tweets.sql.execute("truncate tweet.activity")
    assert client.receive()["top"] == []


def test_subscription_to_the_sum(client, tweets):
    got = ask(client, "all", sum=True)
    assert got["type"] == "snapshot" and got["sum"] == {"rts": 3, "favs": 2} and got["size"] == 3 and "keys" not in got
    insert(tweets, 33, 50)
    change = client.receive()
    assert change == {"type": "change", "id": "all", "revision": change["revision"], "sum": {"rts": 3, "favs": 4}, "size": 4}


def test_subscription_to_a_rank(client, server, tweets):
    got = ask(client, "me", rank={"by": "favs", "key": 34, "around": 1})
    rest = server.get(TALLY + "/rank?by=favs&key=34&around=1").json()
    assert got == {"type": "snapshot", "id": "me", **rest}
    insert(tweets, 34)
    change = client.receive()
    assert change == {"type": "change", "id": "me", "revision": change["revision"], "rank": {"key": "34", "place": 1, "of": 3},
                      "around": [row("34", 0, 2, place=1), row("33", 2, 1, place=2)], "by": "favs"}


def test_a_reset_pushes_no_answer_that_is_the_same(client, server):
    first = ask(client, top={"by": "favs", "limit": 5})
    assert first["type"] == "snapshot"
    assert requests.post(server.admin + TALLY + "/reset", timeout=10).status_code == 202
    eventually(lambda: "after a load (reset)" in server.log())
    client.nothing_waits()


@pytest.mark.parametrize("what, code", [
    ({"top": {"by": "nope"}}, "unknown_counter"), ({"rank": {"by": "nope", "key": "33"}}, "unknown_counter"),
    ({"rank": {"by": "favs", "key": "abc"}}, "bad_key"), ({"rank": {"by": "favs", "key": 1.5}}, "bad_key"),
    ({"top": {}}, "bad_message"), ({"top": 10}, "bad_message"), ({"top": {"by": "favs", "limit": 1001}}, "bad_message"),
    ({"top": {"by": "favs", "limit": 0}}, "bad_message"), ({"rank": {"by": "favs"}}, "bad_message"),
    ({"rank": {"by": "favs", "key": "33", "around": 51}}, "bad_message"), ({"sum": False}, "bad_message"),
    ({"sum": True, "top": {"by": "favs"}}, "bad_message"), ({"sum": True, "keys": ["33"]}, "bad_message")])
def test_refused_subscriptions(client, what, code):
    got = ask(client, 7, **what)
    assert got["type"] == "error" and got["code"] == code and got["id"] == 7 and got["message"]
    assert ask(client, 7, sum=True)["type"] == "snapshot"


def test_keys_cannot_be_tracked(client):
    ask(client, top={"by": "favs"})
    for what in "track", "untrack":
        got = client.ask(type=what, id=1, keys=["33"])
        assert got["type"] == "error" and got["code"] == "bad_message" and got["id"] == 1


def test_an_interval(client, tweets):
    ask(client, top={"by": "favs", "limit": 1}, interval_ms=60000)
    insert(tweets, 34)
    assert client.receive()["top"] == [row("34", 0, 2)]
    insert(tweets, 34)
    client.nothing_waits()
