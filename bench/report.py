#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes the report of a run of the benchmark: bounds, a table a level, plots.

usage: report.py [--head FILE] [--publish DIR] [--bounds] [--measured LEVEL] --out DIR SAMPLES...

Writes DIR/report.md and DIR/*.svg, and prints the table of bounds.  --head is what the
report begins with; --publish copies report, samples and plots; with --bounds a bound that
is missed is an error, with --measured one of that level that was not measured.
"""
import argparse
import json
import math
import os
import shutil
import sys

import bounds
import judge
import plots
import samples

# More is not worth keeping in git for ever: medians and spread are published instead
SAMPLES_MAX = 200_000
LICENCE = "<!-- SPDX-License-Identifier: GPL-2.0-only -->\n"


def show(value):
    """Four digits that say something; whole numbers in full."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "∞"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    if abs(value) < 0.01:
        return f"{value:.2g}"
    digits = 3 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(0, min(digits, 4))}f}"


def table(head, lines, right=()):
    """A table of Markdown, whose columns also line up as plain text."""
    cells = [head] + [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    width = [max(3, *(len(line[i]) for line in cells)) for i in range(len(head))]

    def text(line):
        return "| " + " | ".join(cell.rjust(width[i]) if i in right else cell.ljust(width[i])
                                 for i, cell in enumerate(line)) + " |"
    rule = "|" + "|".join("-" * (n + 1) + ":" if i in right else "-" * (n + 2)
                          for i, n in enumerate(width)) + "|"
    return "\n".join([text(cells[0]).rstrip(), rule] + [text(line) for line in cells[1:]]) + "\n"


def spread(low, high):
    return show(low) if low == high else f"{show(low)}..{show(high)}"


def bounds_table(verdicts):
    lines = [[verdict.what, verdict.limit, show(verdict.figure),
              "" if verdict.figure is None else spread(verdict.low, verdict.high),
              verdict.result, verdict.note] for verdict in verdicts]
    return table(["patched / base, unless it says otherwise", "at most", "figure", "spread",
                  "result", "note"], lines, (1, 2, 3))


def kernels(rows):
    """Base and patched first, then the others in the order of their names."""
    names = {name for row in rows for name in row.figures}
    first = [name for name in ("base", "patched") if name in names]
    return first + sorted(names.difference(first))


def level_table(rows):
    """Median (lowest..highest) of each kernel."""
    names = kernels(rows)

    def cell(row, name):
        figures = row.figures.get(name)
        return "" if not figures else show(figures.median) if figures.low == figures.high else \
            f"{show(figures.median)} ({spread(figures.low, figures.high)})"
    lines = [[row.label, row.metric, row.unit, *(cell(row, name) for name in names),
              show(row.ratio())] for row in rows]
    return table(["case", "metric", "unit", *names, "patched / base"], lines,
                 range(3, 4 + len(names)))


def runs(rows):
    """How many runs the medians are of."""
    counts = {len(figures.values) for row in rows for figures in row.figures.values()}
    low, high = min(counts), max(counts)
    return "one run" if high == 1 else f"{low} runs" if low == high else f"{low} to {high} runs"


def report(head, rows, verdicts, drawn):
    """The whole report as Markdown."""
    parts = [LICENCE, head.strip() + "\n",
             "## Bounds\n\nThe figure is made of medians; its spread is the widest that the runs "
             "allow.\n", bounds_table(verdicts)]
    parts += [f"![{plot.title}]({plot.name}.svg)\n" for plot in drawn]
    for level in dict.fromkeys(row.level for row in rows):
        here = [row for row in rows if row.level == level]
        parts += [f"## Level: {level}\n\nMedian (lowest..highest) of {runs(here)}.\n",
                  level_table(here)]
    return "\n".join(parts)


def summary(rows):
    """The rows without their single runs, for people's programs."""
    for row in rows:
        for name, figures in row.figures.items():
            yield json.dumps({
                "level": row.level, "case": row.case, "metric": row.metric, "unit": row.unit,
                "kernel": name, "params": row.params[name], "median": figures.median,
                "lowest": figures.low, "highest": figures.high, "runs": len(figures.values)})


def publish(folder, out, all_samples, rows, drawn):
    """Copies what is worth keeping; what an earlier run of that day left goes."""
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        if name.endswith((".svg", ".md", ".jsonl")):
            os.unlink(os.path.join(folder, name))
    for name in ["report.md"] + [plot.name + ".svg" for plot in drawn]:
        shutil.copy(os.path.join(out, name), folder)
    name, lines = "samples.jsonl", [json.dumps(sample) for sample in all_samples]
    if sum(len(line) + 1 for line in lines) > SAMPLES_MAX:
        name, lines = "summary.jsonl", list(summary(rows))
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write("# SPDX-License-Identifier: GPL-2.0-only\n" + "\n".join(lines) + "\n")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--head", metavar="FILE")
    parser.add_argument("--publish", metavar="DIR")
    parser.add_argument("--bounds", action="store_true")
    parser.add_argument("--measured", metavar="LEVEL", action="append", default=[])
    parser.add_argument("--out", metavar="DIR", required=True)
    parser.add_argument("samples", metavar="SAMPLES", nargs="+")
    options = parser.parse_args(arguments)

    head = "# Base and patched, side by side"
    try:
        if options.head:
            with open(options.head, encoding="utf-8") as file:
                head = file.read()
        all_samples = [sample for path in options.samples for sample in samples.load(path)]
        if not all_samples:
            return "no samples in " + ", ".join(options.samples)
        rows = samples.rows(all_samples)
        verdicts = judge.judge(rows, bounds.BOUNDS)
        os.makedirs(options.out, exist_ok=True)
        drawn = [plot for plot in bounds.PLOTS if plots.draw(plot, rows, options.out)]
        text = report(head, rows, verdicts, drawn)
        with open(os.path.join(options.out, "report.md"), "w", encoding="utf-8") as file:
            file.write(text)
        if options.publish:
            publish(options.publish, options.out, all_samples, rows, drawn)
    except (samples.Malformed, plots.Failed, OSError) as error:
        return str(error)

    print(bounds_table(verdicts), end="")
    count = {result: sum(verdict.result == result for verdict in verdicts)
             for result in (judge.MET, judge.MISSED, judge.UNMEASURED)}
    print(", ".join(f"{number} {result}" for result, number in count.items()))
    wrong = [verdict.what for verdict in verdicts
             if options.bounds and verdict.result == judge.MISSED]
    if wrong:
        return "bounds not met: " + "; ".join(wrong)
    wrong = [verdict.what for bound, verdict in zip(bounds.BOUNDS, verdicts)
             if verdict.result == judge.UNMEASURED and bound.levels() & set(options.measured)]
    return "not measured: " + "; ".join(wrong) if wrong else None


if __name__ == "__main__":
    WHY = main(sys.argv[1:])
    if WHY:
        sys.exit("error: " + WHY)
