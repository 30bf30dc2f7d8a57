# SPDX-License-Identifier: GPL-2.0-only
"""Whether what must come out of the benchmark did; the bounds themselves are in bounds.py.

A bound that no sample belongs to is "not measured", and never met.
"""
import dataclasses
import re

from samples import SHOWN

MET, MISSED, UNMEASURED = "met", "NOT met", "not measured"


@dataclasses.dataclass
class Pick:
    """Which figures: a kernel's, in the rows whose case and metric match in whole."""
    level: str
    case: str
    metric: str
    kernel: str = "patched"
    params: dict = dataclasses.field(default_factory=dict)
    worst: bool = False  # of several rows the one with the highest figure
    best_run: bool = False  # the lowest of a row's runs, not the median

    def rows(self, rows):
        """The rows that fit and have figures of this kernel."""
        return [row for row in rows
                if row.level == self.level and re.fullmatch(self.metric, row.metric) and
                re.fullmatch(self.case, row.case) and self.kernel in row.figures and
                all(row.params[self.kernel].get(name) == value
                    for name, value in self.params.items())]

    def value(self, row):
        """(figure, lowest, highest) of the kernel in the row."""
        figures = row.figures[self.kernel]
        middle = figures.low if self.best_run else figures.median
        return middle, figures.low, figures.high

    def one(self, rows):
        """The value in the one row that fits, or None and the reason."""
        fits = self.rows(rows)
        if self.worst and fits:
            return self.value(max(fits, key=lambda row: self.value(row)[0])), None
        if len(fits) == 1:
            return self.value(fits[0]), None
        if not any(row.level == self.level for row in rows):
            return None, f"the level {self.level} was not run"
        if not fits:
            params = "".join(f", {name} {SHOWN.get(name, str)(value)}"
                             for name, value in self.params.items())
            return None, f"{self.kernel} has no {self.metric!r} of {self.case!r}{params}"
        return None, f"{len(fits)} cases fit: " + "; ".join(row.label for row in fits[:3])


@dataclasses.dataclass
class Verdict:
    """A line of the table of bounds."""
    what: str
    limit: str
    result: str
    figure: float = None
    low: float = None
    high: float = None
    note: str = ""


@dataclasses.dataclass
class Ratio:
    """of / to is at most the limit.

    The spread is the widest that the runs allow: the lowest of the one over the highest
    of the other, and the reverse.
    """
    what: str
    limit: float
    of: Pick
    to: Pick

    def levels(self):
        return {self.of.level, self.to.level}

    def figure(self, rows):
        """(figure, low, high) and None, or None and the reason."""
        of, why = self.of.one(rows)
        to, why_to = self.to.one(rows)
        if of is None or to is None:
            return None, why or why_to
        if not to[0]:
            return None, f"{self.to.metric} of {self.to.kernel} is 0"
        return (of[0] / to[0], of[1] / to[2], of[2] / to[1] if to[1] else float("inf")), None

    def judge(self, rows):
        figure, why = self.figure(rows)
        limit = f"{self.limit:.2f}"
        if figure is None:
            return Verdict(self.what, limit, UNMEASURED, note=why)
        return Verdict(self.what, limit, MET if figure[0] <= self.limit else MISSED, *figure)


@dataclasses.dataclass
class Falling:
    """Each ratio is below the one before; the figure is the largest step."""
    what: str
    ratios: list

    def levels(self):
        return set().union(*(ratio.levels() for ratio in self.ratios))

    def judge(self, rows):
        figures = []
        for ratio in self.ratios:
            figure, why = ratio.figure(rows)
            if not figure or not figure[0]:
                return Verdict(self.what, "below 1.00", UNMEASURED, note=why or "a ratio is 0")
            figures.append(figure[0])
        steps = [after / before for before, after in zip(figures, figures[1:])]
        return Verdict(self.what, "below 1.00", MET if max(steps) < 1 else MISSED, max(steps),
                       min(steps), max(steps), " > ".join(f"{f:.3g}" for f in figures) + "?")


@dataclasses.dataclass
class AtMost:
    """A figure by itself is at most the limit."""
    what: str
    limit: float
    of: Pick

    def levels(self):
        return {self.of.level}

    def judge(self, rows):
        of, why = self.of.one(rows)
        if of is None:
            return Verdict(self.what, f"{self.limit:g}", UNMEASURED, note=why)
        return Verdict(self.what, f"{self.limit:g}", MET if of[0] <= self.limit else MISSED, *of)


@dataclasses.dataclass
class Zero:
    """In no run of the patched kernel, where the base has them in some."""
    what: str
    of: Pick
    to: Pick

    def levels(self):
        return {self.of.level, self.to.level}

    def judge(self, rows):
        of, why = self.of.one(rows)
        to, why_to = self.to.one(rows)
        if of is None or to is None:
            return Verdict(self.what, "0", UNMEASURED, note=why or why_to)
        note = f"base: {to[0]:g} ({to[1]:g}..{to[2]:g})"
        if of[2]:
            return Verdict(self.what, "0", MISSED, *of, note)
        # Nothing is shown where the base does not fail either.
        return Verdict(self.what, "0", MET if to[2] else UNMEASURED, *of, note)


def judge(rows, bounds):
    """A verdict a bound."""
    return [bound.judge(rows) for bound in bounds]
