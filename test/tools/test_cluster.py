"""tools/cluster: relative folders for every command, as root and as another user, and folders that are not its own."""

import os
import pathlib
import pwd
import subprocess
import tempfile
import time

import psycopg
import pytest

CLUSTER = pathlib.Path(__file__).resolve().parents[2] / "tools" / "cluster"
NAMES = ["try", "./try/", "../{above}/try"]


class Above:
    """The working directory, and the user that calls the script."""

    def __init__(self, folder, user):
        self.folder, self.user = pathlib.Path(folder), user

    def call(self, *arguments):
        words = [str(argument).format(above=self.folder.name) for argument in arguments]
        return subprocess.run([CLUSTER, *words], cwd=self.folder, user=self.user, text=True, capture_output=True, timeout=120)

    def run(self, *arguments):
        done = self.call(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def refused(self, *arguments):
        done = self.call(*arguments)
        assert done.returncode == 1 and done.stdout == "", done
        return done.stderr

    def postmaster(self):
        return int((self.folder / "try" / "data" / "postmaster.pid").read_text().split()[0])


@pytest.fixture(params=["myself", "postgres"])
def above(request):
    """A folder that the user postgres may enter."""
    user = None if request.param == "myself" else request.param
    if user and os.getuid() != 0:
        pytest.skip("only root can be another user too")
    with tempfile.TemporaryDirectory(prefix="pgtally-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        yield Above(folder, user)


@pytest.fixture
def started(above):
    """A cluster in the relative folder "try": its DSN, and the process ID of its postmaster."""
    dsn = above.run("start", "try", "fsync=off")
    yield dsn, above.postmaster()
    above.run("drop", above.folder / "try")


def lives(pid):
    """Whether the process runs; one that ended may wait for its parent as a zombie."""
    try:
        return "\nState:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def ended(pid):
    """A postmaster removes its pid file, by which `pg_ctl stop` knows, a moment before it ends."""
    for _ in range(1000):
        if not lives(pid):
            return True
        time.sleep(0.01)
    return False


def test_a_relative_folder_is_the_same_for_every_command(above, started):
    dsn, pid = started
    for name in NAMES:
        assert above.run("dsn", name) == dsn
        assert above.run("start", name, "fsync=off") == dsn
        assert above.postmaster() == pid


@pytest.mark.parametrize("name", NAMES)
def test_a_relative_folder_is_stopped_and_dropped(above, started, name):
    dsn, pid = started
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    above.run("stop", name)
    assert ended(pid)
    assert (above.folder / "try" / "data" / "PG_VERSION").exists()
    assert above.run("start", name, "fsync=off") == dsn
    pid = above.postmaster()
    above.run("drop", name)
    assert ended(pid)
    assert not (above.folder / "try").exists()
    above.run("drop", name)  # nothing to do


def test_a_standby_in_a_relative_folder(above, started):
    dsn, _ = started
    try:
        above.run("follow", "two", dsn)
        standby = above.run("start", "two", "fsync=off")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("create table t as select 1 as n")
            (lsn,) = connection.execute("select pg_current_wal_lsn()").fetchone()
        with psycopg.connect(standby, autocommit=True) as connection:
            until = "select pg_last_wal_replay_lsn() >= %s::pg_lsn from pg_sleep(0.01)"
            assert any(connection.execute(until, [lsn]).fetchone()[0] for _ in range(3000))
            assert connection.execute("select pg_is_in_recovery(), n from t").fetchone() == (True, 1)
    finally:
        above.run("drop", "two")


def test_a_folder_with_other_files_is_refused_and_left_alone(above):
    other = above.folder / "other"
    (other / "data").mkdir(parents=True)
    (other / "data" / "precious").write_text("mine")
    before = other.stat()
    for command in ("start", "drop", "stop", "dsn"):
        assert "other" in above.refused(command, "other")
    assert "other" in above.refused("follow", "other", "host=127.0.0.1 port=1")
    assert [path.name for path in other.iterdir()] == ["data"]
    assert (other / "data" / "precious").read_text() == "mine"
    assert (other.stat().st_uid, other.stat().st_mode) == (before.st_uid, before.st_mode)


def test_the_folder_above_a_cluster_is_no_cluster(above, started):
    _, pid = started
    assert "nothing was removed" in above.refused("drop", ".")
    assert lives(pid)


def test_a_folder_that_is_not_there(above):
    assert "no cluster in" in above.refused("stop", "nowhere")
    assert "no cluster in" in above.refused("dsn", "nowhere")
    above.run("drop", "nowhere")
    assert list(above.folder.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user too")
def test_a_cluster_of_another_user(started, above):
    """Root ends it; a user who may not look into it is told so, instead of that it does not run."""
    _, pid = started
    stranger = Above(above.folder, "nobody")
    for command in ("stop", "drop", "start"):
        assert "belongs to another user" in stranger.refused(command, "try")
    assert lives(pid)
    Above(above.folder, None).run("stop", "try")
    assert ended(pid)
