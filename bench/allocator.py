# SPDX-License-Identifier: GPL-2.0-only
"""Level "allocator": swiotlb-bench of tools/testing/swiotlb, one program a kernel.

Kernels take turns in each case, and so do cases that are compared. A process is a run;
its figures are means of many operations. What is counted does not depend on the
machine's load, and is counted once.
The program's sources say what a case is, and what is not real about its memory.
"""
import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys
import time

import callgrind
import patience

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = os.path.join(TOP, "tools", "testing", "swiotlb")
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
RUNS, MILLISECONDS = 7, 100
LIMIT, COUNT_LIMIT, BUILD_LIMIT = 300, 600, 300
METRICS = {"longest time with interrupts off": "time", "times interrupts are off": "sections",
           "bookkeeping": "bytes per slot", "descriptor": "bytes per descriptor"}


@dataclasses.dataclass
class Case:
    """A row of the table; kernels run program's case @what with @options."""
    name: str
    what: str
    options: dict
    params: dict  # what the row's x is
    counted: int = 0  # operations to count the instructions of, if any
    dynamic: bool = False  # of the program with CONFIG_SWIOTLB_DYNAMIC
    runs: int = None

    def group(self):
        """Cases of a group, whose figures are compared, take turns as kernels do."""
        if self.what == "map" and self.options["size"] == 64 * KIB and not self.options.get("hi"):
            return "the pool's size"
        return "look-up" if self.what == "look-up" else (self.name, str(self.params))


def size(number):
    for unit, one in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if number >= one:
            return f"{number // one} {unit}"
    return f"{number} B"


def map_cases(quick):
    """map and unmap: sizes, fill, the last room, the size of the pool"""
    pools = [64 * MIB] if quick else [64 * MIB, 256 * MIB, GIB, 4 * GIB, 16 * GIB, 64 * GIB]
    sizes = [4 * KIB] if quick else [512, KIB, 2 * KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB]
    ops = 100 if quick else 2000
    for hi in (0, 1):
        for each in sizes:
            yield Case(f"map {size(each)}, empty" + ", HI" * hi, "map",
                       {"size": each, "pool": 64 * MIB, "hi": hi},
                       {"size": each, "pool": 64 * MIB}, counted=ops)
    for pool in pools[:1] if quick else (4 * GIB, 64 * MIB):
        for fill in (90,) if quick else (0, 50, 90, 99):
            yield Case("map 4 KiB, fragmented", "map",
                       {"size": 4 * KIB, "pool": pool, "fill": fill,
                        "filling": "random" if fill else "empty"},
                       {"fill": fill, "pool": pool}, counted=ops)
    for pool in pools:
        params = {"pool": pool, "size": 64 * KIB}
        if pool != 64 * MIB:
            yield Case("map 64 KiB, empty", "map", params, params)
        yield Case("map 64 KiB, one segment left", "map", {**params, "filling": "last"}, params,
                   counted=3 if pool in (64 * MIB, 4 * GIB) else 0)


def other_cases(quick):
    """Interrupts, threads, look-up, what it takes to boot"""
    pool = 64 * MIB if quick else 4 * GIB
    for filling, each in (("last", 64 * KIB), ("odd", 4 * KIB), ("holes", 4 * KIB),
                          ("straddle", 64 * KIB), ("crossing", 64 * KIB)):
        yield Case(f"interrupts off, {filling}", "irqs-off",
                   {"pool": pool, "size": each, "filling": filling}, {"pool": pool},
                   counted=1)
    for threads in (2,) if quick else (1, 2, 4, 8):
        for areas, name in ((threads, "an area each"), (1, "one area")):
            yield Case(f"threads, {name}", "threads",
                       {"size": 512, "threads": threads, "areas": areas}, {"threads": threads})
    for pools in (1, 100) if quick else (1, 10, 100, 1000):
        yield Case("look-up", "look-up", {"pools": pools, "pool": MIB}, {"pools": pools},
                   counted=1000 if quick else 20000, dynamic=True)
    yield Case("look-up, the one added", "look-up", {"pools": 1, "pool": MIB, "added": 1}, {},
               counted=1000 if quick else 20000, dynamic=True)
    for each in (64 * MIB,) if quick else (GIB, 4 * GIB, 16 * GIB, 64 * GIB):
        yield Case("set-up", "set-up", {"pool": each, "hi": 1}, {"pool": each},
                   # The base writes all of it: a minute for the largest.
                   runs=1 if each > 16 * GIB else 3 if each > 4 * GIB else None)
    for each in (64 * MIB,) if quick else (64 * MIB, 4 * GIB, 64 * GIB):
        yield Case(f"bookkeeping, {size(each)}", "overhead", {"pool": each}, {"pool": each},
                   runs=1)
    each = 64 * MIB if quick else 2 * GIB
    for layout in ("odd", "identity", "scattered"):
        yield Case("exchanges" + f", {layout}" * (layout != "odd"), "exchanges",
                   {"pool": each, "hi": 1, "layout": layout}, {"pool": each}, runs=1)


