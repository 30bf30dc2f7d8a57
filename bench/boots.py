# SPDX-License-Identifier: GPL-2.0-only
"""What the levels that boot machines share: arguments, boots in turn, samples."""
import argparse
import json
import os
import re
import sys

BOOT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "boot")
# First: a report is here as well.
sys.path.insert(0, BOOT)

# pylint: disable=wrong-import-position
import report
import run
import scenario as scenarios
from run import say

# The kernel before the series; it has one pool, and its swiotlb= has no third size.
BASE = "base"


class Boot:
    """What a boot has said.  cause: why it was stopped, None at a normal end."""

    def __init__(self, cause, console, rundir):
        self.cause = cause
        self.text = report.unmix(console)
        self.facts = report.Facts(console)
        self.log = os.path.join(rundir, "console.log")
        self.qemu_log = os.path.join(rundir, "qemu.log")
        if not cause and "end" not in self.facts.single:
            self.cause = "the console has no end marker"

    def seconds_between(self, first, second):
        """By the guest's clock, from the first line of the one to the next of the other."""
        match = re.search(rf"(?ms)^\[ *(\d+\.\d+)\] {first}.*?^\[ *(\d+\.\d+)\] {second}", self.text)
        return float(match[2]) - float(match[1]) if match else None


class Bench:
    """A level: its arguments, and the file of its samples."""

    def __init__(self, level, doc, boots):
        self.level = level
        parser = argparse.ArgumentParser(prog=f"bench/{level}", description=doc)
        parser.add_argument("--kernel", action="append", required=True, metavar="NAME=IMAGE",
                            help=f"a kernel to measure; NAME {BASE} has one pool only")
        parser.add_argument("--out", required=True, metavar="FILE", help="for the samples")
        parser.add_argument("--cases", default="", metavar="REGEX", help="only these cases")
        parser.add_argument("--boots", type=int, metavar="N",
                            help=f"of each kernel in each case ({boots}; 1 with --quick)")
        parser.add_argument("--quick", action="store_true", help="one boot each, few cases")
        options = parser.parse_args()
        self.quick = options.quick
        self.boots = (1 if self.quick else boots) if options.boots is None else options.boots
        self.failed = []
        try:
            self.cases = re.compile(options.cases)
            self.kernels = dict(self.kernel(text) for text in options.kernel)
        except re.error as error:
            parser.error(f"--cases {options.cases}: {error}")
        except ValueError as error:
            parser.error(str(error))
        if self.boots < 1:
            parser.error(f"--boots {self.boots}: want a number from 1")
        self.out = open(options.out, "w", encoding="utf-8")  # pylint: disable=consider-using-with
        # Being ended is like Ctrl-C: the machine must not stay behind.
        run.end_by_signals()

    @staticmethod
    def kernel(text):
        name, equals, image = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--kernel {text}: want NAME=IMAGE")
        if not os.path.isfile(image):
            raise ValueError(f"--kernel {text}: there is no {image}")
        return name, os.path.abspath(image)

    def in_turn(self, what):
        """(run, kernel) so that what changes on the host falls upon all kernels alike."""
        for number in range(self.boots):
            for name in self.kernels:
                say(f"{self.level}: {what}, {name}, boot {number + 1} of {self.boots}")
                yield number, name

    def boot(self, kernel, text):
        """Boots a scenario, given as the lines of its file."""
        os.environ["SWIOTLB_KERNEL"] = self.kernels[kernel]
        found = re.search(r"(?m)^what=(.*)", text)
        name = "bench-" + re.sub(r"\W+", "-", f"{found[1]}-{kernel}")
        return Boot(*run.run_machine(scenarios.parse(name, text)))

    def failure(self, what, boot, cause=None):
        """The boot is no sample of what it was to measure."""
        text = f"{what}: {cause or boot.cause} ({boot.log})"
        say(f"FAILED {text}")
        self.failed.append(text)

    def sample(self, case, kernel, number, metric, unit, value, **params):
        # pylint: disable=too-many-arguments,too-many-positional-arguments
        json.dump({"level": self.level, "case": case, "kernel": kernel, "metric": metric,
                   "unit": unit, "params": params, "value": value, "run": number}, self.out)
        self.out.write("\n")
        self.out.flush()

    def end(self):
        """The exit status."""
        self.out.close()
        for text in self.failed:
            say(f"error: {text}")
        return 1 if self.failed else 0


def main(level):
    """Runs level(), which returns the exit status."""
    try:
        if not run.BUILD:
            raise scenarios.Bad("start this through bench/kernel or bench/dom0")
        return level()
    except scenarios.Bad as bad:
        say(f"error: {bad}")
        return 2
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def swiotlb(kernel, low, high, force=True):
    """swiotlb= for a kernel: slabs of the low pool, and the size of a high one."""
    words = [str(low)]
    if kernel != BASE and high:
        words += ["", high]
    return "swiotlb=" + ",".join(words + ["force"] * force)
