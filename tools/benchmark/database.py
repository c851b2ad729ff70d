"""What the benches of the database's side share: their options, the stage, rows of a tally, a first load."""

import os
import re
import subprocess
import time

from report import machine
from stage import Stage, cpu_seconds, die, environment, say

TALLY = """
create table {0} (id bigserial, post bigint not null);
select tally.create_tally('{0}', 'public.{0}', 'post', transport => '{1}');"""


def prepare(chosen, *settings, pinned=False):
    """A stage where PostgreSQL runs without flushes, with schema tally; and the machine. `pinned`: the server has the first
    core for itself, everything else the others, if there are two."""
    stage = Stage(chosen.folder, chosen.programs)
    found = machine(stage.programs / "pgtally", stage.bindir / "postgres")
    cores = sorted(os.sched_getaffinity(0))
    if pinned and len(cores) > 1:
        stage.core = cores[0]
        os.sched_setaffinity(0, cores[1:])
    say("starting PostgreSQL")
    stage.start("fsync=off", *settings)
    stage.install()
    return stage, found


def fill(stage, table, rows, keys):
    """Puts rows into the table of a tally, their keys spread over the table; without events."""
    stage.sql(f"alter table {table} disable trigger user")
    stage.sql(f"truncate {table}; insert into {table} (post) select i * 7919 % {keys} from generate_series(1, {rows}::bigint) i;")
    stage.sql(f"alter table {table} enable trigger user")
    stage.sql(f"vacuum analyze {table}")


def first_load(stage, tally):
    """Starts a server and returns the seconds of its first load, and its CPU seconds until then. It is gone afterwards."""
    path = stage.folder.parent / "load.log"
    with open(path, "w") as log:
        running = subprocess.Popen([stage.programs / "pgtally", "serve", "--dsn", stage.dsn, "--tally", tally, "--listen",
                                    "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"], stdout=log, stderr=log, env=environment())
        try:
            while not (found := re.search(r"live after a load \(start\) of \d+ keys in ([\d.]+) s", path.read_text())):
                if running.poll() is not None:
                    die(f"the server ended: {path.read_text()}")
                time.sleep(0.05)  # it has this machine's cores for the load
            return float(found[1]), cpu_seconds(running.pid)
        finally:
            running.terminate()
            running.wait()
