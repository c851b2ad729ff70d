"""The Containerfile without an engine: the commands of both stages are run in two clean Debians, and the image's command is
started as the image's user, with the image's variables alone."""

import json
import pathlib
import re
import shlex
import signal
import urllib.error

import pytest

from clean_debian import KEPT, LONG, ROOT, Debian, answer, host, leave_the_network, until

KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "STOPSIGNAL", "ENV", "ENTRYPOINT", "CMD"}


def stages():
    """Of each stage, pairs of an instruction and its text."""
    out = []
    text = (ROOT / "tools" / "packaging" / "Containerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            instruction, words = line.split(" ", 1)
            assert instruction in KNOWN, line
            out += [[]] if instruction == "FROM" else []
            out[-1].append((instruction, " ".join(words.split())))
    return out


def of(stage, instruction):
    return next(words for name, words in stage if name == instruction)


@pytest.fixture(scope="module")
def built():
    """The first stage: the sources, as an engine would copy them, and the packages that it makes."""
    stage = stages()[0]
    assert of(stage, "FROM") == "docker.io/library/debian:bookworm-slim AS build" and of(stage, "COPY") == ". ."
    assert {"/build/", "/.git/"} <= set((ROOT / ".containerignore").read_text().split())
    debian = Debian("build")
    source = debian.path(of(stage, "WORKDIR"))
    listed = host("git", "-C", ROOT, "ls-files", "-co", "--exclude-standard")
    (KEPT / "sources").write_text(listed)
    source.mkdir()
    host("sh", "-c", f"tar -C {ROOT} -T {KEPT / 'sources'} -c | tar -C {source} -x")
    debian.run("sh", "-ec", f"cd {of(stage, 'WORKDIR')}; {of(stage, 'RUN')}")
    return source / "build" / "package"


@pytest.fixture(scope="module")
def image(built):
    """The last stage."""
    debian = Debian("image", built)
    mount, command = re.fullmatch(r"--mount=(\S+) (.*)", of(stages()[1], "RUN")).groups()
    assert dict(each.split("=") for each in mount.split(",")) == {"type": "bind", "from": "build", "source": "/src/build/package", "target": "/packages"}
    debian.run("sh", "-ec", command)
    leave_the_network()
    return debian


def test_the_image_serves_as_its_user_and_ends_by_its_signal(image):
    stage = stages()[1]
    words = json.loads(of(stage, "ENTRYPOINT")) + json.loads(of(stage, "CMD"))
    log = KEPT / "container.log"
    process = image.start(*words, user=of(stage, "USER"), log=log, variables=shlex.split(of(stage, "ENV")))

    def lives():
        assert process.poll() is None, log.read_text()
        try:
            return answer(f"http://127.0.0.1:{of(stage, 'EXPOSE')}/livez")
        except urllib.error.URLError:
            return None
    until(lives)
    assert pathlib.Path(f"/proc/{process.pid}").owner() != "root"
    process.send_signal(signal.Signals[of(stage, "STOPSIGNAL")])
    assert process.wait(LONG) == 0


def test_every_command_is_there(image):
    assert image.run("/usr/bin/pgtally", "--version", user="pgtally").startswith("pgtally ")
    assert list(image.path("/var/lib/apt/lists").iterdir()) == []
