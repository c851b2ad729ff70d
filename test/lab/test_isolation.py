"""The isolation levels, and the walk of two sessions."""

import json

import pytest

LEVELS = ["read committed", "repeatable read", "serializable"]


@pytest.fixture
def rows(lab):
    def run(*arguments):
        status, out, err = lab("--json", "isolation", *arguments)
        assert status == 0, err
        return {row["level"]: row for row in json.loads(out)["tables"][0]["rows"]}

    return run


def test_all_levels_are_exact(rows):
    found = rows("--workers", 4, "--retweets", 5)
    assert list(found) == LEVELS
    for level, row in found.items():
        assert row["exact"] and row["counter"] == row["acknowledged"] == 20, level
        assert row["transactions"] == 20 + row["serialization_failures"] and row["given_up"] == 0, level
    assert found["read committed"]["serialization_failures"] == 0


def test_two_updates_that_meet_are_40001_and_done_again(rows, meeting):
    meeting("message", event="update", level="statement")
    found = rows("--workers", 2, "--retweets", 1)
    assert [found[level]["serialization_failures"] for level in LEVELS] == [0, 1, 1]
    assert [found[level]["transactions"] for level in LEVELS] == [2, 3, 3]
    assert all(row["exact"] and row["acknowledged"] == 2 for row in found.values())


def test_without_another_attempt_the_retweet_is_lost_and_the_counter_right(rows, meeting):
    meeting("message", event="update", level="statement")
    found = rows("--workers", 2, "--retweets", 1, "--attempts", 1)
    assert [found[level]["given_up"] for level in LEVELS] == [0, 1, 1]
    assert [found[level]["acknowledged"] for level in LEVELS] == [2, 1, 1]
    assert all(row["exact"] for row in found.values())


@pytest.fixture
def walks(lab):
    status, out, err = lab("--json", "isolation", "--walk", "--message", 7)
    assert status == 0, err
    return {table["title"].split(",")[0]: table["rows"] for table in json.loads(out)["tables"]}


def said(rows, session, what):
    return [row[session]["text"] for row in rows if row[session] and row[session]["does"] == what]


def test_walk_makes_b_wait_for_a(walks):
    assert list(walks) == LEVELS
    for level, rows in walks.items():
        assert said(rows, "b", "waits") == ["waits: ShareLock on a transactionid that session A holds (pg_locks)"]
        assert said(rows, "a", "is answered") == ["BEGIN", "messageid 7, rts 2", "COMMIT"]
        assert said(rows, "a", "types")[0] == "begin isolation level " + level
        # B waits before A commits, and is answered after it.
        order = [(name, row[name]["does"], row[name]["text"]) for row in rows for name in "ab" if row[name]]
        waits = next(i for i, line in enumerate(order) if line[1] == "waits")
        assert order[waits + 1:waits + 3] == [("a", "types", "commit"), ("a", "is answered", "COMMIT")]


def test_walk_answers_3_under_read_committed_and_40001_else(walks):
    assert said(walks["read committed"], "b", "is answered") == ["BEGIN", "messageid 7, rts 3", "COMMIT"]
    for level in LEVELS[1:]:
        assert said(walks[level], "b", "is answered") == [
            "BEGIN", "ERROR 40001: could not serialize access due to concurrent update", "ROLLBACK"]


def test_walk_has_two_columns(lab):
    status, out, err = lab("isolation", "--walk")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    b = lines[2].index("session B")
    assert lines[2].startswith("session A") and lines[4] == "> begin isolation level read committed"
    assert lines[6][b:] == "> begin isolation level read committed" and lines[6][:b].isspace()
