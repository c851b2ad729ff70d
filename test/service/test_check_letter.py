"""`pgtally check` as a letter: grouped, on a terminal and as JSON, of a database and of a server that runs."""

import json
import re
import socket

import pytest

import fronts
import tokens
from certificates import Authority
from program import eventually, run
from terminals import Terminal
from test_audit import forge

HARM = "alter table tweet.activity disable trigger tally_1_insert"


def groups(text):
    """What each group's line says."""
    return dict(line.split(": ", 1) for line in text.splitlines() if re.match(r"[a-z][a-z_ ]*: ", line))


# The letter -----------------------------------------------------------------------------------------------------------


def test_what_is_well_has_a_line_for_each_group(tweets):
    asked = run("check", "--dsn", tweets.dsn)
    assert asked.returncode == 0 and not asked.stderr and "\x1b" not in asked.stdout
    found = groups(asked.stdout)
    assert list(found) == ["server", "limits", "notify", "schema", "rights", "tally tweets", "replication", "senders", "process"]
    assert found["notify"] == "well; a notification came back" and found["tally tweets"] == "well"
    assert found["replication"] == "not looked at; no tally has transport wal"
    assert asked.stdout.startswith(f"database {tweets.name}, as role postgres\n\nserver: well; PostgreSQL ")
    assert re.search(r"\nnothing found that keeps counters from being exact or live, (\d note, )?\d\d checks passed, 1 group not looked at\n$", asked.stdout)


def test_a_fault_stands_in_its_group(tweets):
    tweets.sql.execute("select tally.create_tally('more', 'tweet.activity', 'messageid')")
    tweets.sql.execute(HARM)
    asked = run("check", "--dsn", tweets.dsn)
    assert asked.returncode == 1
    found = groups(asked.stdout)
    assert found["tally tweets"] == "1 fault" and found["tally more"] == "well"
    assert """tally tweets: 1 fault
  looked at: its source, its triggers, its columns, its functions, its truth, its actions, its table, its transport
  fault: disabled_trigger: the insert trigger of tweet.activity is disabled
    means: changes by such statements are not counted
    remedy: select tally.reload('tweets')
""" in asked.stdout
    assert re.search(r"\n1 fault, 0 warnings, (\d note, )?\d\d checks passed, 1 group not looked at\n$", asked.stdout)


def test_json_is_grouped_alike(tweets):
    tweets.sql.execute(HARM)
    answer = json.loads(run("check", "--dsn", tweets.dsn, "--json").stdout)
    assert set(answer) == {"ok", "findings", "groups", "summary"} and not answer["ok"]
    text = groups(run("check", "--dsn", tweets.dsn).stdout)
    assert [(each["group"] + " " + each.get("tally", "")).strip() for each in answer["groups"]] == list(text)
    for each in answer["groups"]:
        assert set(each) - {"tally", "seen", "skipped"} == {"about", "group", "looked_at", "passed", "findings"} and each["about"] == "database"
    nested = [one for each in answer["groups"] for one in each["findings"]]
    assert all(one.pop("means") for one in nested)
    assert sorted(map(str, nested)) == sorted(map(str, answer["findings"]))
    notes = len([one for one in nested if one["severity"] == "note"])
    assert answer["summary"] == {"faults": 1, "warnings": 0, "notes": notes, "passed": sum(each["passed"] for each in answer["groups"]), "skipped": 1}


def test_a_database_that_is_away():
    asked = run("check", "--dsn", "host=127.0.0.1 port=1")
    assert asked.returncode == 1 and groups(asked.stdout)["server"] == "1 fault"
    assert "\n    means: a server cannot follow this database\n    remedy: " in asked.stdout


def test_no_schema(empty_database):
    asked = run("check", "--dsn", empty_database.dsn)
    found = groups(asked.stdout)
    assert asked.returncode == 1 and found["schema"] == "1 fault" and found["rights"] == "not looked at; the schema cannot be asked"
    assert "remedy: run pgtally install\n" in asked.stdout


