"""TLS between the server and PostgreSQL: the name and both certificates are verified, and the link is cut."""

import pathlib
import shutil

import pytest

from away import LIKES, Witness, Writer, exact, port_of
from certificates import Authority
from postgres import Cluster, install
from program import eventually
from test_away import QUICK, wait_reason
from wire import Tunnel

ROLE = "clerk"


class Guarded:
    """A cluster that admits the server's role by TLS with a certificate only. Files of the server are its owner's."""

    def __init__(self, folder):
        self.folder = folder
        self.ours, self.theirs = (Authority(folder, title) for title in ("ours", "theirs"))
        self.cluster = Cluster("fsync=off", "full_page_writes=off")
        self.cluster.start()
        data = self.cluster.folder / "data"
        self.pem, self.roots, self.owner = data / "server.pem", data / "roots.crt", data.stat()
        self.client = folder / "client.pem"
        self.present(self.ours)
        self.log_in_by(self.ours)
        self._give(self.ours.file, self.roots)
        hba = data / "pg_hba.conf"
        hba.write_text(f"hostssl all {ROLE} 127.0.0.1/32 cert\nhost all {ROLE} all reject\n" + hba.read_text())
        with self.cluster.connect() as sql:
            for name, value in (("ssl_cert_file", self.pem), ("ssl_key_file", self.pem), ("ssl_ca_file", self.roots), ("ssl", "on")):
                sql.execute(f"alter system set {name} = '{value}'")
        self.cluster.stop()
        self.cluster.start()

    def present(self, authority):
        """The server's certificate; for connections after reload()."""
        self._give(authority.issue("localhost"), self.pem)

    def log_in_by(self, authority):
        """The client's certificate; libpq reads it for each connection."""
        shutil.copy(authority.issue("client", subject=ROLE), self.client)
        self.client.chmod(0o600)

    def reload(self):
        with self.cluster.connect() as sql:
            sql.execute("select pg_reload_conf()")

    def dsn(self, database, port):
        return (f"host=localhost hostaddr=127.0.0.1 port={port} dbname={database} user={ROLE} sslmode=verify-full "
                f"sslrootcert={self.ours.file} sslcert={self.client} sslkey={self.client}")

    def _give(self, source, to):
        shutil.copy(source, to)
        to.chmod(0o600)
        shutil.chown(to, self.owner.st_uid, self.owner.st_gid)


@pytest.fixture
def guarded(tmp_path):
    one = Guarded(pathlib.Path(tmp_path))
    try:
        yield one
    finally:
        one.cluster.drop()


def test_cuts_and_certificates_of_another_authority(serve, guarded):
    database = guarded.cluster.create_database()
    install(database.sql)
    database.sql.execute(LIKES + f"create role {ROLE} login; select tally.grant_server('{ROLE}')")
    tunnel = Tunnel(port_of(database.dsn))
    opened = []
    try:
        server = serve(guarded.dsn(database.name, tunnel.port), *QUICK).wait_live()
        ssl = f"select bool_and(ssl and client_dn = '/CN={ROLE}') from pg_stat_ssl join pg_stat_activity using (pid) where usename = '{ROLE}'"
        assert database.sql.execute(ssl).fetchone() == (True,)
        opened.extend([Witness(server), Writer(database.dsn)])
        witness, writer = opened
        writer.start()

        for _ in range(3):
            writer.go_on()
            before = server.metrics()["pgtally_reconnects_total"]
            tunnel.cut()
            eventually(lambda before=before: server.metrics()["pgtally_reconnects_total"] > before, server.last_lines)
            wait_reason(server, "^live: ")

        for replace, words, remedy in ((guarded.present, "certificate verify failed", "sslrootcert"),
                                       (guarded.log_in_by, "unknown ca", "ssl_ca_file")):
            replace(guarded.theirs)
            guarded.reload()
            tunnel.cut()
            found = wait_reason(server, f"^failed: .*{words}")
            assert remedy in found
            assert server.get("/readyz").ok
            replace(guarded.ours)
            guarded.reload()
            writer.go_on()
            wait_reason(server, "^live: ")
        writer.stop()
        exact(server, database.sql, witness)
        assert "stale" in [state for state, _ in witness.states]
    finally:
        for each in reversed(opened):
            (each.stop if isinstance(each, Writer) else each.close)()
        tunnel.close()
        database.close()
