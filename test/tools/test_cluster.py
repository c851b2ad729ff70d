"""tools/cluster, called with a relative folder."""

import os
import pathlib
import subprocess
import tempfile

import psycopg
import pytest

CLUSTER = pathlib.Path(__file__).resolve().parents[2] / "tools" / "cluster"


@pytest.fixture
def above():
    """A folder that the user postgres may enter."""
    with tempfile.TemporaryDirectory(prefix="pgtally-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def run(above, *arguments):
    return subprocess.run([CLUSTER, *arguments], cwd=above, check=True, text=True, stdout=subprocess.PIPE, timeout=120).stdout.strip()


@pytest.fixture
def started(above):
    """A cluster in the relative folder "try": its DSN, and the process ID of its postmaster."""
    dsn = run(above, "start", "try", "fsync=off")
    pid = int((above / "try" / "data" / "postmaster.pid").read_text().split()[0])
    yield dsn, pid
    run(above, "drop", above / "try")


def lives(pid):
    """Whether the process runs; one that ended may wait for its parent as a zombie."""
    try:
        return "\nState:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("folder", ["try", "./try", "try/"])
def test_relative_folder_is_stopped(above, started, folder):
    dsn, pid = started
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert run(above, "dsn", folder) == dsn
    run(above, "stop", folder)
    assert not lives(pid)
    assert (above / "try" / "data" / "PG_VERSION").exists()


def test_relative_folder_is_dropped_with_its_server(above, started):
    _, pid = started
    run(above, "drop", "try")
    assert not lives(pid)
    assert not (above / "try").exists()


def test_started_cluster_is_found_by_its_relative_folder(above, started):
    dsn, pid = started
    assert run(above, "start", "try", "fsync=off") == dsn
    assert int((above / "try" / "data" / "postmaster.pid").read_text().split()[0]) == pid
