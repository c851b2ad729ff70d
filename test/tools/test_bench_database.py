"""The benches of the database's side, and the report: short runs print each figure, and what they compute is right."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCHMARK = ROOT / "tools" / "benchmark"
PROGRAMS = pathlib.Path(os.environ.get("PGTALLY_PROGRAM", ROOT / "build" / "release" / "pgtally")).resolve().parent
sys.path.insert(0, str(BENCHMARK))

import counts  # noqa: E402


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
    rows, worse = counts.compare({"event": [1050], "change": [900, 1051, 2000], "get": [7]}, known)
    assert [(line["value"], line["ratio"]) for line in rows] == [(1050, 1.05), (1051, 1.051), (7, None)]
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
        *((f"{transport}, 1,000 keys", "first load alone", "s") for transport in ("notify", "wal")),
        *((f"{transport}, 1,000 keys, {fault}", which, "s") for transport in ("notify", "wal")
          for fault in ("sessions cut", "PostgreSQL crashed", "PostgreSQL stopped and started")
          for which in ("from PostgreSQL's answer to exact", "until PostgreSQL answered"))}


def test_act_has_each_transport_beside_pgbench(folder):
    found = run("act", folder, "--seconds", "1")
    assert set(found) == {
        *((f"inserts of one row, counted by {transport}", contestant, "inserts/s") for transport in ("notify", "wal")
          for contestant in ("pgtally, 64 connections that POST", "pgbench, 8 connections")),
        ("inserts of one row, not counted", "pgbench, 8 connections", "inserts/s")}
