"""The benches of the database's side, and the report: short runs print each figure, and what they compute is right."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCHMARK = ROOT / "tools" / "benchmark"
PROGRAMS = pathlib.Path(os.environ.get("PGTALLY_PROGRAM", ROOT / "build" / "release" / "pgtally")).resolve().parent
sys.path.insert(0, str(BENCHMARK))

import all as bench_all  # noqa: E402
import counts  # noqa: E402
import page  # noqa: E402


def test_counts_has_each_case_and_says_of_which_compiler():
    if not (PROGRAMS / "pgtally-bench-counts").exists():
        pytest.skip("built without the server")
    done = subprocess.run([sys.executable, BENCHMARK / "counts.py", "--programs", PROGRAMS, "--rounds", "1"], text=True,
                          capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    for title in counts.CASES.values():
        assert f"\n{title}: " in done.stdout
    assert counts.compiler_of(PROGRAMS) in done.stdout


def test_counts_over_five_percent_more_are_worse():
    known = {"instructions": {"event": 1000, "change": 1000}}
    rows, worse = counts.compare({"event": [1050], "change": [900, 1051, 2000], "own": [8], "get": [7]}, known)
    assert [(line["value"], line["ratio"]) for line in rows] == [(1050, 1.05), (1051, 1.051), (8, None), (7, None)]
    assert worse == [counts.CASES["change"]]


@pytest.fixture
def folder():
    """One that the system user postgres may enter."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="pgtally-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    subprocess.run([ROOT / "tools" / "cluster", "drop", path / "cluster"], check=True)
    shutil.rmtree(path, ignore_errors=True)


