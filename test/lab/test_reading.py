"""Every way to read is exact after the writers have stopped, and its figures are consistent. No speed is asserted."""

import http.server
import json
import pathlib
import signal
import socket
import subprocess
import threading

import pytest
from labs import PROGRAM, SERVER, environment, eventually

WAYS = ["view", "materialized-view", "summary-table", "pgtally-http", "pgtally-embedded"]
SMALL = ["--writers", 2, "--readers", 2, "--seconds", 1, "--history", 50]
HTTP = ["--way", "pgtally-http"]


@pytest.fixture
def rows(lab):
    def run(*arguments):
        status, out, err = lab("--json", "reading", *SMALL, *arguments)
        assert status == 0, err
        return {row["way"]: row for row in json.loads(out)["tables"][0]["rows"]}

    return run


def servers_of(database):
    found = subprocess.run(["pgrep", "-f", "--", "--tally pgtally_lab"], text=True, capture_output=True)
    wanted = f"PGTALLY_DSN={database.dsn}".encode()
    return [pid for pid in found.stdout.split() if wanted in environ_of(pid)]


def environ_of(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_all_ways_are_exact_at_the_end(rows, empty_database):
    found = rows("--program", SERVER, "--refresh", "200ms")
    assert list(found) == WAYS
    for way, row in found.items():
        assert row["exact"], way
        assert row["reads_per_second"] > 0 and row["written"] > 0, way
        assert 0 <= row["p50_ms"] <= row["p99_ms"], way
        assert 0 <= row["age_p50_ms"] <= row["age_p99_ms"] <= row["age_max_ms"], way
        assert 0 <= row["behind_p50"] <= row["behind_max"] <= row["written"], way
        assert (row["behind_max"] == 0) == (row["age_max_ms"] == 0), way
    assert "refresh" in found["materialized-view"]["remark"]
    assert servers_of(empty_database) == []


def test_materialized_view_that_is_not_refreshed_is_as_old_as_the_first_write(rows):
    row = rows("--refresh", "1h", "--way", "materialized-view")["materialized-view"]
    assert row["remark"] == "no refresh"
    # The last read, or the one before the last write: all writes are missing from it.
    assert 0 < row["behind_max"] <= row["written"] and row["age_max_ms"] > 0
    assert row["exact"]  # after a refresh


def test_without_the_program_its_row_says_why(rows, tmp_path):
    found = rows("--program", tmp_path / "none", *HTTP, "--way", "view")
    assert list(found) == ["view", "pgtally-http"]
    row = found["pgtally-http"]
    assert row["remark"] == "absent: none serve ended at once: it cannot be run"
    assert all(value is None for name, value in row.items() if name not in ("way", "remark"))
    assert found["view"]["exact"]


def test_program_that_ends_gives_its_last_words(rows, tmp_path):
    program = tmp_path / "pgtally"
    program.write_text("#!/bin/sh\necho first\necho not today\n")
    program.chmod(0o755)
    assert rows("--program", program, *HTTP)["pgtally-http"]["remark"] == "absent: pgtally serve ended at once: not today"


def test_url_where_nobody_answers_says_so(rows):
    row = rows("--url", "http://127.0.0.1:1", *HTTP)["pgtally-http"]
    assert row["remark"].startswith("absent: no server answers at http://127.0.0.1:1: ")


class TooMuch(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(65537))
        self.end_headers()
        self.wfile.write(b"x" * 65537)

    def log_message(self, *arguments):
        pass


def test_answer_that_is_too_long_says_so(rows):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), TooMuch) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        row = rows("--url", f"http://127.0.0.1:{server.server_port}", *HTTP)["pgtally-http"]
        server.shutdown()
    assert row["remark"].startswith("absent: ") and "body limit exceeded" in row["remark"]


def test_server_that_does_not_answer_says_so(rows):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        row = rows("--url", f"http://127.0.0.1:{silent.getsockname()[1]}", *HTTP)["pgtally-http"]
    assert row["remark"].startswith("absent: no server answers at ") and "timeout" in row["remark"]


def test_program_that_says_too_much_is_not_waited_for(rows, tmp_path):
    program = tmp_path / "pgtally"
    program.write_text("#!/bin/sh\nhead -c 20000 /dev/zero | tr '\\0' x\nexec sleep 60\n")
    program.chmod(0o755)
    row = rows("--program", program, *HTTP)["pgtally-http"]
    assert row["remark"] == "absent: pgtally serve writes too much before it says where it listens"


def test_program_that_does_not_end_is_killed(rows, tmp_path):
    program = tmp_path / "pgtally"
    program.write_text(f"#!/bin/sh\ntrap '' TERM\necho $$ >{tmp_path}/pid\necho listening at http://127.0.0.1:1/\nexec sleep 60\n")
    program.chmod(0o755)
    row = rows("--program", program, *HTTP)["pgtally-http"]
    assert row["remark"].startswith("absent: no server answers at http://127.0.0.1:1")
    assert not pathlib.Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_server_that_runs_already_is_asked(rows, database):
    command = [SERVER, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "none"]
    with subprocess.Popen(command, env={**environment(), "PGTALLY_DSN": database.dsn}, text=True, stderr=subprocess.PIPE) as server:
        try:
            address = next(line.split("listening at ")[1].strip() for line in server.stderr if "listening at " in line)
            run = subprocess.run([PROGRAM, "--dsn", database.dsn, "--json", "reading", *map(str, SMALL), *HTTP, "--url", address],
                                 env=environment(), text=True, capture_output=True, timeout=120)
            assert run.returncode == 0, run.stderr
            found = {row["way"]: row for row in json.loads(run.stdout)["tables"][0]["rows"]}
            assert found["pgtally-http"]["exact"] and found["pgtally-http"]["remark"] == ""
        finally:
            server.terminate()


def test_interrupted_lab_ends_its_server(begin, empty_database):
    process = begin("reading", *SMALL, *HTTP, "--program", SERVER)
    eventually(lambda: servers_of(empty_database), "no server")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert servers_of(empty_database) == []


def test_killed_lab_takes_its_server_along(begin, empty_database):
    process = begin("reading", *SMALL, *HTTP, "--program", SERVER)
    eventually(lambda: servers_of(empty_database), "no server")
    process.kill()
    process.wait(timeout=60)
    eventually(lambda: not servers_of(empty_database), "the server stays")


def test_too_many_readers_are_refused(lab):
    status, out, err = lab("reading", "--writers", 60, "--readers", 60)
    assert (status, out) == (1, "")
    assert "120 writers and readers need 128 connections more" in err


def test_text_defines_the_age(lab):
    status, out, err = lab("reading", *SMALL, "--way", "view")
    assert status == 0, err
    assert "2 writers and 2 readers of message 3 for 1 s, 50 retweets before, PostgreSQL " in out
    assert "the time since the first acknowledged write that is missing from it" in " ".join(out.split())
