"""The whole database is dumped, changes, and is restored from the dump while the service runs."""

import pathlib
import re
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
    """As `pg_restore --clean`, but for statements that PostgreSQL refuses by itself: a partition's constraint goes with its parent's."""
    script = re.sub(r"ALTER TABLE .* DROP CONSTRAINT IF EXISTS vote_\w+_pkey;\n", "", run("pg_restore", "--clean", "--if-exists", "-f", "-", file))
    run("psql", "-qXv", "ON_ERROR_STOP=1", *options, dsn, text=script)


def run(program, *arguments, text=None):
    done = subprocess.run([BINDIR / program, *arguments], input=text, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, f"{program} {arguments}: {done.stderr}"
    return done.stdout
