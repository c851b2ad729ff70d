"""The whole database is dumped, changes, and is restored from the dump while the service runs."""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from postgres import BINDIR  # noqa: E402


def can_dump(server_version):
    """pg_dump refuses a server newer than itself."""
    return server_version // 10000 <= int(BINDIR.parent.name)


def dump(dsn, file):
    run("pg_dump", "-Fc", "-f", file, dsn)


def restore(dsn, file, *options):
    run("pg_restore", "--clean", "--if-exists", *options, "-d", dsn, file)


def run(program, *arguments):
    done = subprocess.run([BINDIR / program, *arguments], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, f"{program} {arguments}: {done.stderr}"
