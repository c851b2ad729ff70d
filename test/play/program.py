"""pgtally-play as a process, and the application's database."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = os.environ.get("PGTALLY_LOADER", str(ROOT / "build/release/pgtally-play"))
TWEET = ROOT / "schema" / "tweet"


def play(*words, status=0):
    """Runs it to its end and returns its output."""
    done = subprocess.run([PROGRAM, *map(str, words)], text=True, capture_output=True, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


def start(*words):
    return subprocess.Popen([PROGRAM, *map(str, words)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def set_up(connection):
    for name in ("1-schema", "2-cast", "3-tally"):
        connection.execute((TWEET / f"{name}.sql").read_text())


def speech(speakers, *lines):
    names = "".join(f"<SPEAKER>{one}</SPEAKER>" for one in speakers.split("+"))
    return f"<SPEECH>{names}{''.join(f'<LINE>{one}</LINE>' for one in lines)}</SPEECH>\n"


def write_play(path, *parts):
    path.write_text(f"<?xml version='1.0'?>\n<PLAY><TITLE>T</TITLE>\n<ACT><SCENE>\n{''.join(parts)}</SCENE></ACT></PLAY>\n")
    return path
