"""A private PostgreSQL cluster, its databases, and the installation of schema tally as the program does it."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import psycopg
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "schema" / "tally"
SCHEMA_VERSION = int(re.search(r"set\(PGTALLY_SCHEMA_VERSION (\d+)\)", (ROOT / "CMakeLists.txt").read_text())[1])

# The client programs: Debian's newest, because the packages of other servers have none.
BINDIR = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def schema_files():
    """The numbered files, which make an installation, in order."""
    return sorted(SCHEMA.glob("[0-9]*.sql"))


def install_sql():
    """What the program runs."""
    return "\n".join(path.read_text() for path in schema_files()).replace("@PGTALLY_SCHEMA_VERSION@", str(SCHEMA_VERSION))


def install(connection):
    """Installs as the program does: all files in one transaction."""
    with connection.transaction():
        connection.execute(install_sql())


def install_version(connection, version):
    """Installs a former version as it was: the output of `pgtally install --print` then."""
    connection.execute((ROOT / "test" / "sql" / f"version_{version}.sql").read_text())


def uninstall(connection):
    with connection.transaction():
        connection.execute((SCHEMA / "uninstall.sql").read_text())


def client_program(name, cluster):
    """The path of a client program. Skips the test if it refuses so new a server."""
    if name == "pg_dump" and int(BINDIR.parent.name) < cluster.version():
        pytest.skip(f"pg_dump {BINDIR.parent.name} refuses PostgreSQL {cluster.version()}")
    return BINDIR / name


class Cluster:
    def __init__(self, *settings):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pgtally-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.settings = settings
        self.databases = 0
        self.base = ""

    def _tool(self, *arguments):
        return subprocess.run([ROOT / "tools" / "cluster", *arguments], check=True, text=True, stdout=subprocess.PIPE,
                              timeout=120).stdout.strip()

    def start(self):
        self.base = self._tool("start", self.folder, *self.settings).removesuffix(" dbname=postgres")

    def follow(self, primary):
        """Recreates it as a streaming standby of `primary` on the same port, without starting it."""
        self._tool("follow", self.folder, primary.dsn())

    def promote(self):
        with self.connect() as connection:
            assert connection.execute("select pg_promote()").fetchone() == (True,)

    def stop(self):
        self._tool("stop", self.folder, "fast")

    def crash(self):
        self._tool("stop", self.folder, "immediate")

    def drop(self):
        self._tool("drop", self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, database="postgres", user="postgres"):
        return psycopg.conninfo.make_conninfo(self.base, dbname=database, user=user)

    def version(self):
        """The major version."""
        with self.connect() as connection:
            return connection.info.server_version // 10000

    def connect(self, database="postgres", user="postgres", **arguments):
        return psycopg.connect(self.dsn(database, user), autocommit=True, **arguments)

    def create_database(self, options=""):
        self.databases += 1
        name = f"test_{self.databases}"
        with self.connect() as connection:
            connection.execute(f"create database {name} {options}")
        return Database(self, name)


class Database:
    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.dsn = cluster.dsn(name)
        self.connections = []
        self.sql = self.connect()

    def connect(self, user="postgres", **arguments):
        """An autocommit connection that is closed at the end of the test."""
        connection = self.cluster.connect(self.name, user, **arguments)
        self.connections.append(connection)
        return connection

    def close(self):
        for connection in self.connections:
            connection.close()

    def drop(self):
        self.close()
        with self.cluster.connect() as connection:
            # PostgreSQL refuses while a temporary slot is there: its session ends a moment after the connection.
            slots = "select slot_name, active_pid from pg_replication_slots where database = %s"
            for _ in range(1000):
                if not connection.execute(slots, [self.name]).fetchall():
                    break
                time.sleep(0.01)
            connection.execute(f"drop database {self.name} with (force)")
