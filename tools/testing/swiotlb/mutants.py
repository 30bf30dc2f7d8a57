#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""mutants.py KERNEL OUT [NAME...]: does a test notice each change of "mutants"?

Every mutant is applied to a copy of the two files, compiled and run with the test that is
to notice it; with all tests if that one does not, to say which does. In KTAP. A mutant that
no test notices, or whose text is not found exactly once, is a failure. So is a test that
fails without any change. One that then goes on without end has noticed the change, if it
needs less than a tenth of the limit without.
"""
import functools
import os
import shutil
import subprocess
import sys
import time

NEEDED = ["kernel/dma/swiotlb.c", "kernel/dma/direct.h", "drivers/xen/swiotlb-xen.c",
          "include/linux/swiotlb.h", "include/linux/dma-direct.h",
          "include/linux/iommu-helper.h", "include/xen/swiotlb-xen.h",
          "include/trace/events/swiotlb.h",
          "arch/x86/include/asm/xen/swiotlb-xen.h"]
# See check.sh
GCC32 = "gcc -m32 -D_FILE_OFFSET_BITS=64 -isystem /usr/include/" + subprocess.run(
    ["gcc", "-print-multiarch"], text=True, stdout=subprocess.PIPE, check=True).stdout.strip()
VARIANTS = {
    "plain": ["SANITIZE="],
    "dynamic": ["SANITIZE=", "CONFIG=-DCONFIG_DEBUG_FS -DCONFIG_SWIOTLB_DYNAMIC"],
    "sanitized": [],
    "32-bit-one-cpu": ["CC=" + GCC32, "SANITIZE=", "CONFIG=-DSIM_ONE_CPU"],
    "32-bit-dynamic": ["CC=" + GCC32, "SANITIZE=",
                       "CONFIG=-DCONFIG_DEBUG_FS -DCONFIG_SWIOTLB_DYNAMIC"],
    "thread": ["CC=clang", "SANITIZE=-fsanitize=thread"],
    "thread-dynamic": ["CC=clang", "SANITIZE=-fsanitize=thread",
                       "CONFIG=-DCONFIG_DEBUG_FS -DCONFIG_SWIOTLB_DYNAMIC"],
}
SECONDS = 300


class Mutant:
    """A change, as a hunk without line numbers."""

    def __init__(self, head):
        self.name, self.file, self.variant, self.test = (w.strip() for w in head.split("|", 3))
        self.old, self.new = [], []


def read_mutants(path):
    mutants = []
    with open(path, encoding="utf-8") as listing:
        for row in listing:
            row = row.rstrip("\n")
            if row.startswith("@ "):
                mutants.append(Mutant(row[2:]))
            elif mutants and row[:1] in (" ", "-", "+"):
                if row[0] != "+":
                    mutants[-1].old.append(row[1:])
                if row[0] != "-":
                    mutants[-1].new.append(row[1:])
    return mutants


def change(mutant, text):
    """Returns what is wrong, or None, and the text of the file with the change."""
    old, new = ("".join(row + "\n" for row in rows) for rows in (mutant.old, mutant.new))
    found = text.count("\n" + old)
    if found != 1:
        return f"its text is {found} times in {mutant.file}, not once", None
    return None, text.replace("\n" + old, "\n" + new)


def mutate(mutant, kernel, tree):
    """Copies the files, with the change; returns what is wrong, or None."""
    for name in NEEDED:
        os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
        shutil.copy(os.path.join(kernel, name), os.path.join(tree, name))
    path = os.path.join(tree, mutant.file)
    with open(path, encoding="utf-8") as source:
        wrong, text = change(mutant, source.read())
    if wrong:
        return wrong
    with open(path, "w", encoding="utf-8") as source:
        source.write(text)
    return None


def run_tests(folder, *names):
    env = dict(os.environ, SIM_STRIDE="4", TSAN_OPTIONS="halt_on_error=1")
    done = subprocess.run([folder + "/swiotlb-sim", *names], env=env, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    return [row.split()[3] for row in done.stdout.split("\n") if row.startswith("not ok")], done


def build(variant, tree, folder):
    """Returns what is wrong, or None."""
    os.makedirs(folder, exist_ok=True)
    built = subprocess.run(["make", "-s", "-j2", "O=" + folder, "KERNEL=" + tree]
                           + VARIANTS[variant] + [folder + "/swiotlb-sim"],
                           text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return "does not compile: " + built.stdout[-300:] if built.returncode else None


@functools.lru_cache(maxsize=None)
def unchanged(variant, test, kernel, out):
    """Returns what is wrong with a test without any change, or None, and its seconds."""
    folder = os.path.join(out, "unchanged-" + variant)
    wrong = build(variant, kernel, folder)
    if wrong:
        return wrong, 0
    began = time.time()
    try:
        failed, done = run_tests(folder, test)
    except subprocess.TimeoutExpired:
        return f"{test} takes more than {SECONDS} s without it", 0
    if done.returncode == 2:
        return f"there is no test {test}", 0
    return f"{failed[0]} fails without it" if failed else None, time.time() - began


def judge(mutant, kernel, out):
    """Returns what is wrong, or None, and what noticed it."""
    tree = os.path.join(out, "tree-" + mutant.variant)
    folder = os.path.join(out, "mutants-" + mutant.variant)
    wrong, seconds = unchanged(mutant.variant, mutant.test, kernel, out)
    wrong = wrong or mutate(mutant, kernel, tree)
    if wrong:
        return wrong, None
    # The tests are the same for each: only the two files are compiled again.
    for name in ("subject-swiotlb.o", "subject-xen.o"):
        if os.path.exists(f"{folder}/{name}"):
            os.unlink(f"{folder}/{name}")
    wrong = build(mutant.variant, tree, folder)
    if wrong:
        return wrong, None
    try:
        failed, _ = run_tests(folder, mutant.test)
    except subprocess.TimeoutExpired:
        if seconds > SECONDS / 10:
            return f"{mutant.test} takes more than {SECONDS} s, and {seconds:.0f} s without it", None
        return None, f"the limit of {SECONDS} s"
    if failed:
        return None, failed[0]
    try:
        failed, _ = run_tests(folder)
    except subprocess.TimeoutExpired:
        failed = ["another that takes too long"]
    if failed:
        return f"{mutant.test} does not notice it, but {failed[0]} does", None
    return "no test notices it", None


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    kernel, out, names = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3:]
    mutants = read_mutants(os.path.join(os.path.dirname(os.path.abspath(__file__)), "mutants"))
    missing = [name for name in names if name not in [m.name for m in mutants]]
    if missing:
        sys.exit("error: no such mutant: " + " ".join(missing))
    mutants = [m for m in mutants if not names or m.name in names]
    bad = 0
    print("KTAP version 1\n1..%d" % len(mutants))
    for i, mutant in enumerate(mutants, 1):
        began = time.time()
        wrong, test = judge(mutant, kernel, out)
        bad += bool(wrong)
        spent = time.time() - began
        print(f"not ok {i} {mutant.name} - {wrong}" if wrong else
              f"ok {i} {mutant.name} # noticed by {test}, {spent:.0f} s", flush=True)
    print(f"# {len(mutants) - bad} mutants noticed, {bad} not")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
