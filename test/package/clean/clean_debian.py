"""A clean Debian 12 in a folder, made by debootstrap. What runs in it has this Linux, and a network of its own; tools/package
gives the test mounts and processes of its own, which end with it. systemd cannot run there: see service_unit.py."""

import contextlib
import ctypes
import os
import pathlib
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
PACKAGES = ROOT / "build" / "package"
KEPT = PACKAGES / "clean"  # the base, and what apt fetched, for the next test
RELEASE = "bookworm"
CLONE_NEWNET = 0x40000000
LONG = 180  # seconds after which an expected event counts as missing
# Of caches and logs, which no package owns, nothing is expected.
PASSING = ("proc", "sys", "dev", "run", "tmp", "packages", "var/cache", "var/log", "var/lib/apt", "var/lib/dpkg", "var/lib/systemd/deb-systemd-helper")


def host(*words, **more):
    done = subprocess.run([str(word) for word in words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
    assert done.returncode == 0, done.stdout
    return done.stdout


def sources():
    """Debian's own sources of the machine: whatever mirror it uses."""
    listed = host("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)", "Created-By: Packages")
    found = dict.fromkeys(tuple(line.rsplit(" ", 1)) for line in listed.splitlines())
    out = [line for line, origin in found if origin == "Debian" and f" {RELEASE}" in line]
    assert out, f"apt has no sources of {RELEASE}: run apt-get update"
    return out


def base():
    """The folder of a Debian that nobody has used. It is fetched once."""
    folder = KEPT / "base"
    if not folder.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        host("rm", "-rf", KEPT / "new")
        mirror = next(line.split()[0] for line in sources() if line.split()[1] == RELEASE)
        host("debootstrap", "--variant=minbase", RELEASE, KEPT / "new", mirror)
        (KEPT / "new").rename(folder)
    return folder


class Debian:
    def __init__(self, name="root", packages=PACKAGES):
        self.folder = KEPT / name
        host("rm", "-rf", "--one-file-system", self.folder)
        host("cp", "-a", "--reflink=auto", base(), self.folder)
        (KEPT / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        host("mount", "-t", "proc", "proc", self.path("/proc"))
        host("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", self.path("/dev/shm"))
        host("mount", "--bind", KEPT / "archives", self.path("/var/cache/apt/archives"))
        self.path("/packages").mkdir()
        host("mount", "--bind", packages, self.path("/packages"))
        self.write("/etc/apt/sources.list", "".join(f"deb {line}\n" for line in sources()))
        self.write("/etc/apt/apt.conf.d/90clean", 'APT::Sandbox::User "root";\nBinary::apt-get::APT::Keep-Downloaded-Packages "true";\n')
        self.write("/etc/hosts", "127.0.0.1 localhost counters.example.org\n")
        # Nothing starts by being installed.
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
        self.path("/usr/sbin/policy-rc.d").chmod(0o755)
        self.run("apt-get", "update", "-q")

    def path(self, name):
        return self.folder / name.lstrip("/")

    def write(self, name, text):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def words(self, *words, user=None, variables=()):
        inside = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *words] if user else words
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive", *variables]
        return ["chroot", str(self.folder), *environment, *map(str, inside)]

    def run(self, *words, status=0, **more):
        """Runs a command to its end, and returns what it wrote."""
        done = subprocess.run(self.words(*words, **more), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        assert done.returncode == status, f"{words}: {done.stdout}"
        return done.stdout

    def start(self, *words, log, **more):
        return subprocess.Popen(self.words(*words, **more), stdout=subprocess.DEVNULL, stderr=log.open("w"))

    def install(self, *packages):
        return self.run("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages)

    def installed(self):
        return set(self.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package}\n").splitlines())

    def files(self):
        """Every file and folder but those of caches and the system, and the lines of the files of users."""
        found = set()
        for folder, folders, names in os.walk(self.folder):
            here = os.path.relpath(folder, self.folder)
            folders[:] = [name for name in folders if os.path.normpath(f"{here}/{name}") not in PASSING]
            found |= {os.path.normpath(f"{here}/{name}") for name in [*folders, *names]}
        for name in "passwd", "group", "shadow", "gshadow":
            found |= {f"etc/{name}: {line}" for line in self.path(f"/etc/{name}").read_text().splitlines()}
        return found


def package(name):
    """The path of a package that tools/package made, within the clean Debian."""
    [found] = PACKAGES.glob(f"{name}_*.deb")
    return f"/packages/{found.name}"


def leave_the_network():
    """From here on, this process and those that it starts have a network of their own, without other hosts."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    host("ip", "link", "set", "lo", "up")


def answer(url):
    """The body of an answer, whatever its status."""
    with contextlib.closing(urllib.request.build_opener(AnyStatus).open(url, timeout=LONG)) as found:
        return found.read().decode()


class AnyStatus(urllib.request.HTTPErrorProcessor):
    def http_response(self, request, response):
        return response


def until(what, why="it did not happen"):
    """Polls what() and returns its first true value. `why`, a text or a function, is the failure's message."""
    end = time.monotonic() + LONG
    while not (value := what()):
        assert time.monotonic() < end, why() if callable(why) else why
        time.sleep(0.05)
    return value