def run(bench, folder, *options):
    """The values by case, contestant and unit."""
    if not (PROGRAMS / "pgtally").exists():
        pytest.skip("built without the server")
    done = subprocess.run([sys.executable, BENCHMARK / f"{bench}.py", "--folder", folder, "--programs", PROGRAMS, "--rounds", "1",
                           "--json", *options], text=True, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["bench"] == bench and found["machine"]["cores"] >= 1
    for row in found["rows"]:
        assert row["value"] > 0 and row["spread"] == 0, row
    return {(row["case"], row["contestant"], row["unit"]): row["value"] for row in found["rows"]}


def test_apply_has_each_transport_and_size_beside_the_bare_loop(folder):
    found = run("apply", folder, "--seconds", "0.02", "--keys", "1000")
    assert set(found) == {(f"{transport}, {width} an event, 1,000 keys", contestant, "events/CPU s")
                          for transport in ("notify", "wal") for width in ("1 key", "100 keys")
                          for contestant in ("pgtally", "libpq, counts payloads")}


def test_load_has_both_queries_and_whose_time_it_was(folder):
    found = run("load", folder, "--seconds", "1", "--rows", "20000", "--keys", "1000")
    case = "20,000 rows into 1,000 keys"
    assert set(found) == {*((case, contestant, "s") for contestant in ("pgtally", "psql \\copy of the truth", "psql \\copy of the sums")),
                          *((f"{case}, CPU time of the load", contestant, "CPU s") for contestant in ("pgtally", "PostgreSQL"))}


def test_recovery_has_each_fault_by_each_transport(folder):
    found = run("recovery", folder, "--seconds", "1", "--keys", "1000")
    assert set(found) == {
        *((f"{transport}, 1,000 keys, {fault}", which, "s") for transport in ("notify", "wal")
          for fault in ("sessions cut", "PostgreSQL crashed", "PostgreSQL stopped and started")
          for which in ("first load alone", "from PostgreSQL's answer to exact", "until PostgreSQL answered"))}


def test_act_has_each_transport_beside_pgbench(folder):
    found = run("act", folder, "--seconds", "1")
    assert set(found) == {
        *((f"inserts of one row, counted by {transport}", contestant, "inserts/s") for transport in ("notify", "wal")
          for contestant in ("pgtally, 64 connections that POST", "pgbench, 8 connections")),
        ("inserts of one row, not counted", "pgbench, 8 connections", "inserts/s")}


def test_page_has_tables_and_charts_without_scripts():
    rows = [{"case": "a < b", "contestant": contestant, "value": value, "unit": "values/s", "ratio": ratio, "spread": 0.1}
            for contestant, value, ratio in (("pgtally", 50, 0.5), ("bare & fast", 100, None))]
    text = page.page(["one core"], [page.section("Reads", "What it is.", rows, ""), page.section("Load", "Other.", [], "no <disk>")])
    root = xml.etree.ElementTree.fromstring(re.search(r"<svg.*?</svg>", text)[0])
    bars = [(bar.get("class"), float(bar.get("width"))) for bar in root.iter("rect")]
    assert bars == [("ours", page.BARS / 2), ("theirs", page.BARS)]
    assert "a &lt; b" in text and "bare &amp; fast" in text and "It did not work: no &lt;disk&gt;" in text
    assert "<script" not in text and "src=" not in text and "http" not in text


@pytest.mark.parametrize("values, marks, place", [
    ([1, 40], [0, 10, 20, 30, 40], 0.25),       # linear
    ([3, 900], [1, 10, 100, 1000], 1 / 3),      # by powers of ten
    ([1.5, 900], [0.1, 1, 10, 100, 1000], 0.5), # below the least value, so that its bar is seen
])
def test_axis_shows_the_least_bar(values, marks, place):
    found, place_of = page.marks_of(values)
    assert found == pytest.approx(marks)
    assert place_of(10) == pytest.approx(place)
    assert all(0 < place_of(value) <= 1 for value in values)


def test_report_reads_what_each_bench_prints():
    pair = {"what": "rows/s", "pgtally": 10, "beside": "psql's \\copy", "other": 20, "ratio": 0.5, "aim": None}
    assert [(row["contestant"], row["value"], row["ratio"]) for row in bench_all.READERS["db"]({"rows": [pair]})] == [
        ("pgtally", 10, 0.5), ("psql's \\copy", 20, None)]
    way = {"disk": "slow", "load": "hot", "clients": 32, "way": "wal", "per_second": 40, "ratio": 0.8}
    rows = bench_all.of_writers({"rows": [way], "tax": [{"way": "wal", "writer_us": 33}]})
    assert [(row["case"], row["contestant"], row["value"]) for row in rows] == [
        ("slow disk, hot, 32 clients", "pgtally, wal", 40), ("CPU time of PostgreSQL for one insert", "wal", 33)]
    lag = {"transport": "wal", "fsync": "on", "busy": False, "lag_p50_ms": 1, "lag_p99_ms": 2}
    assert [row["value"] for row in bench_all.of_lag({"lag": [lag]})] == [1, 2]


def test_report_names_a_bench_that_does_not_work(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_all, "figures_of", lambda name, *_: ([], [], "no disk") if name == "load" else ([], ["psql 15"], ""))
    monkeypatch.setattr(sys, "argv", ["all", "--seconds", "1", "--rounds", "1", "--report", str(tmp_path / "page.html"), "--only", "load,act"])
    with pytest.raises(SystemExit, match="load did not work"):
        bench_all.main()
    text = (tmp_path / "page.html").read_text()
    assert "no disk" in text and "Writes by HTTP" in text and "psql 15" in text


def test_report_is_a_program(tmp_path):
    """A bench that cannot begin is named on the page, and by the exit status."""
    command = [bench_all.__file__, "--seconds", "1", "--rounds", "0", "--report", tmp_path / "page.html", "--only", "feed"]
    done = subprocess.run([sys.executable, *command], text=True, capture_output=True)
    assert done.returncode == 1 and "bench: feed did not work" in done.stderr and done.stdout == ""
    assert "--rounds" in (tmp_path / "page.html").read_text()
