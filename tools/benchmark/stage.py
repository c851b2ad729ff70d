"""What writers.py and lag.py share: a private PostgreSQL, the service, CPU times, figures."""

import argparse
import contextlib
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds after which what is awaited counts as missing
KEYS = 10_000  # of a load that is spread
SETTINGS = ["wal_level=logical", "max_connections=150", "wal_sync_method=fdatasync",
            # No checkpoint falls into some cells and not into others.
            "max_wal_size=16GB", "checkpoint_timeout=1h"]


def say(words):
    """A line on a terminal that the next one replaces."""
    if sys.stderr.isatty():
        print(f"\r\033[Kbench: {words}", end="", file=sys.stderr, flush=True)


def hush():
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def die(why):
    hush()
    sys.exit(f"bench: {why}")


def run(main):
    """What a bench's file does as a program."""
    try:
        main()
    except KeyboardInterrupt:
        die("interrupted")


def options(seconds=float):
    """The parser of what each bench with a stage takes. `seconds`: their type."""
    parser = argparse.ArgumentParser()
    for name in ("--folder", "--programs"):
        parser.add_argument(name, required=True)
    parser.add_argument("--seconds", type=seconds, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--json", action="store_true")
    return parser


def numbers(text):
    return [int(word) for word in text.split(",")]


def eventually(what, why, pause=0.005):
    until = time.monotonic() + PATIENCE
    while not (value := what()):
        if time.monotonic() > until:
            die(f"{why} within {PATIENCE} s")
        time.sleep(pause)
    return value


median = statistics.median


def environment(**more):
    """The variables of libpq and of pgtally must not lead to another database."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("PG", "PGTALLY_")) or name == "PGTALLY_PG_BINDIR"}
    kept.pop("DATABASE_URL", None)
    return {**kept, **more}


def cpu_seconds(pid):
    """The CPU time of a process with one thread."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class Stage:
    """A private cluster in `folder`. `programs` is the folder of what the build made."""

    def __init__(self, folder, programs):
        self.folder, self.programs = pathlib.Path(folder).resolve() / "cluster", pathlib.Path(programs).resolve()
        found = os.environ.get("PGTALLY_PG_BINDIR")
        self.bindir = pathlib.Path(found) if found else max(
            pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        for name in ("psql", "pgbench"):
            if not (self.bindir / name).exists():
                die(f"no {name} in {self.bindir}: run tools/setup")
        self.dsn, self.settings = "", []
        self.services = 0  # that were started
        self.core = None  # of the service; None for any

    def pinned(self):
        """The beginning of the command of a program on the core of the service."""
        return ["taskset", "-c", str(self.core)] if self.core is not None else []

    def start(self, *settings, flush_ms=0):
        """Starts it, or starts it again with other settings. A flush of WAL takes `flush_ms` longer."""
        more = {}
        if flush_ms:
            more = {"LD_PRELOAD": str(self.programs / "pgtally-bench-slow-flush.so"),
                    "PGTALLY_BENCH_FLUSH_US": str(round(flush_ms * 1000))}
        if self.dsn:
            self._tool("stop", self.folder, "fast")
        self.settings = [*SETTINGS, *settings]
        self.dsn = self._tool("start", self.folder, *self.settings, **more)
        # The loader only warns if it cannot load what it shall.
        server = (self.folder / "data" / "postmaster.pid").read_text().split()[0]
        if ("slow-flush" in pathlib.Path(f"/proc/{server}/maps").read_text()) != bool(flush_ms):
            die(f"PostgreSQL did not load {more.get('LD_PRELOAD', 'what it shall')}")

    def restart(self, how):
        """Stops it, "fast" or as a crash does ("immediate"), and starts it as it was."""
        self._tool("stop", self.folder, how)
        self._tool("start", self.folder, *self.settings)

    def _tool(self, *arguments, **more):
        # In a session of its own, or Ctrl-C would end the server before the services that use it.
        return subprocess.run(["setsid", "--wait", ROOT / "tools" / "cluster", *arguments], check=True, text=True,
                              stdout=subprocess.PIPE, env=environment(**more), timeout=120).stdout.strip()

    def sql(self, statement):
        """Runs it and returns the first column of the first row as text, or None."""
        done = subprocess.run([self.bindir / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.dsn], text=True,
                              input=statement, capture_output=True, env=environment(PGOPTIONS="-c client_min_messages=warning"))
        if done.returncode:
            die(f"SQL failed: {done.stderr.strip()}")
        return done.stdout.splitlines()[0] if done.stdout else None

    def install(self):
        done = subprocess.run([self.programs / "pgtally", "install", "--dsn", self.dsn], text=True, capture_output=True,
                              env=environment())
        if done.returncode:
            die(f"pgtally install failed: {done.stderr.strip()}")

    def pgbench(self, script, clients, *options):
        """Runs a script of pgbench and returns transactions per second."""
        path = self.folder.parent / "script.sql"
        path.write_text(script)
        with self.begin_pgbench(path, clients, *options) as running:
            out, err = running.communicate()
        return rate_of(out, err)

    def begin_pgbench(self, path, clients, *options):
        command = [self.bindir / "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(2, clients)),
                   "-f", path, *map(str, options), self.dsn]
        return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())

    def serving_pids(self):
        """The backends of pgtally: of the service, and its WAL sender."""
        found = self.sql("select string_agg(pid::text, ' ') from pg_stat_activity where application_name ^@ 'pgtally'")
        return [int(pid) for pid in (found or "").split()]

    @contextlib.contextmanager
    def service(self, tally, *options, listen="127.0.0.1:0", beside=False):
        """`pgtally serve` for one tally, live; as a Service. It is gone afterwards, with its slot. `beside`: another one runs."""
        self.services += 1
        log = open(self.folder.parent / f"serve.{self.services}.log", "w+")
        running = subprocess.Popen([*self.pinned(), self.programs / "pgtally", "serve", "--dsn", self.dsn, "--tally", tally,
                                    "--listen", listen, "--admin-listen", "127.0.0.1:0", *options],
                                   stdout=log, stderr=log, env=environment())
        try:
            yield Service(tally, running, log, self.programs)
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
            log.close()
        if not beside:
            eventually(lambda: not self.serving_pids(), "the sessions of the service did not end")


def rate_of(out, err):
    found = re.search(r"^tps = ([\d.]+)", out, re.MULTILINE)
    if not found or "aborted" in err:
        die(f"pgbench did not work: {err.strip()}")
    return float(found[1])


class Service:
    def __init__(self, tally, process, log, programs):
        self.tally, self.process, self.programs = tally, process, programs
        self.path = pathlib.Path(log.name)
        self.url = eventually(lambda: self._address("listening at"), "the service did not listen")
        self.admin = eventually(lambda: self._address("admin at"), "the service did not listen for operators")
        eventually(lambda: self._get("/readyz?live") is not None, f"the service was not live: {self.path.read_text()}")

    def _address(self, words):
        if self.process.poll() is not None:
            die(f"the service ended: {self.path.read_text()}")
        found = re.search(words + r" (https?://\S+?)/", self.path.read_text())
        return found and found[1]

    def _get(self, target):
        # The admin address never speaks TLS.
        try:
            with urllib.request.urlopen(self.admin + target, timeout=5) as answer:
                return answer.read()
        except OSError:
            return None

    def count(self):
        """The sum of all keys; None if the tally is not live."""
        answer = self._get(f"/v1/tallies/{self.tally}")
        found = json.loads(answer) if answer else {}
        return found["sum"]["count"] if found.get("state") == "live" else None

    def until_it_counts(self, rows):
        """Returns after how many seconds it did."""
        began = time.monotonic()
        eventually(lambda: self.count() == rows, f"{self.tally} did not come to {rows} rows: it says {self.count()}")
        return time.monotonic() - began

    def compare_with_truth(self):
        done = subprocess.run([self.programs / "pgtally", "audit", "--url", self.admin], text=True, capture_output=True,
                              env=environment())
        if done.returncode:
            die(f"the counters are not the truth: {done.stdout}{done.stderr}")
