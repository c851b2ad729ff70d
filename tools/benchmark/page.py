"""The page that `tools/bench all` writes: a table and charts of each bench. HTML and SVG without scripts."""

from html import escape
from math import ceil, floor, log10

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1b1f24; --soft: #59636e; --line: #d5dae0; --ours: #2f6fb3; --theirs: #b8690f; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171b; --text: #e6e9ed; --soft: #9aa4af; --line: #363d46;
  --ours: #5b9be0; --theirs: #e09a4a; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 74rem; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
h2 { margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 2px solid var(--line); }
p { max-width: 52rem; } .soft, figcaption, th { color: var(--soft); } a { color: var(--ours); } .failure { color: #b5403a; font-weight: 600; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: left; border-bottom: 1px solid var(--line); } .right { text-align: right; }
.wide { overflow-x: auto; } figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--text); } svg .mark { fill: var(--soft); font-size: 11px; }
.grid { stroke: var(--line); } .ours { fill: var(--ours); } .theirs { fill: var(--theirs); }
"""
LABELS, BARS, LINE = 470, 420, 18  # widths and the height of a bar, in pixels
LOGARITHMIC = 50  # if the longest bar is so many times the shortest


def number(value):
    return f"{value:,}" if isinstance(value, int) or value >= 1000 else f"{value:.4g}"


def is_ours(contestant):
    return contestant.startswith("pgtally")


def marks_of(values):
    """The marks of an axis, and how far along it (0 to 1) a value is."""
    least, most = min(values), max(values)
    if most > LOGARITHMIC * least:
        first = floor(log10(least)) - (least < 2 * 10 ** floor(log10(least)))
        last = ceil(log10(most) - 1e-9)
        return [10.0**power for power in range(first, last + 1)], lambda value: (log10(value) - first) / (last - first)
    power = 10 ** floor(log10(most / 5))
    step = next(digit * power for digit in (1, 2, 5, 10) if most / 5 <= digit * power)
    steps = ceil(most / step - 1e-9)
    return [step * i for i in range(steps + 1)], lambda value: value / (step * steps)


def chart(rows):
    """Bars of rows of one unit: pgtally's and others' in two colours."""
    marks, place = marks_of([row["value"] for row in rows])
    out, top = [], 20
    for index, row in enumerate(rows):
        first = index == 0 or rows[index - 1]["case"] != row["case"]
        top += 6 if first and index else 0
        width = max(1, place(row["value"]) * BARS)
        out.append(f'<text x="{LABELS - 8}" y="{top + 12}" text-anchor="end">{escape(row["case"] + ": " if first else "")}'
                   f'{escape(row["contestant"])}</text><rect class="{"ours" if is_ours(row["contestant"]) else "theirs"}" x="{LABELS}" '
                   f'y="{top}" width="{width:.1f}" height="{LINE - 3}"/><text x="{LABELS + width + 5:.1f}" y="{top + 12}">{number(row["value"])}</text>')
        top += LINE
    grid = [f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="16" y2="{top}"/><text class="mark" x="{x:.1f}" y="11" text-anchor="middle">'
            f'{number(mark)}</text>' for mark in marks for x in [LABELS + place(mark) * BARS if mark else LABELS]]
    return (f'<svg viewBox="0 0 {LABELS + BARS + 90} {top + 4}" width="{LABELS + BARS + 90}" role="img" '
            f'aria-label="bars, {escape(rows[0]["unit"])}">{"".join(grid)}{"".join(out)}</svg>')


def table(rows):
    lines = []
    for index, row in enumerate(rows):
        case = "" if index and rows[index - 1]["case"] == row["case"] else row["case"]
        ratio = f"{row['ratio']:.2f}" if row.get("ratio") is not None else ""
        spread = f"{row['spread']:.0%}" if row.get("spread") is not None else ""
        lines.append(f"<tr><td>{escape(case)}</td><td>{escape(row['contestant'])}</td><td class=right>{number(row['value'])}</td>"
                     f"<td>{escape(row['unit'])}</td><td class=right>{ratio}</td><td class=right>{spread}</td></tr>")
    return ("<div class=wide><table><thead><tr><th>case<th>contestant<th class=right>median<th>unit<th class=right>ratio"
            "<th class=right>spread</tr></thead><tbody>" + "\n".join(lines) + "</tbody></table></div>")


def section(title, says, rows, failure):
    out = [f"<h2>{escape(title)}</h2><p>{escape(says)}</p>"]
    if failure:
        out.append(f"<p class=failure>It did not work: {escape(failure)}</p>")
    for unit in dict.fromkeys(row["unit"] for row in rows):
        bars = [row for row in rows if row["unit"] == unit and row["value"] > 0]
        if len(bars) > 1:
            out.append(f"<figure><figcaption>{escape(unit)}</figcaption>{chart(bars)}</figure>")
    if rows:
        out.append(table(rows))
    return "\n".join(out)


def page(facts, sections):
    """The whole page. `facts` are lines about the machine, `sections` what section() returned."""
    said = "<br>".join(escape(fact) for fact in facts)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>pgtally: benchmarks</title>
<style>{STYLE}</style>
<h1>pgtally: benchmarks</h1>
<p class="soft">{said}</p>
<p>pgtally keeps counters of a PostgreSQL table in memory and pushes each change to its clients. Each figure stands beside a program
that does the same work, or less, in the same run. A figure is the median of the rounds; the ratio is pgtally's figure by the other's,
round by round; the spread is how far the rounds lie apart. Other work on the machine changes figures, and ratios less.
Where a unit is a time, less is better; where it is per second, more is. Blue is pgtally.</p>
{chr(10).join(sections)}
</html>
"""
