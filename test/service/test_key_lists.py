"""POST of a list of keys, and of an action for a key that is in the query."""

import json

import pytest
import requests

KEYS, ACTIONS = "/v1/tallies/tweets/keys", "/v1/tallies/tweets/actions"


def test_as_the_query(server):
    answer = server.post(KEYS, json={"keys": ["33", 34, "33"]})
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    assert answer.json() == server.get(KEYS + "?key=33&key=34").json()


def test_needs_no_writable(serve, tweets):
    server = serve(tweets.dsn).wait_live()
    assert server.post(KEYS, json={"keys": [33]}).json()["keys"] == {"33": {"rts": 2, "favs": 1}}
    assert server.post(KEYS, json={"keys": []}).json()["keys"] == {}
    assert server.post(ACTIONS + "/fav?key=33").status_code == 405


def test_ten_thousand(server):
    answer = server.post(KEYS, json={"keys": list(range(10000))})
    assert answer.status_code == 200 and len(answer.json()["keys"]) == 10000
    answer = server.post(KEYS, json={"keys": list(range(10001))})
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_keys")


def test_a_body_of_a_mebibyte(server):
    def body(size):
        text = json.dumps({"keys": [33]})
        return text + " " * (size - len(text))
    assert server.post(KEYS, data=body(1 << 20)).status_code == 200
    answer = server.post(KEYS, data=body((1 << 20) + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large") and str(1 << 20) in answer.json()["detail"]
    answer = server.post(KEYS + "/33/fav", data=body((1 << 16) + 1))
    assert answer.status_code == 413 and str(1 << 16) in answer.json()["detail"]


@pytest.mark.parametrize("body, code", [
    ("", "bad_body"), ("[]", "bad_body"), ("{}", "bad_body"), ('{"keys":33}', "bad_body"), ('{"keys":[33]', "bad_body"),
    ('{"keys":[null]}', "bad_body"), ('{"keys":[33.0]}', "bad_key"), ('{"keys":["abc"]}', "bad_key"), ('{"keys":["007"]}', "bad_key"),
    ('{"keys":["\\u0000"]}', "bad_key"), ('{"keys":[18446744073709551615]}', "bad_key")])
def test_refused(server, body, code):
    answer = server.post(KEYS, data=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text


def test_a_bad_key_is_named(server):
    for answer in (server.post(KEYS, json={"keys": ["33", "abc"]}), server.get(KEYS + "?key=33&key=abc")):
        assert (answer.json()["code"], answer.json()["key"]) == ("bad_key", "abc")


def test_methods(server):
    assert server.get(KEYS).json()["code"] == "bad_request"
    assert requests.options(server.url + KEYS, timeout=10).headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    assert requests.put(server.url + KEYS, timeout=10).status_code == 405


def test_condition(server):
    tag = server.get(KEYS + "?key=33").headers["ETag"]
    assert server.post(KEYS, json={"keys": [33]}, headers={"If-None-Match": tag}).status_code == 412
    assert server.post(KEYS, json={"keys": [33]}, headers={"If-Match": tag}).status_code == 200


def test_unknown_tally(server):
    assert server.post("/v1/tallies/nope/keys", json={"keys": [33]}).json()["code"] == "unknown_tally"


def test_action_by_query(server):
    answer = server.post(ACTIONS + "/fav?key=33")
    assert (answer.status_code, answer.json()["key"], answer.json()["counters"]["favs"]) == (201, "33", 2)
    assert server.post(ACTIONS + "/many?key=33", json={"n": 3}).json()["counters"]["favs"] == 5
    assert server.metrics()['pgtally_requests_total{route="/v1/tallies/{tally}/actions/{action}",status="201"}'] == 2


@pytest.mark.parametrize("path, status, code", [
    ("/fav", 400, "bad_key"), ("/fav?key=33&key=34", 400, "bad_key"), ("/fav?key=%zz", 400, "bad_key"), ("/fav?key=abc", 400, "bad_key"),
    ("/nope?key=33", 404, "unknown_action"), ("/?key=33", 404, "not_found"), ("/fav/?key=33", 404, "not_found")])
def test_action_by_query_refused(server, path, status, code):
    answer = server.post(ACTIONS + path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_keys_that_no_path_can_name(serve, database):
    """A key with a slash that a proxy decodes, and the keys that browsers take out of paths."""
    database.sql.execute("create table pages (url text)")
    database.sql.execute("select tally.create_tally('pages', 'pages', 'url', actions => '{\"hit\": \"insert into pages values ($1)\"}')")
    server = serve(database.dsn, "--writable").wait_live()
    for key in "a/b", "", ".", "..", "a b&c":
        answer = server.post("/v1/tallies/pages/actions/hit", params={"key": key})
        assert (answer.status_code, answer.json()["key"], answer.json()["counters"]) == (201, key, {"count": 1})
