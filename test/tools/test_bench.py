"""tools/bench: what it refuses, and the figures that it makes of its rounds. How high they are is no test."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "benchmark"))

import report  # noqa: E402
import tax  # noqa: E402
import writers  # noqa: E402


@pytest.mark.parametrize("arguments, why", [
    ([], "say what: db, feed, rank, writers, lag, fanout, latency, memory, read, share, storm, counts, apply, load, recovery, act or all"),
    (["writers", "--clients", "1,many"], "--clients takes a number from 1 to 100, not 'many'"),
    (["writers", "--clients", "1,"], "--clients takes numbers separated by commas, not '1,'"),
    (["writers", "--clients", "101"], "--clients takes a number from 1 to 100, not '101'"),
    (["fanout", "--clients", "0"], "--clients takes a number from 1 to 50000, not '0'"),
    (["writers", "--flush", "0"], "--flush takes a number from 1 to 100, not '0'"),
    (["lag", "--seconds"], "--seconds needs a value"),
    (["all"], "all needs --report FILE"),
    (["load", "--report", "page.html"], "load takes no --report"),
    (["load", "--check"], "load takes no --check"),
    (["lag", "--dsn", "dbname=mine"], "lag takes no database: --dsn is for db"),
])
def test_wrong_usage_is_refused_before_anything_is_built(arguments, why):
    done = subprocess.run([ROOT / "tools" / "bench", *arguments], text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"bench: {why}; see tools/bench --help\n")


def test_ratio_is_the_median_of_the_rounds_ratios():
    # The machine was busy in the second round, for both. The ratio of the medians would be 0.8.
    found = {"none": [(100, None), (10, None), (50, None)], "wal": [(50, 0.1), (8, 0.7), (40, 0.2)]}
    row = writers.row_of(found, "slow", "hot", 32, "wal")
    assert row == {"disk": "slow", "load": "hot", "clients": 32, "way": "wal", "per_second": 40, "ratio": 0.8,
                   "behind_seconds": 0.7, "aim": 0.6}
    assert writers.row_of({"none": [(100, None), (10, None), (50, None)], "wal": [(90, 0), (2, 0), (10, 0)]},
                          "slow", "hot", 32, "wal")["ratio"] == 0.2
    none = writers.row_of(found, "this", "hot", 32, "none")
    assert (none["ratio"], none["behind_seconds"], none["aim"]) == (1, None, None)


def test_tax_is_the_median_of_the_rounds_differences(monkeypatch):
    costs = iter([(10, 100, 0), (30, 300, 4), (20, 100, 0), (80, 300, 9), (11, 100, 0), (33, 300, 5)])
    monkeypatch.setattr(tax, "measure_once", lambda stage, way: next(costs))
    rows = tax.measure(None, {"none": ["no trigger"], "wal": ["wal"]}, 3)
    assert rows == [{"way": "none", "writer_us": 11, "tax_us": 0, "wal_bytes": 100, "senders_us": 0, "aim": None},
                    {"way": "wal", "writer_us": 33, "tax_us": 22, "wal_bytes": 300, "senders_us": 5, "aim": 60}]


def test_row_has_medians_and_the_spread_of_the_rounds():
    # The second round was disturbed, for both.
    assert report.row("case", "pgtally", [30.0, 3.0, 40.0], "values/s", [60.0, 5.0, 50.0]) == {
        "case": "case", "contestant": "pgtally", "value": 30, "unit": "values/s", "ratio": 0.6, "spread": 1.233}
    alone = report.row("case", "bare", [0.123456], "ms")
    assert (alone["value"], alone["ratio"], alone["spread"]) == (0.1235, None, 0)
    assert report.row("case", "pgtally", [0], "ms", [0])["ratio"] is None
