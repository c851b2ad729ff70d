"""Programs of embedders: built against the installed libraries and with the libraries as a subproject, and run."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Builds stay here, so that only what changed is built again.
BUILDS = pathlib.Path(os.environ.get("PGTALLY_EMBED", ROOT / "build" / "embed"))
SANITIZE = os.environ.get("PGTALLY_SANITIZE", "")
LONG = 30  # seconds after which an expected event counts as missing

# A program that uses a sanitized library is sanitized too, and agrees with it on coroutine frames.
SANITIZED = f"-fsanitize={SANITIZE} -DBOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING" if SANITIZE else ""
FLAGS = f"-Wall -Wextra -Werror {SANITIZED}"

TWEETS = """
create table activity (id bigint generated always as identity primary key, messageid bigint, action text);
select tally.create_tally(
  name => 'tweets', source => 'activity', key => 'messageid',
  counters => $${"rts":  "case action when 'rt'  then 1 when 'de-rt'  then -1 end",
                 "favs": "case action when 'fav' then 1 when 'de-fav' then -1 end"}$$);
insert into activity (messageid, action) values (33, 'rt'), (33, 'rt'), (33, 'fav'), (34, 'fav'), (-7, 'rt');
"""
TRUTH = """
select messageid, count(*) filter (where action = 'rt'), count(*) filter (where action = 'fav') from activity
group by messageid order by messageid
"""


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    assert done.returncode == 0, done.stdout
    return done.stdout


def configure(name, source, *options):
    run("cmake", "-S", source, "-B", BUILDS / name, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=", *options)
    return BUILDS / name


def build(name, source, *options):
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    built = configure(name, source, *launcher, *options)
    run("cmake", "--build", built)
    return built


@pytest.fixture(scope="session")
def as_a_part():
    """Compiled once: the same build is installed below."""
    return build("part", HERE, f"-DPGTALLY_FOLDER={ROOT}", "-DPGTALLY_INSTALL=ON", f"-DPGTALLY_SANITIZE={SANITIZE}",
                 f"-DCMAKE_CXX_FLAGS={SANITIZED}")


@pytest.fixture(scope="session")
def alone():
    """The project by itself, as its pages say to install it. It is only configured."""
    return configure("alone", ROOT, "-DPGTALLY_INSTALL=ON", "-DPGTALLY_SERVER=OFF", "-DPGTALLY_TOOLS=OFF", "-DPGTALLY_TESTS=OFF",
                     "-DPGTALLY_CCACHE=", f"-DPGTALLY_SANITIZE={SANITIZE}", f"-DCMAKE_CXX_FLAGS={SANITIZED}")


@pytest.fixture(scope="session")
def installed(tmp_path_factory, as_a_part):
    """The libraries, installed and then moved: they must be found in any place."""
    first = tmp_path_factory.mktemp("first")
    run("cmake", "--install", as_a_part, "--prefix", first / "prefix")
    shutil.rmtree(BUILDS / "installed", ignore_errors=True)
    return shutil.move(first / "prefix", BUILDS / "installed")


@pytest.fixture(scope="session")
def found(installed):
    return build("found", HERE, f"-DCMAKE_PREFIX_PATH={installed}", f"-DCMAKE_CXX_FLAGS={FLAGS}")


@pytest.fixture(scope="session")
def by_pkg_config(tmp_path_factory, installed):
    folder = tmp_path_factory.mktemp("by_pkg_config")
    [package] = pathlib.Path(installed).glob("**/pgtally.pc")
    words = shlex.split(run("pkg-config", "--cflags", "--libs", "pgtally",
                            env={**os.environ, "PKG_CONFIG_PATH": str(package.parent)}))
    compiler = os.environ.get("CXX", "c++")
    run(compiler, "-std=c++20", "-g", *shlex.split(FLAGS), HERE / "watch.cpp", "-o", folder / "watch", *words)
    return folder


@pytest.fixture
def tweets(database):
    database.sql.execute(TWEETS)
    return database


def truth(database):
    return [tuple(row) for row in database.sql.execute(TRUTH).fetchall()]


class Watcher:
    def __init__(self, program, dsn):
        self.process = subprocess.Popen([program], env={**os.environ, "PGTALLY_DSN": dsn}, stdout=subprocess.PIPE, text=True)
        self.printed, self.calls = {}, 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            key, rts, rts_count, favs, favs_count = line.split()
            assert (rts, favs) == ("rts", "favs")
            self.printed[int(key)] = (int(rts_count), int(favs_count))

    def counters(self):
        return sorted((key, *counters) for key, counters in self.printed.copy().items() if counters != (0, 0))

    def until_equal(self, database):
        until = time.monotonic() + LONG
        while self.counters() != truth(database):
            assert self.process.poll() is None
            assert time.monotonic() < until, f"printed {self.counters()}, the truth is {truth(database)}"
            time.sleep(0.01)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(LONG)
        self.reader.join(LONG)
        return status


@pytest.mark.parametrize("how, program", [("found", "watch"), ("found", "watch_own_asio"), ("by_pkg_config", "watch"),
                                          ("as_a_part", "watch")])
def test_each_change_is_printed(request, tweets, how, program):
    watcher = Watcher(request.getfixturevalue(how) / program, tweets.dsn)
    try:
        watcher.until_equal(tweets)
        tweets.sql.execute("insert into activity (messageid, action) select i % 9, 'rt' from generate_series(1, 100) i")
        watcher.until_equal(tweets)
        tweets.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgtally'")
        tweets.sql.execute("update activity set action = 'fav' where messageid = 33 or id % 3 = 0")
        watcher.until_equal(tweets)
        tweets.sql.execute("delete from activity where messageid = 34")
        watcher.until_equal(tweets)
    finally:
        status = watcher.stop()
    assert status == 0


@pytest.mark.parametrize("how", ["found", "as_a_part"])
def test_query_prints_rows(request, tweets, how):
    program = request.getfixturevalue(how) / "query"
    environment = {**os.environ, "PGTALLY_DSN": tweets.dsn}
    assert run(program, "select 1 as a, 'two' as b union select 3, 'four' order by a", env=environment) == "1|two\n3|four\n"
    failed = subprocess.run([program, "select 1 / 0"], env=environment, text=True, capture_output=True)
    assert failed.returncode == 1
    assert "division by zero" in failed.stderr
    nowhere = {**environment, "PGTALLY_DSN": tweets.dsn + " user=nobody_of_that_name"}
    failed = subprocess.run([program, "select 1"], env=nowhere, text=True, capture_output=True)
    assert failed.returncode == 1
    assert "nobody_of_that_name" in failed.stderr


def compiled(folder, part=""):
    """How each file of the libraries is compiled, whatever the folder of the build."""
    commands = json.loads((folder / "compile_commands.json").read_text())
    return {each["file"]: [word.replace(f"{folder / part}", "") for word in shlex.split(each["command"])
                           if not word.endswith((".o", "ccache"))] for each in commands}


def install_rules(folder):
    """What is installed, whatever the folder of the build. The project alone also writes a list of the files, last."""
    rules = {str(each.relative_to(folder)): each.read_text().replace(str(folder), "") for each in folder.rglob("cmake_install.cmake")}
    return {name: re.sub(r"\nif\(CMAKE_INSTALL_COMPONENT\)\n.*", "", text, flags=re.DOTALL).rstrip() for name, text in rules.items()}


def test_the_project_alone_compiles_and_installs_what_a_part_does(alone, as_a_part):
    """What the tests show of the installed part holds for a package built as the pages say."""
    libraries = compiled(as_a_part, "pgtally")
    assert libraries
    assert compiled(alone) == libraries
    assert install_rules(alone) == install_rules(as_a_part / "pgtally")


def test_versions(installed):
    """Those of the top CMakeLists.txt, in the CMake package and for pkg-config."""
    listed = (ROOT / "CMakeLists.txt").read_text()
    version = re.search(r"project\(pgtally VERSION (\S+)", listed)[1]
    schema = re.search(r"set\(PGTALLY_SCHEMA_VERSION (\d+)\)", listed)[1]
    [package] = pathlib.Path(installed).glob("**/pgtally.pc")
    path = {**os.environ, "PKG_CONFIG_PATH": str(package.parent)}
    assert run("pkg-config", "--modversion", "pgtally", env=path).strip() == version
    assert run("pkg-config", "--variable=schema_version", "pgtally", env=path).strip() == schema
    [config] = pathlib.Path(installed).glob("**/pgtally-config.cmake")
    assert f"set(pgtally_SCHEMA_VERSION {schema})" in config.read_text()
    [config] = pathlib.Path(installed).glob("**/pgtally-config-version.cmake")
    assert f'set(PACKAGE_VERSION "{version}")' in config.read_text()
