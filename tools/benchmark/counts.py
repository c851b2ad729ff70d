#!/usr/bin/env python3
"""Part of tools/bench: instructions that fixed work takes, by callgrind, beside those of a file that is committed.

    counts.py --programs DIR --rounds N [--check] [--save] [--json]

Instructions do not depend on what else the machine does, but on the compiler, on the libraries, and on what the hardware
offers to the C library: the file says which compiler it was, and the output says where that differs. With --check the exit
status is 1 if a case takes over 5 % more. With --save the file is written. Rounds differ by the seeds of hashes alone.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from report import machine, median, row, show
from stage import die, environment, hush, run, say

FILE = pathlib.Path(__file__).with_name("counts.json")
CASES = {"event": "an event of one key, decoded and applied", "change": "a change for one of 1,000 clients, to its frame",
         "own": "a change for one of 1,000 clients of 500 keys, to its frame",
         "get": "a GET of one key, from request to answer"}
WORSE = 0.05


def count(program, case):
    """Instructions per item."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["valgrind", "--tool=callgrind", "--toggle-collect=measured", f"--callgrind-out-file={folder}/out",
                               program, case], text=True, capture_output=True, env=environment())
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        die(f"valgrind {program.name} {case} did not work: {done.stderr.strip()}")
    return int(found[1]) / int(done.stdout)


def compiler_of(programs):
    """The compiler of the build in this folder, as CMake found it."""
    for path in sorted(programs.glob("CMakeFiles/*/CMakeCXXCompiler.cmake")):
        values = dict(re.findall(r'set\((CMAKE_CXX_COMPILER_ID|CMAKE_CXX_COMPILER_VERSION|CMAKE_SYSTEM_PROCESSOR) "([^"]+)"',
                                 path.read_text() + path.with_name("CMakeSystem.cmake").read_text()))
        return " ".join(values.get(name, "") for name in ("CMAKE_CXX_COMPILER_ID", "CMAKE_CXX_COMPILER_VERSION",
                                                          "CMAKE_SYSTEM_PROCESSOR"))
    return "unknown"


def compare(counts, known):
    """Rows of all cases, and the titles of those that take more than WORSE more than the file says."""
    rows, worse = [], []
    for case, title in CASES.items():
        before = known["instructions"].get(case)
        rows.append(row(title, "pgtally", counts[case], "instructions", [before] * len(counts[case]) if before else None))
        if before and median(counts[case]) > before * (1 + WORSE):
            worse.append(title)
    return rows, worse


def print_differences(counts, known, compiler):
    for case, title in CASES.items():
        before = known["instructions"].get(case)
        print(f"{title}: {(median(counts[case]) / before - 1) * 100:+.2f} % of {FILE.name}" if before else f"{title}: new")
    if compiler != known["compiler"]:
        print(f"{FILE.name} is of another compiler, {known['compiler']}: the difference may be the compiler's")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    for name in ("--check", "--save", "--json"):
        parser.add_argument(name, action="store_true")
    chosen = parser.parse_args()
    found = machine("valgrind")
    compiler = compiler_of(chosen.programs)
    found["versions"].append(compiler)
    counts = {case: [] for case in CASES}
    for number in range(1, chosen.rounds + 1):
        for case, title in CASES.items():
            say(f"counts, round {number} of {chosen.rounds}: {title}")
            counts[case].append(count(chosen.programs / "pgtally-bench-counts", case))
    hush()
    if chosen.save:
        of = {case: round(median(values)) for case, values in counts.items()}
        FILE.write_text(json.dumps({"compiler": compiler, "instructions": of}, indent=2) + "\n")
    known = json.loads(FILE.read_text())
    rows, worse = compare(counts, known)
    show("counts", found, rows, chosen.json)
    if not chosen.json:
        print_differences(counts, known, compiler)
    if chosen.check and worse:
        sys.exit(f"bench: over {WORSE:.0%} more instructions: {'; '.join(worse)}")


if __name__ == "__main__":
    run(main)
