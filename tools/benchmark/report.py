"""What the benches print: the machine, and rows of medians with their ratio and spread; as a table or as JSON.

A row is a case and a contestant: {"case", "contestant", "value", "unit", "ratio", "spread"}. `value` is the median of the
rounds. `ratio` is the median of the rounds' ratios to the contestant beside, so that other work on the machine disturbs
both alike; None if there is none. `spread` is how far the rounds lie apart: the highest less the lowest, of the median.
"""

import json
import os
import pathlib
import platform
import statistics
import subprocess

median = statistics.median


def row(case, contestant, values, unit, beside=None):
    """The row of the rounds' `values`. `beside` has those of the other contestant, of the same rounds in the same order."""
    middle = median(values)
    ratios = [ours / theirs for ours, theirs in zip(values, beside, strict=True) if theirs] if beside else []
    return {"case": case, "contestant": contestant, "value": rounded(middle), "unit": unit,
            "ratio": round(median(ratios), 3) if ratios else None,
            "spread": round((max(values) - min(values)) / middle, 3) if middle else None}


def rounded(value):
    """To four digits that count; a whole number where nothing is behind the point."""
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() else short


def machine(*programs):
    """What the figures depend on. Of each program (a path, as of psql) its first line of --version."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"processor": _processor(), "cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory / 2**30, 1),
            "kernel": platform.release(), "load": round(os.getloadavg()[0], 1),
            "versions": [version for program in programs if (version := _version(program))]}


def _processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _version(program):
    """nginx, for one, has another option, and writes to stderr."""
    for option in ("--version", "-v"):
        done = subprocess.run([program, option], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.stdout and ("version" in done.stdout or done.returncode == 0):
            return done.stdout.splitlines()[0].strip()
    return None


def show(bench, found, rows, as_json):
    """Prints all of it. `found` is what machine() returned before the run."""
    if as_json:
        print(json.dumps({"bench": bench, "machine": found, "rows": rows}))
        return
    print(f"{bench}: {found['cores']} cores of {found['processor']}, {found['memory_gib']} GiB, Linux {found['kernel']}, "
          f"load {found['load']} at the beginning")
    print("; ".join(found["versions"]))
    columns = {name: max([len(name), *(len(line[name]) for line in rows)]) for name in ("case", "contestant", "unit")}
    print(f"{'case':{columns['case']}}  {'contestant':{columns['contestant']}}{'median':>14} {'':{columns['unit']}}{'ratio':>8}{'spread':>8}")
    for line in rows:
        ratio = f"{line['ratio']:.2f}" if line["ratio"] is not None else ""
        spread = f"{line['spread']:.0%}" if line["spread"] is not None else ""
        print(f"{line['case']:{columns['case']}}  {line['contestant']:{columns['contestant']}}{line['value']:>14,} "
              f"{line['unit']:{columns['unit']}}{ratio:>8}{spread:>8}")
