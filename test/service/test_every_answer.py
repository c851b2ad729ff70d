"""The answers that openapi.json describes and no other test reaches. Each is held against it (answers.py)."""

import concurrent.futures

import requests

from program import eventually
from test_rest import problem

TALLY = "/v1/tallies/tweets"
READS = "", "/keys/33", "/keys?key=33", "/top?by=favs", "/rank?by=favs&key=33"
LIST = {"keys": [33]}
BY_QUERY = TALLY + "/actions/"


def with_query(path, more):
    return TALLY + path + ("&" if "?" in path else "?") + more


def test_conditions(server):
    tag = server.get(TALLY).headers["ETag"]
    for path in READS:
        assert server.get(TALLY + path, headers={"If-None-Match": tag}).status_code == 304
        problem(server.get(TALLY + path, headers={"If-Match": '"x"'}), 412, "precondition_failed")
    problem(server.post(TALLY + "/keys", json=LIST, headers={"If-Match": '"x"'}), 412, "precondition_failed")
    for path in "/keys/33/fav", "/actions/fav?key=33":
        problem(server.post(TALLY + path, headers={"If-Match": '"x"'}), 412, "precondition_failed")


def test_refused(server):
    problem(server.get(TALLY + "?wait=1"), 400, "bad_request")
    problem(server.get(with_query("/keys?key=33", "source=database")), 403, "bypass_not_allowed")
    problem(server.post(TALLY + "/keys?source=database", json=LIST), 403, "bypass_not_allowed")
    for path in "", "/top?by=favs":
        problem(server.get(with_query(path, "source=database")), 400, "bad_request")
    assert server.raw("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n").startswith("HTTP/1.1 413 ")


def test_a_position_that_does_not_come(server):
    first = server.get(TALLY).json()
    later = f"at_least={first['epoch']}-{first['revision'] + 1000000}"
    with concurrent.futures.ThreadPoolExecutor(len(READS) + 1) as pool:
        posted = pool.submit(server.post, TALLY + "/keys?" + later, json=LIST)
        for answer in [*pool.map(lambda path: server.get(with_query(path, later)), READS), posted.result()]:
            problem(answer, 504, "not_yet")


def test_while_loading(serve, tweets):
    with tweets.connect() as lock:
        lock.autocommit = False
        lock.execute("lock table tweet.activity in access exclusive mode")
        server = serve(tweets.dsn)
        eventually(lambda: server.get("/v1/tallies").ok)
        for path in READS:
            problem(server.get(TALLY + path), 503, "loading")
        problem(server.post(TALLY + "/keys", json=LIST), 503, "loading")
        lock.rollback()


def test_while_the_definitions_are_unknown(serve):
    server = serve("host=127.0.0.1 port=1 user=nobody dbname=nothing")
    for what in "reset", "audit":
        problem(requests.post(f"{server.admin}{TALLY}/{what}", timeout=10), 503, "loading")


def test_actions_by_query(server):
    problem(server.post(BY_QUERY + "fav?key=33", data=b" " * 65537), 413, "body_too_large")
    problem(server.post(BY_QUERY + "never?key=33"), 422, "refused")


def test_built_in_files_that_the_client_has(server):
    for path in "/", "/pgtally.js", "/pgtally-elements.js", "/openapi.json", "/asyncapi.json":
        tag = server.get(path).headers["ETag"]
        assert server.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_an_audit_whose_tally_stops_being_live(server, tweets):
    with tweets.connect() as lock, concurrent.futures.ThreadPoolExecutor(1) as pool:
        lock.autocommit = False
        lock.execute("lock table tweet.activity in access exclusive mode")
        asked = pool.submit(requests.post, f"{server.admin}{TALLY}/audit", timeout=30)
        waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        eventually(lambda: tweets.sql.execute(waits).fetchone() == (1,))
        tweets.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ~* '^listen'")
        eventually(lambda: server.get(TALLY).json()["state"] != "live" or asked.done())
        lock.rollback()
        problem(asked.result(), 503, "audit_interrupted")
