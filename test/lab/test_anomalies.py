"""Every anomaly happens, and pgtally is right."""

import json

import pytest


@pytest.fixture
def tables(lab):
    status, out, err = lab("--json", "anomalies", "--message", 7)
    assert status == 0, err
    found = json.loads(out)
    assert found["experiment"] == "anomalies" and found["settings"]["message"] == 7
    return {table["title"].split(", PostgreSQL")[0]: table["rows"] for table in found["tables"]}


def said(rows, session, what):
    return [row[session]["text"] for row in rows if row[session] and row[session]["does"] == what]


def test_two_sessions_at_one_message(tables):
    rows = tables["two sessions retweet one message at the same time"]
    assert {row["case"]: (row["acknowledged"], row["stored"], row["pgtally"]) for row in rows} == {
        "update, else insert: unique": (1, [1], 2),
        "update, else insert: not unique": (2, [1, 1], 2),
        "read, add, write": (2, [1], 2),
        "rts = rts + 1": (2, [2], 2)}
    assert all(row["retweets"] == 2 for row in rows)
    assert rows[0]["answer_of_b"].startswith("ERROR 23505: ")


def test_race_is_walked_step_by_step(tables):
    unique = tables["update, else insert: unique"]
    assert said(unique, "a", "is answered") == ["BEGIN", "UPDATE 0", "INSERT 0 1", "COMMIT"]
    assert said(unique, "b", "waits") == ["waits: ShareLock on a transactionid that session A holds (pg_locks)"]
    assert said(unique, "b", "is answered")[-1] == "ROLLBACK"
    other = tables["update, else insert: not unique"]
    assert said(other, "b", "is answered") == ["BEGIN", "UPDATE 0", "INSERT 0 1", "COMMIT"]
    assert said(other, "b", "waits") == []


def test_both_clients_read_the_same_number(tables):
    rows = tables["read, add, write"]
    assert [said(rows, session, "is answered")[1] for session in "ab"] == ["rts 0", "rts 0"]
    assert said(rows, "b", "waits")


def test_sessions_that_insert_do_not_wait(tables):
    rows = tables["pgtally: an insert each"]
    assert [said(rows, session, "is answered") for session in "ab"] == [["BEGIN", "INSERT 0 1", "COMMIT"]] * 2
    assert said(rows, "b", "waits") == []


def test_what_the_articles_service_counts_and_what_is_true(tables):
    rows = tables["the articles' service, and pgtally through the same"]
    assert [(row["anomaly"], row["truth"], row["article"], row["pgtally"]) for row in rows] == [
        ("counted twice at the start", 1, 2, 1),
        ("folded events", 3, 1, 3),
        ("missed while away", 2, 1, 2),
        ("the past added again", 5, 10, 5)]


def test_seven_actions_are_four_notifications_and_one_event(tables):
    rows = tables["seven actions in one insert, and what is notified"]
    article = [json.loads(row["payload"]) for row in rows if row["by"] == "the articles' trigger"]
    assert article == [{"messageid": 7, "rts": 1, "favs": 0}, {"messageid": 7, "rts": -1, "favs": 0},
                       {"messageid": 7, "rts": 0, "favs": 1}, {"messageid": 7, "rts": 0, "favs": -1}]
    ours = [json.loads(row["payload"]) for row in rows if row["by"] == "pgtally"]
    assert [(event["t"], event["d"]) for event in ours] == [("pgtally_lab", [["7", 1, 2]])]


def test_text_says_how_each_comes_about(lab):
    status, out, err = lab("anomalies")
    assert status == 0 and "schema tally was not in this database" in err
    assert "counted twice at the start: a retweet commits after LISTEN" in out
    assert "> insert into counters values (3, 1)" in out
