"""The packages in a clean Debian: installed, run, built against, upgraded, removed and purged, in this order."""

import os
import pathlib
import re
import subprocess

import pytest

from clean_debian import LONG, PACKAGES, ROOT, answer, host, leave_the_network, package, until
from service_unit import Unit

OPTIONS = "/etc/pgtally/pgtally.conf"
# What lintian says and we leave. Each has its reason.
LEFT = {
    "initial-upload-closes-no-bugs": "it is not uploaded to Debian",
    "bogus-mail-host": "the maintainer is the owner's to name, by DEBEMAIL",
    "bogus-mail-host-in-debian-changelog": "the same",
    "root-in-contact": "the same",
}
WATCH = """
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES CXX)
find_package(pgtally 0.1 REQUIRED)
add_executable(watch watch.cpp)
target_link_libraries(watch PRIVATE pgtally::replica)
"""


def kept(debian):
    """The rights, owner and text of the options."""
    found = debian.path(OPTIONS)
    owner = debian.run("stat", "-c", "%a %U %G", OPTIONS).strip()
    return owner, found.read_text()


@pytest.fixture(scope="module")
def program(debian):
    debian.install(package("pgtally"))
    return debian


def test_lintian():
    suppressed = ",".join(LEFT)
    host("lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags", suppressed, *sorted(PACKAGES.glob("*.deb")))


