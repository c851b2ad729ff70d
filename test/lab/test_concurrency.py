"""Each strategy's counter has the expected value; expected failures happen."""

import json

import pytest

from postgres import Cluster

STRATEGIES = ["update", "insert", "insert-unique", "trigger-update-insert", "trigger-loop", "trigger-conflict-printed",
              "trigger-conflict", "trigger-daily", "notify-row", "pgtally", "pgtally-wal"]


@pytest.fixture
def rows(lab):
    """The rows of `concurrency`, by strategy."""
    def run(*arguments):
        status, out, err = lab("--json", "concurrency", *arguments)
        assert status == 0, err
        return {row["strategy"]: row for row in json.loads(out)["tables"][0]["rows"]}

    return run


def only(strategies):
    return [word for name in strategies for word in ("--strategy", name)]


def test_all_strategies_count_what_they_acknowledged(rows):
    found = rows("--workers", 5, "--retweets", 8)
    assert list(found) == STRATEGIES
    for name, row in found.items():
        assert row["exact"], name
        assert row["counter"] == row["acknowledged"], name
        assert row["acknowledged"] + sum(row["errors"].values()) == 40, name
        assert row["seconds"] >= 0 and 0 < row["p50_ms"] <= row["p99_ms"]
        if name not in ("insert-unique", "trigger-update-insert", "trigger-daily"):
            assert row["errors"] == {}, name


def test_spread_load_is_exact_for_each_message(rows):
    for name, row in rows("--workers", 3, "--retweets", 7, "--spread", 4).items():
        assert row["exact"], name
        assert row["acknowledged"] + sum(row["errors"].values()) == 21, name


def test_first_action_that_takes_back_is_0_as_printed_and_minus_1_else(rows):
    found = rows("--workers", 1, "--retweets", 1)
    assert {name: row["first_de_rt"] for name, row in found.items()} == {
        **dict.fromkeys(STRATEGIES, -1), "update": None, "trigger-daily": None, "trigger-conflict-printed": 0}


def test_two_retweets_at_the_same_time_are_23505_under_the_unique_constraint(rows, on_table):
    # A clock with a resolution of a day: two retweets certainly read the same time.
    on_table("activity", "alter table pgtally_lab.activity alter datetime set default date_trunc('day', now())")
    found = rows("--workers", 3, "--retweets", 4, *only(["insert", "insert-unique"]))
    assert found["insert"]["errors"] == {} and found["insert"]["acknowledged"] == 12
    unique = found["insert-unique"]
    assert set(unique["errors"]) == {"23505"} and 10 <= unique["errors"]["23505"] <= 11
    assert unique["acknowledged"] + unique["errors"]["23505"] == 12
    assert unique["exact"]


@pytest.mark.parametrize("strategy, table, refused", [
    ("trigger-update-insert", "counters", 1),
    ("trigger-daily", "daily_counters", 1),
    ("trigger-loop", "counters", 0),
    ("trigger-conflict-printed", "counters", 0),
    ("trigger-conflict", "counters", 0),
])
def test_two_first_retweets_race_for_the_row(rows, meeting, strategy, table, refused):
    meeting(table)
    row = rows("--workers", 2, "--retweets", 1, "--strategy", strategy)[strategy]
    assert row["errors"] == ({"23505": refused} if refused else {})
    assert row["acknowledged"] == row["counter"] == 2 - refused
    assert row["exact"]


def outcome_of(lab, *arguments, dsn):
    status, out, err = lab("--json", "concurrency", "--workers", 1, "--retweets", 2, *arguments, dsn=dsn)
    assert status == 0, err
    [table] = json.loads(out)["tables"]
    return {row["strategy"]: row for row in table["rows"]}, [words for words in table["says"] if " did not run: " in words]


@pytest.fixture
def not_decoding():
    """A cluster with PostgreSQL's default of wal_level."""
    cluster = Cluster("fsync=off")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.drop()


def test_without_decoding_the_row_of_wal_is_empty_and_the_others_run(lab, not_decoding):
    found, says = outcome_of(lab, *only(["pgtally", "pgtally-wal"]), dsn=not_decoding.dsn())
    assert found["pgtally"]["exact"]
    assert found["pgtally-wal"] == {**dict.fromkeys(found["pgtally-wal"]), "strategy": "pgtally-wal"}
    assert len(says) == 1 and says[0].startswith("pgtally-wal did not run: "), says
    assert "wal_level is replica" in says[0] and "alter system set wal_level = logical" in says[0]


def test_role_without_replication_is_why_wal_did_not_run(lab, empty_database):
    empty_database.sql.execute(f"create role walker login; grant create on database {empty_database.name} to walker")
    try:
        found, says = outcome_of(lab, *only(["pgtally-wal"]), dsn=f"{empty_database.dsn} user=walker")
    finally:
        empty_database.sql.execute("drop owned by walker cascade; drop role walker")
    assert found["pgtally-wal"]["exact"] is None
    assert len(says) == 1 and "REPLICATION" in says[0].upper(), says


def test_all_may_be_refused(rows, on_table):
    on_table("activity", "alter table pgtally_lab.activity add check (action <> 'rt')")
    row = rows("--workers", 2, "--retweets", 3, "--strategy", "insert")["insert"]
    assert row["errors"] == {"23514": 6}
    assert (row["acknowledged"], row["counter"], row["exact"], row["p50_ms"], row["p99_ms"]) == (0, 0, True, None, None)


def test_counter_that_is_wrong_is_seen(rows, on_table):
    # A counter that silently stops at 2.
    on_table("message", """
        create function pgtally_lab.stop() returns trigger language plpgsql as
        'begin return case when old.rts < 2 then new else old end; end';
        create trigger stop before update on pgtally_lab.message for each row execute function pgtally_lab.stop()""")
    row = rows("--workers", 1, "--retweets", 5, "--strategy", "update")["update"]
    assert (row["acknowledged"], row["counter"], row["exact"]) == (5, 2, False)


def test_text_is_a_table_and_what_it_shows(lab):
    status, out, err = lab("concurrency", "--workers", 2, "--retweets", 2, "--strategy", "update", "--strategy", "insert")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("2 workers, 2 retweets each of message 3, PostgreSQL ")
    assert lines[2].split()[:3] == ["strategy", "seconds", "retweets/s"]
    assert lines[4].startswith("update ") and lines[5].startswith("insert ")
    assert "update: the counter is a column" in out and "pgtally:" not in out