class Level:
    """The programs of the kernels, and where the samples go."""

    def __init__(self, args, out):
        self.args, self.out = args, out
        self.kernels = dict(args.kernel)
        self.work = os.path.join(os.environ["SWIOTLB_BUILD"], "bench")
        self.failures = []
        self.said = 0

    def say(self, text, always=True):
        """A line of progress; the others at most one in 20 seconds"""
        if always or time.monotonic() - self.said > 20:
            self.said = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    def program(self, kernel, dynamic):
        return os.path.join(self.work, kernel, "dynamic" if dynamic else "plain",
                            "swiotlb-bench")

    def build(self, kernel, dynamic):
        folder = os.path.dirname(self.program(kernel, dynamic))
        self.say(f"allocator: building for {kernel}{', dynamic' * dynamic}")
        os.makedirs(folder, exist_ok=True)
        log = os.path.join(folder, "log")
        config = "-DCONFIG_DEBUG_FS" + " -DCONFIG_SWIOTLB_DYNAMIC" * dynamic
        with open(log, "w", encoding="utf-8") as file:
            status = subprocess.run(
                ["make", "-B", "-C", SOURCES, f"KERNEL={self.kernels[kernel]}", f"O={folder}",
                 f"CONFIG={config}", "bench"], stdin=subprocess.DEVNULL, stdout=file,
                stderr=file, timeout=BUILD_LIMIT, check=False).returncode
        if status:
            sys.exit(f"error: the benchmark of {kernel} does not compile; log: {log}")

    def command(self, case, kernel, **more):
        command = [self.program(kernel, case.dynamic), case.what]
        for name, value in {**case.options, **more}.items():
            command += [f"--{name}", str(value)]
        return command

    def sample(self, case, kernel, run, metric, unit, value):
        self.out.write(json.dumps({"level": "allocator", "case": case.name, "kernel": kernel,
                                   "metric": metric, "unit": unit, "params": case.params,
                                   "value": value, "run": run}) + "\n")
        self.out.flush()

    def failure(self, case, kernel, why):
        self.failures.append(f"{case.name}, {kernel}: {why}")
        self.say(f"FAILED {self.failures[-1]}")

    def time(self, case, kernel, run):
        command = self.command(case, kernel, milliseconds=20 if self.args.quick else MILLISECONDS)
        try:
            status, out, errors = patience.run(command, LIMIT, self.say)
        except subprocess.TimeoutExpired:
            return self.failure(case, kernel, f"took more than {LIMIT} s: {' '.join(command)}")
        if status:
            why = errors.strip() or f"status {status}"
            return self.failure(case, kernel, f"{why}: {' '.join(command)}")
        for line in out.splitlines():
            metric, unit, value = line.split("\t")
            self.sample(case, kernel, run, METRICS.get(metric, metric), unit, float(value))
        return None

    def count(self, case, kernel):
        command = self.command(case, kernel, counted=1, ops=case.counted)
        try:
            counted = callgrind.count(command, COUNT_LIMIT, self.say)
        except callgrind.Failed as why:
            return self.failure(case, kernel, f"{why}: {' '.join(command)}")
        for metric, value in zip(("instructions", "instructions of the allocator",
                                  "instructions of the copies"), counted):
            self.sample(case, kernel, 0, metric, "instructions", value / case.counted)
        return None

    def run(self, cases):
        for run in range(1 if self.args.quick else self.args.runs):
            for case in cases:
                for kernel in self.kernels:
                    if run < (case.runs or self.args.runs):
                        self.say(f"  {case.name}: run {run + 1}, {kernel}", always=False)
                        self.time(case, kernel, run)
        for case in cases:
            for kernel in self.kernels if case.counted else ():
                self.say(f"  {case.name}: counting, {kernel}", always=False)
                self.count(case, kernel)


def arguments():
    def kernel(text):
        name, equals, tree = text.partition("=")
        if not re.fullmatch(r"[\w.-]+", name) or not equals:
            raise argparse.ArgumentTypeError(f"'{text}' is not NAME=TREE")
        if not os.path.isfile(os.path.join(tree, "kernel", "dma", "swiotlb.c")):
            raise argparse.ArgumentTypeError(f"{name}: '{tree}' has no kernel/dma/swiotlb.c")
        return name, os.path.abspath(tree)

    def positive(text):
        if not re.fullmatch(r"[1-9]\d{0,3}", text):
            raise argparse.ArgumentTypeError(f"'{text}' is not a number of runs")
        return int(text)

    def regex(text):
        try:
            return re.compile(text)
        except re.error as error:
            raise argparse.ArgumentTypeError(f"'{text}' is no regular expression: {error}")

    parser = argparse.ArgumentParser(prog="allocator", description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", action="append", type=kernel, required=True,
                        metavar="NAME=TREE")
    parser.add_argument("--cases", type=regex, default=re.compile(""), metavar="REGEX")
    parser.add_argument("--runs", type=positive, default=RUNS, metavar="N")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", required=True, metavar="FILE")
    args = parser.parse_args()
    names = [name for name, _ in args.kernel]
    if len(set(names)) != len(names):
        parser.error("--kernel: a name is given twice")
    return args


def main():
    if not os.environ.get("SWIOTLB_BUILD"):
        sys.exit("error: start this through bench/allocator")
    args = arguments()
    cases = [case for case in (*map_cases(args.quick), *other_cases(args.quick))
             if args.cases.search(case.name)]
    if not cases:
        sys.exit(f"error: no case matches '{args.cases.pattern}'")
    with open(args.out, "w", encoding="utf-8") as out:
        level = Level(args, out)
        for dynamic in sorted({case.dynamic for case in cases}):
            for kernel in level.kernels:
                level.build(kernel, dynamic)
        groups = {}
        for case in cases:
            groups.setdefault(case.group(), []).append(case)
        for number, group in enumerate(groups.values(), 1):
            names = dict.fromkeys(case.name for case in group)
            params = "".join(f", {name} {value}" for name, value in group[0].params.items())
            level.say(f"allocator: {number} of {len(groups)}, {'; '.join(names)}"
                      + params * (len(group) == 1))
            level.run(group)
    if level.failures:
        sys.exit(f"error: {len(level.failures)} failed, the last: {level.failures[-1]}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("error: interrupted")
    except (OSError, subprocess.TimeoutExpired) as bad:
        sys.exit(f"error: {bad}")
