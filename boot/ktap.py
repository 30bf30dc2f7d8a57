# SPDX-License-Identifier: GPL-2.0-only
"""Results in the kernel's test format (KTAP): reading them, and what is wrong with them."""
import re

RESULT = re.compile(r"(?P<not>not )?ok (?P<number>\d+) (?:- )?(?P<name>.*?)\s*(?:# (?P<note>.*))?$")
PLAN = re.compile(r"1\.\.(\d+)\b\s*(?:# (?P<note>.*))?")
SKIP = re.compile(r"(?i)skip\S*\s*")


class Results:
    """What one KUnit suite or one selftest has said."""

    def __init__(self, name):
        self.name = name
        self.plan = None
        self.tests = []     # (number, name, what follows "#" or "", line), failed or not
        self.failed = []    # lines
        self.ended = False  # the suite has a good result, or the selftest's last status was 0
        self.note = ""      # what follows "#" in the suite's result, or in the plan

    def add(self, line):
        """A line of its own level."""
        if match := PLAN.match(line):
            self.plan = int(match[1])
            self.note = match["note"] or ""
        elif match := RESULT.match(line):
            self.tests.append((int(match["number"]), match["name"], match["note"] or "", line))
            if match["not"]:
                self.failed.append(line)
        elif re.match(r"\s*(not ok\b|Bail out!)", line):
            # A result of a level below, or without a number; or the end of all tests
            self.failed.append(line.strip())

    def skipped(self):
        """(name, reason) of each test that was skipped."""
        return [(name, SKIP.sub("", note, 1)) for _, name, note, _ in self.tests if SKIP.match(note)]

    def wrong(self, want, may_skip):
        """Reasons to fail when so many tests are expected.  may_skip(name): it may be skipped."""
        yield from self.failed
        # KUnit says SKIP of a suite if all its cases were skipped, which is looked at below.
        if SKIP.match(self.note) and len(self.skipped()) < max(len(self.tests), 1):
            yield f"was skipped as a whole: {SKIP.sub('', self.note, 1) or 'no reason given'}"
        elif not self.tests:
            yield f"has not run, want {want} tests"
        elif self.plan != want or [number for number, *_ in self.tests] != list(range(1, want + 1)):
            plan = "no number" if self.plan is None else self.plan
            yield f"{len(self.tests)} tests have run of {plan} announced, want {want}"
        elif not self.ended and not self.failed:
            yield "has not ended well"
        names = [name for _, name, *_ in self.tests]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{name} has run {names.count(name)} times"
        for name, reason in self.skipped():
            if not may_skip(name):
                yield f"{name} was skipped, and must not be: {reason or 'no reason given'}"


def kunit(lines):
    """The suites that the kernel has run: the result of a suite is not indented, those of
    its cases are by four blanks, those of a case's parameters by eight."""
    suites = []
    open_suite = None
    for line in lines:
        if match := re.match(r"    # Subtest: (.*)", line):
            open_suite = Results(match[1])
            suites.append(open_suite)
        elif open_suite and line.startswith("    "):
            open_suite.add(line[4:])
        elif suites and line.startswith("Bail out!"):
            suites[-1].add(line)
        elif match := RESULT.match(line):
            if not open_suite or open_suite.name != match["name"]:
                open_suite = Results(match["name"])
                suites.append(open_suite)
            open_suite.ended = not match["not"]
            open_suite.note = match["note"] or ""
            if match["not"] and not open_suite.failed:
                open_suite.failed.append(line)
            open_suite = None
    return suites


def selftests(lines):
    """The selftests, from lines "<script> <its line>" in any order; the last "exit status"
    counts."""
    found = {}
    for line in lines:
        script, _, said = line.partition(" ")
        results = found.setdefault(script, Results(script))
        results.add(said)
        if said.startswith("exit status"):
            results.ended = said == "exit status 0"
    # A program that speaks of no test is none.
    return [results for results in found.values() if results.plan is not None or results.tests]
