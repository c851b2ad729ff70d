"""What the log and the access log say."""

import json
import re
import signal

import pytest
import requests

from program import LONG, eventually, run


def test_the_life_of_each_client_is_a_line_at_debug(serve, tweets):
    server = serve(tweets.dsn, "--log-level", "debug").wait_live()
    lives = lambda protocol: re.findall(rf"a client left: client 127.0.0.1, protocol {protocol}, seconds [\d.]+, (.*)", server.log())
    with requests.Session() as one:
        for _ in range(3):
            one.get(server.url + "/livez", timeout=LONG)
    assert eventually(lambda: [each for each in lives("http") if each.startswith("requests 3, bytes ")], server.log)
    client = server.connect()
    client.ask(type="subscribe", id=1, tally="tweets", keys=["33"])
    client.close()
    assert re.fullmatch(r"values 0, bytes \d+, code 1000", eventually(lambda: lives("ws"), server.log)[0])
    with requests.get(server.url + "/v1/tallies/tweets/events?key=33", stream=True, timeout=LONG) as events:
        next(events.iter_lines())
    assert re.fullmatch(r"values 0, bytes \d+", eventually(lambda: lives("sse"), server.log)[0])


def test_json_has_the_same_names_for_the_same_things(serve, tweets):
    server = serve(tweets.dsn, "--log-level", "debug", "--log-format", "json", "--access-log", "/dev/stderr").wait_live()
    requests.get(server.url + "/v1/tallies/tweets/keys/33", timeout=LONG)
    all_lines = lambda: [json.loads(line) for line in server.lines]
    life = eventually(lambda: [each for each in all_lines() if each.get("message") == "a client left" and each["requests"] == 1])[-1]
    assert set(life) == {"time", "level", "message", "client", "protocol", "seconds", "requests", "bytes"}
    request = eventually(lambda: [each for each in all_lines() if each.get("route", "").endswith("/keys/{key}")])[-1]
    assert set(request) == {"time", "client", "method", "route", "status", "bytes", "seconds"}
    assert request["status"] == 200 and request["client"] == "127.0.0.1" and request["bytes"] > 100
    assert all({"time", "level", "message"} <= set(each) for each in all_lines() if "route" not in each)


def test_the_access_log_has_requests_and_streams_and_no_keys(serve, tweets, tmp_path):
    file = tmp_path / "access.log"
    server = serve(tweets.dsn, "--writable", "--access-log", str(file)).wait_live()
    requests.get(server.url + "/v1/tallies/tweets/keys/3333", timeout=LONG)
    requests.post(server.url + "/v1/tallies/tweets/keys/33/fav", timeout=LONG)
    client = server.connect()
    client.ask(type="subscribe", id=1, tally="tweets", keys=["33"])
    client.close()
    with requests.get(server.url + "/v1/tallies/tweets/events?key=33", stream=True, timeout=LONG) as events:
        next(events.iter_lines())
    server.raw("nonsense\r\n\r\n")
    line = r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "%s HTTP/1\.1" %d \d+ \d+\.\d{3}'
    for request, status in [("GET /v1/tallies/{tally}/keys/{key}", 200), ("POST /v1/tallies/{tally}/keys/{key}/{action}", 201), ("GET /v1/ws", 101),
                            ("GET /v1/tallies/{tally}/events", 200), ("- -", 400)]:
        wanted = line % (re.escape(request), status)
        eventually(lambda: re.search(wanted, file.read_text()), lambda: wanted + "\n" + file.read_text())
    assert "3333" not in file.read_text()


def test_sighup_opens_the_access_log_anew(serve, tweets, tmp_path):
    file, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    server = serve(tweets.dsn, "--access-log", str(file))
    requests.get(server.url + "/livez", timeout=LONG)
    eventually(lambda: "/livez" in file.read_text())
    file.rename(moved)
    server.process.send_signal(signal.SIGHUP)
    eventually(file.exists)
    requests.get(server.url + "/livez", timeout=LONG)
    eventually(lambda: "/livez" in file.read_text())
    assert moved.read_text().count("/livez") == 1


def test_an_access_log_that_cannot_be_opened(tweets):
    done = run("serve", "--listen", "127.0.0.1:0", "--admin-listen", "none", "--access-log", "/nonexistent/x", env={"PGTALLY_DSN": tweets.dsn})
    assert done.returncode == 1 and "--access-log: cannot open /nonexistent/x: No such file or directory" in done.stderr


def test_a_fault_that_repeats_is_counted(serve, tweets):
    server = serve(tweets.dsn, "--writable").wait_live()
    for _ in range(5):
        assert requests.post(server.url + "/v1/tallies/tweets/keys/33/lost", timeout=LONG).status_code == 504
    about = [each.partition(" W ")[2] for each in server.lines if "action lost of tally tweets, outcome unknown" in each]
    assert 0 < len(about) < 5 and len(set(about)) == len(about)
    counted = lambda: sum(int(found[1]) for each in server.lines if (found := re.search(r" (\d+) more times: action lost of tally tweets", each)))
    eventually(lambda: len(about) + counted() == 5, server.log)
