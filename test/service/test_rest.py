"""REST, in the order of its chapter."""

import concurrent.futures
import json
import re

import pytest
import requests

from program import eventually

KEYS = "/v1/tallies/tweets/keys"


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status and body["code"] == code
    assert body["type"] and body["title"] and body["detail"]
    return body


# What can be read ------------------------------------------------------------------------------------------------------


def test_list(server):
    answer = server.get("/v1/tallies")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    [tally] = answer.json()["tallies"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", tally.pop("epoch"))
    assert tally.pop("revision") >= 0
    assert tally == {"name": "tweets", "source": "tweet.activity", "counters": ["rts", "favs"],
                     "actions": ["fav", "many", "never", "slow", "lost"], "size": 3, "state": "live"}


def test_tally_has_sums(server):
    tally = server.get("/v1/tallies/tweets").json()
    assert tally["sum"] == {"rts": 3, "favs": 2}
    assert tally["size"] == 3 and tally["name"] == "tweets"


def test_sums_beyond_64_bits_are_integers(server, tweets):
    tweets.sql.execute("create table big (k text, n bigint)")
    tweets.sql.execute("""select tally.create_tally('big', 'big', 'k', '{"n": "n"}')""")
    tweets.sql.execute("insert into big values ('a', 9223372036854775807), ('b', 9223372036854775807), ('c', 9223372036854775807)")
    wanted = '"sum":{"n":27670116110564327421}'
    eventually(lambda: wanted in server.get("/v1/tallies/big").text)
    assert server.get("/v1/tallies/big/keys/a").text.startswith('{"key":"a","counters":{"n":9223372036854775807},')


def test_key(server):
    answer = server.get(KEYS + "/33").json()
    tally = server.get("/v1/tallies/tweets").json()
    assert answer == {"key": "33", "counters": {"rts": 2, "favs": 1}, "epoch": tally["epoch"], "revision": tally["revision"],
                      "state": "live"}


def test_keys(server):
    answer = server.get(KEYS + "?key=33&key=99&key=33&key=-7").json()
    assert answer["keys"] == {"33": {"rts": 2, "favs": 1}, "99": {"rts": 0, "favs": 0}, "-7": {"rts": 1, "favs": 0}}
    assert set(answer) == {"keys", "epoch", "revision", "state"}


def test_keys_without_a_key(server):
    problem(server.get(KEYS), 400, "bad_request")


def test_a_key_never_counted_is_zero(server):
    assert server.get(KEYS + "/99").json()["counters"] == {"rts": 0, "favs": 0}


def test_unknown_tally(server):
    for path in "/v1/tallies/nope", "/v1/tallies/nope/keys/1", "/v1/tallies/nope/keys?key=1", "/v1/tallies/%ff":
        problem(server.get(path), 404, "unknown_tally")


@pytest.mark.parametrize("key", ["abc", "007", "+7", "33.0", "-0", "9223372036854775808", "%00", "3%003", "%ff", "%", "%4", "%zz",
                                 "%2e", "%2e%2e"])
def test_no_key_of_an_integer_tally(server, key):
    answer = server.raw(f"GET {KEYS}/{key} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith("HTTP/1.1 400 ") and '"code":"bad_key"' in answer


@pytest.mark.parametrize("key", ["%ff", "%00", "a%", "%2"])
def test_no_key_of_any_tally(server, key):
    problem(server.get(KEYS + "?key=" + key), 400, "bad_key")


def test_text_keys_are_any_text(server, tweets):
    tweets.sql.execute("create table word (w text)")
    tweets.sql.execute("select tally.create_tally('words', 'word', 'w')")
    words = ["a/b", "ä\"\\", "a b+c&d=e%", "", ".", "..", "007", "\n\x01", "🙂"]
    for word in words:
        tweets.sql.execute("insert into word values (%s)", [word])
    eventually(lambda: server.get("/v1/tallies/words").ok and server.get("/v1/tallies/words").json()["sum"] == {"count": len(words)})
    answer = requests.get(server.url + "/v1/tallies/words/keys", params={"key": words}, timeout=10)
    assert answer.json()["keys"] == {word: {"count": 1} for word in words}
    for word in words:
        if word not in ("", ".", ".."):
            path = "/v1/tallies/words/keys/" + requests.utils.quote(word, safe="")
            assert server.get(path).json()["counters"] == {"count": 1}, word
    answer = server.raw("GET /v1/tallies/words/keys/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert '"code":"bad_key"' in answer


def test_a_key_too_long_to_be_counted_is_zero(server, tweets):
    tweets.sql.execute("create table word (w text)")
    tweets.sql.execute("select tally.create_tally('words', 'word', 'w')")
    tweets.sql.execute("insert into word values (repeat('x', 512)), (repeat('x', 513))")
    eventually(lambda: server.get("/v1/tallies/words").ok and server.get("/v1/tallies/words").json()["size"] == 1)
    assert server.get("/v1/tallies/words/keys/" + "x" * 512).json()["counters"] == {"count": 1}
    assert server.get("/v1/tallies/words/keys/" + "x" * 513).json()["counters"] == {"count": 0}


# Conditional requests --------------------------------------------------------------------------------------------------


def test_etag_stays_while_the_asked_keys_do(server, tweets):
    first = server.get(KEYS + "?key=33&key=34")
    etag = first.headers["ETag"]
    assert re.fullmatch(r'W/"' + first.json()["epoch"] + r'-\d+"', etag)
    for sent in etag, etag.removeprefix("W/"), '"x", ' + etag, "*":
        answer = server.get(KEYS + "?key=33&key=34", headers={"If-None-Match": sent})
        assert answer.status_code == 304 and answer.text == "" and answer.headers["ETag"] == etag, sent

    revision = first.json()["revision"]
    tweets.sql.execute("insert into tweet.activity (messageid, action) values (50, 'rt')")
    eventually(lambda: server.get(KEYS + "/50").json()["counters"]["rts"] == 1)
    assert server.get(KEYS + "?key=33&key=34").json()["revision"] > revision
    assert server.get(KEYS + "?key=33&key=34", headers={"If-None-Match": etag}).status_code == 304
    whole = server.get("/v1/tallies/tweets").headers["ETag"]

    tweets.sql.execute("insert into tweet.activity (messageid, action) values (34, 'rt')")
    eventually(lambda: server.get(KEYS + "/34").json()["counters"]["rts"] == 1)
    answer = server.get(KEYS + "?key=33&key=34", headers={"If-None-Match": etag})
    assert answer.status_code == 200 and answer.headers["ETag"] != etag
    assert server.get("/v1/tallies/tweets", headers={"If-None-Match": whole}).status_code == 200


def test_many_if_none_match_fields_are_one_list(server):
    etag = server.get(KEYS + "/33").headers["ETag"]
    for first, second in (etag, '"x"'), ('"x"', etag):
        answer = server.raw(f"GET {KEYS}/33 HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {first}\r\nIf-None-Match: {second}\r\nConnection: close\r\n\r\n")
        assert answer.startswith("HTTP/1.1 304 ")


def test_no_etag_while_not_live(server, tweets, cluster):
    etag = server.get(KEYS + "/33").headers["ETag"]
    with cluster.connect() as other:
        other.execute(f"alter database {tweets.name} allow_connections false")
    tweets.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
    eventually(lambda: server.get(KEYS + "/33").json()["state"] == "stale")
    answer = server.get(KEYS + "/33", headers={"If-None-Match": etag})
    assert answer.status_code == 200 and "ETag" not in answer.headers
    assert answer.json()["counters"] == {"rts": 2, "favs": 1}
    assert answer.json()["reason"]
    with cluster.connect() as other:
        other.execute(f"alter database {tweets.name} allow_connections true")
    eventually(lambda: server.get(KEYS + "/33").json()["state"] == "live")


# Methods ---------------------------------------------------------------------------------------------------------------


def test_head_is_get_without_a_body(server):
    for path in "/v1/tallies", KEYS + "/33", "/", "/livez", "/v1/tallies/nope":
        plain = {"Accept-Encoding": "identity"}
        got, head = server.get(path, headers=plain), requests.head(server.url + path, headers=plain, timeout=10)
        assert head.status_code == got.status_code and head.text == ""
        assert head.headers["Content-Length"] == str(len(got.content))


def test_options(server):
    for path, allowed in ((KEYS + "/33", "GET, HEAD, OPTIONS"), (KEYS + "/33/fav", "POST, OPTIONS"), ("*", "GET, HEAD, POST, OPTIONS")):
        answer = server.raw(f"OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer.startswith("HTTP/1.1 204 ") and f"\r\nAllow: {allowed}\r\n" in answer


@pytest.mark.parametrize("method, path, allowed", [
    ("POST", "/v1/tallies", "GET, HEAD, OPTIONS"), ("PUT", KEYS + "/33", "GET, HEAD, OPTIONS"), ("DELETE", "/livez", "GET, HEAD, OPTIONS"),
    ("GET", KEYS + "/33/fav", "POST, OPTIONS"), ("BREW", "/", "GET, HEAD, OPTIONS")])
def test_wrong_method(server, method, path, allowed):
    answer = requests.request(method, server.url + path, timeout=10)
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["/nope", "/v1", "/v1/", "/v1/nope", "/v1/tallies/", "/v1/tallies/tweets/", "/v1/tallies/tweets/nope",
                                  "/v1/tallies/tweets/keys/1/2/3", "/metrics", "/v1/tallies/tweets/reset", "//", "/livez/"])
def test_unknown_route(server, path):
    problem(server.get(path), 404, "not_found")


@pytest.mark.parametrize("method, path", [("POST", "/metrics"), ("DELETE", "/nope"), ("POST", "/v1/nope"), ("OPTIONS", "/nope"),
                                          ("POST", "/v1/tallies/tweets/reset")])
def test_unknown_route_by_any_method(server, method, path):
    problem(requests.request(method, server.url + path, timeout=10), 404, "not_found")


def test_keep_alive_and_versions(server):
    two = server.raw("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert two.count("HTTP/1.1 200 OK") == 2 and two.count("Connection: close") == 1
    assert "Connection: close" in server.raw("GET /livez HTTP/1.0\r\n\r\n")
    kept = server.raw("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /livez HTTP/1.0\r\n\r\n")
    assert kept.count("HTTP/1.0 200 OK") == 2 and kept.count("Connection: keep-alive") == 1
    absolute = server.raw("GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert absolute.startswith("HTTP/1.1 200 ")


def test_answers_are_not_cached(server):
    answer = server.get(KEYS + "/33")
    assert answer.headers["Cache-Control"] == "no-cache" and answer.headers["Vary"] == "Origin"


# Actions ---------------------------------------------------------------------------------------------------------------


def test_action_reads_its_write(server):
    for n in range(1, 6):
        answer = server.post(KEYS + "/70/fav")
        assert answer.status_code == 201, answer.text
        assert answer.json()["counters"] == {"rts": 0, "favs": n} and answer.json()["key"] == "70"
    assert server.post(KEYS + "/70/many", json={"n": 10}).json()["counters"] == {"rts": 0, "favs": 15}


def test_action_refusals(server, tweets):
    problem(server.post(KEYS + "/33/nope"), 404, "unknown_action")
    problem(server.post("/v1/tallies/nope/keys/33/fav"), 404, "unknown_tally")
    assert problem(server.post(KEYS + "/abc/fav"), 400, "bad_key")["key"] == "abc"
    problem(server.post(KEYS + "/33/many", data="{"), 400, "bad_body")
    problem(server.post(KEYS + "/33/many", data="{} {}"), 400, "bad_body")
    assert "check constraint" in problem(server.post(KEYS + "/33/never"), 422, "refused")["detail"]
    problem(server.post(KEYS + "/33/many", json={"n": "x"}), 422, "refused")
    assert tweets.sql.execute("select count(*) from tweet.activity").fetchone() == (5,)


def test_action_needs_writable(serve, tweets):
    server = serve(tweets.dsn).wait_live()
    answer = server.post(KEYS + "/33/fav")
    assert "--writable" in problem(answer, 405, "method_not_allowed")["detail"]
    assert answer.headers["Allow"] == "OPTIONS"


def test_action_with_an_unknown_outcome_is_not_run_again(server, tweets):
    before = tweets.sql.execute("select count(*) from tweet.activity").fetchone()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for answer in pool.map(server.post, (KEYS + "/33/lost", "/v1/tallies/tweets/actions/lost?key=33")):
            problem(answer, 504, "outcome_unknown")
    assert tweets.sql.execute("select count(*) from tweet.activity").fetchone() == before
    assert server.post(KEYS + "/33/fav").status_code == 201


def test_action_without_a_database_is_surely_not_done(server, tweets, cluster):
    with cluster.connect() as other:
        other.execute(f"alter database {tweets.name} allow_connections false")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for answer in pool.map(server.post, (KEYS + "/33/fav", "/v1/tallies/tweets/actions/fav?key=33")):
            problem(answer, 503, "not_done")


def test_action_survives_a_backend_that_went_while_idle(server, tweets):
    assert server.post(KEYS + "/33/fav").status_code == 201
    gone = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'pgtally actions'"
    assert tweets.sql.execute(gone).fetchone()[0] > 0
    answers = [server.post(KEYS + "/33/fav").status_code for _ in range(3)]
    assert answers[-1] == 201 and set(answers) <= {201, 504}


# The database itself, the admin address --------------------------------------------------------------------------------


def test_source_database(serve, server, tweets):
    problem(server.get(KEYS + "/33?source=database"), 403, "bypass_not_allowed")
    problem(server.get(KEYS + "/33?source=nope"), 400, "bad_request")
    allowed = serve(tweets.dsn, "--allow-bypass").wait_live()
    for base in server.admin, allowed.url:
        one = requests.get(base + KEYS + "/33?source=database", timeout=10)
        assert one.json() == {"key": "33", "counters": {"rts": 2, "favs": 1}, "state": "database"}
        assert "ETag" not in one.headers
        many = requests.get(base + KEYS + "?key=33&key=99&source=database", timeout=10).json()
        assert many == {"keys": {"33": {"rts": 2, "favs": 1}, "99": {"rts": 0, "favs": 0}}, "state": "database"}


def test_reset(server, tweets):
    def resets():
        return sum(value for name, value in server.metrics().items() if name.startswith("pgtally_loads_total") and 'cause="reset"' in name)
    assert resets() == 0
    assert requests.post(server.admin + "/v1/tallies/tweets/reset", timeout=10).status_code == 202
    eventually(lambda: resets() == 1)
    server.wait_live()
    problem(requests.post(server.admin + "/v1/tallies/nope/reset", timeout=10), 404, "unknown_tally")
    problem(requests.get(server.admin + "/v1/tallies/tweets/reset", timeout=10), 405, "method_not_allowed")


def test_admin_serves_everything_too(server):
    for path in "/v1/tallies", KEYS + "/33", "/livez", "/readyz", "/readyz?live", "/", "/pgtally.js":
        assert requests.get(server.admin + path, timeout=10).status_code == 200, path


def test_metrics(server):
    server.get(KEYS + "/33")
    eventually(lambda: server.metrics()["pgtally_heartbeat_roundtrip_seconds_count"] > 0)
    found = server.metrics()
    assert found['pgtally_state{tally="tweets",state="live"}'] == 1 and found['pgtally_state{tally="tweets",state="stale"}'] == 0
    assert found['pgtally_keys{tally="tweets"}'] == 3
    assert found['pgtally_requests_total{route="/v1/tallies/{tally}/keys/{key}",status="200"}'] >= 1
    for name in ("pgtally_reconnects_total", "pgtally_load_seconds_count", "pgtally_event_lag_seconds_count",
                 'pgtally_clients{protocol="http"}', 'pgtally_clients{protocol="ws"}', "pgtally_changes_pushed_total",
                 "pgtally_changes_conflated_total", "pgtally_sent_bytes_total", "pgtally_notification_queue_usage_ratio",
                 'pgtally_revision{tally="tweets"}', "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds",
                 "process_max_fds", "process_start_time_seconds"):
        assert name in found, name
    assert any(name.startswith("pgtally_build_info{version=") for name in found)


# Readiness -------------------------------------------------------------------------------------------------------------


def test_loading_is_503(serve, tweets):
    lock = tweets.connect()
    lock.autocommit = False
    lock.execute("lock table tweet.activity in access exclusive mode")
    server = serve(tweets.dsn)
    eventually(lambda: server.get("/v1/tallies").ok)
    assert server.get("/v1/tallies").json()["tallies"][0]["state"] == "loading"
    for path in "/v1/tallies/tweets", KEYS + "/33", KEYS + "?key=33":
        answer = server.get(path)
        problem(answer, 503, "loading")
        assert int(answer.headers["Retry-After"]) > 0
    assert server.get("/livez").status_code == 200
    problem(server.get("/readyz"), 503, "not_ready")
    problem(server.get("/readyz?live"), 503, "not_ready")
    lock.rollback()
    server.wait_live()
    assert server.get("/readyz").status_code == 200


def test_database_away_at_start(serve):
    server = serve("host=127.0.0.1 port=1 user=nobody dbname=nothing password=hush")
    eventually(lambda: server.get("/v1/tallies").status_code == 503)
    problem(server.get("/v1/tallies"), 503, "loading")
    problem(server.get("/readyz"), 503, "loading")
    assert server.get("/livez").status_code == 200
    assert "hush" not in server.log()


def test_definitions_that_cannot_be_read_are_failed(serve, empty_database):
    for dsn in empty_database.dsn, empty_database.dsn.replace(f"dbname={empty_database.name}", "dbname=nope"):
        server = serve(dsn, "--heartbeat", "100ms")
        eventually(lambda: server.get("/v1/tallies").json()["code"] == "failed")
        for path in "/v1/tallies", "/v1/tallies/tweets", "/readyz":
            problem(server.get(path), 503, "failed")
        client = server.connect()
        state = client.ask(type="subscribe", id=1, tally="tweets")
        assert state["type"] == "state" and state["state"] == "failed" and state["reason"]
        client.close()


def test_only_some_tallies(serve, tweets):
    tweets.sql.execute("select tally.create_tally('rows', 'tweet.activity', 'messageid')")
    server = serve(tweets.dsn, "--tally", "rows").wait_live()
    assert [tally["name"] for tally in server.get("/v1/tallies").json()["tallies"]] == ["rows"]


# The page --------------------------------------------------------------------------------------------------------------


def test_page_and_client(server):
    assert server.get("/").headers["Content-Type"] == "text/html; charset=utf-8"
    script = server.get("/pgtally.js", headers={"Origin": "https://elsewhere.example"})
    assert script.status_code == 200 and script.headers["Access-Control-Allow-Origin"] == "*"
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert script.headers["Content-Encoding"] == "gzip" and "export" in script.text  # requests takes gzip
    tag = script.headers["ETag"]
    assert {"Origin", "Accept-Encoding"} == set(script.headers["Vary"].split(", "))
    again = server.get("/pgtally.js", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    plain = server.get("/pgtally.js", headers={"Accept-Encoding": "identity", "If-None-Match": tag})
    assert plain.status_code == 200 and "Content-Encoding" not in plain.headers and plain.text == script.text
    assert plain.headers["ETag"] != tag


def test_web_folder(serve, tweets, tmp_path):
    web, secret = tmp_path / "web", tmp_path / "secret.txt"
    (web / "labels").mkdir(parents=True)
    secret.write_text("secret")
    (web / "labels" / "tweets.json").write_text(json.dumps({"33": "hello"}))
    (web / ".hidden").write_text("secret")
    (web / "link.txt").symlink_to(secret)
    (web / "pgtally.js").write_text("secret")
    (web / "large.bin").write_bytes(b"x" * ((16 << 20) + 1))
    server = serve(tweets.dsn, "--web", str(web))
    answer = server.get("/labels/tweets.json")
    assert answer.json() == {"33": "hello"} and answer.headers["Content-Type"] == "application/json"
    for path in "/.hidden", "/link.txt", "/labels", "/labels/", "/large.bin", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%00", "//secret.txt":
        assert "secret" not in server.get(path).text and server.get(path).status_code == 404, path
    raw = server.raw("GET /../secret.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert raw.startswith("HTTP/1.1 404 ")
    assert "secret" not in server.get("/pgtally.js").text
    built_in = server.get("/").text
    (web / "index.html").write_text("<p>mine")
    assert built_in != "<p>mine" and server.get("/").text == "<p>mine"
