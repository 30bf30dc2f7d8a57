#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""coverage.py KERNEL OUT: which lines and branches of the two files the tests run.

Builds with gcov, once with and once without CONFIG_SWIOTLB_DYNAMIC, runs all tests and a
little of the random one, and adds the counts up. Each line that is never run must be in
"not-covered" with the reason; a reason whose line is run, or is gone, is an error too, so
that the list stays true. Less than 95 % of the lines of a file is an error.
"""
import gzip
import json
import os
import subprocess
import sys

FILES = ["kernel/dma/swiotlb.c", "drivers/xen/swiotlb-xen.c"]
LEAST = 95.0


def run_variant(kernel, out, name, config):
    """Builds and runs a variant; returns gcov's data of the subject files."""
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    for old in os.listdir(folder):
        if old.endswith(".gcda"):
            os.unlink(os.path.join(folder, old))
    subprocess.run(["make", "-s", "-j%d" % os.cpu_count(), "O=" + folder, "KERNEL=" + kernel,
                    "SANITIZE=", "SUBJECT_CFLAGS=--coverage -fprofile-update=atomic -O0",
                    "CONFIG=" + config, "programs"], check=True)
    env = dict(os.environ, SIM_STRIDE="8")
    subprocess.run([folder + "/swiotlb-sim"], env=env, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([folder + "/swiotlb-random", "-n", "100000"], check=True,
                   stdout=subprocess.DEVNULL)
    for subject in ("subject-swiotlb", "subject-xen"):
        subprocess.run(["gcov", "--json-format", "--branch-probabilities", "-o", folder,
                        subject + ".gcno"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with gzip.open(f"{folder}/{subject}.gcov.json.gz") as packed:
            yield from json.load(packed)["files"]


def collect(variants):
    """Counts by file: {line: times}, {(line, branch): times}."""
    lines, branches = {}, {}
    for entry in variants:
        name = next((f for f in FILES if entry["file"].endswith("/" + f)), None)
        if not name:
            continue
        for line in entry["lines"]:
            key = name, line["line_number"]
            lines[key] = lines.get(key, 0) + line["count"]
            for i, branch in enumerate(line["branches"]):
                branches[key + (i,)] = branches.get(key + (i,), 0) + branch["count"]
    return lines, branches


def read_reasons(path):
    """Lines "file: text of the line: reason", by file and text."""
    reasons = {}
    with open(path, encoding="utf-8") as listing:
        for row in listing:
            row = row.rstrip("\n")
            if row and not row.startswith("#"):
                name, text, reason = row.split(" | ")
                reasons[name, text.strip()] = reason
    return reasons


def main():
    kernel, out = sys.argv[1:3]
    found = []
    for name, config in (("coverage", "-DCONFIG_DEBUG_FS"),
                         ("coverage-dynamic", "-DCONFIG_DEBUG_FS -DCONFIG_SWIOTLB_DYNAMIC"),
                         ("coverage-no-files", "-DCONFIG_SWIOTLB_DYNAMIC")):
        found += run_variant(kernel, out, name, config)
    lines, branches = collect(found)
    reasons = read_reasons("not-covered")
    used, bad = set(), False
    for name in FILES:
        with open(os.path.join(kernel, name), encoding="utf-8") as source:
            text = source.read().split("\n")
        mine = {n: c for (f, n), c in lines.items() if f == name}
        taken = [c for (f, _, _), c in branches.items() if f == name]
        hit = sum(1 for c in mine.values() if c)
        share = 100.0 * hit / len(mine)
        print(f"coverage: {name}: {hit} of {len(mine)} lines, {share:.1f} %; "
              f"{sum(1 for c in taken if c)} of {len(taken)} branches, "
              f"{100.0 * sum(1 for c in taken if c) / len(taken):.1f} %")
        if share < LEAST:
            print(f"error: {name}: less than {LEAST} % of the lines")
            bad = True
        # A reason holds for each place of its line that is not run, and for one at least.
        for number, count in sorted(mine.items()):
            row = text[number - 1].strip()
            known = [k for k in ((name, row), (name, text[number - 2].strip() + " " + row))
                     if k in reasons]
            if known and not count:
                used.update(known)
            elif not count:
                print(f"error: {name}:{number}: never run, and not in not-covered: {row}")
                bad = True
    for name, row in sorted(set(reasons) - used):
        print(f"error: not-covered has a line that {name} has not, or that is run: {row}")
        bad = True
    return bad


sys.exit(main())