# Terminals ------------------------------------------------------------------------------------------------------------


def test_on_a_terminal_it_is_wrapped_and_coloured(tweets):
    tweets.sql.execute("alter table tweet.activity rename to \"a table with a name that is really too long\"")
    tweets.sql.execute("alter table tweet.\"a table with a name that is really too long\" disable trigger tally_1_insert")
    shown = Terminal("check", "--dsn", tweets.dsn, columns=60).rest()
    assert "\x1b[1mtally tweets\x1b[0m: \x1b[1;31m1 fault\x1b[0m" in shown and "\x1b[32mwell\x1b[0m" in shown
    plain = re.sub(r"\x1b\[[0-9;]*[mK]", "", shown).replace("\r", "")
    assert max(len(line) for line in plain.splitlines() if "remedy: select" not in line) <= 60
    assert "    remedy: select tally.reload('tweets')\n" in plain


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_terminals_without_colours(tweets, variables):
    shown = Terminal("check", "--dsn", tweets.dsn, columns=40, env=variables).rest()
    plain = re.sub(r"\r\x1b\[K.*?\r\x1b\[K", "", shown) if "NO_COLOR" in variables else shown  # what it looks at, if it takes long
    assert "\x1b" not in plain and "\nnothing found that keeps counters from\n" not in plain and "tally tweets: well" in plain


