"""SIGHUP: what may change while the server runs, and what needs a restart."""

import signal

import pytest

from program import eventually


def test_options_of_the_file_are_read_again(serve, tweets, tmp_path):
    file = tmp_path / "pgtally.conf"
    file.write_text("log-level = info\n")
    server = serve(tweets.dsn, "--config", str(file)).wait_live()
    foreign = {"Origin": "https://page.example.org"}
    assert server.get("/v1/tallies", headers=foreign).status_code == 403

    def hang_up(text, wanted):
        file.write_text(text)
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: wanted in server.log(), server.log)

    hang_up("log-level = debug\nallow-origin = https://page.example.org\n", "SIGHUP: changed: log-level, allow-origin")
    assert server.get("/v1/tallies", headers=foreign).status_code == 200
    eventually(lambda: "a client left" in server.last_lines(), server.log)  # which debug alone shows

    hang_up("log-level = debug\nallow-origin = https://page.example.org\nwritable = true\nmax-clients = 7\n",
            "SIGHUP: these options change by a restart only: writable, max-clients")
    assert server.post("/v1/tallies/tweets/keys/33/fav").status_code == 405

    hang_up("log-levle = info\n", "SIGHUP: the options stay as they were: pgtally serve: ")
    assert "log-level" in server.last_lines()
    assert server.get("/v1/tallies", headers=foreign).status_code == 200

    lines = server.log().count("SIGHUP: no option changed")
    file.write_text("log-level = debug\nallow-origin = https://page.example.org\n")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: server.log().count("SIGHUP: no option changed") > lines, server.log)