def test_apt_brings_what_the_program_needs(program):
    version = re.search(r"project\(pgtally VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert program.run("pgtally", "--version").startswith(f"pgtally {version}\n")
    assert program.run("dpkg", "--audit") == ""


def test_who_may_read_the_options(program):
    assert kept(program)[0] == "640 root pgtally"
    assert program.run("stat", "-c", "%a %U %G", "/etc/pgtally").strip() == "750 root pgtally"
    assert re.search(r"^pgtally:x:\d+:\d+:[^:]*:/nonexistent:/usr/sbin/nologin$", program.path("/etc/passwd").read_text(), re.MULTILINE)
    program.run("cat", OPTIONS, user="pgtally")
    program.run("cat", OPTIONS, user="nobody", status=1)


def test_it_is_neither_enabled_nor_started(program):
    assert list(program.path("/etc/systemd").rglob("pgtally*")) == []
    assert subprocess.run(["pgrep", "-x", "pgtally"]).returncode == 1


def test_nothing_is_left_by_a_purge_before_it_was_used(program):
    program.run("apt-get", "purge", "-q", "-y", "pgtally")
    assert [name for name in program.files() if "pgtally" in name] == []
    program.install(package("pgtally"))


@pytest.fixture(scope="module")
def equipped(program):
    """All else that the tests need, and the files that are there without the packages. From here on there is no network."""
    program.run("apt-get", "purge", "-q", "-y", "pgtally")
    program.install(package("libpgtally-dev"), "systemd", "man-db", "bash-completion", "postgresql")
    assert program.installed() >= {"ii libboost1.81-dev", "ii libpq-dev", "ii libssl-dev"}
    program.install("g++", "cmake", "ninja-build", "pkg-config")
    program.run("apt-get", "purge", "-q", "-y", "libpgtally-dev")
    program.before = program.files()
    leave_the_network()
    program.install(package("pgtally"), package("libpgtally-dev"))
    return program


def test_the_units_are_valid(equipped):
    for unit in "pgtally.service", "pgtally.socket":
        assert equipped.run("systemd-analyze", "verify", f"/lib/systemd/system/{unit}") == ""
    equipped.run("systemd-analyze", "security", "--offline=true", "--threshold=15", "/lib/systemd/system/pgtally.service")


def test_manual_and_completion_are_found(equipped):
    assert "live counters for PostgreSQL" in equipped.run("man", "-P", "cat", "pgtally")
    loaded = equipped.run("bash", "-c", ". /usr/share/bash-completion/bash_completion; _completion_loader pgtally; complete -p pgtally")
    assert loaded.strip() == "complete -F _pgtally pgtally"
    for name in "/usr/share/zsh/vendor-completions/_pgtally", "/usr/share/fish/vendor_completions.d/pgtally.fish":
        assert equipped.path(name).is_file()


@pytest.fixture(scope="module")
def database(equipped):
    """A database with the tally `tweets`, for the role of the service, and the options that name it."""
    equipped.run("pg_ctlcluster", "15", "main", "start")

    def psql(*words):
        return equipped.run("psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-d", "shop", *words, user="postgres")
    equipped.run("createuser", "pgtally", user="postgres")
    equipped.run("createdb", "shop", user="postgres")
    equipped.run("pgtally", "install", "--dsn", "dbname=shop host=/run/postgresql", "--grant", "pgtally", user="postgres")
    psql("-c", "create table activity (messageid bigint, action text)",
         "-c", """select tally.create_tally('tweets', 'public.activity', 'messageid', counters => '{"rts": "1", "favs": "case action when ''fav'' then 1 end"}')""",
         "-c", "insert into activity values (33, 'fav'), (33, 'rt')")
    options = equipped.path(OPTIONS)
    options.write_text(options.read_text() + "dsn = host=/run/postgresql dbname=shop\n")
    yield psql
    equipped.run("pg_ctlcluster", "-m", "fast", "15", "main", "stop")


def test_the_service_counts(equipped, database):
    unit = Unit(equipped, "pgtally")
    unit.start()
    until(lambda: '"live"' in answer("http://127.0.0.1:8081/v1/tallies"), unit.log.read_text())
    assert equipped.run("pgtally", "get", "tweets", "33") == "key  rts  favs\n33     2     1\n"
    database("-c", "insert into activity values (33, 'fav')")
    until(lambda: equipped.run("pgtally", "get", "tweets", "33") == "key  rts  favs\n33     3     2\n")
    assert f"process_max_fds {unit.limit}" in answer("http://127.0.0.1:8081/metrics")
    unit.reload()
    assert unit.stop() == 0 and "STOPPING=1" not in unit.said
    assert "password" not in unit.log.read_text()


@pytest.mark.parametrize("how", ["cmake", "pkg-config"])
def test_a_program_of_one_file_embeds_the_libraries(equipped, database, how):
    folder = f"/tmp/{how}"
    equipped.write(f"{folder}/watch.cpp", (ROOT / "test" / "embed" / "watch.cpp").read_text())
    equipped.write(f"{folder}/CMakeLists.txt", WATCH)
    if how == "cmake":
        equipped.run("cmake", "-S", folder, "-B", f"{folder}/built", "-G", "Ninja")
        equipped.run("cmake", "--build", f"{folder}/built")
    else:
        equipped.run("sh", "-ec", f"mkdir {folder}/built; g++ -std=c++20 {folder}/watch.cpp -o {folder}/built/watch $(pkg-config --cflags --libs pgtally)")
    watch = subprocess.Popen(equipped.words("env", "PGTALLY_DSN=host=/run/postgresql dbname=shop", f"{folder}/built/watch", user="pgtally"),
                             stdout=subprocess.PIPE, text=True)
    assert watch.stdout.readline().startswith("33 rts ")
    watch.terminate()
    watch.wait(LONG)


def repacked(revision, change):
    """The package as a later one: of another revision, with changes to its files."""
    folder = PACKAGES / "later"
    host("rm", "-rf", folder)
    host("dpkg-deb", "-R", ROOT / "build" / "package" / pathlib.Path(package("pgtally")).name, folder)
    control = folder / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^(Version: .*)-1$", rf"\1-{revision}", control.read_text()))
    change(folder)
    host("dpkg-deb", "--root-owner-group", "-b", folder, PACKAGES / f"later_{revision}.deb")
    host("rm", "-rf", folder)
    return f"/packages/later_{revision}.deb"


def test_an_upgrade_keeps_what_was_edited(equipped, database):
    equipped.path(OPTIONS).chmod(0o600)  # by an administrator
    edited = kept(equipped)
    equipped.install(repacked(2, lambda folder: None))
    assert kept(equipped) == edited and not equipped.path(OPTIONS + ".dpkg-dist").exists()

    def other(folder):
        (folder / OPTIONS.lstrip("/")).write_text("# other options\n")
    equipped.run("apt-get", "install", "-q", "-y", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", repacked(3, other))
    assert kept(equipped) == edited
    assert equipped.path(OPTIONS + ".dpkg-dist").read_text() == "# other options\n"
    equipped.path(OPTIONS + ".dpkg-dist").unlink()


@pytest.mark.parametrize("unit, target", [("pgtally.service", "multi-user"), ("pgtally.socket", "sockets")])
def test_an_enabled_unit_stays_enabled(equipped, unit, target):
    link = equipped.path(f"/etc/systemd/system/{target}.target.wants/{unit}")
    equipped.run("systemctl", "enable", unit)
    assert link.is_symlink()
    equipped.install("--reinstall", "/packages/later_3.deb")
    assert link.is_symlink()
    equipped.run("systemctl", "disable", unit)
    equipped.install("--reinstall", "/packages/later_3.deb")
    assert not link.is_symlink()
    equipped.run("systemctl", "enable", unit)


def test_a_removal_keeps_the_options_and_a_purge_nothing(equipped, database):
    edited = kept(equipped)
    equipped.run("apt-get", "remove", "-q", "-y", "pgtally", "libpgtally-dev")
    assert kept(equipped) == edited and not equipped.path("/usr/bin/pgtally").exists()
    equipped.install("/packages/later_3.deb")
    assert kept(equipped) == edited
    equipped.run("apt-get", "purge", "-q", "-y", "pgtally")
    changed = equipped.files() ^ equipped.before
    assert {name for name in changed if not name.startswith("var/lib/postgresql/")} == set()


def test_keys_that_lie_beside_the_options_stay(equipped):
    equipped.install(package("pgtally"))
    equipped.write("/etc/pgtally/secret", "of an administrator")
    equipped.run("apt-get", "purge", "-q", "-y", "pgtally")
    assert equipped.path("/etc/pgtally/secret").exists()
    assert "pgtally" in equipped.path("/etc/group").read_text(), "another user must not get its number, and so the key"


@pytest.fixture(scope="module", autouse=True)
def no_later_packages():
    yield
    for path in PACKAGES.glob("later_*.deb"):
        os.unlink(path)
