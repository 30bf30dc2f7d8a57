# SPDX-License-Identifier: GPL-2.0-only
"""The figures that the levels of the benchmark write: one JSON object a line.

    {"level": "allocator", "case": "map 4 KiB, empty", "kernel": "base", "metric": "time",
     "unit": "ns", "params": {"fill": 0}, "value": 61.5, "run": 0}

Samples of the same level, case, metric and parameters make a row, with the figures
of each kernel side by side.  Lines that begin with # are comments.
"""
import json
import math
import statistics

FIELDS = {"level": str, "case": str, "kernel": str, "metric": str, "unit": str,
          "params": dict, "value": (int, float), "run": int}


class Malformed(Exception):
    """A line that is no sample; says which and why."""


def problem(sample):
    """What is wrong with a sample, or None."""
    if not isinstance(sample, dict):
        return "not a JSON object"
    for name, kind in FIELDS.items():
        if name not in sample:
            return f"no {name!r}"
        value = sample[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"{name!r} is {value!r}"
        if kind is str and not value.strip():
            return f"{name!r} is empty"
    for name in sample:
        if name not in FIELDS:
            return f"unknown field {name!r}"
    if not math.isfinite(sample["value"]) or sample["value"] < 0:
        return f"'value' is {sample['value']!r}"
    for name, value in sample["params"].items():
        if not isinstance(value, (int, float, str)):
            return f"parameter {name!r} is {value!r}"
    return None


def load(path):
    """The samples of a file; Malformed names the line of the first bad one."""
    samples = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                sample = json.loads(line)
            except ValueError as error:
                raise Malformed(f"{path}:{number}: not JSON: {error}") from error
            why = problem(sample)
            if why:
                raise Malformed(f"{path}:{number}: {why}")
            samples.append(sample)
    return samples


def size(number):
    """Bytes in the unit that fits."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024 or unit == "TiB":
            return f"{number:g} {unit}"
        number /= 1024
    return None


class Figures:
    """What one kernel showed in one row."""

    def __init__(self, values):
        self.values = sorted(values)
        self.median = statistics.median(self.values)
        self.low, self.high = self.values[0], self.values[-1]


# How parameters are told
SHOWN = {"pool": size, "size": size, "fill": "{} %".format}


class Row:
    """One case, metric and set of parameters; figures by the kernel's name."""

    def __init__(self, level, case, metric, unit):
        self.level, self.case, self.metric, self.unit = level, case, metric, unit
        self.label = case
        self.params = {}  # by kernel
        self.figures = {}  # by kernel

    def ratio(self):
        """Patched over base, None when one is missing or the base's is 0."""
        base, patched = self.figures.get("base"), self.figures.get("patched")
        return patched.median / base.median if base and patched and base.median else None


def rows(samples):
    """The rows in the order in which they were first seen.

    A kernel that ran a case with several sets of parameters gets a row for each.
    Where each kernel has one set, but not the same (a pool that the other has not,
    say), it is one row: the case's name says that they are to be compared.
    """
    cases = {}
    for sample in samples:
        key = tuple(sample[name] for name in ("level", "case", "metric", "unit"))
        params = tuple(sorted(sample["params"].items()))
        kernels = cases.setdefault(key, {})
        kernels.setdefault(sample["kernel"], {}).setdefault(params, []).append(sample["value"])
    found = []
    for key, kernels in cases.items():
        single = all(len(sets) == 1 for sets in kernels.values())
        groups = {}
        for kernel, sets in kernels.items():
            for params, values in sets.items():
                row = groups.setdefault(None if single else params, Row(*key))
                row.params[kernel] = dict(params)
                row.figures[kernel] = Figures(values)
        if not single:
            differing = {name for params in groups for name, _ in params
                         if len({dict(other).get(name) for other in groups}) > 1}
            for params, row in groups.items():
                row.label += "".join(f", {name} {SHOWN.get(name, str)(value)}" for name, value in params
                                     if name in differing)
        found += groups.values()
    return found
