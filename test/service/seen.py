"""What of the documents the tests of the service have seen.

    seen.py PROGRAM RECORD...     says what no record has, and then exits 1

The tests of the service run in several parts, side by side; each writes a record to PGTALLY_SEEN. So this is a test of its
own, after them. It exits 77 if a part was not run with this program.
"""

import json
import os
import pathlib
import sys

import answers
import messages
from described import OPENAPI

# What is described, but reached by no test of the service, and why.
UNREACHED = {
    ("*", "*", 500): "it needs a defect of the server",
    ("code", "internal"): "as 500",
    ("code", "ranking"): "ranking must take more than 5 s: tens of millions of keys",
    ("code", "audit_failed"): "a load that fails for good, and leaves the tally live; test/server/audit has the code",
}


def write():
    """Writes what this process saw, if a file for it is named."""
    if record := os.environ.get("PGTALLY_SEEN"):
        pathlib.Path(record).write_text(json.dumps({"answers": sorted(answers.seen), "messages": sorted(messages.seen)}))


def described():
    out = {("*", "*", status) for status in answers.refused_statuses} | {("OPTIONS", "*", 204)}
    for path, item in OPENAPI.all["paths"].items():
        for method in {"get", "post"} & set(item):
            out |= {(method.upper(), path, int(status)) for status in item[method]["responses"] if status != "default"}
    out |= {("code", code) for code in OPENAPI.all["components"]["schemas"]["Code"]["enum"]}
    return out | set(messages.SENT) | {"event " + name for name in messages.STREAM["x-events"]}


def unseen(records):
    """Two lists: what is described and was not seen, and what is said to be unreached, but was seen."""
    found = set()
    for record in records:
        found |= {tuple(each) for each in record["answers"]} | set(record["messages"])
    return sorted(map(str, described() - found - set(UNREACHED))), sorted(map(str, found & set(UNREACHED)))


def main(program, *files):
    program, *files = map(pathlib.Path, (program, *files))
    for each in files:
        if not each.exists() or each.stat().st_mtime < program.stat().st_mtime:
            print(f"{each.stem} was not run with this program")
            return 77
    missing, reached = unseen([json.loads(each.read_text()) for each in files])
    for each in missing:
        print("described, but no test saw it:", each)
    for each in reached:
        print("said to be unreached, but seen:", each)
    return 1 if missing or reached else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
