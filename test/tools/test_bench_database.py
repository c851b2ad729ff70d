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
