"""The text of the pages (Markdown, as far as they use it) as text of a man page."""

import re
import textwrap

INLINE = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|\[(?P<link>[^\]]+)\]\([^)]+\)")


def escaped(text):
    return text.replace("\\", r"\e").replace("-", r"\-").replace("…", "...").replace("→", r"\(->")


def inline(text):
    """A piece of text. Links are their words; code and bold text are bold."""
    def one(found):
        return inline(found["link"]) if found["link"] else rf"\fB{escaped(found['code'] or found['bold'])}\fR"
    out, at = "", 0
    for found in INLINE.finditer(text):
        out += escaped(text[at:found.start()]) + one(found)
        at = found.end()
    return out + escaped(text[at:])


def lines_of(text):
    """Lines of a file, of which none is taken for a request."""
    wrapped = textwrap.wrap(text, 78, break_long_words=False, break_on_hyphens=False) or [""]
    return [re.sub(r"^([.'])", r"\\&\1", line) for line in wrapped]


def code(lines):
    return [".PP", ".RS 4", ".nf", *(re.sub(r"^([.'])", r"\\&\1", escaped(line)) for line in lines), ".fi", ".RE"]


def table(rows):
    """A row is its first cells, and indented the last one."""
    out = []
    for row in rows:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]
        if all(re.fullmatch(r"-*", cell) for cell in cells):
            out.clear()  # the line below the table's head
            continue
        out += [".TP", inline(": ".join(cell for cell in cells[:-1] if cell)), *lines_of(inline(cells[-1]) or r"\&")]
    return out


def item(lines):
    """A point of a list."""
    return [r".IP \(bu 2", *lines_of(inline(" ".join(line.removeprefix("- ").strip() for line in lines)))]


def paragraph(lines):
    return [".PP", *lines_of(inline(" ".join(line.strip() for line in lines)))]


def kind_of(line):
    for kind, pattern in (code, r"    "), (table, r"\|"), (item, r"- |  \S"):
        if re.match(pattern, line):
            return kind
    return paragraph


def blocks(text):
    """Pairs of a function that makes a block, and its lines."""
    out = []
    for line in text.splitlines():
        kind = kind_of(line)
        if not line.strip():
            # An empty line ends a block, but stands within code.
            out.append((None, []))
        elif kind is item and line.startswith("- ") or not out or out[-1][0] is not kind:
            out.append((kind, [line]))
        else:
            out[-1][1].append(line)
    return [(kind, [line.removeprefix("    ") for line in lines] if kind is code else lines) for kind, lines in out if kind]


def roff(text):
    """The lines of a chapter without its heading."""
    return [line for kind, lines in blocks(text) for line in kind(lines)]
