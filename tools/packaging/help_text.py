"""What `pgtally --help` and `pgtally COMMAND --help` print, taken apart. The man page and the completions are made of it, so
that no option is written down twice."""

import dataclasses
import re
import subprocess

COMMAND = re.compile(r"^  (?P<name>[a-z]+) +(?P<purpose>\S.*)$", re.MULTILINE)
OPTION = re.compile(r"^  --(?P<name>[a-z-]+)(?: (?P<value>[A-Z][A-Z:]*))?(?: +(?P<text>\S.*))?$")
LIST_OF_WORDS = re.compile(r"[a-z]+(?:, [a-z]+)*,? or [a-z]+")


@dataclasses.dataclass
class Option:
    name: str
    value: str  # what a value is, such as FILE; empty for a switch
    text: str

    @property
    def short(self):
        """The first part of the text, for a line of a menu."""
        return self.text.split(";")[0]

    @property
    def words(self):
        """The words that the value can be, if the text lists them: `text or json; default text`."""
        return re.split(r", (?:or )?| or ", self.short) if self.value and LIST_OF_WORDS.fullmatch(self.short) else []

    @property
    def repeatable(self):
        return "repeatable" in self.text.split("; ")


@dataclasses.dataclass
class Command:
    name: str
    purpose: str  # a line without a full stop
    usage: str  # pgtally top TALLY --by COUNTER [OPTION]...
    text: str  # sentences
    options: list[Option]


def options_of(text):
    out = []
    for line in text.splitlines():
        if found := OPTION.match(line):
            out.append(Option(found["name"], found["value"] or "", found["text"] or ""))
        elif line.startswith("   ") and out:
            out[-1].text = f"{out[-1].text} {line.strip()}"
        elif line.strip():
            raise ValueError(f"not a line of options: {line!r}")
        if out:
            out[-1].text = out[-1].text.strip()
    return out


def command_of(name, purpose, text):
    """A command from its help: a line of usage, sentences, and the options."""
    head, options = text.split("\nOptions:\n")
    usage, sentences = head.split("\n\n", 1)
    return Command(name, purpose, usage.removeprefix("usage: "), " ".join(sentences.split()), options_of(options))


def read(program):
    """Returns the commands of the program, in the order of its help."""
    def ask(*words):
        return subprocess.run([program, *words, "--help"], check=True, capture_output=True, text=True).stdout
    return [command_of(found["name"], found["purpose"], ask(found["name"])) for found in COMMAND.finditer(ask())]


def version(program):
    """The program's version: `pgtally 0.1.0` is the first line."""
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
