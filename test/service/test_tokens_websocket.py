"""Who may, by WebSocket."""

import pytest
import websockets

from program import eventually
from test_tokens import keyed  # noqa: F401
from tokens import bearer, claims, hs256, token


def auth(client, text):
    return client.ask(type="auth", token=text)


def subscribe(client, id, tally="tweets", **more):
    return client.ask(type="subscribe", id=id, tally=tally, **more)


def error(message, code, id=None):
    assert message["type"] == "error" and message["code"] == code and message["message"], message
    assert message.get("id") == id


def test_a_token_first(keyed):  # noqa: F811
    client = keyed().connect()
    error(subscribe(client, 1), "unauthorized", 1)
    error(subscribe(client, 1, "none"), "unauthorized", 1)
    good = claims([{"tally": "tweets", "keys": ["33"]}])
    assert auth(client, hs256(good)) == {"type": "authenticated", "until": good["exp"]}
    assert subscribe(client, 1, keys=["33"])["type"] == "snapshot"
    for more in {}, {"keys": ["33", "34"]}, {"top": {"by": "favs"}}, {"sum": True}, {"rank": {"by": "favs", "key": "33"}}:
        error(subscribe(client, 2, **more), "not_allowed", 2)
    error(subscribe(client, 2, "mine"), "unknown_tally", 2)
    error(client.ask(type="track", id=1, keys=["34"]), "not_allowed", 1)
    assert subscribe(client, 2, keys=[])["keys"] == {}
    client.close()


def test_wrong_tokens_change_nothing(keyed):  # noqa: F811
    client = keyed().connect()
    auth(client, token("tweets"))
    subscribe(client, 1)
    for text in token("tweets", secret="x" * 32), token("tweets", ends=-31), "", "a.b.c", token("tweets", aud="x"):
        error(auth(client, text), "unauthorized")
    error(client.ask(type="auth"), "bad_message")
    error(client.ask(type="auth", token=1), "bad_message")
    client.nothing_waits()
    assert subscribe(client, 2)["type"] == "snapshot"
    client.close()


def test_a_further_token_changes_the_rights(keyed):  # noqa: F811
    client = keyed("--public", "mine").connect()
    assert subscribe(client, "public", "mine")["type"] == "snapshot"
    auth(client, token("tweets"))
    for id, more in ("all", {}), ("kept", {"keys": ["33"]}), ("lost", {"keys": ["33", "34"]}), ("sum", {"sum": True}):
        assert subscribe(client, id, **more)["type"] == "snapshot"
    assert auth(client, token({"tally": "tweets", "prefix": "33"}))["type"] == "authenticated"
    ended = [client.receive() for _ in range(3)]
    assert all(each["type"] == "unsubscribed" and each["reason"] == "not_allowed" for each in ended)
    assert sorted(each["id"] for each in ended) == ["all", "lost", "sum"]
    client.nothing_waits()
    error(client.ask(type="unsubscribe", id="all"), "unknown_id", "all")
    client.close()


def test_subscriptions_end_with_the_token(keyed, tweets):  # noqa: F811
    client = keyed("--public", "mine").connect()
    auth(client, token("tweets", ends=-28))  # two more seconds, by the leeway
    assert subscribe(client, 1)["type"] == subscribe(client, "public", "mine")["type"] == "snapshot"
    assert client.receive() == {"type": "unsubscribed", "id": 1, "reason": "expired"}
    error(subscribe(client, 1), "unauthorized", 1)
    tweets.sql.execute("insert into liked (person, post) values ('u1', 1)")
    assert client.receive()["keys"] == {"u1/1": {"likes": 1}}
    auth(client, token("tweets"))
    assert subscribe(client, 1)["type"] == "snapshot"
    client.close()


def test_the_request_may_carry_the_token(keyed):  # noqa: F811
    server = keyed("--auth-cookie", "session", "--allow-origin", "*")
    own, good = "http://" + server.host, token("tweets")
    for headers in bearer(good), {"Cookie": "session=" + good}, {"Cookie": "session=" + good, "Origin": own}:
        client = server.connect(extra_headers=headers)
        assert subscribe(client, 1)["type"] == "snapshot"
        client.close()
    # A page of anybody's, by its visitor's cookie.
    client = server.connect(extra_headers={"Cookie": "session=" + good, "Origin": "https://evil.example"})
    error(subscribe(client, 1), "unauthorized", 1)
    client.close()
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        server.connect(extra_headers=bearer("wrong"))
    assert refused.value.status_code == 401


def test_without_keys_every_token_is_taken(server):
    client = server.connect()
    assert auth(client, "whatever") == {"type": "authenticated", "until": None}
    assert subscribe(client, 1)["type"] == "snapshot"
    client.close()


def test_no_token_is_in_a_log(keyed):  # noqa: F811
    server = keyed("--log-level", "debug")
    client = server.connect()
    good, wrong = token("tweets"), token("tweets", secret="x" * 32)
    auth(client, good), auth(client, wrong)
    client.close()
    eventually(lambda: server.metrics()['pgtally_clients{protocol="ws"}'] == 0)
    assert all(part not in server.log() for part in (*good.split("."), *wrong.split(".")))
