"""tools/package: what it refuses before anything is built. What it makes is tested by itself: tools/package --try."""

import os
import pathlib
import subprocess

import pytest

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "tools" / "package"


def call(*words, **more):
    return subprocess.run([PACKAGE, *words], text=True, capture_output=True, timeout=60, **more)


def test_an_unknown_argument_is_refused():
    done = call("--tyr")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "package: unknown argument --tyr; see tools/package --help\n")


@pytest.mark.parametrize("test", ["--try", "--deploy", "--container"])
def test_a_clean_debian_is_for_root(test):
    if os.getuid() != 0:
        pytest.skip("only root can be another user too")
    done = call(test, user="nobody")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "package: a clean Debian is made by root only\n")


def test_help_names_every_argument():
    said = call("--help").stdout
    assert all(word in said for word in ("--try", "--deploy", "--container", "DEBEMAIL"))
