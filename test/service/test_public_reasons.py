"""What everybody may read of why a tally is not live: no names of hosts, databases and roles. Operators read all of it."""

import json

import pytest
import requests

from program import LONG, Client, eventually
from wire import Proxy

KEY = "/v1/tallies/tweets/keys/33"
PATHS = ("/v1/tallies", "/v1/tallies/tweets", KEY, "/v1/tallies/tweets/keys?key=33&key=34", "/readyz", "/readyz?live", "/v1/tallies/nope")


def told(address):
    """Everything that an address says: the texts of its answers and of a WebSocket's first message, by where they come from."""
    texts = {path: requests.get(address + path, timeout=LONG).text for path in PATHS}
    client = Client(address.replace("http://", "ws://") + "/v1/ws")
    try:
        client.send(type="subscribe", id=1, tally="tweets")
        texts["ws"] = client.receive_text()
    finally:
        client.close()
    return texts


def names_in(texts, names):
    return {(where, name) for where, text in texts.items() for name in names if name in text}


def with_role(database, role, **more):
    words = [word for word in database.dsn.split() if not word.startswith("user=")]
    return " ".join([*words, f"user={role}", *(f"{name}={value}" for name, value in more.items())])


@pytest.mark.parametrize("options", [(), ("--tally", "tweets")])
def test_database_that_does_not_exist(serve, cluster, options):
    server = serve(cluster.dsn("secret_shop"), *options)
    eventually(lambda: requests.get(server.admin + "/readyz", timeout=LONG).json()["code"] == "failed")
    public, operators = told(server.url), told(server.admin)
    assert not names_in(public, ["secret_shop", "127.0.0.1", "postgres", "3D000"])
    for where in "/v1/tallies", "/readyz", KEY, "ws":
        assert "the database refuses the connection" in public[where], where
        assert "secret_shop" in operators[where], where
    assert "secret_shop" in server.log()


def test_role_that_is_refused(serve, tweets):
    server = serve(with_role(tweets, "secret_role"))
    eventually(lambda: requests.get(server.admin + "/readyz", timeout=LONG).json()["code"] == "failed")
    public, operators = told(server.url), told(server.admin)
    assert not names_in(public, ["secret_role", tweets.name, "127.0.0.1"])
    assert "secret_role" in operators["/readyz"] and "the database refuses the connection" in public["/readyz"]


def test_database_that_goes_away(serve, tweets):
    """Served before and after: lists, keys, readiness, states pushed to clients, and answers to actions."""
    [port] = [int(word.removeprefix("port=")) for word in tweets.dsn.split() if word.startswith("port=")]
    proxy = Proxy(port)
    server = serve(proxy.dsn(tweets.dsn), "--writable", "--allow-bypass", "--heartbeat", "200ms").wait_live()
    everybody, operator = server.connect(), Client(server.admin.replace("http://", "ws://") + "/v1/ws")
    for client in everybody, operator:
        assert client.ask(type="subscribe", id=1, tally="tweets")["state"] == "live"
    proxy.close()
    for client, wanted in (everybody, "the database cannot be reached"), (operator, f"127.0.0.1:{proxy.port}"):
        state = client.until(lambda message: message.get("state") == "stale")[-1]
        assert wanted in state["reason"], state
        client.close()
    eventually(lambda: "refused" in requests.get(server.admin + KEY, timeout=LONG).json().get("reason", ""))
    names = [tweets.name, "127.0.0.1", str(proxy.port), "postgres"]
    public, operators = told(server.url), told(server.admin)
    assert not names_in(public, names)
    stale = json.loads(public[KEY])
    assert stale["counters"] == {"rts": 2, "favs": 1} and stale["reason"] == "the database cannot be reached"
    for where in "/v1/tallies", "/v1/tallies/tweets", KEY, "/readyz?live", "ws":
        assert f"127.0.0.1:{proxy.port}" in operators[where], where
    answers = {"action": server.post(KEY + "/fav"), "bypass": server.get(KEY + "?source=database")}
    assert {name: answer.status_code for name, answer in answers.items()} == {"action": 503, "bypass": 503}
    assert not names_in({name: answer.text for name, answer in answers.items()}, names)


def test_load_that_fails(serve, tweets):
    tweets.sql.execute("create table numbers (k bigint); select tally.create_tally('inverse', 'public.numbers', '1 / k'); "
                       "insert into numbers values (0)")
    server = serve(tweets.dsn, "--heartbeat", "200ms")
    assert eventually(lambda: failure(server.url))["detail"] == "a load failed"
    detail = failure(server.admin)["detail"]
    assert "division by zero" in detail and tweets.name in detail


def failure(address):
    answer = requests.get(address + "/v1/tallies/inverse", timeout=LONG).json()
    return answer if answer.get("code") == "failed" else None
