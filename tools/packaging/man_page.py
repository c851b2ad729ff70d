#!/usr/bin/env python3
"""Makes the man page from the help of the program and the chapter "Command line" of server/README.md:

    man_page.py PROGRAM README

The help has the options; the page, which has a section for each command or for several, has all else that users know."""

import datetime
import os
import pathlib
import re
import sys

import help_text
from roff import escaped, inline, lines_of, roff

FILES = """
| /etc/pgtally/pgtally.conf | The options of the service that systemd starts, a file of `--config`. |
| /usr/share/doc/pgtally | The whole documentation: the reference (server/README.md), installation, a runbook, configurations of proxies, rules and a dashboard. |
"""


def chapter(page):
    """The introduction of the chapter "Command line", and its sections by their titles."""
    text = re.search(r"^## Command line\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)[1]
    introduction, *rest = re.split(r"^### (.*)\n", text, flags=re.MULTILINE)
    return introduction, dict(zip(rest[::2], rest[1::2]))


def without(pattern, text):
    """The text without a part that the help says better. It is an error if there is none."""
    out, count = re.subn(pattern, "", text, count=1, flags=re.MULTILINE | re.DOTALL)
    if count != 1:
        raise ValueError(f"the page has nothing like {pattern!r}")
    return out


def options(command):
    out = [".SS " + escaped(command.usage), *lines_of(inline(command.text))]
    for option in command.options:
        value = rf" \fI{escaped(option.value)}\fR" if option.value else ""
        out += [".TP", rf"\fB\-\-{escaped(option.name)}\fR{value}", *lines_of(inline(option.text))]
    return out


def section(title, text, commands):
    """What the help and the page say about the commands of a title."""
    if title == "serve":
        text = without(r"^\| option \|.*?^$", text)
    out = [".SH " + escaped(title.upper())]
    for command in commands:
        out += options(command)
    words = roff(text)
    return out + (words if commands else words[1:])  # a heading begins a paragraph itself


def page(program, readme):
    introduction, sections = chapter(readme)
    introduction = without(r"^    pgtally serve .*?^$", introduction)
    commands = {command.name: command for command in help_text.read(program)}
    # A section that names no command is about all of them.
    named = {title: [word for word in title.split(", ") if word in commands] for title in sections}
    if list(commands) != [word for words in named.values() for word in words]:
        raise ValueError(f"the sections of the page are {list(sections)}, the commands {list(commands)}")
    date = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH") or datetime.datetime.now().timestamp()), datetime.timezone.utc)
    out = [f'.TH PGTALLY 1 "{date:%Y-%m-%d}" "pgtally {help_text.version(program)}" "User Commands"',
           ".SH NAME", r"pgtally \- live counters for PostgreSQL", ".SH SYNOPSIS", r"\fBpgtally\fR \fICOMMAND\fR [\fIOPTION\fR]...",
           ".SH DESCRIPTION"]
    for command in commands.values():
        out += [".TP", rf"\fBpgtally {command.name}\fR", *lines_of(inline(command.purpose))]
    out += roff(introduction)
    for title, text in sections.items():
        out += section(title, text, [commands[word] for word in named[title]])
    return "\n".join([*out, ".SH FILES", *roff(FILES), ".SH SEE ALSO", r"\fBpsql\fR(1), \fBsystemctl\fR(1)"]) + "\n"


if __name__ == "__main__":
    print(page(sys.argv[1], pathlib.Path(sys.argv[2]).read_text()), end="")
