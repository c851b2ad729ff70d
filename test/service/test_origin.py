"""Which origins a browser may let in."""

import pytest
import requests
import websockets

PATHS = ("/v1/tallies", "/v1/tallies/tweets/keys/33", "/livez", "/")


@pytest.fixture
def server(serve, tweets):
    return serve(tweets.dsn, "--writable", "--heartbeat", "200ms", "--allow-host", "counters.example").wait_live()


def ask(server, origin, host=None, method="GET", path="/v1/tallies", **more):
    headers = {"Origin": origin, **({"Host": host} if host else {}), **more}
    return requests.request(method, server.url + path, headers=headers, timeout=10)


@pytest.mark.parametrize("origin, host", [
    ("http://counters.example", "counters.example"), ("https://counters.example", "counters.example"),
    ("https://Counters.Example:443", "counters.example"), ("http://counters.example:8080", "counters.example:8080"),
    ("http://localhost:3000", "127.0.0.1:8080"), ("http://127.1.2.3", "localhost"), ("http://[::1]:5", "localhost:9")])
def test_allowed(server, origin, host):
    answer = ask(server, origin, host)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == origin and answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin, host", [
    ("http://elsewhere.example", "counters.example"), ("http://counters.example:8080", "counters.example"),
    ("http://counters.example", "counters.example:8080"), ("http://localhost", "counters.example"),
    ("http://counters.example", "localhost"), ("http://127.0.0.1.elsewhere.example", "localhost"), ("null", "localhost"),
    ("", "localhost"), ("http://localhost@elsewhere.example", "localhost")])
def test_refused(server, origin, host):
    for method, path in ("GET", "/v1/tallies"), ("HEAD", "/v1/tallies"), ("OPTIONS", "/v1/tallies"), ("POST", "/v1/tallies/tweets/keys/33/fav"), ("GET", "/nope"):
        answer = ask(server, origin, host, method, path)
        assert answer.status_code == 403, (method, path)
        assert "Access-Control-Allow-Origin" not in answer.headers
        if method != "HEAD":
            assert answer.json()["code"] == "bad_origin" and "--allow-origin" in answer.json()["detail"]


def test_upgrade_refused(server):
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        server.connect(origin="http://elsewhere.example")
    assert refused.value.status_code == 403


def test_upgrade_allowed(server):
    server.connect(origin="http://localhost:3000").close()


def test_listed(serve, tweets):
    server = serve(tweets.dsn, "--allow-origin", "https://one.example", "--allow-origin", "HTTP://two.example:80").wait_live()
    assert ask(server, "https://one.example").status_code == 200
    assert ask(server, "http://two.example").status_code == 200
    assert ask(server, "http://one.example").status_code == 403


def test_all(serve, tweets):
    server = serve(tweets.dsn, "--allow-origin", "*").wait_live()
    assert ask(server, "https://any.example").headers["Access-Control-Allow-Origin"] == "https://any.example"
    assert ask(server, "null").status_code == 200
    assert requests.get(server.admin + "/v1/tallies", headers={"Origin": "https://any.example"}, timeout=10).status_code == 403


def test_two_origins(server):
    origin = f"Origin: {server.url}\r\n"
    for twice in origin * 2, origin + "Origin: https://evil.example\r\n":
        answer = server.raw(f"GET /v1/tallies HTTP/1.1\r\nHost: {server.host}\r\n{twice}Connection: close\r\n\r\n")
        assert answer.startswith("HTTP/1.1 400 ")


def test_preflight(serve, tweets):
    server = serve(tweets.dsn, "--writable", "--allow-origin", "https://one.example")
    answer = ask(server, "https://one.example", None, "OPTIONS", "/v1/tallies/tweets/keys/33/fav",
                 **{"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://one.example"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "content-type" in answer.headers["Access-Control-Allow-Headers"].lower()
    assert int(answer.headers["Access-Control-Max-Age"]) > 0


def test_patterns(serve, tweets):
    server = serve(tweets.dsn, "--allow-origin", "https://*.example.com", "--allow-origin", "null").wait_live()
    for origin in "https://a.example.com", "https://a.b.example.com", "null":
        answer = ask(server, origin)
        assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == origin
    for origin in "https://example.com", "https://example.com.evil.example", "https://evilexample.com", "http://a.example.com", "https://a.example.com:8443":
        assert ask(server, origin).status_code == 403, origin
    server.connect(origin="https://a.example.com").close()


def test_credentials_for_origins_that_are_named(serve, tweets):
    named = serve(tweets.dsn, "--allow-origin", "https://*.example.com", "--allow-origin", "null").wait_live()
    everybody = serve(tweets.dsn, "--allow-origin", "*").wait_live()
    assert ask(named, "https://a.example.com").headers["Access-Control-Allow-Credentials"] == "true"
    assert ask(named, "https://a.example.com", None, "OPTIONS").headers["Access-Control-Allow-Credentials"] == "true"
    for server, origin in (named, "null"), (named, "http://localhost:3000"), (everybody, "https://a.example.com"), (everybody, "null"):
        answer = ask(server, origin)
        assert answer.status_code == 200 and "Access-Control-Allow-Credentials" not in answer.headers
    for answer in ask(named, "https://evil.example"), requests.get(named.url + "/livez", timeout=10):
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_headers_of_preflights(serve, tweets):
    server = serve(tweets.dsn, "--allow-header", "traceparent", "--allow-header", "Authorization").wait_live()
    answer = ask(server, "http://localhost:3000", None, "OPTIONS", **{"Access-Control-Request-Method": "GET"})
    names = [name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")]
    assert {"traceparent", "authorization", "content-type", "last-event-id"} <= set(names)


def test_refused_origins_are_in_the_log(server):
    for _ in range(30):
        ask(server, "https://elsewhere.example", "counters.example")
    lines = [line for line in server.lines if "https://elsewhere.example" in line]
    assert len(lines) == 10 and all(" I " in line and "--allow-origin" in line and "counters.example" in line for line in lines)
    ask(server, "null")
    requests.get(server.admin + "/livez", headers={"Origin": "https://admin.example"}, timeout=10)
    assert "admin.example" not in server.log()


def test_admin_refuses_every_origin(server):
    for path in ("/metrics", "/pgtally.js", *PATHS):
        answer = requests.get(server.admin + path, headers={"Origin": server.admin}, timeout=10)
        assert answer.status_code == 403 and answer.json()["code"] == "bad_origin", path


def test_built_in_page_in_no_frame_of_others(server):
    assert requests.get(server.url + "/", timeout=10).headers["Content-Security-Policy"] == "frame-ancestors 'none'"
