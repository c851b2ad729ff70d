"""The blocks of a page: commands to run and files to write, in their order."""

import dataclasses
import re

BLOCK = re.compile(r"^```(?P<kind>\w+) *(?P<path>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SYSTEMCTL = re.compile(r"^systemctl (?:enable --now|reload|restart) (\w+)$", re.MULTILINE)


@dataclasses.dataclass
class Step:
    what: str  # "run", "write" or "service"
    text: str
    path: str = ""


def steps(page):
    """A block of sh is commands; what it asks of systemd is a step of its own. A block with a path is that file."""
    for block in BLOCK.finditer(page):
        if block["path"]:
            yield Step("write", block["text"], block["path"])
            continue
        assert block["kind"] == "sh", f"a block that is neither commands nor a file: {block[0]}"
        commands, *rest = SYSTEMCTL.split(block["text"])
        assert "systemctl" not in "".join([commands, *rest[1::2]]), f"systemctl is used in a way that the test does not know: {block[0]}"
        yield Step("run", commands)
        for name, commands in zip(rest[::2], rest[1::2]):
            yield Step("service", name)
            yield Step("run", commands)
