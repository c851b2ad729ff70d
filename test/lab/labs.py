"""The paths of the programs, and a wait for expected events."""

import os
import pathlib
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("PGTALLY_LAB", str(ROOT / "build" / "release" / "pgtally-lab"))
SERVER = os.environ.get("PGTALLY_PROGRAM", str(ROOT / "build" / "release" / "pgtally"))
LONG = 60  # seconds after which an expected event counts as missing


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DATABASE_URL"))}


def eventually(what, why="it did not happen"):
    until = time.monotonic() + LONG
    while not (value := what()):
        assert time.monotonic() < until, why
        time.sleep(0.01)
    return value