def test_what_takes_long_shows_what_it_looks_at():
    """It waits for a server that does not answer, until the test has seen that it says so."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        terminal = Terminal("check", "--url", url)
        connection, _ = silent.accept()
        terminal.until(f"\r\x1b[Kasking {url}/".encode())
        connection.close()
    shown = terminal.rest()
    assert shown.index("\r\x1b[K", shown.index("asking ")) < shown.index("the server at") and terminal.process.returncode == 1


# A server that runs ---------------------------------------------------------------------------------------------------


def test_a_server_that_is_well(server):
    eventually(lambda: server.metrics().get('pgtally_heartbeat_age_seconds{transport="notify"}'))
    asked = run("check", "--url", server.admin)
    assert asked.returncode == 0 and not asked.stderr, asked.stdout
    found = groups(asked.stdout)
    assert list(found) == ["service", "tally tweets", "events", "notify", "wal", "clients", "process"]
    assert re.match(r"well; pgtally \d+\.\d+\.\d+, ready, database at 127\.0\.0\.1:\d+, runs for ", found["service"])
    assert found["tally tweets"] == "well; live, 3 keys, not compared with the truth since the start"
    assert found["events"].startswith("well; a heartbeat came back by notify ")
    assert re.match(r"well; \d+ of \d+ file descriptors, \d+ MiB of memory", found["process"])
    assert asked.stdout.startswith(f"the server at {server.admin}/\n")


def test_what_a_server_has(serve, tweets):
    """A state with its remedy, keys that differed, a table that another server writes."""
    tweets.sql.execute("select tally.alter_tally('tweets', materialize => 'public.kept')")
    first = serve(tweets.dsn, "--heartbeat", "200ms").wait_live()
    eventually(lambda: first.metrics().get('pgtally_materialize_writer{tally="tweets"}') == 1)
    server = serve(tweets.dsn, "--heartbeat", "200ms").wait_live()
    answer = json.loads(run("check", "--url", server.admin, "--json").stdout)
    assert answer["ok"] and [one["kind"] for one in answer["findings"]] == ["nobody_writes"]
    tweets.sql.execute("alter table tweet.activity drop column action cascade")
    eventually(lambda: server.get("/v1/tallies/tweets").json()["state"] == "failed")
    asked = run("check", "--url", server.admin, "--json")
    failed, = [one for one in json.loads(asked.stdout)["findings"] if one["kind"] == "failed"]
    assert asked.returncode == 1 and (failed["check"], failed["severity"], failed["tally"]) == ("tally", "error", "tweets")
    assert "reads column action" in failed["message"] and "remedy" not in failed["message"] and failed["remedy"].startswith("select tally.alter_tally('tweets'")


def test_audits_and_drift(server, tweets):
    assert "not compared with the truth since the start" in run("check", "--url", server.admin).stdout
    forge(tweets, '"d":[["33",5,0]]')
    eventually(lambda: server.get("/v1/tallies/tweets/keys/33").json()["counters"]["rts"] == 7)
    run("audit", "--url", server.admin)
    asked = run("check", "--url", server.admin)
    assert asked.returncode == 1 and "  warning: drift: 1 key differed from the truth since the start of the server, while it was live\n" in asked.stdout
    assert re.search(r", compared with the truth \S+ s ago", asked.stdout)


def test_near_the_limits(serve, tweets):
    server = serve(tweets.dsn, "--heartbeat", "200ms", "--max-clients", "10").wait_live()
    crowd = [server.connect() for _ in range(10)]
    asked = run("check", "--url", server.admin, "--json")
    assert [one["kind"] for one in json.loads(asked.stdout)["findings"] if one["severity"] != "note"] == ["clients_near_limit"] and asked.returncode == 1
    for each in crowd:
        each.close()


def test_both_letters(server, tweets):
    asked = run("check", "--url", server.admin, "--dsn", tweets.dsn)
    assert asked.stdout.index("database ") < asked.stdout.index("\nthe server at ") and asked.returncode == 0
    answer = json.loads(run("check", "--json", env={"PGTALLY_URL": server.admin, "PGTALLY_DSN": tweets.dsn}).stdout)
    assert [each["about"] for each in answer["groups"]] == ["database"] * 9 + ["server"] * 7


def test_a_public_address_tells_what_it_may(server):
    asked = run("check", "--url", server.url)
    found = groups(asked.stdout)
    assert asked.returncode == 1 and found["service"].startswith("1 warning") and found["tally tweets"] == "well; live"
    assert "--admin-listen" in asked.stdout and found["process"] == "not looked at; only the admin address tells"


def test_a_server_that_cannot_be_asked(serve, tweets, tmp_path):
    asked = run("check", "--url", "http://127.0.0.1:1")
    assert asked.returncode == 1 and "fault: unreachable: connecting to http://127.0.0.1:1/ failed: Connection refused\n" in asked.stdout
    (tmp_path / "key").write_text(tokens.SECRET)
    server = serve(tweets.dsn, "--auth-key", str(tmp_path / "key"))
    eventually(lambda: server.get("/readyz?live").ok)
    asked = run("check", "--url", server.url)
    assert asked.returncode == 1 and "the server answered 401" in asked.stdout and "--token-file FILE" in asked.stdout
    assert groups(run("check", "--url", server.url, env={"PGTALLY_TOKEN": tokens.token("tweets")}).stdout)["tally tweets"] == "well; live"
    assert run("check", "--url", server.admin).returncode == 0


def test_by_tls_and_by_a_unix_socket(server, tmp_path):
    authority = Authority(tmp_path)
    secured = fronts.tls(server.admin, authority.issue("localhost"))
    local = fronts.unix(server.admin, tmp_path / "admin")
    port = secured.listener.getsockname()[1]
    assert run("check", "--url", f"https://localhost:{port}", "--ca-file", authority.file).returncode == 0
    assert "is not trusted" in run("check", "--url", f"https://localhost:{port}").stdout
    assert run("check", "--url", f"unix:{tmp_path}/admin").returncode == 0
    secured.close()
    local.close()


def test_wrong_usage():
    for arguments in (["--url", "ftp://x"], ["--url"], ["--nope"]):
        asked = run("check", *arguments)
        assert asked.returncode == 2 and not asked.stdout and asked.stderr
